// A group of items that share a code or a prefix, as text and as a small table of tags.

import { element } from "./dom.js";
import { formatCount, formatFigure, formatShare, isNumber } from "./number_format.js";
import { list } from "./report_data.js";

/** "metal 80 % (10 %), finnish 33 % (2 %)": share in the group, and in its background. */
export function tagsText(group) {
  return list(group.tags)
    .map((tag) => `${tag.tag} ${formatShare(tag.share, 0)} (${formatShare(tag.background_share, 0)})`)
    .join(", ");
}

export function typicalText(group) {
  return list(group.typical).join(", ");
}

/** What the group is: typical items, and its tags with their share in the group as a bar, the background as a mark. */
export function groupDescription(group) {
  const tags = list(group.tags);
  const typical = typicalText(group);
  return element(
    "div",
    { class: "group" },
    typical ? element("p", {}, element("span", { class: "quiet" }, "Typical items: "), typical) : null,
    tags.length > 0 ? tagTable(tags) : null,
  );
}

function tagTable(tags) {
  const titles = ["tag", "share; mark: outside", "share", "outside", "items", "z"];
  const kinds = [null, "bar-cell", "number", "number", "number", "number"];
  const head = titles.map((title, index) => element("th", { scope: "col", class: kinds[index] }, title));
  const rows = tags.map((tag) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, String(tag.tag)),
      element("td", { class: "bar-cell" }, shareBar(tag.share, tag.background_share)),
      figuresOf(tag).map((text) => element("td", { class: "number" }, text)),
    ),
  );
  return element("table", { class: "tags" }, element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows));
}

function figuresOf(tag) {
  return [formatShare(tag.share), formatShare(tag.background_share), formatCount(tag.count), formatFigure(tag.z)];
}

function shareBar(share, background) {
  const fill = element("span", { class: "fill" });
  fill.style.width = percent(share);
  const mark = element("span", { class: "mark" });
  mark.style.left = percent(background);
  return element("span", { class: "share-bar", "aria-hidden": "true" }, fill, isNumber(background) ? mark : null);
}

function percent(share) {
  return `${(100 * Math.min(1, Math.max(0, isNumber(share) ? share : 0))).toFixed(1)}%`;
}
