// The page of a comparison: reads the data that it carries and lays out its sections. docs/formats/compare.md defines
// the data.

import { releaseCharts } from "../report/chart.js";
import { choice, element } from "../report/dom.js";
import { formatCount, isNumber } from "../report/number_format.js";
import { list } from "../report/report_data.js";
import { readComparison } from "./comparison.js";
import { calibrationSection, trainingSection } from "./line_sections.js";
import { differencesSection, meansSection, slicesSection } from "./metric_sections.js";
import { tablesSection } from "./tables_section.js";

/** In the order of the page. Each makes its node from the comparison and one of its tables, or null without data. */
const kSections = [differencesSection, meansSection, slicesSection, calibrationSection, trainingSection, tablesSection];

function layOut(comparison) {
  const tables = list(comparison.tables);
  const place = element("div");
  const show = (index) => {
    releaseCharts(place);
    place.replaceChildren(...kSections.map((make) => makeSection(make, comparison, tables[index])).filter(Boolean));
  };
  const page = document.getElementById("page");
  page.replaceChildren(heading(comparison), ...tableBar(tables, show), place, colophon(comparison));
  if (tables.length > 0) show(0);
}

/** A section whose data is not as it should be says so in its place; the others are shown all the same. */
function makeSection(make, comparison, table) {
  try {
    return make(comparison, table);
  } catch (error) {
    console.error(error);
    return failure(`This part of the comparison could not be shown: ${error.message}`);
  }
}

function failure(text) {
  return element("p", { class: "failure", role: "alert" }, text);
}

function heading(comparison) {
  const title = comparison.title ? `Comparison of rankers: ${comparison.title}` : "Comparison of rankers";
  document.title = title;
  const notes = [testText(comparison), ...list(comparison.notes)].filter(Boolean);
  return element(
    "header",
    {},
    element("h1", {}, title),
    element("ul", { class: "notes" }, notes.map((note) => element("li", {}, String(note)))),
    howToRead(comparison),
  );
}

function testText({ test = {}, seeds }) {
  if (!isNumber(test.samples)) return "";
  return (
    `${formatCount(test.samples)} test samples of ${formatCount(test.users)} users, ` +
    `${formatCount(test.cold_samples)} of them on cold items (fewer than ${formatCount(test.cold_threshold)} ` +
    `training interactions). Seeds: ${list(seeds).join(", ")}.`
  );
}

function howToRead(comparison) {
  const numSeeds = list(comparison.seeds).length;
  const hasControl = list(comparison.rankers).some((ranker) => ranker.control);
  const sentences = [
    numSeeds > 1
      ? `± is half of the 95% interval of a mean over ${numSeeds} seeds (Student's t).`
      : "One seed: no intervals. Give several to see what chance does.",
    numSeeds > 1
      ? "* marks a difference whose interval leaves out 0: of 20 rankers that equal the baseline, one has it by chance."
      : null,
    hasControl ? "A control (hollow dot) has the same IDs, given to other items: only their content is missing." : null,
  ].filter(Boolean);
  return element("div", { class: "how" }, sentences.map((sentence) => element("p", {}, sentence)));
}

function tableBar(tables, show) {
  if (tables.length < 2) return [];
  const names = tables.map((table, index) => [index, table.title]);
  const label = "Table";
  const select = choice("choose-table", label, names, 0, (index) => show(Number(index)));
  return [element("nav", { class: "bar", "aria-label": "Which rankers the sections below show" }, select)];
}

function colophon(comparison) {
  const made = comparison.neume ? `Made by neume ${comparison.neume}. ` : "";
  return element(
    "footer",
    {},
    `${made}This page loads nothing from anywhere. Charts drawn by Apache ECharts (Apache License 2.0).`,
  );
}

function start() {
  try {
    layOut(readComparison(document.getElementById("report-data").textContent));
  } catch (error) {
    document.getElementById("page").replaceChildren(failure(`This comparison could not be shown: ${error.message}`));
    throw error;
  }
}

start();
