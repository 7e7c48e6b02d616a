// The whole loop in front of the user: a reading arrives, a warning appears by itself, it is filed, dispatched,
// handled, checked and closed, and the agency is rated for it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeMoreCases, DISTRICT, ended, ingestToken, makeUser, openPage, passwordOf, settled, signIn, someGrid, startBrowser, startServer, until, write } from "./harness.mjs";

let server;
let browser;
let token;
let grid;
let caseId = "";
/** One seat for each person of the day: duty officer, gas company, supervisor. */
const seats = {};

before(async () => {
  server = await startServer();
  token = await ingestToken(server.url);
  grid = await someGrid(server.url);
  await makeUser(server.url, "duty", "duty_officer", DISTRICT);
  await makeUser(server.url, "gas", "agency_staff", DISTRICT, `gas_company-${DISTRICT}`);
  await makeUser(server.url, "super", "supervisor", DISTRICT);
  browser = await startBrowser();
  for (const name of ["duty", "gas", "super"]) seats[name] = await openPage(browser, server.url);
});
after(() => ended(browser, server));

test("a wrong password is refused in words, a right one opens the overview", async () => {
  const { page } = seats.duty;
  await page.goto("/");
  await page.locator("#name").fill("nobody");
  await page.locator("#password").fill("wrong");
  await page.locator("button[type=submit]").click();
  const refusal = page.locator("[role=alert]");
  await refusal.waitFor();
  assert.match(await refusal.innerText(), /\p{Script=Han}/u);
  await signIn(page, "duty", passwordOf("duty"));
  await settled(page);
  assert.equal(new URL(page.url()).pathname, "/");
});

test("a reading over the limit becomes a warning on the open screen without a reload", async () => {
  const { page } = seats.duty;
  await page.evaluate(() => (window.notReloaded = true));
  const waiting = page.locator(".needs [data-warning]");
  const before = await waiting.count();
  const now = Date.now();
  // The rule wants two readings; a third one comes a second later.
  await write(server.url, token, [30_000, 15_000, 0].map((ago) => `methane,device=m1,area=${grid} value=60 ${now - ago}`));
  await page.locator(".needs [data-warning]", { has: page.locator("[title=m1]") }).first().waitFor();
  assert.ok((await waiting.count()) > before);
  assert.equal(await page.evaluate(() => window.notReloaded), true);
});

test("one key files the warning as a case", async () => {
  const { page } = seats.duty;
  const row = page.locator(".needs [data-warning]", { has: page.locator("[title=m1]") }).first();
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

async function act(page, action, note = "") {
  await page.locator(`[data-action=${action}]`).click();
  const send = page.locator("[data-test=case-send]");
  await send.waitFor();
  if (note) await page.locator("#case-words").fill(note);
  await page.waitForFunction(() => !document.querySelector("[data-test=case-send]").disabled);
  await send.click();
  await send.waitFor({ state: "detached" });
}

async function openCase(name) {
  const { page } = seats[name];
  if (name !== "duty") await signIn(page, name, passwordOf(name));
  await page.goto(`/cases/${caseId}`);
  await settled(page);
  return page;
}

const reaches = (page, wanted) =>
  until(`the case is ${wanted}`, async () => (await page.locator("[data-case-state]").getAttribute("data-case-state")) === wanted);

test("the duty officer dispatches the case to the agency that leads this type", async () => {
  const page = await openCase("duty");
  await reaches(page, "filed");
  await act(page, "dispatch");
  await reaches(page, "dispatched");
  // What comes next is the agency's to do.
  assert.equal(await page.locator("[data-action=start]").count(), 0);
});

test("the agency starts and finishes, and the officer sees it on the open screen", async () => {
  const page = await openCase("gas");
  await act(page, "start");
  await reaches(page, "handling");
  await act(page, "finish", "关闭阀门并通风，浓度降至 2 %LEL");
  await reaches(page, "handled");
  await reaches(seats.duty.page, "handled");
  assert.equal(await page.locator("[data-action=check_pass]").count(), 0);
});

test("the supervisor passes the check and the officer closes the case", async () => {
  const page = await openCase("super");
  await act(page, "check_pass");
  await reaches(page, "checked");
  const { page: officer } = seats.duty;
  await reaches(officer, "checked");
  await act(officer, "close");
  await reaches(officer, "closed");
  const steps = await officer.locator("[data-event]").evaluateAll((items) => items.map((item) => item.dataset.event));
  assert.ok(steps.length >= 6, steps.join(", "));
  await officer.locator(".clock", { hasText: "按期结案" }).first().waitFor();
});

test("the closed case counts for its agency, which has no score on one case and one after five", async () => {
  const { page } = seats.duty;
  await page.goto("/ratings");
  await settled(page);
  const row = page.locator(`tr[data-agency="gas_company-${DISTRICT}"]`);
  await row.waitFor();
  assert.match(await row.innerText(), /1\/1/);
  assert.doesNotMatch(await row.locator("[data-test=score]").innerText(), /\d/);
  await closeMoreCases(server.url, 4, { area: grid, officer: "duty", agency: "gas", checker: "super" });
  await page.reload();
  await settled(page);
  assert.match(await row.innerText(), /5\/5/);
  assert.match(await row.locator("[data-test=score]").innerText(), /\d/);
});

test("the number can be followed down to the single reading", async () => {
  const { page } = seats.duty;
  await page.goto(`/indicators/gas.safe_share?area=${DISTRICT}`);
  await settled(page);
  const device = page.getByRole("link", { name: "m1", exact: true }).first();
  await device.waitFor();
  await device.click();
  await page.waitForURL(/\/devices\/m1/);
  await settled(page);
  await page.locator(".recent tr").first().waitFor();
});

test("the console stayed clean and nothing was asked from outside", () => {
  for (const seat of Object.values(seats)) {
    assert.deepEqual(seat.faults, []);
    assert.deepEqual(seat.outside, []);
  }
});
