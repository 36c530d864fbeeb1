// Lines: how well predictions are calibrated, and how the training losses fell.

import { chartFigure, chartOption, pointerText } from "../report/chart.js";
import { element, section } from "../report/dom.js";
import { formatCount, formatShare, isNumber } from "../report/number_format.js";
import { list } from "../report/report_data.js";
import { kColoredLabels, labelColor } from "../report/theme.js";
import { estimateText, rowsOf, titleOf } from "./comparison.js";
import { intervalFigure } from "./interval_chart.js";

/** Twelve rankers have colours of their own; the next twelve have them again, dashed, and so on. */
const colorOf = (index) => labelColor(index % kColoredLabels);
const isDashed = (index) => Math.floor(index / kColoredLabels) % 2 === 1;

export function calibrationSection(comparison, table) {
  const figures = [reliabilityFigure(comparison, table), predictionFigure(comparison, table)].filter(Boolean);
  if (figures.length === 0) return null;
  return section(
    "calibration",
    "Calibration",
    "Whether a predicted probability is met: of samples that were given 0.3, three of ten should be positives.",
    element("div", { class: "panels wide forest" }, figures),
  );
}

function reliabilityFigure(comparison, table) {
  const lines = rowsOf(comparison, table)
    .map(({ ranker }, index) => ({ ranker, index, bins: list(ranker.reliability) }))
    .filter((line) => line.bins.length > 0);
  if (lines.length === 0) return null;
  const option = (ink) =>
    chartOption(ink, {
      x: { name: "mean prediction of a bin (probability)", min: 0, max: 1 },
      y: { name: "share of positives in it", min: 0, max: 1 },
      pointer: { trigger: "item", formatter: (shape) => binText(shape) },
      series: [
        lineSeries({ name: "as predicted", data: [[0, 0], [1, 1]], color: ink.faint, dashed: true, silent: true }),
        ...lines.map(({ ranker, index, bins }) =>
          lineSeries({
            name: titleOf(ranker),
            data: bins.map((bin) => ({ value: [bin.mean_prediction, bin.positive_rate], bin })),
            color: colorOf(index),
            dashed: isDashed(index),
            dots: true,
          }),
        ),
      ],
    });
  return chartFigure({
    title: "Reliability",
    reading: "Ten bins of equally many samples, by rising prediction, means over the seeds. Dashed: calibrated.",
    legendEntries: lines.map(({ ranker, index }) => legendEntry(ranker, index)),
    option,
    shape: "square",
  });
}

function binText(shape) {
  const bin = shape.data?.bin;
  if (!bin) return "";
  return pointerText(shape.seriesName, [
    ["mean prediction:", formatShare(bin.mean_prediction)],
    ["positives:", formatShare(bin.positive_rate)],
    ["samples:", formatCount(Math.round(bin.samples))],
  ]);
}

function predictionFigure(comparison, table) {
  const rows = rowsOf(comparison, table);
  const rate = rows[0]?.ranker.metrics.base_rate?.mean;
  return intervalFigure({
    title: "Mean prediction beside the base rate",
    reading: `The line stands at the base rate${isNumber(rate) ? `, ${formatShare(rate)} positives` : ""}.`,
    axis: "mean prediction (probability)",
    band: isNumber(rate) ? { low: rate, high: rate, mean: rate } : null,
    rows: rows.map(({ ranker }) => {
      const estimate = ranker.metrics.mean_prediction;
      return {
        name: titleOf(ranker),
        figure: estimateText(estimate),
        mean: estimate?.mean,
        half: estimate?.half_width_95 ?? null,
        seeds: list(estimate?.by_seed),
        color: () => "#2f7fc1",
        hollow: ranker.control,
      };
    }),
  });
}

export function trainingSection(comparison, table) {
  const lines = rowsOf(comparison, table)
    .map(({ ranker }, index) => ({ ranker, index, data: lossCurve(ranker) }))
    .filter((line) => line.data.length > 1);
  if (lines.length === 0) return null;
  const option = (ink) =>
    chartOption(ink, {
      x: { name: "passes over the training log (epochs)", min: 0 },
      y: { name: "training loss (nats a sample)", scale: true },
      pointer: {
        trigger: "item",
        formatter: ({ seriesName, value: [epoch, loss] }) =>
          pointerText(seriesName, [[`at epoch ${epoch.toFixed(2)}:`, loss.toFixed(4)]]),
      },
      series: lines.map(({ ranker, index, data }) =>
        lineSeries({
          name: titleOf(ranker),
          data,
          color: colorOf(index),
          dashed: isDashed(index),
          dots: data.length < 30,
        }),
      ),
    });
  const figure = chartFigure({
    title: "Training loss",
    reading: "Mean over the seeds of the loss before each step, over a stretch of the log.",
    legendEntries: lines.map(({ ranker, index }) => legendEntry(ranker, index)),
    option,
  });
  return section("training", "Training", null, element("div", { class: "panels wide" }, figure));
}

/** [[epoch, loss], ...], means over the seeds; stretches of an epoch where the data has them, else whole epochs. */
export function lossCurve(ranker) {
  const curves = list(ranker.training).map((run) => list(run.epochs).flatMap(pointsOfEpoch));
  const length = Math.min(...curves.map((curve) => curve.length));
  if (!Number.isFinite(length)) return [];
  return Array.from({ length }, (_, at) => {
    const losses = curves.map((curve) => curve[at][1]);
    return [curves[0][at][0], losses.reduce((sum, loss) => sum + loss, 0) / losses.length];
  });
}

/** A stretch stands at its middle. */
function pointsOfEpoch(epoch) {
  const curve = list(epoch.curve).filter(isNumber);
  if (curve.length > 1) return curve.map((loss, at) => [epoch.epoch - 1 + (at + 0.5) / curve.length, loss]);
  return isNumber(epoch.training_loss) ? [[epoch.epoch - 0.5, epoch.training_loss]] : [];
}

function lineSeries({ name, data, color, dashed, dots = false, silent = false }) {
  return {
    type: "line",
    name,
    data,
    silent,
    symbol: dots ? "circle" : "none",
    symbolSize: 6,
    lineStyle: { color, width: 1.8, type: dashed ? "dashed" : "solid" },
    itemStyle: { color },
  };
}

function legendEntry(ranker, index) {
  return { text: titleOf(ranker), color: colorOf(index), kind: isDashed(index) ? "dashed" : "line" };
}
