// Reports to put in front of the page: figures are made up from a small simulation, so that they fit each other.

const kTags = "rock metal pop folk jazz finnish ambient house punk soul latin choir 80s live".split(" ");

/** Uniform numbers in [0, 1) from a seed (xorshift32): the same report every time. */
function randomNumbers(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/**
 * `items` points around cluster centres, each with a label (sometimes none) and codes in every layer; layer 2 repeats
 * layer 1 for the share `copied` of them.
 */
function simulate({ items, codes, layers, seed, copied }) {
  const random = randomNumbers(seed);
  const centres = Array.from({ length: codes }, (_, c) => ({
    x: 40 * (random() - 0.5),
    y: 40 * (random() - 0.5),
    label: c % kTags.length,
  }));
  return Array.from({ length: items }, (_, i) => {
    const centre = Math.floor(random() ** 1.6 * codes);
    const dx = random() + random() - 1;
    const dy = random() + random() - 1;
    const quadrant = Math.min(codes - 1, Math.floor((codes * (Math.atan2(dy, dx) + Math.PI)) / (2 * Math.PI)));
    const fine = Math.floor(random() * codes);
    const isCopied = random() < copied;
    const deeper = [isCopied ? (centre * 7) % codes : quadrant, fine];
    return {
      name: `artist ${i}`,
      x: centres[centre].x + 4 * dx,
      y: centres[centre].y + 4 * dy,
      label: random() < 0.1 ? -1 : centres[centre].label,
      codes: Array.from({ length: layers }, (_, l) => (l === 0 ? centre : deeper[(l - 1) % 2])),
    };
  });
}

function countsBy(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function entropyOf(values) {
  let sum = 0;
  for (const count of countsBy(values).values()) sum -= (count / values.length) * Math.log(count / values.length);
  return sum;
}

const prefixOf = (item, depth) => item.codes.slice(0, depth).join(",");

function layerFigures(points, l, { codes, copied }) {
  const own = points.map((point) => point.codes[l]);
  const entropy = entropyOf(own);
  const known = entropyOf(points.map((point) => prefixOf(point, l)));
  const all = entropyOf(points.map((point) => prefixOf(point, l + 1)));
  return {
    codebook_size: codes,
    codes_used: new Set(own).size,
    dead_codes: codes - new Set(own).size,
    coverage: new Set(own).size / codes,
    entropy,
    entropy_ratio: entropy / Math.log(codes),
    perplexity: Math.exp(entropy),
    gini: 0.31,
    conditional_entropy: l === 0 ? entropy : all - known,
    conditional_information: [1.1, 0.6, 0.4][l % 3],
    conditional_information_null: [0.15, 0.5, 0.39][l % 3],
    variance_explained: 0.4 + 0.1 * l,
    mse: 0.6 - 0.1 * l,
    mean_cosine: 0.7 + 0.05 * l,
    code_agreement: { nmi: 0.5 / (l + 1), ami: 0.4 / (l + 1), purity: 0.6 },
    code_agreement_null: { nmi: 0.1, ami: 0.0, purity: 0.2 },
    prefix_agreement: { nmi: 0.5, ami: 0.4, purity: 0.8 },
    prefix_agreement_null: { nmi: 0.3, ami: 0.0, purity: 0.5 },
    neighbours_same_code: (0.55 + 0.3 * copied) / (l + 1),
    neighbours_same_prefix: (0.55 + 0.3 * copied) / (l + 1) ** 2,
    neighbours_same_code_by_chance: 0.03,
    neighbours_same_prefix_by_chance: 0.03 / (l + 1) ** 3,
    cohesion: { within: 0.4 + 0.15 * l * (1 - copied), permuted: 0.11, all_pairs: 0.1 },
  };
}

function groupOf(members, codes, nameOfTag) {
  const tags = [...countsBy(members.map((point) => point.label).filter((label) => label >= 0))];
  tags.sort((a, b) => b[1] - a[1]);
  const best = tags.slice(0, 3).map(([label, count]) => ({
    tag: nameOfTag(label),
    count,
    share: count / members.length,
    background_share: 0.07,
    z: 2 + count / 4,
  }));
  return {
    codes,
    items: members.length,
    name: best.length > 0 ? best.slice(0, 2).map((tag) => tag.tag).join(", ") : "untagged",
    tags: best,
    typical: members.slice(0, 5).map((point) => point.name),
  };
}

function groupsBy(points, keyOf, nameOfTag) {
  const members = new Map();
  for (const point of points) {
    const key = keyOf(point).join(",");
    if (!members.has(key)) members.set(key, []);
    members.get(key).push(point);
  }
  return [...members.values()].map((list) => groupOf(list, keyOf(list[0]), nameOfTag));
}

function familyOf(name, points, { codes, layers, copied, nameOfTag }) {
  const ids = countsBy(points.map((point) => prefixOf(point, layers)));
  const alone = [...ids.values()].filter((count) => count === 1).length;
  const figures = Array.from({ length: layers }, (_, l) => layerFigures(points, l, { codes, copied }));
  const nothingAdded = { conditional_entropy: 0, conditional_information: 0, conditional_information_null: 0 };
  const control = figures.map((_, l) => ({ ...figures[0], ...(l === 0 ? {} : nothingAdded) }));
  control.forEach((layer) => delete layer.variance_explained);
  const usageOf = (l) => Array.from({ length: codes }, (_, c) => points.filter((point) => point.codes[l] === c).length);
  const family = {
    family: name,
    items: points.length,
    items_without_code: 3,
    labelled_items: points.filter((point) => point.label >= 0).length,
    unique_sid: ids.size,
    no_collision_rate: ids.size / points.length,
    collision_rate: 1 - ids.size / points.length,
    uniquely_identified_item_rate: alone / points.length,
    shared_id_rate: 1 - alone / points.length,
    mean_group: points.length / ids.size,
    max_collision: Math.max(...ids.values()),
    entropy: entropyOf(points.map((point) => prefixOf(point, layers))),
    entropy_ratio: 0.9,
    layers: figures,
  };
  const depths = Array.from({ length: Math.min(2, layers) }, (_, l) => l + 1);
  return {
    ...family,
    control_copy_of_layer_1: { ...family, family: `${name} (layer 1 copied)`, layers: control },
    usage: figures.map((_, l) => usageOf(l)),
    tree: depths.flatMap((depth) => groupsBy(points, (point) => point.codes.slice(0, depth), nameOfTag)),
    layer_codes: figures.map((_, l) => groupsBy(points, (point) => [point.codes[l]], nameOfTag)),
  };
}

function sweepOf(families) {
  const weights = [0, 0.1, 0.25, 0.5, 0.75, 1];
  return families.flatMap((family) =>
    [2, 3].flatMap((layers) =>
      weights.map((weight) => ({
        family,
        method: `${layers === 2 ? "balanced " : ""}${weight === 0 ? "rq" : "psrq"}`,
        prefix_weight: weight,
        layers,
        codes: 64,
        variance_explained: 0.4 + 0.05 * layers - 0.06 * weight ** 2,
        share_of_rq: 1 - 0.12 * weight ** 2,
        conditional_entropy: 3.1 - 0.9 * weight,
        conditional_information: 0.3 + 0.2 * weight,
        conditional_information_null: 0.2 - 0.02 * weight,
        unique_sid_rate: 0.8 - 0.2 * weight,
        auc: 0.88 + 0.01 * weight,
        auc_cold: 0.82 + 0.015 * weight,
      })),
    ),
  );
}

/** Codes of the points as a projection has them: by quantizer, a list a layer. */
function codesByQuantizer(kinds, runs, layers) {
  const ofRun = (points) => Array.from({ length: layers }, (_, l) => points.map((point) => point.codes[l]));
  return Object.fromEntries(kinds.map((kind, q) => [kind.name, ofRun(runs[q])]));
}

/** A full report. `hostile`: a name that is put wherever a name can stand, or nothing. */
export function fullReport({ items = 300, codes = 16, layers = 3, families = ["text", "audio"], hostile = null } = {}) {
  const labels = kTags.map((tag, index) => (hostile && index === 0 ? hostile : tag));
  const nameOfTag = (label) => labels[label];
  const kinds = [
    { name: "rq", copied: 0 },
    { name: "psrq", copied: 0.3 },
    { name: hostile ?? "copying", copied: 0.98 },
  ];
  const sizes = Array(layers).fill(codes);
  const quantizers = kinds.map(({ name }) => ({ name, method: "rq", prefix_weight: 0, codes: sizes, families: [] }));
  const projections = families.map((plainName, f) => {
    const family = hostile && f === 1 ? hostile : plainName;
    const runs = kinds.map(({ copied }) => simulate({ items, codes, layers, seed: 11 + f, copied }));
    for (const points of runs) if (hostile) points[0].name = hostile;
    runs.forEach((points, q) => {
      const settings = { codes, layers, copied: kinds[q].copied, nameOfTag };
      quantizers[q].families.push(familyOf(family, points, settings));
    });
    return {
      family,
      caption: `t-SNE of ${items} items`,
      x: runs[0].map((point) => point.x),
      y: runs[0].map((point) => point.y),
      item: runs[0].map((point) => point.name),
      label: runs[0].map((point) => point.label),
      codes: codesByQuantizer(kinds, runs, layers),
    };
  });
  return {
    format: "neume-report",
    version: 1,
    title: hostile ?? "made up",
    neume: "0.1.0",
    notes: [`All ${items} items are in the picture.`, ...(hostile ? [hostile] : [])],
    quantizers,
    labels,
    projections,
    sweep: { points: sweepOf([projections[0].family]) },
  };
}

export function emptyReport() {
  return { format: "neume-report", version: 1 };
}

/** Only what quality.json has without labels, codebooks and embeddings: one family of one layer. */
export function bareReport() {
  const layer = {
    codebook_size: 4,
    codes_used: 4,
    dead_codes: 0,
    coverage: 1,
    entropy: 1.38,
    entropy_ratio: 0.99,
    perplexity: 3.98,
    gini: 0.02,
    conditional_entropy: 1.38,
  };
  const family = {
    family: "text",
    items: 100,
    items_without_code: 0,
    labelled_items: 0,
    unique_sid: 4,
    no_collision_rate: 0.04,
    uniquely_identified_item_rate: 0,
    max_collision: 27,
    entropy: 1.38,
    entropy_ratio: 0.99,
    layers: [layer],
  };
  return { ...emptyReport(), quantizers: [{ name: "vq", families: [family] }] };
}
