// The codes of one layer as a table: what each means when it is looked at alone, whatever the codes before it.

import { tagsText, typicalText } from "./code_group.js";
import { choice, element, section } from "./dom.js";
import { formatCount, formatShare } from "./number_format.js";
import { familyNamed, list, quantizersOf } from "./report_data.js";
import { sortableTable } from "./sortable_table.js";

const kTagsHelp = "Tags that items with this code have more often than others: share among them, and among all others.";

export function codesSection(report, chosen) {
  const quantizer = quantizersOf(report).find((one) => one.name === chosen.quantizer);
  const family = familyNamed(quantizer, chosen.family);
  const layers = list(family?.layer_codes)
    .map((groups, l) => ({ layer: l + 1, groups: list(groups) }))
    .filter((layer) => layer.groups.length > 0);
  if (layers.length === 0) return null;
  const place = element("div");
  const draw = (layer) => place.replaceChildren(codesTable(layers.find((one) => one.layer === Number(layer)), family));
  draw(layers[0].layer);
  const names = layers.map(({ layer }) => [layer, `layer ${layer}`]);
  const layerChoice = choice("codes-layer", "Layer", names, layers[0].layer, draw);
  return section(
    "codes",
    "Codes of a layer",
    `${chosen.quantizer}, family ${chosen.family}. Every code alone, against all other items. Press a heading to sort.`,
    element("div", { class: "controls" }, layerChoice),
    place,
  );
}

function codesTable({ layer, groups }, family) {
  const columns = [
    { title: "code", value: (group) => group.codes?.[0] },
    { title: "items", value: (group) => group.items, show: formatCount },
    {
      title: "share of items",
      value: (group) => (family.items > 0 ? group.items / family.items : undefined),
      show: (share) => formatShare(share),
    },
    { title: "name", value: (group) => group.name, wide: true },
    { title: "tags: share (outside)", value: tagsText, wide: true, help: kTagsHelp },
    { title: "typical items", value: typicalText, wide: true, help: "Those nearest to the mean of the code's items." },
  ];
  const used = columns.filter((column) => groups.some((group) => ![undefined, null, ""].includes(column.value(group))));
  const sorted = { column: 1, descending: true };
  return sortableTable({ caption: `Codes of layer ${layer}`, columns: used, rows: groups, sorted });
}
