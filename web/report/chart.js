// A chart with its title, its legend and the sentence that tells how to read it. Apache ECharts draws on a canvas.

import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

import { element, legend } from "./dom.js";
import { inks, watchTheme } from "./theme.js";

echarts.use([BarChart, LineChart, ScatterChart, GridComponent, TooltipComponent, CanvasRenderer]);

/** The charts on the page: what to draw again when colours change, and to let go when a section is drawn anew. */
const drawn = new Map();

const sizes = new ResizeObserver((entries) => {
  for (const entry of entries) {
    const chart = drawn.get(entry.target);
    if (chart && entry.contentRect.width > 0) chart.instance.resize();
  }
});

watchTheme(() => {
  while (waiting.length > 0) drawNext(); // paper does not wait
  for (const chart of drawn.values()) chart.instance.setOption(chart.option(inks()), { notMerge: true });
});

/**
 * Makes a figure whose chart is drawn once the figure is on the page.
 * title: what is shown, with units where the axes do not say them; reading: one sentence, how to read it;
 * legendEntries: see dom.js; option: a function of the page's inks that returns ECharts' options, called again when
 * colours change; shape: a class of style.css that sets width and height; ready: gets the ECharts instance.
 */
export function chartFigure({ title, reading, legendEntries = [], option, shape = "", ready = null }) {
  const place = element("div", { class: "canvas", role: "img", "aria-label": `${title}. ${reading ?? ""}` });
  const figure = element(
    "figure",
    { class: `chart ${shape}` },
    element("figcaption", {}, element("h3", {}, title), reading ? element("p", {}, reading) : null),
    legendEntries.length > 0 ? legend(legendEntries) : null,
    place,
  );
  drawLater({ place, option, ready });
  return figure;
}

/** Charts that wait for their turn: the page is readable first, and they appear one after the other. */
const waiting = [];

function drawLater(chart) {
  if (waiting.push(chart) === 1) setTimeout(drawNext);
}

function drawNext() {
  const chart = waiting.shift();
  if (chart?.place.isConnected) draw(chart);
  if (waiting.length > 0) setTimeout(drawNext);
}

function draw({ place, option, ready }) {
  const instance = echarts.init(place, null, { renderer: "canvas" });
  instance.setOption(option(inks()));
  drawn.set(place, { instance, option });
  sizes.observe(place);
  if (ready) ready(instance);
}

/** Lets go of the charts inside a node that is about to leave the page. */
export function releaseCharts(node) {
  for (const place of node.querySelectorAll(".canvas")) {
    sizes.unobserve(place);
    drawn.get(place)?.instance.dispose();
    drawn.delete(place);
  }
}

/** What stands at the pointer: a bold first line, then names with values, all of it text. */
export function pointerText(title, rows) {
  return element(
    "div",
    { class: "pointer-text" },
    element("strong", {}, String(title)),
    rows.map(([name, value]) => element("div", {}, element("span", {}, `${name} `), String(value))),
  );
}

/** Options that all charts share: no animation, quiet lines, axis names outside, pointer text that stays inside. */
export function chartOption(ink, { x, y, series, pointer }) {
  const nameAbove = { color: ink.faint, align: "left", padding: [0, 0, 0, -30] };
  return {
    animation: false,
    textStyle: { fontFamily: "inherit", color: ink.ink },
    grid: { left: 4, right: 14, top: 8, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "all" },
    tooltip: { confine: true, transitionDuration: 0, ...pointerStyle(ink), ...pointer },
    xAxis: axis(ink, { nameLocation: "middle", nameGap: 30, splitLine: { show: false } }, x),
    yAxis: axis(ink, { nameLocation: "end", nameGap: 14, nameTextStyle: nameAbove }, y),
    series,
  };
}

function pointerStyle(ink) {
  return {
    backgroundColor: ink.paper,
    borderColor: ink.line,
    textStyle: { color: ink.ink, fontSize: 12 },
    extraCssText: "max-width: min(300px, 90vw); white-space: normal; overflow-wrap: anywhere;",
  };
}

function axis(ink, position, own) {
  return {
    type: "value",
    nameTextStyle: { color: ink.faint },
    axisLabel: { color: ink.faint, hideOverlap: true },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: ink.line, opacity: 0.6 } },
    ...position,
    ...own,
    axisLine: { show: true, lineStyle: { color: ink.line }, ...own.axisLine },
  };
}
