// Comparisons to put in front of the page: values by seed are made up, intervals and differences computed from them.

/** Uniform numbers in [0, 1) from a seed (xorshift32): the same comparison every time. */
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

const kT95 = { 2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776 }; // Student's t for two-sided 95%, by number of values

function estimate(values) {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, half_width_95: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, half_width_95: (kT95[n] * Math.sqrt(variance)) / Math.sqrt(n) };
}

const kSlices = [
  { group: "cold", name: "cold<5", items: 31, samples: 402 },
  { group: "cold", name: "cold<10", items: 77, samples: 911 },
  { group: "popularity", name: "head", items: 52, samples: 4100 },
  { group: "popularity", name: "torso", items: 310, samples: 3305 },
  { group: "popularity", name: "tail", items: 1012, samples: 1600 },
  { group: "popularity", name: "unseen", items: 51, samples: 95 },
];

function metricList() {
  const main = [
    ["auc", "AUC", "higher"],
    ["auc_cold", "AUC cold", "higher"],
    ["logloss", "log-loss", "lower"],
    ["gauc", "GAUC", "higher"],
    ["recall@20", "Recall@20", "higher"],
    ["ndcg@20", "NDCG@20", "higher"],
  ].map(([key, title, better]) => ({ key, title, group: "main", better }));
  const slices = kSlices.map(({ group, name }) => ({
    key: `${group}/${name}/auc`,
    title: `AUC ${name}`,
    group,
    better: "higher",
    slice: name,
  }));
  const calibration = ["base_rate", "mean_prediction"].map((key) => ({
    key,
    title: key.replace("_", " "),
    group: "calibration",
    better: "neither",
  }));
  return [...main, ...slices, ...calibration];
}

const kLevels = { logloss: 0.55, "recall@20": 0.31, "ndcg@20": 0.2, base_rate: 0.2, mean_prediction: 0.21 };

/** Six rankers in two tables; `hostile` stands in names and title. */
export function fullComparison({ hostile = "", seeds = [1, 2, 3, 4, 5] } = {}) {
  const random = randomNumbers(7);
  const metrics = metricList();
  const long = `long name ${hostile || "of a ranker with an option, embedding-width 64"}`;
  const psrq = "MCCA / psrq";
  const names = ["popularity", "DIN", "DIN + text IDs / rq", `${psrq}, prefix-weight 0.5`, `${psrq}, shuffled`, long];
  const rankers = names.map((name, r) => {
    const values = Object.fromEntries(
      metrics.map(({ key, better }) => {
        const sign = better === "lower" ? -1 : 1;
        const level = (kLevels[key] ?? 0.72) + (key === "base_rate" ? 0 : sign * 0.012 * (r % 5));
        const spread = key === "base_rate" ? 0 : r === 0 ? 0 : 0.01;
        const bySeed = seeds.map((_, s) => level + spread * (0.6 * Math.sin(5 * s) + 0.5 * (random() - 0.5)));
        return [key, { ...estimate(bySeed), by_seed: bySeed }];
      }),
    );
    const reliability = Array.from({ length: 10 }, (_, b) => ({
      samples: 900,
      mean_prediction: 0.03 + 0.085 * b,
      positive_rate: Math.min(1, Math.max(0, 0.02 + 0.085 * b * (0.85 + 0.06 * r))),
    }));
    const curve = Array.from({ length: 12 }, (_, at) => 0.55 + 0.15 * Math.exp(-at / (2 + r)));
    const training = seeds.map((seed) => ({ seed, epochs: [{ epoch: 1, training_loss: 0.57, curve }] }));
    const plan = { name, model: "din", quantizer: null, control: r === 4, options: {} };
    return { ...plan, metrics: values, reliability, training };
  });
  const tables = [
    tableOf("Models", rankers, rankers[1], metrics),
    tableOf(`Ablation ${hostile}`, rankers.slice(3), rankers[3], metrics),
  ];
  return {
    format: "neume-compare",
    version: 1,
    neume: "0.1.0",
    title: `lfm2k ${hostile}`.trim(),
    notes: [`a note ${hostile}`.trim()],
    seeds,
    test: { samples: 9100, positives: 1820, users: 1858, cold_samples: 911, cold_threshold: 30 },
    metrics,
    slices: kSlices,
    rankers,
    tables,
  };
}

function tableOf(title, rankers, baseline, metrics) {
  const rows = rankers.map((ranker) => {
    if (ranker === baseline) return { ranker: ranker.name };
    const differences = {};
    for (const { key, better } of metrics) {
      if (better === "neither") continue;
      const values = ranker.metrics[key].by_seed.map((value, s) => value - baseline.metrics[key].by_seed[s]);
      const found = estimate(values);
      const excludes = found.half_width_95 !== null && Math.abs(found.mean) > found.half_width_95;
      differences[key] = { ...found, excludes_zero: excludes };
    }
    return { ranker: ranker.name, differences };
  });
  return { title, baseline: baseline.name, rows };
}

/** One ranker, one seed, none of the parts that may be absent. */
export function bareComparison() {
  const full = fullComparison({ seeds: [1] });
  const ranker = { ...full.rankers[1], reliability: [], training: [] };
  const metrics = full.metrics.filter((metric) => metric.group === "main");
  ranker.metrics = Object.fromEntries(metrics.map(({ key }) => [key, ranker.metrics[key]]));
  const tables = [{ title: "Rankers", baseline: ranker.name, rows: [{ ranker: ranker.name }] }];
  return { ...full, notes: [], metrics, slices: [], rankers: [ranker], tables };
}
