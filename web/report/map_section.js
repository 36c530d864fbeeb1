// The map: the same points in the plane, coloured by label and by the codes of each quantizer (Figure 1 of arXiv
// 2508.20359). Codes that follow the content form patches; a layer that adds something cuts patches anew.

import { chartFigure, chartOption, pointerText, releaseCharts } from "./chart.js";
import { choice, element, section } from "./dom.js";
import { formatCount } from "./number_format.js";
import { codeGroups, codeText, familyNamed, list, quantizersOf } from "./report_data.js";
import { codeColor, kColoredLabels, labelColor } from "./theme.js";

const kFoundItems = 20;

export function mapSection(report, chosen) {
  const projections = list(report.projections);
  if (projections.length === 0) return null;
  const projection = projections.find((candidate) => candidate.family === chosen.family);
  const title = "Map";
  if (!projection) return section("map", title, `The report has no map of the family ${chosen.family}.`);

  const map = new PointMap(report, projection);
  const grid = element("div", { class: "panels" });
  const deepest = Math.max(0, ...map.quantizers.map((quantizer) => quantizer.codes.length));
  const names = range(2, deepest).map((l) => [l, `layer ${l}`]);
  const redraw = (layer) => map.draw(grid, Number(layer));
  const layerChoice = deepest > 2 ? choice("map-layer", "Deeper layer", names, 2, redraw) : null;
  const lead =
    `${projection.caption ?? "Items in the plane"} (family ${projection.family}). Every panel shows the same ` +
    `${formatCount(map.size)} points. Codes that follow the content make patches of one colour; a layer that adds ` +
    "something divides the patches of the layer before it.";
  const controls = element("div", { class: "controls" }, layerChoice, map.itemFinder());
  map.draw(grid, Math.min(2, deepest));
  return section("map", title, lead, controls, map.foundList, map.labelKeys(), grid);
}

/** The points of one projection, what is known of each, and the panels that show them. */
class PointMap {
  constructor(report, projection) {
    this.projection = projection;
    this.size = Math.min(list(projection.x).length, list(projection.y).length);
    this.labels = list(report.labels);
    this.quantizers = quantizersOf(report)
      .filter((quantizer) => list(projection.codes?.[quantizer.name]).length > 0)
      .map((quantizer) => ({
        name: quantizer.name,
        codes: projection.codes[quantizer.name],
        groups: codeGroups(familyNamed(quantizer, projection.family)),
      }));
    this.labelRank = rankOfLabels(list(projection.label));
    this.foundList = element("ul", { class: "found", "aria-live": "polite" });
    this.charts = [];
    this.kept = null; // the indices that stay bright, or null for all
    this.keyButtons = [];
  }

  draw(grid, deeperLayer) {
    releaseCharts(grid);
    this.charts = [];
    grid.replaceChildren(...this.panels(deeperLayer));
  }

  /** Labels, layer 1 (once where all quantizers agree on it), the deeper layer of every quantizer. */
  panels(deeperLayer) {
    const panels = [];
    if (this.labelRank.size > 0) {
      panels.push(this.panel("By label", "Colours: the labels above.", (i) => this.colorOfLabel(i), null));
    }
    const [first, ...others] = this.quantizers;
    const isShared = first && others.every((other) => sameCodes(other.codes[0], first.codes[0]));
    const ofLayer1 = isShared ? [first] : this.quantizers;
    for (const quantizer of ofLayer1) {
      const name = isShared && others.length > 0 ? "all quantizers alike" : quantizer.name;
      panels.push(this.codePanel(quantizer, 1, name));
    }
    if (deeperLayer < 2) return panels;
    for (const quantizer of this.quantizers) {
      if (quantizer.codes.length >= deeperLayer) panels.push(this.codePanel(quantizer, deeperLayer, quantizer.name));
    }
    return panels;
  }

  codePanel(quantizer, layer, name) {
    const codes = quantizer.codes[layer - 1];
    const reading = `Colours: codes of layer ${layer}.`;
    return this.panel(`Layer ${layer}: ${name}`, reading, (i) => codeColor(codes[i]), { quantizer, layer });
  }

  panel(title, reading, colorOf, coloredBy) {
    const option = (ink) =>
      chartOption(ink, {
        x: { ...hiddenScale(this.projection.x), name: "coordinate 1 (no unit)", nameGap: 8 },
        y: { ...hiddenScale(this.projection.y), name: "coordinate 2 (no unit)", nameTextStyle: nameStyle(ink) },
        pointer: { trigger: "item", formatter: (point) => this.pointText(point.dataIndex, coloredBy) },
        series: [
          {
            type: "scatter",
            symbolSize: this.size > 1200 ? 4 : 6,
            data: this.points(),
            itemStyle: {
              color: (point) => colorOf(point.dataIndex),
              opacity: 0.85,
            },
            emphasis: { scale: 2.2, itemStyle: { borderColor: ink.ink, borderWidth: 1.5, opacity: 1 } },
          },
        ],
      });
    return chartFigure({ title, reading, option, shape: "square", ready: (chart) => this.join(chart) });
  }

  /** Panels that show the same points point at the same item together. */
  join(chart) {
    this.charts.push(chart);
    const pass = (type) => (event) => {
      for (const other of this.charts) if (other !== chart) other.dispatchAction({ type, dataIndex: event.dataIndex });
    };
    chart.on("mouseover", pass("highlight"));
    chart.on("mouseout", pass("downplay"));
  }

  /** Makes all points but these pale; null makes all bright again. */
  keep(kept) {
    this.kept = kept;
    for (const chart of this.charts) chart.setOption({ series: [{ data: this.points() }] });
  }

  points() {
    return Array.from({ length: this.size }, (_, i) => {
      const value = [this.projection.x[i], this.projection.y[i]];
      return this.kept && !this.kept.has(i) ? { value, itemStyle: { opacity: 0.06 } } : value;
    });
  }

  pointText(i, coloredBy) {
    const rows = [];
    if (this.labelRank.size > 0) rows.push(["label:", this.labelName(this.projection.label?.[i])]);
    for (const quantizer of this.quantizers) rows.push([`${quantizer.name}:`, codeText(this.codesOf(quantizer, i))]);
    const named = coloredBy ?? (this.quantizers[0] ? { quantizer: this.quantizers[0], layer: 1 } : null);
    const name = named && this.codeName(named.quantizer, named.layer, i);
    if (name) rows.push([`layer ${named.layer} of ${named.quantizer.name} here:`, name]);
    return pointerText(this.itemName(i), rows);
  }

  /** The name of the item's prefix of that depth, or of the code alone. */
  codeName(quantizer, layer, i) {
    const codes = this.codesOf(quantizer, i);
    const prefix = quantizer.groups.byPrefix.get(codes.slice(0, layer).join(","));
    return prefix?.name ?? quantizer.groups.byLayer[layer - 1]?.get(codes[layer - 1])?.name;
  }

  codesOf(quantizer, i) {
    return quantizer.codes.map((codes) => codes[i]);
  }

  itemName(i) {
    return this.projection.item?.[i] ?? `item ${i}`;
  }

  labelName(label) {
    return label >= 0 ? (this.labels[label] ?? `label ${label}`) : "none";
  }

  colorOfLabel(i) {
    const rank = this.labelRank.get(this.projection.label?.[i]);
    if (rank === undefined) return "#9aa0a8";
    return rank < kColoredLabels ? labelColor(rank) : "#5c636c";
  }

  /** A button for every coloured label: it keeps that label's points bright in all panels. */
  labelKeys() {
    if (this.labelRank.size === 0) return null;
    const counts = countOf(list(this.projection.label).slice(0, this.size));
    const keys = [...this.labelRank.keys()].slice(0, kColoredLabels);
    this.keyButtons = keys.map((label, rank) => {
      const swatch = element("span", { class: "swatch box", "aria-hidden": "true" });
      swatch.style.color = labelColor(rank);
      const text = `${this.labelName(label)} (${formatCount(counts.get(label))})`;
      const press = (event) => this.toggle(event.currentTarget, label);
      return element("button", { type: "button", "aria-pressed": "false", click: press }, swatch, text);
    });
    const rest = this.labelRank.size - keys.length;
    const greys = [
      rest > 0 ? `dark grey: ${rest} other labels` : null,
      counts.has(-1) ? `light grey: no label (${formatCount(counts.get(-1))})` : null,
    ].filter(Boolean);
    return element(
      "div",
      { class: "keys", role: "group", "aria-label": "Labels; press one to see it alone" },
      this.keyButtons,
      greys.map((text) => element("span", { class: "quiet" }, text)),
    );
  }

  toggle(button, label) {
    const isOn = button.getAttribute("aria-pressed") === "true";
    for (const other of this.keyButtons) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", String(!isOn));
    this.keep(isOn ? null : new Set(indicesWhere(this.size, (i) => this.projection.label[i] === label)));
  }

  itemFinder() {
    const find = (event) => this.find(event.target.value);
    const field = element("input", { id: "map-item", type: "search", autocomplete: "off", input: find });
    return element("span", { class: "choice" }, element("label", { for: "map-item" }, "Find an item"), field);
  }

  /** Keeps the items bright whose names hold the text, and lists the first of them with their codes. */
  find(text) {
    for (const button of this.keyButtons) button.setAttribute("aria-pressed", "false");
    const wanted = text.trim().toLowerCase();
    if (wanted === "") {
      this.foundList.replaceChildren();
      this.keep(null);
      return;
    }
    const hits = indicesWhere(this.size, (i) => String(this.itemName(i)).toLowerCase().includes(wanted));
    this.keep(new Set(hits));
    const lines = hits.slice(0, kFoundItems).map((i) => {
      const codes = this.quantizers.map((quantizer) => `${quantizer.name} ${codeText(this.codesOf(quantizer, i))}`);
      return element("li", {}, element("strong", {}, String(this.itemName(i))), ` ${codes.join("; ")}`);
    });
    if (hits.length > kFoundItems) lines.push(quietLine(`and ${formatCount(hits.length - kFoundItems)} more`));
    if (hits.length === 0) lines.push(quietLine("No item of the map has this in its name."));
    this.foundList.replaceChildren(...lines);
  }
}

function quietLine(text) {
  return element("li", { class: "quiet" }, text);
}

function nameStyle(ink) {
  return { color: ink.faint, align: "left", padding: 0 };
}

/** label -> 0 for the most common one, 1 for the next; without -1, which stands for none. */
function rankOfLabels(labels) {
  const counts = [...countOf(labels)].filter(([label]) => label >= 0);
  counts.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  return new Map(counts.map(([label], rank) => [label, rank]));
}

function countOf(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function indicesWhere(size, holds) {
  return Array.from({ length: size }, (_, i) => i).filter(holds);
}

function sameCodes(left, right) {
  return left.length === right.length && left.every((code, i) => code === right[i]);
}

/** An axis without ticks: the coordinates of a projection mean nothing by themselves. */
function hiddenScale(values) {
  const margin = 0.03 * (Math.max(...values) - Math.min(...values)) || 1;
  return {
    min: Math.min(...values) - margin,
    max: Math.max(...values) + margin,
    axisLabel: { show: false },
    axisLine: { onZero: false },
    splitLine: { show: false },
  };
}

function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
