// The rankers of a table metric by metric: their means, their differences to the baseline, and both on parts of the
// test samples.

import { element, section } from "../report/dom.js";
import { formatCount } from "../report/number_format.js";
import { list } from "../report/report_data.js";
import { kNeutral } from "../report/theme.js";
import {
  axisName,
  betterText,
  differencesBySeed,
  differenceText,
  estimateText,
  judgement,
  metricsOf,
  rowsOf,
  titleOf,
} from "./comparison.js";
import { intervalFigure } from "./interval_chart.js";

const kMean = "#2f7fc1";
const kToneOf = { better: "#1f9d78", worse: "#d2504b", open: "#7d8ba1" };

export function meansSection(comparison, table) {
  const figures = metricsOf(comparison, "main").map((metric) => meansFigure(comparison, table, metric));
  return figureSection({
    id: "means",
    title: "Means",
    lead:
      "A dot is the mean over the seeds, its line the 95% interval of the mean, small dots the seeds. The shaded band " +
      `is the interval of the baseline, ${table.baseline}. Seeds move all rankers together: judge a difference by the ` +
      "section above.",
    figures,
  });
}

export function differencesSection(comparison, table) {
  const figures = metricsOf(comparison, "main").map((metric) => differencesFigure(comparison, table, metric));
  return figureSection({
    id: "differences",
    title: `Differences to ${table.baseline}`,
    lead:
      "Each ranker less the baseline, seed by seed. An interval that leaves out 0 has a *: green where the ranker is " +
      "better, red where it is worse, grey where the seeds leave it open.",
    figures,
  });
}

/** Cold thresholds and popularity buckets: AUC and its difference for every slice. */
export function slicesSection(comparison, table) {
  const groups = [
    ["cold", "Items with few interactions in training"],
    ["popularity", "Items by popularity in training"],
  ];
  const parts = groups.flatMap(([group, title]) => {
    const metrics = metricsOf(comparison, group).filter((metric) => metric.key.endsWith("/auc"));
    const figures = metrics
      .flatMap((metric) => [meansFigure(comparison, table, metric), differencesFigure(comparison, table, metric)])
      .filter(Boolean);
    if (figures.length === 0) return [];
    return [element("h3", { class: "group" }, title), element("div", { class: "panels forest" }, figures)];
  });
  if (parts.length === 0) return null;
  const lead =
    "The same on parts of the test samples, by their target item. Head: the most played items that have half of all " +
    "training interactions; torso: the next, up to nine tenths; tail: the rest; unseen: items without any.";
  return section("slices", "Cold items and popularity", lead, ...parts);
}

function figureSection({ id, title, lead, figures }) {
  const shown = figures.filter(Boolean);
  return shown.length > 0 ? section(id, title, lead, element("div", { class: "panels forest" }, shown)) : null;
}

function meansFigure(comparison, table, metric) {
  const rows = rowsOf(comparison, table);
  const base = rows.find((row) => row.isBaseline)?.ranker.metrics[metric.key];
  const half = base?.half_width_95 ?? 0;
  return intervalFigure({
    title: metric.title,
    reading: joined(sliceText(comparison, metric), betterText(metric)),
    axis: axisName(metric),
    band: base ? { low: base.mean - half, high: base.mean + half, mean: base.mean } : null,
    rows: rows.map(({ ranker, isBaseline }) => {
      const estimate = ranker.metrics[metric.key];
      return {
        name: isBaseline ? `${titleOf(ranker)} (baseline)` : titleOf(ranker),
        figure: estimateText(estimate),
        mean: estimate?.mean,
        half: estimate?.half_width_95 ?? null,
        seeds: list(estimate?.by_seed),
        color: () => (isBaseline ? kNeutral : kMean),
        hollow: ranker.control,
      };
    }),
  });
}

function differencesFigure(comparison, table, metric) {
  const rows = rowsOf(comparison, table);
  const base = rows.find((row) => row.isBaseline)?.ranker.metrics[metric.key];
  return intervalFigure({
    title: `${metric.title}: difference`,
    reading: joined(sliceText(comparison, metric), betterText(metric)),
    axis: `difference of ${axisName(metric).replace(/; 0\.5 is chance|\s\(0\.5 is chance\)|, 0 to 1/, "")}`,
    zero: true,
    rows: rows
      .filter((row) => row.differences?.[metric.key] !== undefined)
      .map(({ ranker, differences }) => {
        const difference = differences[metric.key];
        return {
          name: titleOf(ranker),
          figure: differenceText(difference),
          mean: difference.mean,
          half: difference.half_width_95 ?? null,
          seeds: differencesBySeed(ranker.metrics[metric.key], base),
          color: () => kToneOf[judgement(metric, difference)],
          hollow: ranker.control,
        };
      }),
  });
}

function joined(...sentences) {
  return sentences.filter(Boolean).join(" ");
}

/** "52 items, 1,204 test samples." of a metric that belongs to a slice. */
function sliceText(comparison, metric) {
  const slice = list(comparison.slices).find((one) => one.name === metric.slice && one.group === metric.group);
  return slice ? `${formatCount(slice.items)} items, ${formatCount(slice.samples)} test samples.` : "";
}
