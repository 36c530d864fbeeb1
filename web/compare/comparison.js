// Reading a comparison (docs/formats/compare.md): its rankers by name, its metrics by group, how figures are written.

import { isNumber, kAbsent } from "../report/number_format.js";
import { list } from "../report/report_data.js";

/** The comparison inside the page, or an error that says what is wrong with it. */
export function readComparison(text) {
  const comparison = JSON.parse(text);
  if (comparison?.format !== "neume-compare") throw new Error("the page's data is not a comparison");
  return comparison;
}

/** The rows of a table: {ranker (as in the data), differences (absent for the baseline), isBaseline}. */
export function rowsOf(comparison, table) {
  const byName = new Map(list(comparison.rankers).map((ranker) => [ranker.name, ranker]));
  return list(table.rows)
    .map((row) => ({
      ranker: byName.get(row.ranker),
      differences: row.differences,
      isBaseline: row.ranker === table.baseline,
    }))
    .filter((row) => row.ranker !== undefined);
}

export function metricsOf(comparison, group) {
  return list(comparison.metrics).filter((metric) => metric.group === group);
}

/** The name as tables and plots show it. */
export function titleOf(ranker) {
  return ranker.control ? `${ranker.name} (control)` : ranker.name;
}

/** Name and unit of a metric's axis. */
export function axisName(metric) {
  if (metric.key === "gauc") return "GAUC (users weighted by samples; 0.5 is chance)";
  if (/(^|\/)auc(_cold)?$/.test(metric.key)) return `${metric.title} (0.5 is chance)`;
  if (/(^|\/)logloss$/.test(metric.key)) return `${metric.title} (nats a sample)`;
  if (/^recall@/.test(metric.key)) return `${metric.title} (share of a user's liked items, 0 to 1)`;
  if (/^ndcg@/.test(metric.key)) return `${metric.title} (0 to 1)`;
  return `${metric.title} (share, 0 to 1)`;
}

export function betterText(metric) {
  if (metric.better === "neither") return "";
  return metric.better === "lower" ? "Lower is better." : "Higher is better.";
}

/** "0.5946 ±0.0207". */
export function estimateText(estimate) {
  if (!isNumber(estimate?.mean)) return kAbsent;
  return `${estimate.mean.toFixed(4)}${intervalText(estimate)}`;
}

/** "+0.0111 ±0.0267 *". */
export function differenceText(difference) {
  if (!isNumber(difference?.mean)) return kAbsent;
  const sign = difference.mean < 0 ? "\u2212" : "+";
  const star = difference.excludes_zero ? " *" : "";
  return `${sign}${Math.abs(difference.mean).toFixed(4)}${intervalText(difference)}${star}`;
}

function intervalText(estimate) {
  return isNumber(estimate.half_width_95) ? `\u00a0±${estimate.half_width_95.toFixed(4)}` : "";
}

/** "better", "worse" or "open": what a difference says, the direction of the metric taken into account. */
export function judgement(metric, difference) {
  if (!difference?.excludes_zero || metric.better === "neither") return "open";
  return difference.mean > 0 === (metric.better === "higher") ? "better" : "worse";
}

/** Values by seed of a less b. */
export function differencesBySeed(a, b) {
  const base = list(b?.by_seed);
  return list(a?.by_seed).map((value, seed) => value - base[seed]).filter(isNumber);
}
