// What every layer adds: to the ID (conditional entropy) and to what the ID says of a label (conditional information),
// beside the controls that tell what a layer scores that adds nothing.

import { chartFigure, chartOption, pointerText } from "./chart.js";
import { element, section } from "./dom.js";
import { formatNats, isNumber } from "./number_format.js";
import { layersOf, pairsWith } from "./report_data.js";
import { kNeutral, seriesColor } from "./theme.js";
import { roomOf } from "./verdict.js";

const kControl = "copy of layer 1 (control)";
const kPale = "rgba(130, 145, 160, 0.4)"; // on light and on dark ground

export function layersSection(report, chosen) {
  const pairs = pairsWith(report, chosen.family).filter((pair) => layersOf(pair.family).length > 0);
  if (pairs.length === 0) return null;
  const kinds = [pairs.map(entropyBars), pairs.map(informationBars).filter(Boolean)];
  const rows = kinds.filter((charts) => charts.length > 0);
  return section(
    "layers",
    "What the layers add",
    `Family ${chosen.family}. In nats; bars of one kind have one scale, so that quantizers can be compared.`,
    rows.map((charts) => element("div", { class: "panels wide" }, sameScale(charts).map(barFigure))),
  );
}

function entropyBars({ quantizer, family }) {
  const layers = layersOf(family);
  const copy = layersOf(family.control_copy_of_layer_1);
  return {
    title: `Added to the ID: ${quantizer.name}`,
    reading:
      "A layer whose bar is near the copy of layer 1 (0 from layer 2 on) repeats the layers before it; the pale bar " +
      "is the most it could add.",
    axis: "H(code given prefix), nats",
    series: [
      { name: "adds", color: seriesColor(0), values: layers.map((layer) => layer.conditional_entropy) },
      { name: kControl, color: seriesColor(1), values: copy.map((layer) => layer.conditional_entropy) },
      { name: "could add at most", color: kPale, values: layers.map((_, l) => roomOf(family, l)) },
    ].filter((series) => series.values.some(isNumber)),
  };
}

function informationBars({ quantizer, family }) {
  const layers = layersOf(family);
  const copy = layersOf(family.control_copy_of_layer_1);
  const ofNull = layers.map((layer) => layer.conditional_information_null);
  if (!layers.some((layer) => isNumber(layer.conditional_information))) return null;
  return {
    title: `Told about the label: ${quantizer.name}`,
    reading:
      "Only what the first bar has above the bar for shuffled labels is information: deep prefixes hold few items, " +
      "and seem to know the label by chance.",
    axis: "I(code; label given prefix), nats",
    series: [
      { name: "true labels", color: seriesColor(0), values: layers.map((layer) => layer.conditional_information) },
      { name: "shuffled labels (null)", color: kNeutral, values: ofNull },
      { name: kControl, color: seriesColor(1), values: copy.map((layer) => layer.conditional_information) },
    ].filter((series) => series.values.some(isNumber)),
  };
}

/** Gives charts of one kind the same upper end. */
function sameScale(charts) {
  const values = charts.flatMap((chart) => chart.series.flatMap((series) => series.values.filter(isNumber)));
  const top = Math.max(0, ...values);
  return charts.map((chart) => ({ ...chart, top }));
}

function barFigure({ title, reading, axis, series, top }) {
  const layers = Math.max(...series.map((one) => one.values.length));
  const names = Array.from({ length: layers }, (_, l) => String(l + 1));
  const option = (ink) =>
    chartOption(ink, {
      x: { type: "category", data: names, name: "layer", nameGap: 24 },
      y: { name: axis, max: niceTop(top) },
      pointer: {
        trigger: "axis",
        axisPointer: { type: "shadow" },
        formatter: (bars) => pointerText(`layer ${bars[0].name}`, pointerRows(bars)),
      },
      series: series.map((one) => ({
        type: "bar",
        name: one.name,
        data: one.values.map((value) => (isNumber(value) ? value : null)),
        itemStyle: { color: one.color },
        barGap: "8%",
        barMaxWidth: 34,
      })),
    });
  const legendEntries = series.map((one) => ({ text: one.name, color: one.color }));
  return chartFigure({ title, reading, legendEntries, option });
}

function pointerRows(bars) {
  return bars.map((bar) => [`${bar.seriesName}:`, formatNats(bar.value)]);
}

/** The next of 1, 2, 2.5, 5, 10 times a power of ten. */
function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value * 0.9999);
}
