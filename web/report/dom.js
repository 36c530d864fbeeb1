// Building the page. Every string of the data becomes a text node or an attribute's value: nothing here, and nothing in
// web/report, parses text as markup.

/**
 * Makes an element. A property that is a function listens to the event of that name ("click"); `true` sets an empty
 * attribute; null, undefined and false set nothing; the rest becomes an attribute. Children are nodes, strings, or
 * null for nothing.
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** A section of the page with its heading and a sentence on what it shows. */
export function section(id, title, lead, ...children) {
  return element(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title` }, title),
    lead ? element("p", { class: "lead" }, lead) : null,
    ...children,
  );
}

/** A labelled choice. `choices` are [value, text]; `changed` gets the chosen value. */
export function choice(id, label, choices, chosen, changed) {
  const select = element(
    "select",
    { id, change: (event) => changed(event.target.value) },
    choices.map(([value, text]) => element("option", { value, selected: String(value) === String(chosen) }, text)),
  );
  return element("span", { class: "choice" }, element("label", { for: id }, label), select);
}

/** What the colours and strokes of a chart mean. `entries` are {text, color, kind: "box", "line" or "dashed"}. */
export function legend(entries) {
  return element(
    "ul",
    { class: "legend" },
    entries.map((entry) => {
      const swatch = element("span", { class: `swatch ${entry.kind ?? "box"}`, "aria-hidden": "true" });
      swatch.style.color = entry.color;
      return element("li", {}, swatch, entry.text);
    }),
  );
}
