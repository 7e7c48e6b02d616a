// The page Query: writing, running, the fault at its line, ten thousand rows, the chart, taking along, cancelling.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { ended, forPurpose, ingestToken, openPage, settled, signIn, signInByHttp, someGrid, startBrowser, startServer, until, write } from "./harness.mjs";

let server;
let browser;

before(async () => {
  server = await startServer();
  const token = await ingestToken(server.url);
  const grid = await someGrid(server.url);
  const now = Date.now();
  const lines = Array.from({ length: 12_000 }, (_, i) => `methane,device=q${i % 4},area=${grid} value=${(i % 97) / 4} ${now - i * 200}`);
  await write(server.url, token, lines);
  const cookie = await signInByHttp(server.url);
  await until("the readings are in history", async () => {
    const answer = await fetch(`${server.url}/api/v1/sql`, {
      method: "POST",
      headers: { cookie, origin: server.url, "content-type": "application/json" },
      body: JSON.stringify({ sql: "SELECT count(*) FROM readings" }),
    });
    return (await answer.json()).rows[0][0] === lines.length;
  });
  browser = await startBrowser();
});
after(() => ended(browser, server));

async function open(options) {
  const seat = await openPage(browser, server.url, options);
  await signIn(seat.page);
  await seat.page.goto("/sql");
  await settled(seat.page);
  await seat.page.locator(".cm-content").waitFor();
  return seat;
}

async function type(page, sql) {
  await page.locator(".cm-content").click();
  await page.keyboard.press("Control+a");
  // Text put over coloured text makes the browser itself write a style, which the page's policy refuses it.
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(sql);
}

test("ten thousand rows are there at once, and the last one is a scroll away", async () => {
  const { page, context, faults } = await open();
  await type(page, "SELECT device, at, value FROM readings ORDER BY at");
  await page.keyboard.press("Control+Enter");
  await page.locator("[data-test=count]", { hasText: "10,000" }).waitFor();
  await page.locator(".cut").waitFor();
  assert.ok((await page.locator(".results tbody tr").count()) < 100, "only the rows in sight are in the document");
  await page.locator(".results").evaluate((box) => box.scrollTo(0, box.scrollHeight));
  await page.locator(".results tr[aria-rowindex='10001']").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("an example is chosen, run, drawn and taken along as a file", async () => {
  const { page, context, faults } = await open({ lang: "en" });
  await page.locator("[data-test=examples]").selectOption({ index: 2 });
  await page.locator("[data-test=run]").click();
  await page.locator("[data-test=chart]").click();
  await page.locator(".chart canvas").waitFor();
  for (const [format, head] of [["csv", "\ufefftime,district,mean"], ["parquet", "PAR1"]]) {
    await page.locator(`[data-test=${format}]`).click();
    const download = await forPurpose(page, "statistics");
    assert.equal(download.suggestedFilename(), `chengmai-query.${format}`);
    const bytes = await readFile(await download.path());
    assert.equal(bytes.toString("utf8").slice(0, head.length), head);
  }
  await page.reload();
  await page.locator(".cm-content", { hasText: "date_bin" }).waitFor();
  assert.equal(await page.locator("[data-test=past] option").count(), 2, "the menu's own word and the one query");
  assert.deepEqual(faults, []);
  await context.close();
});

test("a fault is shown with its number, and marked at its place", async () => {
  const { page, context } = await open();
  await type(page, "SELECT value\nFROM readings\nWHERE valeu > 3");
  await page.keyboard.press("Control+Enter");
  await page.locator(".problem .number", { hasText: "E-703" }).waitFor();
  await page.locator(".cm-lintRange-error", { hasText: "valeu" }).waitFor();
  await context.close();
});

test("tables and columns are completed", async () => {
  const { page, context } = await open();
  await type(page, "SELECT received_at FROM ");
  await page.keyboard.type("rea");
  await page.locator(".cm-tooltip-autocomplete li", { hasText: "readings" }).first().waitFor();
  await context.close();
});

test("a query that takes long can be cancelled, and the next one is answered", async () => {
  const { page, context } = await open();
  await type(page, "SELECT sum(a.value * b.value) FROM generate_series(1, 1000000) a CROSS JOIN generate_series(1, 1000000) b");
  await page.keyboard.press("Control+Enter");
  await page.locator("[data-test=cancel]").click();
  await page.locator("[data-test=run]").waitFor();
  assert.equal(await page.locator(".problem").count(), 0, "cancelling is no fault");
  await type(page, "SELECT count(*) AS n FROM readings");
  await page.keyboard.press("Control+Enter");
  await page.locator(".results td", { hasText: "12000" }).waitFor();
  await context.close();
});
