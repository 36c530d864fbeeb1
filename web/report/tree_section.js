// The tree of prefixes. A node makes its children when it is first opened, so that thousands of nodes cost nothing; the
// search makes the nodes that it shows and no others.

import { groupDescription, tagsText, typicalText } from "./code_group.js";
import { choice, element, section } from "./dom.js";
import { formatCount } from "./number_format.js";
import { codeText, familyNamed, list, quantizersOf } from "./report_data.js";

const kShownHits = 200;

export function treeSection(report, chosen) {
  const quantizer = quantizersOf(report).find((one) => one.name === chosen.quantizer);
  const groups = list(familyNamed(quantizer, chosen.family)?.tree);
  if (groups.length === 0) return null;
  const tree = makeTree(groups);
  const status = element("p", { class: "quiet", "aria-live": "polite" });
  const place = element("div", { class: "tree" });
  let order = "items";
  let wanted = "";

  function draw() {
    const hits = wanted === "" ? null : findNodes(tree, wanted);
    const shown = hits ? hits.slice(0, kShownHits) : null;
    const more = hits && hits.length > shown.length ? ` The first ${formatCount(shown.length)} are shown.` : "";
    status.textContent = hits
      ? `${formatCount(hits.length)} of ${formatCount(groups.length)} groups match.${more}`
      : `${formatCount(groups.length)} groups, ${formatCount(tree.children.length)} of them on the first level.`;
    place.replaceChildren(...(shown ? hitTree(tree, shown, order) : branches(tree, order)));
  }

  const search = element("input", {
    id: "tree-search",
    type: "search",
    autocomplete: "off",
    input: (event) => {
      wanted = event.target.value.trim().toLowerCase();
      draw();
    },
  });
  const orders = [["items", "most items first"], ["code", "by code"]];
  const orderChoice = choice("tree-order", "Order", orders, order, (value) => {
    order = value;
    draw();
  });
  draw();
  const searchLabel = element("label", { for: "tree-search" }, "Search name, tag, item or code");
  const lead =
    `${chosen.quantizer}, family ${chosen.family}. Items with the same first codes form a group; a group's tags are ` +
    "those that it has more often than the rest of the group above it. Open a group to see what it holds.";
  const searchField = element("span", { class: "choice" }, searchLabel, search);
  const controls = element("div", { class: "controls" }, searchField, orderChoice);
  return section("tree", "Tree of the codes", lead, controls, status, place);
}

/** Nodes {group, children, parent} by prefix. A group whose parent was left out hangs from the nearest one above. */
function makeTree(groups) {
  const root = { group: null, children: [], parent: null };
  const nodes = new Map([["", root]]);
  const byDepth = [...groups].sort((a, b) => list(a.codes).length - list(b.codes).length);
  for (const group of byDepth) {
    const codes = list(group.codes);
    let depth = codes.length - 1;
    while (depth > 0 && !nodes.has(codes.slice(0, depth).join(","))) --depth;
    const parent = nodes.get(codes.slice(0, Math.max(0, depth)).join(","));
    const node = { group, children: [], parent };
    parent.children.push(node);
    nodes.set(codes.join(","), node);
  }
  return root;
}

function inOrder(children, order) {
  const byCode = (a, b) => compareCodes(list(a.group.codes), list(b.group.codes));
  const byItems = (a, b) => (b.group.items ?? 0) - (a.group.items ?? 0) || byCode(a, b);
  return [...children].sort(order === "code" ? byCode : byItems);
}

function compareCodes(left, right) {
  for (let l = 0; l < Math.min(left.length, right.length); ++l) {
    if (left[l] !== right[l]) return left[l] - right[l];
  }
  return left.length - right.length;
}

function branches(node, order) {
  return inOrder(node.children, order).map((child) => branch(child, () => branches(child, order)));
}

/** A node that can be opened. `children` is called when it is; `isOpen` opens it at once. */
function branch(node, children, isOpen = false) {
  const group = node.group;
  const summary = element(
    "summary",
    {},
    element("span", { class: "code" }, codeText(group.codes)),
    element("span", { class: "name" }, String(group.name ?? "")),
    element("span", { class: "quiet count" }, sizeText(node)),
  );
  const details = element("details", {}, summary);
  const fill = () => {
    if (details.childElementCount > 1) return;
    details.append(groupDescription(group), element("div", { class: "branches" }, children()));
  };
  details.addEventListener("toggle", () => details.open && fill());
  if (isOpen) {
    fill();
    details.open = true;
  }
  return details;
}

function sizeText({ group, children }) {
  const items = countOf(group.items, "item");
  return children.length > 0 ? `${items}, ${countOf(children.length, "group")}` : items;
}

function countOf(count, word) {
  return `${formatCount(count)} ${word}${count === 1 ? "" : "s"}`;
}

function findNodes(root, wanted) {
  const hits = [];
  const visit = (node) => {
    if (node.group && matches(node.group, wanted)) hits.push(node);
    node.children.forEach(visit);
  };
  visit(root);
  return hits;
}

/** "17 3", "17.3" and "17 · 3" all find the prefix (17, 3); other text is looked for in names, tags and items. */
function matches(group, wanted) {
  const codes = wanted.split(/[\s.,·/]+/).filter(Boolean);
  if (codes.length > 0 && codes.every((code) => /^\d+$/.test(code))) {
    return codes.every((code, l) => String(list(group.codes)[l]) === code);
  }
  const texts = [group.name, tagsText(group), typicalText(group)];
  return texts.some((text) => String(text ?? "").toLowerCase().includes(wanted));
}

/** The hits with the groups above them, opened down to each hit. */
function hitTree(root, hits, order) {
  const shown = new Set();
  for (const hit of hits) for (let node = hit; node.group; node = node.parent) shown.add(node);
  const isHit = new Set(hits);
  const build = (node) =>
    inOrder(
      node.children.filter((child) => shown.has(child)),
      order,
    ).map((child) => {
      const below = child.children.some((grandchild) => shown.has(grandchild));
      const details = branch(child, () => (below ? build(child) : branches(child, order)), below);
      if (isHit.has(child)) details.classList.add("hit");
      return details;
    });
  return build(root);
}
