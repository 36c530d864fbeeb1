// All figures of a table of the comparison.

import { section } from "../report/dom.js";
import { sortableTable } from "../report/sortable_table.js";
import { betterText, differenceText, estimateText, rowsOf, titleOf } from "./comparison.js";
import { list } from "../report/report_data.js";

const kParts = [
  ["main", "means"],
  ["cold", "cold items"],
  ["popularity", "popularity"],
  ["calibration", "calibration"],
];

export function tablesSection(comparison, table) {
  const rows = rowsOf(comparison, table);
  const tables = kParts.flatMap(([group, title]) => {
    const metrics = list(comparison.metrics).filter((metric) => metric.group === group);
    if (metrics.length === 0) return [];
    const means = figureTable(`${table.title}: ${title}`, rows, metrics, meanColumn);
    const judged = metrics.filter((metric) => rows.some((row) => row.differences?.[metric.key] !== undefined));
    if (judged.length === 0) return [means];
    const differences = group === "main" ? "differences" : `${title}, differences`;
    const caption = `${table.title}: ${differences} to ${table.baseline}`;
    return [means, figureTable(caption, rows.filter((row) => !row.isBaseline), judged, differenceColumn)];
  });
  const lead =
    "Mean ± half of the 95% interval over the seeds. * marks a difference whose interval leaves out 0. Press a " +
    "heading to sort by it, again to turn the order around.";
  return section("tables", "All figures", lead, tables);
}

function figureTable(caption, rows, metrics, columnOf) {
  const name = { title: "ranker", value: (row) => titleOf(row.ranker) };
  return sortableTable({ caption, columns: [name, ...metrics.map(columnOf)], rows });
}

function meanColumn(metric) {
  const estimate = (row) => row.ranker.metrics[metric.key];
  return {
    title: metric.title,
    help: betterText(metric),
    value: (row) => estimate(row)?.mean,
    show: (_, row) => estimateText(estimate(row)),
  };
}

function differenceColumn(metric) {
  const difference = (row) => row.differences?.[metric.key];
  return {
    title: metric.title,
    help: betterText(metric),
    value: (row) => difference(row)?.mean,
    show: (_, row) => differenceText(difference(row)),
  };
}
