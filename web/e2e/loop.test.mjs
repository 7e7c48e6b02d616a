// The whole loop in front of the user: a reading arrives, a warning appears by itself, it is filed, dispatched,
// handled, checked and closed, and the agency is rated for it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { GRID, ingestToken, openPage, settled, signIn, startBrowser, startServer, until, write } from "./harness.mjs";

let server;
let browser;
let seat;
let token;
let caseId = "";

before(async () => {
  server = await startServer();
  token = await ingestToken(server.url);
  browser = await startBrowser();
  seat = await openPage(browser, server.url);
});
after(async () => {
  await browser?.close();
  await server?.end();
});

test("a wrong password is refused in words, a right one opens the overview", async () => {
  const { page } = seat;
  await page.goto("/");
  await page.locator("#name").fill("nobody");
  await page.locator("#password").fill("wrong");
  await page.locator("button[type=submit]").click();
  const refusal = page.locator("[role=alert]");
  await refusal.waitFor();
  assert.match(await refusal.innerText(), /\p{Script=Han}/u);
  await signIn(page);
  await settled(page);
  assert.equal(new URL(page.url()).pathname, "/");
});

test("a reading over the limit becomes a warning on the open screen without a reload", async () => {
  const { page } = seat;
  await page.evaluate(() => (window.notReloaded = true));
  const waiting = page.locator(".needs [data-warning]");
  const before = await waiting.count();
  const now = Date.now();
  // The rule wants two readings; a third one comes a second later.
  await write(server.url, token, [30_000, 15_000, 0].map((ago) => `methane,device=m1,area=${GRID} value=60 ${now - ago}`));
  await page.locator(".needs [data-warning]", { hasText: "m1" }).first().waitFor();
  assert.ok((await waiting.count()) > before);
  assert.equal(await page.evaluate(() => window.notReloaded), true);
});

test("one key files the warning as a case", async () => {
  const { page } = seat;
  const row = page.locator(".needs [data-warning]", { hasText: "m1" }).first();
  await row.click({ position: { x: 5, y: 5 } });
  await page.mouse.move(0, 0);
  await page.keyboard.press("f");
  const send = page.locator("[data-test=warning-send]");
  await send.waitFor();
  await page.waitForFunction(() => !document.querySelector("[data-test=warning-send]").disabled);
  await send.click();
  await send.waitFor({ state: "detached" });
  const said = await page.locator(".toast").innerText();
  caseId = /\d[\w-]{8,}/.exec(said)?.[0] ?? "";
  assert.notEqual(caseId, "", said);
  await page.goto("/cases");
  await settled(page);
  await page.locator(`tr[data-case="${caseId}"]`).waitFor();
});

async function act(page, action, fill = async () => {}) {
  await page.locator(`[data-action=${action}]`).click();
  const send = page.locator("[data-test=case-send]");
  await send.waitFor();
  await fill();
  await page.waitForFunction(() => !document.querySelector("[data-test=case-send]").disabled);
  await send.click();
  await send.waitFor({ state: "detached" });
}

test("the case is dispatched, handled, checked and closed step by step", async () => {
  const { page } = seat;
  await page.goto(`/cases/${caseId}`);
  await settled(page);
  const state = page.locator("[data-case-state]");
  const reaches = (wanted) => until(`the case is ${wanted}`, async () => (await state.getAttribute("data-case-state")) === wanted);

  if ((await state.getAttribute("data-case-state")) === "filed") {
    await act(page, "dispatch", async () => {
      const agency = page.locator(".el-dialog .el-select input");
      if (await page.locator("[data-test=case-send]").isDisabled()) {
        await agency.click();
        await page.locator(".el-select-dropdown__item:visible").first().click();
      }
    });
  }
  await reaches("dispatched");
  await act(page, "start");
  await reaches("handling");
  await act(page, "finish", () => page.locator("#case-note").fill("关闭阀门并通风，浓度降至 2 %LEL"));
  await reaches("handled");
  await act(page, "check_pass");
  await reaches("checked");
  await act(page, "close");
  await reaches("closed");
  const steps = await page.locator("[data-event]").evaluateAll((items) => items.map((item) => item.dataset.event));
  assert.ok(steps.length >= 6, steps.join(", "));
});

test("the closed case counts in the rating of its agency, with the numbers behind it", async () => {
  const { page } = seat;
  await page.goto("/ratings");
  await settled(page);
  const rated = page.locator("tr[data-agency]", { hasText: "1/1" }).first();
  await rated.waitFor();
  assert.ok((await rated.locator(".stars svg.on").count()) >= 1);
});

test("the number can be followed down to the single reading", async () => {
  const { page } = seat;
  await page.goto(`/indicators/gas.safe_share?area=${GRID.slice(0, 6)}`);
  await settled(page);
  const device = page.getByRole("link", { name: "m1", exact: true }).first();
  await device.waitFor();
  await device.click();
  await page.waitForURL(/\/devices\/m1/);
  await settled(page);
  await page.locator(".recent tr").first().waitFor();
});

test("the console stayed clean and nothing was asked from outside", () => {
  assert.deepEqual(seat.faults, []);
  assert.deepEqual(seat.outside, []);
});
