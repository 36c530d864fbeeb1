// How evenly the codes of each layer are used: their counts in falling order, one line a quantizer.

import { chartFigure, chartOption, pointerText } from "./chart.js";
import { element, section } from "./dom.js";
import { formatCount, formatFigure } from "./number_format.js";
import { list, pairsWith } from "./report_data.js";
import { kNeutral, seriesColor } from "./theme.js";

const kEven = ", even";

export function usageSection(report, chosen) {
  const pairs = pairsWith(report, chosen.family).filter((pair) => list(pair.family.usage).length > 0);
  if (pairs.length === 0) return null;
  const layers = Math.max(...pairs.map((pair) => pair.family.usage.length));
  const charts = Array.from({ length: layers }, (_, l) => usageFigure(pairs, l));
  return section(
    "usage",
    "Use of the codes",
    `Family ${chosen.family}. Codes sorted from the most used to the least; the number of items that have each.`,
    element("div", { class: "panels wide" }, charts),
  );
}

function usageFigure(pairs, l) {
  const series = pairs
    .map(({ quantizer, family }, index) => sortedUse(quantizer.name, seriesColor(index), list(family.usage[l])))
    .filter((one) => one.counts.length > 0);
  const most = Math.max(1, ...series.map((one) => one.counts.length));
  const ticks = (ink) => ({ minInterval: 1, axisLabel: { color: ink.faint, showMaxLabel: false } });
  const option = (ink) =>
    chartOption(ink, {
      x: { name: "codes, most used first", min: 0, max: most, ...ticks(ink) },
      y: { name: "items", min: 0 },
      pointer: {
        trigger: "axis",
        formatter: (points) => pointerText(`code ${points[0].value[0] + 1} by use`, pointerRows(points)),
      },
      series: series.flatMap((one) => [usageLine(one), evenLine(one)]),
    });
  const evens = [...new Set(series.map((one) => formatFigure(one.even)))];
  const legendEntries = [
    ...series.map((one) => ({ text: one.name, color: one.color, kind: "line" })),
    { text: `even use: ${evens.join(" or ")} items`, color: kNeutral, kind: "dashed" },
  ];
  return chartFigure({
    title: `Layer ${l + 1}`,
    reading: "The closer a line lies to the dashed one, the more evenly the codes are used; at 0 they are unused.",
    legendEntries,
    option,
  });
}

/** The counts in falling order, and the count that all would have if they were alike. */
function sortedUse(name, color, counts) {
  return { name, color, counts: [...counts].sort((a, b) => b - a), even: meanOf(counts) };
}

function pointerRows(points) {
  return points
    .filter((point) => !point.seriesName.endsWith(kEven))
    .map((point) => [`${point.seriesName}:`, `${formatCount(point.value[1])} items`]);
}

function usageLine(one) {
  const points = one.counts.map((count, rank) => [rank, count]);
  points.push([one.counts.length, one.counts[one.counts.length - 1]]); // the last step has a width too
  return {
    type: "line",
    name: one.name,
    step: "end",
    showSymbol: false,
    data: points,
    lineStyle: { width: 2, color: one.color },
    itemStyle: { color: one.color },
  };
}

function evenLine(one) {
  return {
    type: "line",
    name: one.name + kEven,
    silent: true,
    showSymbol: false,
    tooltip: { show: false },
    data: [
      [0, one.even],
      [one.counts.length, one.even],
    ],
    lineStyle: { width: 1.5, type: "dashed", color: kNeutral },
    itemStyle: { color: kNeutral },
  };
}

function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
