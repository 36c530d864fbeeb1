// Reading the report's data: which parts are there, and the shapes that several sections ask for. Every part may be
// absent; these functions answer with an empty list then, so that a section can leave itself out.

/** The report inside the page, or an error that says what is wrong with it. */
export function readReport(text) {
  const report = JSON.parse(text);
  if (report === null || typeof report !== "object") throw new Error("the report's data is not an object");
  return report;
}

export function quantizersOf(report) {
  return list(report.quantizers);
}

export function familiesOf(quantizer) {
  return list(quantizer?.families);
}

export function layersOf(family) {
  return list(family?.layers);
}

/** The family of that name, or undefined. */
export function familyNamed(quantizer, name) {
  return familiesOf(quantizer).find((family) => family.family === name);
}

/** The names of all families of the report, in the order in which they come first. */
export function familyNames(report) {
  const names = new Set();
  for (const quantizer of quantizersOf(report)) for (const family of familiesOf(quantizer)) names.add(family.family);
  for (const projection of list(report.projections)) names.add(projection.family);
  for (const point of sweepPoints(report)) names.add(point.family);
  return [...names].filter((name) => name !== undefined);
}

export function sweepPoints(report) {
  return list(report.sweep?.points);
}

/** [{quantizer, family}] of the quantizers that have this family. */
export function pairsWith(report, familyName) {
  return quantizersOf(report)
    .map((quantizer) => ({ quantizer, family: familyNamed(quantizer, familyName) }))
    .filter((pair) => pair.family !== undefined);
}

/** "17 · 3": a prefix, or one code, as people read it. */
export function codeText(codes) {
  return list(codes).join(" · ");
}

/** Names by code: "c1,c2" -> group for the prefixes of the tree, and a list by layer of code -> group. */
export function codeGroups(family) {
  const byPrefix = new Map(list(family?.tree).map((group) => [list(group.codes).join(","), group]));
  const byCode = (groups) => new Map(list(groups).map((group) => [group.codes?.[0], group]));
  const byLayer = list(family?.layer_codes).map(byCode);
  return { byPrefix, byLayer };
}

export function list(value) {
  return Array.isArray(value) ? value : [];
}
