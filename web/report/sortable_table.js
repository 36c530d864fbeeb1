// A table that sorts by any column, by click or keyboard, and says so to readers of the screen (aria-sort).

import { element } from "./dom.js";
import { isNumber, kAbsent } from "./number_format.js";

/**
 * columns: {title, value: row -> number, string or undefined, show: value, row -> string or node (the value as it is
 * where absent), help: what the column means, wide: true for text that may wrap}. A column whose values are numbers
 * stands right-aligned. Absent values sort last, either way. sorted: {column: index, descending} at the start, or null
 * for the order of the rows.
 */
export function sortableTable({ caption, columns, rows, sorted = null }) {
  const body = element("tbody");
  const numeric = columns.map((column) => rows.some((row) => isNumber(column.value(row))));
  let order = sorted;

  const headers = columns.map((column, index) => {
    const button = element("button", { type: "button", title: column.help, click: () => sortBy(index) }, column.title);
    return element("th", { scope: "col", class: numeric[index] ? "number" : null, "aria-sort": "none" }, button);
  });

  function sortBy(index) {
    // The first click on figures shows the largest first; on text, A first.
    const descending = order?.column === index ? !order.descending : numeric[index];
    order = { column: index, descending };
    fill();
  }

  function fill() {
    headers.forEach((header, index) => {
      const direction = order?.column === index ? (order.descending ? "descending" : "ascending") : "none";
      header.setAttribute("aria-sort", direction);
    });
    const ordered = order ? sortedRows(rows, columns[order.column].value, order.descending) : rows;
    body.replaceChildren(...ordered.map((row) => tableRow(row, columns, numeric)));
  }

  fill();
  return element(
    "div",
    { class: "table-frame", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, headers)), body),
  );
}

function tableRow(row, columns, numeric) {
  const cells = columns.map((column, index) => {
    const value = column.value(row);
    const shown = isAbsent(value) ? kAbsent : column.show ? column.show(value, row) : String(value);
    const kind = numeric[index] ? "number" : column.wide ? "wide" : null;
    return index === 0 ? element("th", { scope: "row", class: kind }, shown) : element("td", { class: kind }, shown);
  });
  return element("tr", {}, cells);
}

function isAbsent(value) {
  return value === undefined || value === null || value === "" || Number.isNaN(value);
}

/** The rows by value; equal ones keep their order, absent ones come last. */
export function sortedRows(rows, value, descending) {
  const sign = descending ? -1 : 1;
  const compare = (left, right) => {
    if (isAbsent(left) || isAbsent(right)) return isAbsent(left) - isAbsent(right);
    if (isNumber(left) && isNumber(right)) return sign * (left - right);
    return sign * String(left).localeCompare(String(right), "en", { numeric: true });
  };
  return [...rows].sort((a, b) => compare(value(a), value(b)));
}
