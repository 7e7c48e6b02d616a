// Every screen, in both languages and themes, on a desk and on a phone: no missing word, no serious barrier,
// nothing wider than the phone, no target too small for a thumb, no error in the console.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { barriers, DISTRICT, ended, ingestToken, makeUser, mapDrawn, openPage, passwordOf, settled, signIn, someGrid, startBrowser, startServer, until, write } from "./harness.mjs";

const BUDGET = 350_000;
let server;
let browser;
let paths = [];

before(async () => {
  server = await startServer();
  const token = await ingestToken(server.url);
  const grid = await someGrid(server.url);
  const now = Date.now();
  await write(server.url, token, [
    ...[30_000, 15_000, 0].map((ago) => `methane,device=p1,area=${grid} value=35 ${now - ago}`),
    `methane,device=p2,area=${grid} value=2.4 ${now}`,
    `river_stage,device=v1,area=${grid} value=180.5 ${now}`,
  ]);
  browser = await startBrowser();
  const { page, context } = await openPage(browser, server.url);
  await signIn(page);
  const get = (path) => page.evaluate((url) => fetch(url).then((answer) => answer.json()), `/api/v1${path}`);
  const warning = await until("there is a warning", async () => (await get("/warnings?state=open&limit=1")).items[0]);
  const filed = await page.evaluate(
    (id) =>
      fetch(`/api/v1/warnings/${id}/file`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      }).then((answer) => answer.json()),
    warning.id,
  );
  const pack = (await get("/packs")).items[0];
  paths = [
    "/",
    `/?area=${DISTRICT}`,
    "/indicators",
    "/indicators/gas.safe_share",
    "/warnings?state=all",
    `/warnings/${warning.id}`,
    "/cases",
    `/cases/${filed.case.id}`,
    "/devices",
    "/devices/p1",
    "/grid",
    "/grid?part=report",
    "/grid?part=patrol",
    "/devices/v1",
    "/ratings",
    "/evaluation",
    "/evaluation?object=agency&period=year",
    `/evaluation/print?period=year&id=gas_company-${DISTRICT}`,
    "/sql",
    "/alarms",
    "/account",
    "/audit",
    "/subscriptions",
    "/packs",
    `/packs/${pack.id}`,
    "/rules/gas/methane_in_manhole",
    "/reviews",
    `/reviews/${warning.id}`,
    "/users",
    "/system",
    "/nowhere",
  ];
  await context.close();
});
after(() => ended(browser, server));

/** Keys of the messages that reached the screen instead of words. */
const leftKeys = (page) =>
  page.evaluate(() =>
    (document.body.innerText.match(
      /\b(?:nav|act|form|state|problem|missing|sim|severity|signin|my|role|permission|area|range|live|list|copy|coverage|change|counter|needs|map|section|indicator|source|warning|alarm|case|clock|stage|step|action|device|setpoint|rating|evaluation|grid|pack|rule|review|query|user|system)\.[a-z_]+(?:\.[a-z_]+)*\b/g,
    ) ?? []),
  );

async function walk(options, check) {
  const seat = await openPage(browser, server.url, options);
  await signIn(seat.page);
  for (const path of paths) {
    await seat.page.goto(path);
    await settled(seat.page);
    await check(seat.page, path);
  }
  assert.deepEqual(seat.faults, []);
  assert.deepEqual(seat.outside, []);
  await seat.context.close();
}

for (const [lang, theme] of [["zh", "light"], ["en", "dark"]]) {
  test(`on a desk in ${lang} and ${theme} every screen has its words and no serious barrier`, async () => {
    const found = [];
    await walk({ lang, theme }, async (page, path) => {
      found.push(...(await leftKeys(page)).map((key) => `${path} shows ${key}`));
      found.push(...(await barriers(page)).map((fault) => `${path} ${fault}`));
    });
    assert.deepEqual(found, []);
  });

  test(`on a phone in ${lang} and ${theme} no screen is wider than the phone and every target fits a thumb`, async () => {
    const found = [];
    await walk({ width: 390, height: 844, lang, theme }, async (page, path) => {
      const spill = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (spill > 0) found.push(`${path} is ${spill} px too wide`);
      // Inside a select the input is smaller than the field around it, which is what the thumb meets.
      const small = await page.evaluate(() =>
        [...document.querySelectorAll("#main button, #main select, #main input:not([type=radio], [type=checkbox]), nav a, nav button")]
          .filter((item) => item.checkVisibility() && !item.closest(".maplibregl-map, .el-select") && item.type !== "file")
          .map((item) => ({ box: item.getBoundingClientRect(), text: item.outerHTML.slice(0, 120) }))
          .filter(({ box }) => box.height < 43.5)
          .map(({ box, text }) => `${Math.round(box.height)} px: ${text}`),
      );
      found.push(...small.map((text) => `${path} ${text}`));
    });
    assert.deepEqual(found, []);
  });
}

test("the language can be switched while the screen is open", async () => {
  const { page, context, faults } = await openPage(browser, server.url, { width: 1600, height: 900 });
  await signIn(page);
  await settled(page);
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-CN");
  await page.locator("[data-test=language]").click();
  await page.locator("html[lang=en]").waitFor();
  assert.match(await page.locator("#needs-title").innerText(), /Needs you now/);
  assert.deepEqual(await leftKeys(page), []);
  assert.deepEqual(faults, []);
  await context.close();
});

test("area and time range are in the address and survive a change of screen", async () => {
  const { page, context } = await openPage(browser, server.url);
  await signIn(page);
  await page.goto("/?area=500103&range=7d");
  await settled(page);
  await page.locator("nav a[href^='/cases']").first().click();
  await page.waitForURL(/\/cases\?/);
  const query = new URL(page.url()).searchParams;
  assert.equal(query.get("area"), "500103");
  assert.equal(query.get("range"), "7d");
  await context.close();
});

test("the map is drawn without any server for tiles or letters, and the list beside it goes down a tier by keyboard", async () => {
  const { page, context, faults, outside } = await openPage(browser, server.url, { width: 1024, height: 700 });
  await signIn(page);
  await settled(page);
  await mapDrawn(page);
  const first = page.locator(".areas .list button").first();
  const name = (await first.locator(".name").innerText()).trim();
  await first.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/area=/);
  await page.locator(".crumbs [aria-current]", { hasText: name }).waitFor();
  assert.deepEqual(faults, []);
  assert.deepEqual(outside, []);
  await context.close();
});

test("the first view of the overview keeps its script budget before the map", async () => {
  const { page, context } = await openPage(browser, server.url);
  const sizes = new Map();
  const bodies = [];
  const weigh = (response) => {
    const path = new URL(response.url()).pathname;
    if (!path.endsWith(".js") && !path.endsWith(".mjs")) return;
    if (/CityMap|worker|LineChart/.test(path)) return;
    bodies.push(response.body().then((body) => sizes.set(path, gzipSync(body).length)));
  };
  page.on("response", weigh);
  await signIn(page);
  await settled(page);
  page.off("response", weigh);
  await Promise.all(bodies);
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  assert.ok(sizes.size > 0);
  assert.ok(total <= BUDGET, `${total} bytes gzipped: ${JSON.stringify(Object.fromEntries(sizes))}`);
  await context.close();
});

test("the levels of one device are set on its page, refused with words when they make no sense, and kept", async () => {
  const { page, context, faults } = await openPage(browser, server.url);
  await signIn(page);
  await page.goto("/devices/v1");
  await settled(page);
  const panel = page.locator("section[aria-labelledby=setpoints-title]");
  await panel.getByRole("button", { name: "修改" }).click();
  await panel.getByLabel("黄色").fill("183.5");
  await panel.getByLabel("橙色").fill("180.5");
  await panel.getByLabel("红色").fill("190");
  await panel.getByRole("button", { name: "保存" }).click();
  await panel.getByRole("alert").filter({ hasText: "限值" }).waitFor();
  await panel.getByLabel("黄色").fill("170");
  await panel.getByRole("button", { name: "保存" }).click();
  await panel.getByRole("button", { name: "修改" }).waitFor();
  assert.match(await panel.innerText(), /170[\s\S]*180\.5[\s\S]*190/);
  await until("the engine knows them", async () =>
    (await page.evaluate(() => fetch("/api/v1/devices/v1").then((answer) => answer.json()))).streams[0].setpoints?.yellow === 170,
  );
  await page.reload();
  await panel.filter({ hasText: "170" }).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("someone without the right is told what is missing and who can grant it", async () => {
  await makeUser(server.url, "onlooker", "viewer", DISTRICT);
  const { page, context } = await openPage(browser, server.url);
  await page.goto("/users");
  await page.locator("#name").fill("onlooker");
  await page.locator("#password").fill(passwordOf("onlooker"));
  await page.locator("button[type=submit]").click();
  const refusal = page.locator(".refused");
  await refusal.waitFor();
  assert.match(await refusal.innerText(), /用户管理/);
  assert.equal(await page.locator("nav a[href='/users']").count(), 0);
  await context.close();
});
