// A duty officer looks at the page of alarm quality, shelves a noisy rule with a reason, sees its warning fall
// silent and stay on record, and shows it again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DISTRICT, ended, ingestToken, makeUser, openPage, passwordOf, settled, signIn, someGrid, startBrowser, startServer, until, write } from "./harness.mjs";

let server;
let browser;

before(async () => {
  server = await startServer();
  const token = await ingestToken(server.url);
  const grid = await someGrid(server.url);
  await makeUser(server.url, "desk", "duty_officer", DISTRICT);
  const now = Date.now();
  await write(server.url, token, [30_000, 15_000, 0].map((ago) => `methane,device=q1,area=${grid} value=35 ${now - ago}`));
  browser = await startBrowser();
});
after(() => ended(browser, server));

test("a noisy rule is shelved with a reason, its warning is silent and not lost, and it is shown again", async () => {
  const { page, context, faults } = await openPage(browser, server.url, { lang: "en" });
  await signIn(page, "desk", passwordOf("desk"));
  const get = (path) => page.evaluate((url) => fetch(url).then((answer) => answer.json()), `/api/v1${path}`);
  const warning = await until("there is a warning", async () => (await get("/warnings?state=open")).items[0]);

  await page.goto("/alarms");
  await settled(page);
  const row = page.locator(`[data-rule="${warning.rule}"]`);
  await row.waitFor();
  const shown = page.locator('[data-figure="per_hour"] .value');
  assert.ok(Number.parseFloat(await shown.innerText()) > 0, "the warning counts for the desk");

  await row.locator("[data-test=shelve]").click();
  await page.locator("#s-hours").fill("2");
  assert.equal(await page.locator("input[type=checkbox]").count(), 0, "a district may not shelve what is red");
  await page.locator("[data-test=shelve-do]").click();
  assert.equal(await page.locator("[data-shelf]").count(), 0, "not without a reason");
  await page.locator("#s-reason").fill("radio mast under repair");
  await page.locator("[data-test=shelve-do]").click();

  const shelf = page.locator("[data-shelf]");
  await shelf.waitFor();
  assert.match(await shelf.innerText(), /radio mast under repair/);
  await page.locator(`[data-test=alarm-held] [data-warning="${warning.id}"]`).waitFor();
  assert.equal((await get("/warnings?state=open")).total, 0);
  const held = await get(`/warnings/${warning.id}`);
  assert.equal(held.held.reason, "shelf");
  assert.equal(held.cleared_at, null, "it stands, and is on record");

  await shelf.locator("[data-test=unshelve]").click();
  await shelf.waitFor({ state: "detached" });
  await until("it is shown again", async () => (await get("/warnings?state=open")).items[0]?.id === warning.id);
  assert.deepEqual(faults, []);
  await context.close();
});
