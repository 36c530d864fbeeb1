// Numbers as the page shows them: always the same way, and a dash where there is none.

export const kAbsent = "–";

/** Whether the data has this figure. JSON knows no NaN: neume writes null for one. */
export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

const kGrouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 12345 -> "12,345". */
export function formatCount(value) {
  return isNumber(value) ? kGrouped.format(value) : kAbsent;
}

/** 0.1234 -> "12.3 %", with a space that does not break. */
export function formatShare(value, decimals = 1) {
  return isNumber(value) ? `${(100 * value).toFixed(decimals)}\u00a0%` : kAbsent;
}

/** 2.345 -> "2.35 nats"; small figures keep a third decimal. */
export function formatNats(value) {
  return isNumber(value) ? `${formatFigure(value)}\u00a0nats` : kAbsent;
}

/** A figure of unknown unit: counts as counts, the rest with two or three decimals, very small ones by exponent. */
export function formatFigure(value) {
  if (!isNumber(value)) return kAbsent;
  if (Number.isInteger(value)) return kGrouped.format(value);
  const size = Math.abs(value);
  if (size < 5e-4) return Math.abs(value) < 1e-12 ? "0.000" : value.toExponential(1);
  return value.toFixed(size < 1 ? 3 : 2);
}

/** ["2", "3", "4"] -> "2, 3 and 4". */
export function joinWords(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}
