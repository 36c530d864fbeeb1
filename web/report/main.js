// The report page: reads the data that the page carries and lays out its sections. docs/formats/report.md defines both.

import { releaseCharts } from "./chart.js";
import { codesSection } from "./codes_section.js";
import { depthSection } from "./depth_section.js";
import { choice, element } from "./dom.js";
import { layersSection } from "./layers_section.js";
import { mapSection } from "./map_section.js";
import { familyNames, list, quantizersOf, readReport } from "./report_data.js";
import { tablesSection } from "./tables_section.js";
import { tradeoffSection } from "./tradeoff_section.js";
import { treeSection } from "./tree_section.js";
import { usageSection } from "./usage_section.js";
import { verdictSection } from "./verdict_section.js";

/** In the order of the page. A section makes its node from the report and the choice, or null where data is absent. */
const kSections = [
  { make: verdictSection, follows: [] },
  { make: mapSection, follows: ["family"] },
  { make: layersSection, follows: ["family"] },
  { make: usageSection, follows: ["family"] },
  { make: treeSection, follows: ["family", "quantizer"] },
  { make: codesSection, follows: ["family", "quantizer"] },
  { make: depthSection, follows: ["family"] },
  { make: tradeoffSection, follows: ["family"] },
  { make: tablesSection, follows: [] },
];

function layOut(report) {
  const families = familyNames(report);
  const quantizers = quantizersOf(report).map((quantizer) => quantizer.name);
  const chosen = { family: families[0], quantizer: quantizers[0] };
  const frames = kSections.map((kind) => ({ ...kind, place: element("div") }));
  const fill = (frame) => {
    releaseCharts(frame.place);
    const made = makeSection(frame.make, report, chosen);
    frame.place.replaceChildren(...(made ? [made] : []));
  };
  const choose = (what, value) => {
    chosen[what] = value;
    frames.filter((frame) => frame.follows.includes(what)).forEach(fill);
  };
  const page = document.getElementById("page");
  page.replaceChildren(heading(report), ...frames.map((frame) => frame.place), colophon(report));
  const bar = choiceBar({ families, quantizers, chosen, choose });
  if (bar) frames[0].place.after(bar);
  frames.forEach(fill);
  if (frames.every((frame) => frame.place.childElementCount === 0)) {
    page.firstElementChild.append(element("p", { class: "lead" }, "This report holds no figures."));
  }
}

/** A section whose data is not as it should be says so in its place; the others are shown all the same. */
function makeSection(make, report, chosen) {
  try {
    return make(report, chosen);
  } catch (error) {
    console.error(error);
    return failure(`This part of the report could not be shown: ${error.message}`);
  }
}

function failure(text) {
  return element("p", { class: "failure", role: "alert" }, text);
}

function heading(report) {
  const title = report.title ? `Semantic IDs of ${report.title}` : "Semantic IDs";
  document.title = title;
  const notes = list(report.notes).map((note) => element("li", {}, String(note)));
  const noteList = notes.length > 0 ? element("ul", { class: "notes" }, notes) : null;
  return element("header", {}, element("h1", {}, title), noteList);
}

/** What the sections below show: nothing to choose where there is one family and one quantizer. */
function choiceBar({ families, quantizers, chosen, choose }) {
  const choices = [];
  if (families.length > 1) {
    const names = families.map((name) => [name, name]);
    choices.push(choice("choose-family", "Family", names, chosen.family, (name) => choose("family", name)));
  }
  if (quantizers.length > 1) {
    const names = quantizers.map((name) => [name, name]);
    const label = "Quantizer of tree and codes";
    choices.push(choice("choose-quantizer", label, names, chosen.quantizer, (name) => choose("quantizer", name)));
  }
  if (choices.length === 0) return null;
  return element("nav", { class: "bar", "aria-label": "What the sections below show" }, choices);
}

function colophon(report) {
  const made = report.neume ? `Made by neume ${report.neume}. ` : "";
  return element(
    "footer",
    {},
    `${made}Entropies and information in nats (natural logarithm). This page loads nothing from anywhere. `,
    "Charts drawn by Apache ECharts (Apache License 2.0).",
  );
}

function start() {
  try {
    layOut(readReport(document.getElementById("report-data").textContent));
  } catch (error) {
    document.getElementById("page").replaceChildren(failure(`This report could not be shown: ${error.message}`));
    throw error;
  }
}

start();
