// What survives quantization, by depth: do an item's neighbours share its codes, and are items of a group alike.

import { chartFigure, chartOption, pointerText } from "./chart.js";
import { element, section } from "./dom.js";
import { formatFigure, formatShare, isNumber } from "./number_format.js";
import { layersOf, pairsWith } from "./report_data.js";
import { kNeutral, seriesColor } from "./theme.js";

/** The charts: each has a solid line for every quantizer, and dashed ones for what chance gives. */
const kCharts = [
  {
    title: "Neighbours with the same prefix",
    reading:
      "Of an item's nearest neighbours by embedding, the share with the same first codes: it falls with depth, and " +
      "should stay above the dashed line of chance.",
    axis: "share of neighbours",
    x: "prefix depth (codes)",
    value: (layer) => layer.neighbours_same_prefix,
    chance: (layer) => layer.neighbours_same_prefix_by_chance,
    show: formatShare,
  },
  {
    title: "Neighbours with the same code",
    reading:
      "The same for each layer's code alone: near the dashed line, the code of that layer says nothing of what is " +
      "near.",
    axis: "share of neighbours",
    x: "layer",
    value: (layer) => layer.neighbours_same_code,
    chance: (layer) => layer.neighbours_same_code_by_chance,
    show: formatShare,
  },
  {
    title: "Cohesion of the groups",
    reading:
      "How alike items with the same first codes are; the dashed line is for items put into groups of the same sizes " +
      "at random.",
    axis: "mean cosine (no unit)",
    x: "prefix depth (codes)",
    value: (layer) => layer.cohesion?.within,
    chance: (layer) => layer.cohesion?.permuted,
    show: formatFigure,
  },
];

export function depthSection(report, chosen) {
  const pairs = pairsWith(report, chosen.family);
  const charts = kCharts.map((kind) => depthFigure(kind, pairs)).filter(Boolean);
  if (charts.length === 0) return null;
  const lead = `Family ${chosen.family}. What the codes keep of what is near in the embeddings.`;
  return section("depth", "Neighbours and groups by depth", lead, element("div", { class: "panels wide" }, charts));
}

function depthFigure(kind, pairs) {
  const lines = pairs.flatMap((pair, index) => linesOf(kind, pair, seriesColor(index)));
  if (lines.length === 0) return null;
  const depths = Math.max(...lines.map((line) => line.values.length));
  const names = Array.from({ length: depths }, (_, l) => String(l + 1));
  const where = kind.x.replace(" (codes)", "");
  const rows = (points) => points.map((point) => [`${point.seriesName}:`, kind.show(point.value)]);
  const option = (ink) =>
    chartOption(ink, {
      x: { type: "category", data: names, name: kind.x, nameGap: 24 },
      y: { name: kind.axis, min: (range) => Math.min(0, range.min) },
      pointer: { trigger: "axis", formatter: (points) => pointerText(`${where} ${points[0].name}`, rows(points)) },
      series: lines.map(depthLine),
    });
  const legendEntries = lines
    .filter((line) => line.kind === "line")
    .map((line) => ({ text: line.name, color: line.color, kind: "line" }));
  if (lines.some((line) => line.kind === "dashed")) {
    legendEntries.push({ text: "by chance", color: kNeutral, kind: "dashed" });
  }
  return chartFigure({ title: kind.title, reading: kind.reading, legendEntries, option });
}

/** What is measured in one quantizer's family, and what chance gives; without those that the data does not have. */
function linesOf(kind, { quantizer, family }, color) {
  const layers = layersOf(family);
  return [
    { name: quantizer.name, color, kind: "line", values: layers.map(kind.value) },
    { name: `${quantizer.name}, by chance`, color, kind: "dashed", values: layers.map(kind.chance) },
  ].filter((line) => line.values.some(isNumber));
}

function depthLine(line) {
  const isDashed = line.kind === "dashed";
  return {
    type: "line",
    name: line.name,
    data: line.values.map((value) => (isNumber(value) ? value : null)),
    symbol: isDashed ? "none" : "circle",
    symbolSize: 8,
    lineStyle: { color: line.color, width: 2, type: isDashed ? "dashed" : "solid", opacity: isDashed ? 0.7 : 1 },
    itemStyle: { color: line.color },
  };
}
