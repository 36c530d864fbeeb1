// The rules of the verdict (docs/formats/report.md), number formats and the order of sorted rows: no browser needed.

import assert from "node:assert/strict";
import test from "node:test";

import { formatFigure, formatShare, joinWords } from "../../web/report/number_format.js";
import { sortedRows } from "../../web/report/sortable_table.js";
import { figures } from "../../web/report/tables_section.js";
import { judge, roomOf, verdicts } from "../../web/report/verdict.js";

/** 1,000 items, codebooks of 16 (ln 16 = 2.77); each layer's H(code given prefix) as given; all codes used alike. */
function familyWith(conditionalEntropies, changes = {}) {
  const even = { codebook_size: 16, codes_used: 16, perplexity: 15 };
  const layers = conditionalEntropies.map((entropy) => ({ ...even, conditional_entropy: entropy }));
  const ids = { unique_sid: 700, uniquely_identified_item_rate: 0.5, max_collision: 4 };
  return { family: "text", items: 1000, ...ids, layers, ...changes };
}

test("a layer can add ln k, or what the layers before it have left of ln n", () => {
  const family = familyWith([2.5, 2.5, 1.5]);
  assert.equal(roomOf(family, 0), Math.log(16));
  assert.equal(roomOf(family, 1), Math.log(16)); // ln 1000 - 2.5 = 4.41 is more
  assert.ok(Math.abs(roomOf(family, 2) - 1.9078) < 1e-4); // ln 1000 - 5 = 6.9078 - 5
});

test("healthy: every layer adds at least half of what it could", () => {
  const verdict = judge(familyWith([2.7, 2.5, 1.4]));
  assert.equal(verdict.state, "good");
  assert.equal(verdict.headline, "healthy");
  assert.match(verdict.text, /Layers 2 and 3 add to the ID: 2\.50 of at most 2\.77 and 1\.40 of at most 1\.71 nats/);
});

test("below a tenth of what it could add, a layer repeats; below a half, it adds little", () => {
  // Room is ln 16 = 2.77: the borders lie at 0.277 and 1.386.
  assert.equal(judge(familyWith([2.7, 0.27])).headline, "layer 2 nearly repeats the layers before");
  assert.equal(judge(familyWith([2.7, 0.28])).headline, "layer 2 adds little");
  assert.equal(judge(familyWith([2.7, 1.38])).state, "watch");
  assert.equal(judge(familyWith([2.7, 1.39])).state, "good");
  assert.equal(judge(familyWith([2.7, 0.1, 0.1])).headline, "layers 2 and 3 nearly repeat the layers before");
});

test("a repeating layer goes before lesser findings, and both are told", () => {
  const family = familyWith([2.7, 0.1]);
  family.layers[0].codes_used = 10; // 6 of 16 unused
  const verdict = judge(family);
  assert.equal(verdict.state, "poor");
  assert.match(verdict.text, /Layer 1 leaves 6 of its 16 codes unused/);
});

test("a layer that had nothing left to add is not called a repetition", () => {
  // ln 1000 - (2.7 + 2.7 + 1.45) = 0.0578, below 0.1.
  const verdict = judge(familyWith([2.7, 2.7, 1.45, 0.0]));
  assert.equal(verdict.state, "good");
  assert.match(verdict.text, /Layer 4 had nothing left to add/);
});

test("few items for each code: no verdict on entropies; no items: no verdict at all", () => {
  assert.equal(judge(familyWith([2.7, 0.1], { items: 79 })).headline, "too few items to judge"); // 79 < 5 x 16
  assert.notEqual(judge(familyWith([2.7, 0.1], { items: 80 })).headline, "too few items to judge");
  assert.equal(judge(familyWith([0], { items: 0 })).state, "unknown");
  assert.equal(judge({ items: 5 }).headline, "no codes");
});

test("labels: only layer 1 at the level of chance turns the verdict", () => {
  const told = (first, second) => {
    const family = familyWith([2.7, 2.5]);
    Object.assign(family.layers[0], { conditional_information: first, conditional_information_null: 0.2 });
    Object.assign(family.layers[1], { conditional_information: second, conditional_information_null: 0.5 });
    return judge(family);
  };
  assert.equal(told(0.9, 0.5).state, "good");
  assert.equal(told(0.21, 0.9).headline, "layer 1 does not follow the labels"); // 0.21 < 1.1 x 0.2
  assert.match(told(0.9, 0.5).text, /layer 1 0\.90 \(0\.20 if shuffled\) and layer 2 0\.50 \(0\.50 if shuffled\)/);
});

test("variance: a layer that explains less than a point more is named", () => {
  const family = familyWith([2.7, 2.5]);
  family.layers[0].variance_explained = 0.4;
  family.layers[1].variance_explained = 0.405;
  assert.equal(judge(family).headline, "layer 2 explains next to nothing more");
  family.layers[1].variance_explained = null; // not measured
  assert.equal(judge(family).headline, "healthy");
});

test("every quantizer and family has a verdict; a report without any has none", () => {
  const report = { quantizers: [{ name: "rq", families: [familyWith([2.7])] }, { name: "vq" }] };
  assert.deepEqual(verdicts(report).map(({ quantizer, family }) => [quantizer, family]), [["rq", "text"]]);
  assert.deepEqual(verdicts({}), []);
});

test("numbers", () => {
  assert.equal(formatFigure(12345), "12,345");
  assert.equal(formatFigure(2.345678), "2.35");
  assert.equal(formatFigure(0.1234), "0.123");
  assert.equal(formatFigure(0.00001), "1.0e-5");
  assert.equal(formatFigure(null), "–");
  assert.equal(formatShare(0.1234), "12.3\u00a0%");
  assert.equal(joinWords(["a", "b", "c"]), "a, b and c");
});

test("sorted rows: absent values last either way, equal ones keep their order, codes in texts by number", () => {
  const rows = [{ n: 2, t: "a" }, { t: "b" }, { n: 10, t: "c" }, { n: 2, t: "d" }];
  const order = (descending) => sortedRows(rows, (row) => row.n, descending).map((row) => row.t).join("");
  assert.equal(order(false), "adcb");
  assert.equal(order(true), "cadb");
  assert.deepEqual(sortedRows(["c 10", "c 2"], (text) => text, false), ["c 2", "c 10"]);
});

test("figures of nested objects are found, lists and the control are not", () => {
  const object = { a: 1, b: { c: 2, d: null }, layers: [1], control_copy_of_layer_1: { a: 3 } };
  assert.deepEqual(figures(object), { a: 1, "b.c": 2 });
});
