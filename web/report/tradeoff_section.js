// The trade-off that the prefix weight sets: variance explained against what deeper layers add, and against the ranker.

import { chartFigure, chartOption, pointerText } from "./chart.js";
import { element, section } from "./dom.js";
import { formatFigure, formatNats, formatShare, isNumber } from "./number_format.js";
import { sweepPoints } from "./report_data.js";
import { seriesColor } from "./theme.js";

export function tradeoffSection(report, chosen) {
  const points = sweepPoints(report).filter((point) => point.family === chosen.family);
  if (points.length === 0) return null;
  const curves = curvesOf(points);
  const charts = [
    curveFigure(curves, {
      title: "Variance explained and what the layers add",
      reading:
        "Rightwards the deeper layers add more to the ID, upwards the codes describe the embeddings better; up and " +
        "to the right of a point, both are better.",
      axis: "H(code given prefix), nats",
      x: (point) => point.conditional_entropy,
    }),
    curveFigure(curves, {
      title: "Variance explained and what the layers tell of the label",
      reading:
        "Rightwards the deeper layers tell more of the label than they do when labels are shuffled; at 0 and left " +
        "of it is chance.",
      axis: "I(code; label given prefix) above shuffled labels, nats",
      x: informationAboveNull,
    }),
    rankerFigure(curves),
  ].filter(Boolean);
  if (charts.length === 0) return null;
  return section(
    "tradeoff",
    "Trade-off of the prefix weight",
    `Family ${chosen.family}. One point a quantizer; lines join rising prefix weights λ, from 0 (RQ) to 1 (PSRQ).`,
    element("div", { class: "panels wide" }, charts),
  );
}

/** One curve for every number of layers and of codes, its points by rising prefix weight; other methods apart. */
function curvesOf(points) {
  const curves = new Map();
  for (const point of points) {
    // "rq" and "psrq" are the ends of one curve, and so are "balanced rq" and "balanced psrq".
    const variant = String(point.method ?? "").replace(/(ps)?rq$/, "").trim();
    const size = `${point.layers ?? "?"} layers of ${codesText(point.codes)} codes`;
    const name = variant === "" ? size : `${variant}, ${size}`;
    if (!curves.has(name)) curves.set(name, { name, points: [] });
    curves.get(name).points.push(point);
  }
  return [...curves.values()].map((curve, index) => ({
    ...curve,
    color: seriesColor(index),
    points: curve.points.sort((a, b) => (a.prefix_weight ?? 0) - (b.prefix_weight ?? 0)),
  }));
}

function codesText(codes) {
  return Array.isArray(codes) ? codes.join("/") : (codes ?? "?");
}

function informationAboveNull(point) {
  const isMeasured = isNumber(point.conditional_information) && isNumber(point.conditional_information_null);
  return isMeasured ? point.conditional_information - point.conditional_information_null : undefined;
}

function curveFigure(curves, { title, reading, axis, x }) {
  const lines = curves.map((curve) => ({ ...curve, data: curvePoints(curve, x, (point) => point.variance_explained) }));
  return tradeoffFigure({ title, reading, lines, x: { name: axis }, y: { name: "variance explained (share)" } });
}

/** AUC over all samples and over cold targets, each a line a curve. */
function rankerFigure(curves) {
  const variance = (point) => point.variance_explained;
  const lines = curves.flatMap((curve) => {
    const all = curvePoints(curve, variance, (point) => point.auc);
    const cold = curvePoints(curve, variance, (point) => point.auc_cold);
    return [
      { ...curve, name: `AUC, ${curve.name}`, data: all },
      { ...curve, name: `AUC cold, ${curve.name}`, data: cold, dashed: true },
    ];
  });
  return tradeoffFigure({
    title: "Variance explained and the ranker",
    reading: "Higher is a better ranker: look whether it follows the variance explained, or what the layers add.",
    lines,
    x: { name: "variance explained (share)" },
    y: { name: "AUC (no unit)" },
  });
}

function curvePoints(curve, x, y) {
  const isMeasured = (point) => isNumber(x(point)) && isNumber(y(point));
  return curve.points.filter(isMeasured).map((point) => ({ value: [x(point), y(point)], point }));
}

function tradeoffFigure({ title, reading, lines, x, y }) {
  const shown = lines.filter((line) => line.data.length > 0);
  if (shown.length === 0) return null;
  const option = (ink) =>
    chartOption(ink, {
      x: { ...x, scale: true, boundaryGap: ["6%", "8%"] },
      y: { ...y, scale: true, boundaryGap: ["6%", "12%"] },
      pointer: { trigger: "item", formatter: (shape) => pointText(shape.seriesName, shape.data.point) },
      series: shown.map((line) => ({
        type: "line",
        name: line.name,
        data: line.data.map((entry) => markEnds(entry, line, ink)),
        symbol: "circle",
        symbolSize: 7,
        lineStyle: { color: line.color, width: 2, type: line.dashed ? "dashed" : "solid" },
        itemStyle: { color: line.color },
        labelLayout: { hideOverlap: true },
      })),
    });
  const kindOf = (line) => (line.dashed ? "dashed" : "line");
  const legendEntries = shown.map((line) => ({ text: line.name, color: line.color, kind: kindOf(line) }));
  return chartFigure({ title, reading, legendEntries, option });
}

/** RQ (0) and PSRQ (1) have larger, hollow points with their weight written beside them. */
function markEnds(entry, line, ink) {
  const weight = entry.point.prefix_weight;
  if (weight !== 0 && weight !== 1) return entry;
  return {
    ...entry,
    symbol: weight === 0 ? "circle" : "rect",
    symbolSize: 11,
    itemStyle: { color: ink.paper, borderColor: line.color, borderWidth: 2.5 },
    label: { show: true, formatter: `λ = ${weight}`, position: "top", distance: 6, color: ink.ink, fontSize: 11 },
  };
}

/** What is told of a point: heading, value, how to show it. */
const kPointRows = [
  ["variance explained:", "variance_explained", formatShare],
  ["share of RQ's:", "share_of_rq", formatShare],
  ["H(code given prefix):", "conditional_entropy", formatNats],
  ["I(code; label given prefix):", "conditional_information", formatNats],
  ["the same, labels shuffled:", "conditional_information_null", formatNats],
  ["distinct IDs / items:", "unique_sid_rate", formatShare],
  ["AUC:", "auc", (value) => value.toFixed(4)],
  ["AUC cold:", "auc_cold", (value) => value.toFixed(4)],
];

function pointText(name, point) {
  const rows = kPointRows
    .filter(([, key]) => isNumber(point[key]))
    .map(([heading, key, show]) => [heading, show(point[key])]);
  if (point.method !== undefined) rows.unshift(["method:", point.method]);
  const heading = isNumber(point.prefix_weight) ? `λ = ${formatFigure(point.prefix_weight)}: ${name}` : name;
  return pointerText(heading, rows);
}
