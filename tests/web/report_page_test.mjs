// The report page in a browser: node report_page_test.mjs REPORT_PAGE_EXAMPLE. Makes pages from the reports of
// report_fixture.mjs with report_page() and opens them in headless Chromium. Ends with 77 (skipped) without Chromium.

import assert from "node:assert/strict";

import { charts, kHostile, onPage, runCases, sectionIds, settle } from "./browser_pages.mjs";
import { bareReport, emptyReport, fullReport } from "./report_fixture.mjs";

/** Moves the pointer over a chart until it tells something (where points lie is the chart's affair), and returns it. */
async function toldAtPointer(page, chart) {
  const canvas = await page.$(chart);
  await canvas.scrollIntoView();
  const box = await canvas.boundingBox();
  for (let step = 0; step < 2500; ++step) {
    // From the middle row on, and over the edge: a single point lies in the middle.
    const row = (Math.floor(step / 50) + 25) % 50;
    await page.mouse.move(box.x + (box.width * ((step % 50) + 0.5)) / 50, box.y + (box.height * (row + 0.5)) / 50);
    const told = await page.$$eval(".pointer-text", (all) => all.map((node) => node.innerText).join("\n"));
    if (told !== "") return told;
  }
  return "";
}

const text = (page, selector) => page.$eval(selector, (node) => node.innerText);
const column = (page, table, index) =>
  page.$$eval(`${table} tbody tr`, (rows, at) => rows.map((row) => row.children[at].innerText), index);
const scriptElements = (page) => page.$$eval("script, img, iframe, b", (nodes) => nodes.map((node) => node.tagName));

const cases = {
  "every section is there, in order, and every chart has drawn": () =>
    onPage(fullReport(), async (page) => {
      const expected = ["verdicts", "map", "layers", "usage", "tree", "codes", "depth", "tradeoff", "tables"];
      assert.deepEqual(await sectionIds(page), expected);
      const drawn = await charts(page);
      // Map: label, layer 1 (alike in all), layer 2 of 3 quantizers; 3 x 2 bars; 3 layers' use; 3 by depth; 3 curves.
      assert.equal(drawn.length, 5 + 6 + 3 + 3 + 3);
      for (const chart of drawn) {
        assert.ok(chart.drawn > 500, `${chart.title}: ${chart.drawn} pixels drawn`);
        assert.ok(chart.reading.length > 10, `${chart.title}: no sentence on how to read it`);
      }
    }),

  "the sweep's points make a curve for each size and variant, RQ and PSRQ its ends": () =>
    onPage(fullReport(), async (page) => {
      const entries = "#tradeoff figure:nth-child(1) .legend li";
      const curves = await page.$$eval(entries, (all) => all.map((entry) => entry.innerText));
      assert.deepEqual(curves, ["balanced, 2 layers of 64 codes", "3 layers of 64 codes"]);
    }),

  "the verdict says which layer repeats": () =>
    onPage(fullReport(), async (page) => {
      const headlines = await page.$$eval("#verdicts h3", (nodes) => nodes.map((node) => node.innerText));
      assert.equal(headlines.length, 6);
      assert.match(headlines[0], /rq \/ text: healthy/);
      assert.match(headlines[4], /copying \/ text: layer 2 nearly repeats/);
    }),

  "another family and another quantizer": () =>
    onPage(fullReport(), async (page) => {
      assert.match(await text(page, "#tree .lead"), /^rq, family text/);
      await page.select("#choose-family", "audio");
      await page.select("#choose-quantizer", "psrq");
      await settle(page);
      assert.match(await text(page, "#tree .lead"), /^psrq, family audio/);
      assert.match(await text(page, "#codes .lead"), /^psrq, family audio/);
      assert.ok((await charts(page)).every((chart) => chart.drawn > 500));
      assert.ok(!(await sectionIds(page)).includes("tradeoff"), "the sweep is of the family text alone");
    }),

  "tables sort by click and by keyboard, and say so": () =>
    onPage(fullReport(), async (page) => {
      const numbers = async () => (await column(page, "#codes", 1)).map((cell) => Number(cell.replaceAll(",", "")));
      const ariaSort = () => page.$eval("#codes thead th:nth-child(2)", (header) => header.getAttribute("aria-sort"));
      const falling = [...(await numbers())].sort((a, b) => b - a);
      assert.ok(falling[0] > falling[falling.length - 1], "the fixture's codes differ in size");
      assert.deepEqual(await numbers(), falling);
      assert.equal(await ariaSort(), "descending");
      await page.click("#codes thead th:nth-child(2) button");
      assert.deepEqual(await numbers(), [...falling].reverse());
      assert.equal(await ariaSort(), "ascending");
      await page.focus("#codes thead th:nth-child(1) button");
      await page.keyboard.press("Enter");
      const codes = (await column(page, "#codes", 0)).map(Number);
      assert.deepEqual(codes, [...codes].sort((a, b) => b - a));
      assert.equal(await ariaSort(), "none");
      assert.equal(await page.$eval("#codes tbody td", (cell) => getComputedStyle(cell).textAlign), "right");
    }),

  "the tree opens on demand and the search filters it": () =>
    onPage(fullReport(), async (page) => {
      const nodes = () => page.$$eval("#tree details", (all) => all.length);
      const before = await nodes();
      assert.equal(before, 16); // the codes of layer 1: their children are not made yet
      await page.focus("#tree summary");
      await page.keyboard.press("Enter");
      await settle(page);
      assert.ok((await nodes()) > before);
      await page.type("#tree-search", "3 5");
      const shown = await page.$$eval("#tree .hit > summary .code", (all) => all.map((node) => node.innerText));
      assert.deepEqual(shown, ["3 · 5"]);
      await page.$eval("#tree-search", (field) => (field.value = ""));
      await page.type("#tree-search", "no such tag");
      assert.equal(await nodes(), 0);
      assert.match(await text(page, "#tree p.quiet"), /^0 of/);
    }),

  "the pointer tells the item, its label, its codes and their name": () =>
    onPage(fullReport({ items: 40 }), async (page) => {
      const told = await toldAtPointer(page, "#map figure:nth-child(2) canvas");
      assert.match(told, /^artist \d+\nlabel: /);
      assert.match(told, /psrq: \d+ · \d+ · \d+/);
      assert.match(told, /layer 1 of rq here: [a-z0-9]+/);
    }),

  "an item is found by name, without a pointer": () =>
    onPage(fullReport(), async (page) => {
      await page.type("#map-item", "artist 17");
      const found = await page.$$eval("#map .found li", (all) => all.map((node) => node.innerText));
      assert.equal(found.length, 11); // 17 and 170 to 179
      assert.match(found[0], /^artist 17 rq \d+ · \d+ · \d+; psrq/);
      await page.click("#map .keys button");
      assert.equal(await page.$eval("#map .keys button", (button) => button.getAttribute("aria-pressed")), "true");
    }),

  "hostile names are text": () =>
    onPage(fullReport({ hostile: kHostile }), async (page) => {
      assert.equal(await text(page, "h1"), `Semantic IDs of ${kHostile}`);
      assert.equal(await page.title(), `Semantic IDs of ${kHostile}`);
      assert.deepEqual(await scriptElements(page), ["SCRIPT", "SCRIPT"]);
      await page.select("#choose-quantizer", kHostile);
      await page.select("#choose-family", kHostile);
      await page.type("#map-item", "</script>");
      assert.match(await text(page, "#map .found li"), /^<\/script><img src=x onerror=alert\(1\)>/);
      await page.type("#tree-search", "<img");
      await settle(page);
      assert.ok((await page.$$("#tree .hit")).length > 0);
      assert.ok((await text(page, "#tree .hit")).includes(kHostile));
      assert.deepEqual(await scriptElements(page), ["SCRIPT", "SCRIPT"]);
      assert.ok((await charts(page)).every((chart) => chart.drawn > 500));
    }),

  "hostile names are text at the pointer; one item makes a map too": () =>
    onPage(fullReport({ items: 1, codes: 2, hostile: kHostile }), async (page) => {
      const told = await toldAtPointer(page, "#map figure:nth-child(2) canvas");
      assert.ok(told.startsWith(kHostile), told);
      assert.ok(told.includes(`${kHostile}: `), "the hostile quantizer's codes");
      assert.deepEqual(await scriptElements(page), ["SCRIPT", "SCRIPT"]);
    }),

  "an empty report is a page that says so": () =>
    onPage(emptyReport(), async (page) => {
      assert.deepEqual(await sectionIds(page), []);
      assert.match(await text(page, "main"), /This report holds no figures/);
    }),

  "sections without data are left out": () =>
    onPage(bareReport(), async (page) => {
      assert.deepEqual(await sectionIds(page), ["verdicts", "layers", "tables"]);
      assert.equal((await charts(page)).length, 1);
      assert.match(await text(page, "#verdicts h3"), /vq \/ text: healthy/);
      assert.equal(await page.$(".bar"), null);
    }),

  "many codes stay quick to lay out": () =>
    onPage(fullReport({ items: 4000, codes: 256, families: ["text"] }), async (page) => {
      const groups = Number((await text(page, "#tree p.quiet")).match(/^([\d,]+) groups/)[1].replace(",", ""));
      assert.ok(groups > 3000, `${groups} groups`);
      assert.equal(await page.$$eval("#tree details", (all) => all.length), 256);
      await page.type("#tree-search", "artist");
      assert.match(await text(page, "#tree p.quiet"), /The first 200 are shown/);
    }),

  "a narrow page does not scroll sideways": () =>
    onPage(
      fullReport({ hostile: kHostile.repeat(4) }),
      async (page) => {
        const tooWide = await page.evaluate(() =>
          [...document.querySelectorAll("main *")]
            .filter((node) => node.getBoundingClientRect().right > 400 && !node.closest(".table-frame"))
            .map((node) => `${node.tagName}.${node.className} in ${node.closest("section")?.id}`),
        );
        assert.deepEqual(tooWide, []);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 400);
      },
      { width: 400 },
    ),
};

await runCases(cases);
