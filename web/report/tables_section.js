// All figures. Columns are what the data has: known ones with their names and units, others under their own keys.

import { section } from "./dom.js";
import { formatCount, formatFigure, formatShare } from "./number_format.js";
import { familiesOf, layersOf, quantizersOf, sweepPoints } from "./report_data.js";
import { sortableTable } from "./sortable_table.js";

/** key -> [heading with unit, how to show it, what it means]. Dots lead into nested objects. */
const kColumns = {
  family: ["family"],
  items: ["items", formatCount],
  items_without_code: ["items without code", formatCount],
  labelled_items: ["labelled items", formatCount],
  unique_sid: ["distinct IDs", formatCount],
  no_collision_rate: ["distinct IDs / items (share)", formatShare],
  collision_rate: ["collision rate (share)", formatShare, "1 - distinct IDs / items"],
  uniquely_identified_item_rate: ["items with an ID of their own (share)", formatShare],
  shared_id_rate: ["items that share their ID (share)", formatShare],
  mean_group: ["items an ID (mean)", formatFigure],
  max_collision: ["most items with one ID", formatCount],
  entropy: ["entropy H (nats)", formatFigure],
  entropy_ratio: ["entropy / most possible (share)", formatShare],
  codebook_size: ["codes", formatCount],
  codes_used: ["codes used", formatCount],
  dead_codes: ["codes unused", formatCount],
  coverage: ["coverage (share)", formatShare, "codes used / codes"],
  perplexity: ["perplexity (codes)", formatFigure, "e^H: how many equally used codes have this entropy"],
  gini: ["Gini (0 to 1)", formatFigure, "0: all codes used alike; near 1: one code for nearly all"],
  conditional_entropy: ["H(code given prefix) (nats)", formatFigure, "What the layer adds to the ID"],
  conditional_information: ["I(code; label given prefix) (nats)", formatFigure],
  conditional_information_null: ["the same, labels shuffled (nats)", formatFigure],
  variance_explained: ["variance explained (share)", formatShare, "By this layer and those before it"],
  mse: ["mean squared error (squared units of the embedding)", formatFigure],
  mean_cosine: ["cosine to the embedding (mean)", formatFigure],
  neighbours_same_code: ["neighbours with the same code (share)", formatShare],
  neighbours_same_code_by_chance: ["the same by chance (share)", formatShare],
  neighbours_same_prefix: ["neighbours with the same prefix (share)", formatShare],
  neighbours_same_prefix_by_chance: ["same prefix by chance (share)", formatShare],
  "cohesion.within": ["cohesion (mean cosine)", formatFigure],
  "cohesion.permuted": ["cohesion, items permuted", formatFigure],
  "cohesion.all_pairs": ["cosine of all pairs (mean)", formatFigure],
  "cohesion.grouped_items": ["items not alone in their group", formatCount],
  method: ["method"],
  prefix_weight: ["prefix weight λ", formatFigure],
  layers: ["layers"],
  codes: ["codes"],
  share_of_rq: ["variance explained / RQ's (share)", formatShare],
  unique_sid_rate: ["distinct IDs / items (share)", formatShare],
  auc: ["AUC", (value) => value.toFixed(4)],
  auc_cold: ["AUC cold", (value) => value.toFixed(4)],
};

const kAgreements = { nmi: "NMI", ami: "AMI", purity: "purity (share)" };

export function tablesSection(report) {
  const families = [];
  const layers = [];
  for (const quantizer of quantizersOf(report)) {
    for (const family of familiesOf(quantizer)) {
      const where = `${quantizer.name} / ${family.family}`;
      families.push({ ...figures(family), family: where });
      layers.push(...layerRows(where, family));
    }
  }
  const sweep = sweepPoints(report).map((point) => ({ ...figures(point), codes: sizesText(point.codes) }));
  const controlled = "Layers, and the control in which every layer repeats layer 1";
  const tables = [
    figureTable("Families", families, { family: "quantizer / family" }),
    figureTable(controlled, layers, { layer: "quantizer / family / layer" }),
    figureTable("Points of the sweep over prefix weights", sweep),
  ].filter(Boolean);
  if (tables.length === 0) return null;
  return section("tables", "All figures", "Press a heading to sort by it, again to turn the order around.", tables);
}

function layerRows(where, family) {
  const rows = (layers, kind) => layers.map((layer, l) => ({ layer: `${where} / ${l + 1}${kind}`, ...figures(layer) }));
  const control = layersOf(family.control_copy_of_layer_1);
  return [...rows(layersOf(family), ""), ...rows(control, ", a copy of 1").slice(1)];
}

function sizesText(codes) {
  return Array.isArray(codes) ? codes.join("/") : codes;
}

/** The numbers and texts of an object, those of nested objects under "outer.inner"; lists and controls are left out. */
export function figures(object, prefix = "") {
  const found = {};
  for (const [key, value] of Object.entries(object)) {
    if (key === "control_copy_of_layer_1" || Array.isArray(value) || value === null) continue;
    if (typeof value === "object") Object.assign(found, figures(value, `${prefix}${key}.`));
    else found[prefix + key] = value;
  }
  return found;
}

/** titles: headings for this table alone. */
function figureTable(caption, rows, titles = {}) {
  if (rows.length === 0) return null;
  const isPresent = (key) => rows.some((row) => row[key] !== undefined);
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter(isPresent);
  return sortableTable({ caption, columns: keys.map((key) => columnOf(key, titles[key])), rows });
}

function columnOf(key, ownTitle) {
  const [title, show, help] = kColumns[key] ?? [titleOf(key)];
  return {
    title: ownTitle ?? title,
    help,
    value: (row) => row[key],
    show: (value) => (typeof value === "number" ? (show ?? formatFigure)(value) : String(value)),
  };
}

/** "prefix_agreement_null.ami" -> "prefix agreement null: AMI". */
function titleOf(key) {
  const [outer, inner] = key.split(".");
  const words = outer.replaceAll("_", " ");
  return inner === undefined ? words : `${words}: ${kAgreements[inner] ?? inner.replaceAll("_", " ")}`;
}
