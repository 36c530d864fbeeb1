// Scores batches with exported graphs: node onnx_parity.mjs STEM ..., where STEM.onnx is a model and STEM.json a list of
// {inputs: {name: {type, dims, data}}, logits} that neume wrote. Ends with 1 where a logit differs by more than 1e-5 of
// the largest, with 77 (skipped) without onnxruntime-web.

import { readFileSync } from "node:fs";

const kTolerance = 1e-5;

let ort;
try {
  ort = (await import("onnxruntime-web")).default;
} catch {
  console.log("skipped: onnxruntime-web is not installed; ./setup --tests installs it");
  process.exit(77);
}
ort.env.wasm.numThreads = 1;

/** An input as the runtime wants it. */
function tensor({ type, dims, data }) {
  const values = type === "int64" ? BigInt64Array.from(data, BigInt) : Float32Array.from(data);
  return new ort.Tensor(type, values, dims);
}

/** Largest difference of two arrays over the largest magnitude of the second. */
function difference(found, expected) {
  let worst = 0;
  let largest = 0;
  expected.forEach((value, i) => {
    const gap = Math.abs(found[i] - value);
    worst = gap <= worst ? worst : gap; // a NaN wins
    largest = Math.max(largest, Math.abs(value));
  });
  return worst / largest;
}

let isEqual = true;
for (const stem of process.argv.slice(2)) {
  const session = await ort.InferenceSession.create(readFileSync(`${stem}.onnx`), { executionProviders: ["wasm"] });
  for (const { inputs, logits } of JSON.parse(readFileSync(`${stem}.json`, "utf8"))) {
    const feeds = Object.fromEntries(session.inputNames.map((name) => [name, tensor(inputs[name])]));
    const output = (await session.run(feeds)).logits;
    const gap = difference(output.data, logits);
    console.log(`${stem}: ${logits.length} logits, largest difference ${gap.toExponential(1)} of the largest`);
    isEqual &&= output.dims.length === 1 && output.dims[0] === logits.length && gap <= kTolerance;
  }
}
process.exit(isEqual ? 0 : 1);
