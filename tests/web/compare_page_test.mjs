// The comparison's page in a browser: node compare_page_test.mjs COMPARE_PAGE_EXAMPLE. Makes pages from the comparisons
// of compare_fixture.mjs with compare_page() and opens them in headless Chromium. Ends with 77 (skipped) without it.

import assert from "node:assert/strict";

import { charts, kHostile, onPage, runCases, sectionIds, settle } from "./browser_pages.mjs";
import { bareComparison, fullComparison } from "./compare_fixture.mjs";

const texts = (page, selector) => page.$$eval(selector, (nodes) => nodes.map((node) => node.innerText));
const scrolls = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);

const cases = {
  "every section is there, in order, and every chart has drawn": () =>
    onPage(fullComparison(), async (page) => {
      const expected = ["differences", "means", "slices", "calibration", "training", "tables"];
      assert.deepEqual(await sectionIds(page), expected);
      const drawn = await charts(page);
      // 6 metrics and their differences, 6 slices and theirs, reliability, mean prediction, training loss.
      assert.equal(drawn.length, 6 + 6 + 12 + 3);
      for (const chart of drawn) {
        assert.ok(chart.drawn > 1000, `${chart.title}: ${chart.drawn} pixels drawn`);
        assert.ok(chart.reading.length > 10, `${chart.title}: no sentence on how to read it`);
      }
      const logloss = drawn.find((chart) => chart.title === "log-loss");
      assert.match(logloss.reading, /Lower is better/);
      const head = drawn.find((chart) => chart.title === "AUC head");
      assert.match(head.reading, /52 items, 4,100 test samples/);
    }),

  "tables hold what the data holds, and say what a star and a control are": () =>
    onPage(fullComparison(), async (page) => {
      const rows = await texts(page, "#tables .table-frame:nth-of-type(1) tbody tr");
      const comparison = fullComparison();
      assert.equal(rows.length, comparison.rankers.length);
      const din = comparison.rankers[1].metrics.auc;
      const cell = `${din.mean.toFixed(4)}\u00a0±${din.half_width_95.toFixed(4)}`;
      assert.ok(rows[1].includes(cell), `${rows[1]} lacks ${cell}`);
      assert.match(rows[4], /shuffled \(control\)/);
      const notes = (await texts(page, ".how p")).join(" ");
      assert.match(notes, /\* marks a difference whose interval leaves out 0/);
      assert.match(notes, /control/);
      const differences = (await texts(page, "#tables .table-frame:nth-of-type(2) tbody tr")).join("\n");
      assert.equal((differences.match(/\*/g) ?? []).length, starsOf(comparison, comparison.tables[0]));
    }),

  "another table": () =>
    onPage(fullComparison(), async (page) => {
      assert.deepEqual(await texts(page, "#differences h2"), ["Differences to DIN"]);
      await page.select("#choose-table", "1");
      await settle(page);
      assert.deepEqual(await texts(page, "#differences h2"), ["Differences to MCCA / psrq, prefix-weight 0.5"]);
      assert.equal((await texts(page, "#tables .table-frame:nth-of-type(1) tbody tr")).length, 3);
      assert.ok((await charts(page)).every((chart) => chart.drawn > 1000));
    }),

  "the pointer tells the values by seed": () =>
    onPage(fullComparison(), async (page) => {
      const canvas = await page.$("#means figure canvas");
      await canvas.scrollIntoView();
      const box = await canvas.boundingBox();
      await page.mouse.move(box.x + box.width / 2, box.y + 20);
      await page.mouse.move(box.x + box.width / 2 + 2, box.y + 60);
      await settle(page);
      const told = (await texts(page, ".pointer-text")).join("\n");
      assert.match(told, /^DIN \(baseline\)/);
      assert.match(told, /by seed: 0\.\d{4}(, 0\.\d{4}){4}/);
    }),

  "one ranker and one seed make a page without intervals": () =>
    onPage(bareComparison(), async (page) => {
      assert.deepEqual(await sectionIds(page), ["means", "tables"]);
      assert.match((await texts(page, ".how p")).join(" "), /One seed: no intervals/);
      assert.equal(await page.$(".bar"), null);
      assert.ok(!(await texts(page, "#tables"))[0].includes(" ±0"));
    }),

  "hostile names are text": () =>
    onPage(fullComparison({ hostile: kHostile }), async (page) => {
      assert.ok((await texts(page, "h1"))[0].includes(kHostile));
      assert.equal((await page.$$eval("script, img, iframe, b", (nodes) => nodes.length)), 2);
      await page.select("#choose-table", "1");
      await settle(page);
      assert.ok((await texts(page, "#tables"))[0].includes(kHostile));
      assert.equal((await page.$$eval("script, img, iframe, b", (nodes) => nodes.length)), 2);
    }),

  "dark and as narrow as a phone": () =>
    onPage(
      fullComparison(),
      async (page) => {
        assert.equal(await scrolls(page), false, "the page is wider than the screen");
        const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        assert.equal(paper, "rgb(22, 28, 35)");
        assert.ok((await charts(page)).every((chart) => chart.drawn > 1000));
      },
      { width: 400, scheme: "dark" },
    ),
};

function starsOf(comparison, table) {
  const main = comparison.metrics.filter((metric) => metric.group === "main").map((metric) => metric.key);
  const differences = table.rows.flatMap((row) => main.map((key) => row.differences?.[key]));
  return differences.filter((difference) => difference?.excludes_zero).length;
}

await runCases(cases);
