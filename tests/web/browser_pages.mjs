// What the tests of pages in a browser share: headless Chromium, a page made by the C++ program that the command line
// names, and what every page must keep to. Importing it ends the process with 77 (skipped) where there is no browser.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import puppeteer from "puppeteer-core";

/** Text that would do harm where it is taken for HTML, a script or a template. */
export const kHostile = `</script><img src=x onerror=alert(1)>"'&<b>\${bold}</b>`;

const kBrowsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const example = process.argv[2];
const browserPath = kBrowsers.find((path) => existsSync(path));
if (!browserPath) {
  console.log(`skipped: none of ${kBrowsers.join(", ")} is there; ./setup --tests installs chromium`);
  process.exit(77);
}

const folder = mkdtempSync(join(tmpdir(), "neume-page-"));
const browser = await puppeteer.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-gpu"] });

/** Makes the page of `data`, opens it and gives it to `check`; no error, warning, request or dialog may come of it. */
export async function onPage(data, check, { width = 1280, scheme = "light" } = {}) {
  const json = join(folder, "page.json");
  const html = join(folder, "page.html");
  writeFileSync(json, JSON.stringify(data));
  execFileSync(example, [json, html]);
  const page = await browser.newPage();
  page.setDefaultTimeout(120000);
  const troubles = [];
  page.on("console", (message) => /error|warn/.test(message.type()) && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("dialog", (dialog) => troubles.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  page.on("request", (request) => {
    const isAllowed = /^(data|blob):/.test(request.url()) || request.url() === pathToFileURL(html).href;
    if (!isAllowed) troubles.push(`request for ${request.url()}`);
  });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setViewport({ width, height: 900 });
  await page.goto(pathToFileURL(html).href);
  await settle(page);
  await check(page);
  await settle(page);
  assert.deepEqual(troubles, [], "errors, requests or dialogs");
  await page.close();
}

/** Charts draw one after the other, each in a frame or two. */
export async function settle(page) {
  await page.waitForFunction(() => {
    const places = [...document.querySelectorAll("figure .canvas")];
    return places.every((place) => place.querySelector("canvas"));
  });
  const inTwoFrames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await page.evaluate(inTwoFrames);
}

/** For every chart: its title, the sentence beside it, and how many pixels its canvas has drawn on. */
export function charts(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll("figure.chart")].map((figure) => {
      const canvas = figure.querySelector("canvas");
      const pixels = canvas ? canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data : [];
      let drawn = 0;
      for (let at = 3; at < pixels.length; at += 4) drawn += pixels[at] > 0;
      const reading = figure.querySelector("figcaption p")?.textContent ?? "";
      return { title: figure.querySelector("h3").textContent, reading, drawn };
    }),
  );
}

export const sectionIds = (page) => page.$$eval("section", (sections) => sections.map((section) => section.id));

/** Runs every case, says how it went, and ends the process: 1 where one failed. */
export async function runCases(cases) {
  let failed = 0;
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run();
      console.log(`ok      ${name}`);
    } catch (error) {
      ++failed;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  }
  await browser.close();
  rmSync(folder, { recursive: true });
  process.exit(failed > 0 ? 1 : 0);
}
