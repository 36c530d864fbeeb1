// Dots with intervals, one row a ranker: the name and the figures above the line, so that long names need no margin.

import { CustomChart } from "echarts/charts";
import * as echarts from "echarts/core";

import { chartFigure, chartOption, pointerText } from "../report/chart.js";
import { isNumber } from "../report/number_format.js";

echarts.use([CustomChart]);

const kRowHeight = 38; // pixels: a line of text, and the interval below it
const kFrameHeight = 54; // axis and its name

/**
 * rows: {name, figure (text at the right), mean, half (half width, or null), seeds: values, color: ink -> colour,
 * hollow}; axis: its name; band: {low, high, mean} shaded behind the rows, or null; zero: whether 0 has a line.
 * Rows without a mean are left out; null where none is left.
 */
export function intervalFigure({ title, reading, rows, axis, band = null, zero = false }) {
  const shown = rows.filter((row) => isNumber(row.mean));
  if (shown.length === 0) return null;
  const option = (ink) =>
    chartOption(ink, {
      x: { name: axis, scale: true, splitNumber: 4, axisLabel: { color: ink.faint, hideOverlap: true } },
      y: {
        type: "category",
        data: shown.map((row) => row.name),
        inverse: true,
        axisLabel: { show: false },
        axisLine: { show: false },
        splitLine: { show: false },
      },
      pointer: { trigger: "item", formatter: (shape) => rowText(shown[shape.dataIndex]) },
      series: [...behind(ink, shown, band, zero), rowSeries(ink, shown)],
    });
  const figure = chartFigure({ title, reading, option });
  figure.querySelector(".canvas").style.height = `${kRowHeight * shown.length + kFrameHeight}px`;
  return figure;
}

function rowText(row) {
  const lines = [["mean and half of the 95% interval:", row.figure]];
  if (row.seeds.length > 1) lines.push(["by seed:", row.seeds.map((value) => value.toFixed(4)).join(", ")]);
  return pointerText(row.name, lines);
}

const low = (row) => row.mean - (row.half ?? 0);
const high = (row) => row.mean + (row.half ?? 0);

/** The baseline's band, or the line at 0, through all rows. */
function behind(ink, rows, band, zero) {
  const upright = (at, style) => ({
    type: "custom",
    silent: true,
    z: 1,
    data: [[at[0], at[at.length - 1], 0]],
    encode: { x: [0, 1], y: 2 },
    renderItem: (params, api) => {
      const { y, height } = params.coordSys;
      const left = api.coord([at[0], 0])[0];
      const right = api.coord([at[at.length - 1], 0])[0];
      const shape = { x: left, y, width: Math.max(1.5, right - left), height };
      return { type: "rect", shape, style };
    },
  });
  if (zero) return [upright([0], { fill: ink.faint, opacity: 0.5 })];
  if (!band) return [];
  return [
    upright([band.low, band.high], { fill: ink.faint, opacity: 0.16 }),
    upright([band.mean], { fill: ink.faint, opacity: 0.4 }),
  ];
}

function rowSeries(ink, rows) {
  return {
    type: "custom",
    z: 3,
    clip: false,
    data: rows.map((row, index) => [index, low(row), high(row), ...extremes(row.seeds)]),
    encode: { y: 0, x: [1, 2, 3, 4] },
    renderItem: (params, api) => drawRow(rows[params.dataIndex], params, api, ink),
  };
}

function extremes(values) {
  return values.length > 0 ? [Math.min(...values), Math.max(...values)] : [NaN, NaN];
}

function drawRow(row, params, api, ink) {
  const place = params.coordSys;
  const at = (value) => api.coord([value, params.dataIndex])[0];
  const middle = api.coord([row.mean, params.dataIndex])[1];
  const y = middle + 7;
  const color = row.color(ink);
  const figureWidth = place.width < 330 ? 118 : 132;
  const label = (x, text, style) => ({
    type: "text",
    x,
    y: middle - 16,
    style: { text, fontSize: 12, ...style },
    silent: true,
  });
  const bar = (x, half) => ({
    type: "line",
    shape: { x1: x, x2: x, y1: y - half, y2: y + half },
    style: { stroke: color, lineWidth: 1.5 },
  });
  const children = [
    // What the pointer meets: the whole row.
    {
      type: "rect",
      shape: { x: place.x, y: middle - kRowHeight / 2, width: place.width, height: kRowHeight },
      style: { fill: "rgba(0,0,0,0)" },
    },
    {
      type: "line",
      shape: { x1: place.x, x2: place.x + place.width, y1: middle - kRowHeight / 2, y2: middle - kRowHeight / 2 },
      style: { stroke: ink.line, lineWidth: 1, opacity: 0.6 },
      silent: true,
    },
    label(place.x + 2, row.name, { fill: ink.ink, width: place.width - figureWidth - 8, overflow: "truncate" }),
    label(place.x + place.width, row.figure, { fill: ink.faint, align: "right" }),
    ...row.seeds.map((value) => ({
      type: "circle",
      shape: { cx: at(value), cy: y, r: 2.6 },
      style: { fill: color, opacity: 0.45 },
    })),
  ];
  if (row.half !== null) {
    const line = { x1: at(low(row)), x2: at(high(row)), y1: y, y2: y };
    children.push({ type: "line", shape: line, style: { stroke: color, lineWidth: 1.8 } });
    children.push(bar(at(low(row)), 4), bar(at(high(row)), 4));
  }
  const dot = row.hollow ? { fill: ink.paper, stroke: color, lineWidth: 2 } : { fill: color };
  children.push({ type: "circle", shape: { cx: at(row.mean), cy: y, r: 4.6 }, style: dot });
  return { type: "group", children };
}
