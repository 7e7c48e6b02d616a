// Looking back, on the screen: a rule is changed, tried on the past beside the one that holds, refused because it floods, and
// enabled on record; an incident is played back, something is found, and a task can be found again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { barriers, DISTRICT, ended, ingestToken, openPage, settled, signIn, signInByHttp, startBrowser, startServer, until, write } from "./harness.mjs";

const COVERS = 14;
let server;
let browser;
let warning;

before(async () => {
  server = await startServer();
  const token = await ingestToken(server.url);
  const cookie = await signInByHttp(server.url);
  const get = async (path) => (await fetch(`${server.url}/api/v1${path}`, { headers: { cookie } })).json();
  const grids = (await get(`/areas?tier=grid&q=${DISTRICT}&limit=${COVERS}`)).items;
  const begun = Date.now() - 50 * 60_000;
  // All covers a little askew one after the other, the last one really.
  await write(server.url, token, grids.map((grid, n) => `manhole_tilt,device=cover-${n},area=${grid.code} value=${n === COVERS - 1 ? 40 : 5} ${begun + n * 40_000}`));
  warning = await until("there is a warning", async () => (await get("/warnings?state=all&limit=1")).items[0]);
  browser = await startBrowser();
});
after(() => ended(browser, server));

for (const [lang, width, height] of [["zh", 1600, 900], ["en", 390, 844]]) {
  test(`a review in ${lang} at ${width} is played, written down and found again`, async () => {
    const { page, context, faults } = await openPage(browser, server.url, { lang, width, height });
    await signIn(page);
    await page.goto(`/reviews/${warning.id}`);
    await settled(page);
    const at = () => page.locator(".scrub").inputValue().then(Number);
    const start = await at();
    await page.locator("[data-test=play]").click();
    await until("time went on", async () => (await at()) > start);
    await page.locator("[data-moment=warning_raised] button").click();
    await page.locator(".stood li").first().waitFor();
    assert.deepEqual(await barriers(page), []);
    await page.locator("#f-text").fill(`铰链松动 ${lang}`);
    await page.locator("form:has(#f-text) button[type=submit]").click();
    await page.locator("[data-test=finding]", { hasText: `铰链松动 ${lang}` }).waitFor();
    await page.locator("#t-text").fill(`更换铰链 ${lang}`);
    await page.locator("form:has(#t-text) .el-select__wrapper").click();
    await page.locator(".el-select-dropdown__item").first().click();
    await page.locator("#t-due").fill("2099-01-01T08:00");
    await page.locator("form:has(#t-text) button[type=submit]").click();
    await page.locator("[data-test=task]", { hasText: `更换铰链 ${lang}` }).waitFor();
    await page.goto("/reviews");
    await settled(page);
    assert.deepEqual(await barriers(page), []);
    await page.locator("[data-test=task]", { hasText: `更换铰链 ${lang}` }).locator("a").click();
    await page.waitForURL(new RegExp(`/reviews/${warning.id}`));
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth <= 0), true);
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test("what if the rule were stricter: shown beside the present one, refused because it floods, enabled with a reason", async () => {
  const { page, context, faults } = await openPage(browser, server.url, { width: 1600, height: 900 });
  await signIn(page);
  await page.goto(`/reviews/${warning.id}`);
  await settled(page);
  await page.locator("[data-test=what-if]").click();
  await page.locator("[data-test=about]", { hasText: warning.id }).waitFor();
  await page.locator("#r-when").fill("value >= 4");
  await page.locator("#r-clear").fill("");
  for (const grade of await page.locator("[id^=r-grade-]").all()) await grade.fill("value >= 4");
  await page.locator("form:has(#r-when) button[type=submit]").click();
  await until("the text has the new number", async () => (await page.locator("textarea").inputValue()).includes("value >= 4"));
  await page.locator("[data-test=backtest]").click();
  await page.locator("[data-backtest=done]").waitFor();
  const cells = async (figure) => (await page.locator(`[data-figure=${figure}] td.num`).allInnerTexts()).slice(0, 2).map((text) => text.trim());
  assert.deepEqual(await cells("total"), ["1", String(COVERS)]);
  assert.match(await page.locator("[data-test=what-if]").last().innerText(), new RegExp(`${COVERS}`));
  await page.locator("[data-test=floods]").waitFor();
  assert.deepEqual(await barriers(page), []);
  await page.locator("[data-test=enable]").click();
  await page.locator("[role=alert]", { hasText: "E-743" }).waitFor();
  await page.locator("#r-reason").fill("汛期试行两天");
  await page.locator("[data-test=enable]").click();
  await page.locator("[data-test=change]", { hasText: "汛期试行两天" }).waitFor();
  // The browser notes the refusal; nothing else went wrong.
  assert.deepEqual(faults.filter((fault) => !fault.includes("409")), []);
  await context.close();
});
