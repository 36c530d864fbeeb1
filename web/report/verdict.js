// The verdict on a code family in words, from its figures. docs/formats/report.md has the rules and their limits under
// "Verdicts". They are rules of thumb that point to a figure; every sentence carries the numbers that it rests on.

import { formatCount, formatFigure, formatShare, isNumber, joinWords } from "./number_format.js";
import { familiesOf, layersOf, quantizersOf } from "./report_data.js";

/** Borders of the rules. */
export const kBorders = {
  repeats: 0.1, // of what a layer could add: below, it nearly repeats the layers before it
  addsLittle: 0.5, // below, it adds little
  leastRoom: 0.1, // nats: with less left to add, a layer is not judged
  unused: 0.1, // of a layer's codes: above, the codes without items are mentioned as a fault
  unevenUse: 0.25, // perplexity / codes: below, few codes hold most items
  varianceGain: 0.01, // of the variance: below, a layer explains next to nothing more
  chance: 1.1, // times the figure for shuffled labels: below, a layer is called no better than chance
  itemsPerCode: 5, // items for each code of layer 1: below, entropies say little
};

/** One verdict for every quantizer and family: {quantizer, family, state, headline, text}. */
export function verdicts(report) {
  return quantizersOf(report).flatMap((quantizer) =>
    familiesOf(quantizer).map((family) => ({ quantizer: quantizer.name, family: family.family, ...judge(family) })),
  );
}

/** state: "good", "watch", "poor" or "unknown"; headline: a few words; text: the sentences with the numbers. */
export function judge(family) {
  const layers = layersOf(family);
  if (!(family.items > 0) || layers.length === 0) {
    return { state: "unknown", headline: "no codes", text: "No item has a code in this family." };
  }
  const ofLayers = [judgeUse, judgeVariance, judgeLabels].flatMap((judgement) => judgement(layers));
  const findings = [...judgeDepth(family, layers), ...ofLayers];
  const text = [describeIds(family), ...findings.map((finding) => finding.text), describeNeighbours(layers)];
  return { ...headlineOf(family, layers, findings), text: text.filter(Boolean).join(" ") };
}

/**
 * How much layer l (from 0) could add at most, in nats: it has k codes, and the layers before it have left
 * ln(items) - H(c_<l) of what would tell every item from every other.
 */
export function roomOf(family, l) {
  const layers = layersOf(family);
  let known = 0;
  for (let before = 0; before < l; ++before) known += layers[before].conditional_entropy ?? 0;
  return Math.max(0, Math.min(Math.log(layers[l].codebook_size), Math.log(family.items) - known));
}

function headlineOf(family, layers, findings) {
  if (family.items < kBorders.itemsPerCode * layers[0].codebook_size) {
    return { state: "unknown", headline: "too few items to judge" };
  }
  for (const state of ["poor", "watch"]) {
    const found = findings.filter((finding) => finding.state === state);
    if (found.length > 0) return { state, headline: found[0].headline };
  }
  return { state: "good", headline: "healthy" };
}

/** What the deeper layers add to the ID: repeat, little, no room, or enough. */
function judgeDepth(family, layers) {
  const groups = { repeats: [], little: [], full: [], adds: [] };
  for (let l = 1; l < layers.length; ++l) {
    const adds = layers[l].conditional_entropy;
    if (!isNumber(adds)) continue;
    const room = roomOf(family, l);
    groups[kindOfAddition(adds, room)].push({ name: String(l + 1), adds, room });
  }
  const { repeats, little, full, adds } = groups;
  const told = "the layers before already tell nearly all items apart";
  return [
    finding(repeats, "poor", (names) => `${names} nearly repeat${one(repeats)} the layers before`, withRoom),
    finding(little, "watch", (names) => `${names} add${one(little)} little`, withRoom),
    finding(adds, "good", (names) => `${names} add${one(adds)} to the ID`, withRoom),
    finding(full, "good", (names) => `${names} had nothing left to add`, () => told),
  ].filter(Boolean);
}

function kindOfAddition(adds, room) {
  if (room < kBorders.leastRoom) return "full";
  if (adds < kBorders.repeats * room) return "repeats";
  return adds < kBorders.addsLittle * room ? "little" : "adds";
}

function finding(layers, state, say, explain) {
  if (layers.length === 0) return null;
  const headline = say(layerNames(layers));
  return { state, headline, text: `${capital(headline)}: ${explain(layers)}.` };
}

function withRoom(layers) {
  const parts = layers.map((layer) => `${layer.adds.toFixed(2)} of at most ${layer.room.toFixed(2)}`);
  return `${joinWords(parts)} nats given the prefix`;
}

function judgeUse(layers) {
  const findings = [];
  layers.forEach((layer, l) => {
    const unused = layer.codebook_size - layer.codes_used;
    if (unused > kBorders.unused * layer.codebook_size) {
      findings.push({
        state: "watch",
        headline: `unused codes in layer ${l + 1}`,
        text: `Layer ${l + 1} leaves ${formatCount(unused)} of its ${formatCount(layer.codebook_size)} codes unused.`,
      });
    }
    if (layer.perplexity < kBorders.unevenUse * layer.codebook_size) {
      findings.push({
        state: "watch",
        headline: `uneven use of layer ${l + 1}`,
        text:
          `Few codes of layer ${l + 1} hold most items: its use has the entropy of ${formatFigure(layer.perplexity)} ` +
          `equally used codes (it has ${formatCount(layer.codebook_size)}).`,
      });
    }
  });
  return findings;
}

function judgeVariance(layers) {
  const explained = layers.map((layer) => layer.variance_explained);
  if (!explained.every(isNumber)) return [];
  const idle = [];
  for (let l = 1; l < layers.length; ++l) {
    if (explained[l] - explained[l - 1] < kBorders.varianceGain) idle.push({ name: String(l + 1) });
  }
  const shares = explained.map((share) => formatShare(share));
  const byLayer = shares.length > 1 ? ` (layer by layer ${joinWords(shares)})` : "";
  const found = [{ state: "good", text: `The codes explain ${shares[shares.length - 1]} of the variance${byLayer}.` }];
  if (idle.length > 0) {
    const headline = `${layerNames(idle)} explain${one(idle)} next to nothing more`;
    found.push({ state: "watch", headline, text: `${capital(headline)} of the variance (less than 1 point).` });
  }
  return found;
}

/** Conditional information against its one shuffle. Layer 1 alone can turn the verdict: deep nulls are noisy. */
function judgeLabels(layers) {
  const measured = layers
    .map((layer, l) => ({ l, told: layer.conditional_information, chance: layer.conditional_information_null }))
    .filter(({ told, chance }) => isNumber(told) && isNumber(chance));
  if (measured.length === 0) return [];
  const say = ({ l, told, chance }) => `layer ${l + 1} ${told.toFixed(2)} (${chance.toFixed(2)} if shuffled)`;
  const parts = measured.map(say);
  const figures = `About the label, given the layers before, in nats: ${joinWords(parts)}`;
  const text = `${figures}; only the excess is information.`;
  const first = measured[0];
  const isChance = first.l === 0 && first.told < kBorders.chance * first.chance;
  if (!isChance) return [{ state: "good", text }];
  const headline = "layer 1 does not follow the labels";
  return [{ state: "watch", headline, text: `${text} Layer 1 tells no more of the label than chance.` }];
}

function describeIds(family) {
  const own = family.uniquely_identified_item_rate;
  let text = `${formatCount(family.items)} items have ${formatCount(family.unique_sid)} distinct IDs`;
  if (isNumber(own)) text += `; ${formatShare(own)} of the items share theirs with no other`;
  if (family.max_collision > 1) text += `, and one ID is shared by ${formatCount(family.max_collision)}`;
  return `${text}.`;
}

function describeNeighbours(layers) {
  const same = layers[0].neighbours_same_code;
  const chance = layers[0].neighbours_same_code_by_chance;
  if (!isNumber(same) || !isNumber(chance)) return null;
  const byChance = formatShare(chance);
  return `Of an item's nearest neighbours ${formatShare(same)} have its layer-1 code (${byChance} by chance).`;
}

function layerNames(layers) {
  return `layer${layers.length > 1 ? "s" : ""} ${joinWords(layers.map((layer) => layer.name))}`;
}

/** The verb's ending: "layer 2 adds", "layers 2 and 3 add". */
function one(layers) {
  return layers.length === 1 ? "s" : "";
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
