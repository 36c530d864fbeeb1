// The opening of the page: notes, and what the figures say of every quantizer and family.

import { element, section } from "./dom.js";
import { verdicts } from "./verdict.js";

const kSigns = { good: "✓", watch: "!", poor: "✕", unknown: "?" };

export function verdictSection(report) {
  const found = verdicts(report);
  if (found.length === 0) return null;
  return section(
    "verdicts",
    "Verdict",
    "Rules of thumb over the figures below; the numbers are there so that you can disagree with them.",
    element("div", { class: "verdicts" }, found.map(verdictCard)),
  );
}

function verdictCard(verdict) {
  return element(
    "article",
    { class: `verdict ${verdict.state}` },
    element(
      "h3",
      {},
      element("span", { class: "sign", "aria-hidden": "true" }, kSigns[verdict.state]),
      element("span", {}, `${verdict.quantizer} / ${verdict.family}: `),
      element("em", {}, verdict.headline),
    ),
    element("p", {}, verdict.text),
  );
}
