// Colours. The page's own stand in style.css, where light and dark are told apart; charts ask here for the same ones.

const kInks = { ink: "--ink", faint: "--faint", line: "--line", paper: "--paper" };

/** The colours of text, lines and ground as they are now. */
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const read = ([name, property]) => [name, style.getPropertyValue(property).trim()];
  return Object.fromEntries(Object.entries(kInks).map(read));
}

// Readable on white and on near-black, and apart from each other for most kinds of colour vision (after Okabe and Ito).
const kSeries = ["#2f7fc1", "#e0851b", "#1f9d78", "#c2589b", "#8a6fd1", "#a3803c"];
const kLabels = [
  "#2f7fc1", "#e0851b", "#1f9d78", "#d2504b", "#8a6fd1", "#a3803c",
  "#e07fb4", "#5aa7dd", "#9aa829", "#12828f", "#c9a21c", "#7d8ba1",
];

/** Of what is no quantizer: chance, even use, shuffled labels. */
export const kNeutral = "#8d97a3";

/** The colour of the index-th quantizer, line or other series. */
export function seriesColor(index) {
  return kSeries[index % kSeries.length];
}

/** How many labels have a colour of their own. */
export const kColoredLabels = kLabels.length;

export function labelColor(index) {
  return kLabels[index];
}

/**
 * The colour of a code: hues a golden angle apart, so that codes with neighbouring numbers differ most, in three
 * lightnesses. With hundreds of codes colours come close to each other: the text at the pointer has the number.
 */
export function codeColor(code) {
  const hue = (code * 137.508) % 360;
  const lightness = [46, 62, 54][code % 3];
  const saturation = [68, 62, 48][Math.floor(code / 3) % 3];
  return `hsl(${hue.toFixed(1)}, ${saturation}%, ${lightness}%)`;
}

/** Calls `changed` when the page turns light or dark, and around printing, which is always light. */
export function watchTheme(changed) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  addEventListener("beforeprint", () => {
    document.documentElement.setAttribute("data-print", "");
    changed();
  });
  addEventListener("afterprint", () => {
    document.documentElement.removeAttribute("data-print");
    changed();
  });
}
