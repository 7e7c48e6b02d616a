// A case through the rarer parts of its life, each step by the one whose it is: asked for, granted, suspended, resumed,
// handled, checked, closed. What no screen can bring about here, a report before filing and a case with everything on
// record, is put before the screen as the server would answer it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { barriers, DISTRICT, makeUser, openPage, passwordOf, settled, signIn, signInByHttp, someGrid, startBrowser, startServer, until } from "./harness.mjs";

const AGENCY = `gas_company-${DISTRICT}`;
let server;
let browser;
let grid;
let filed;
const seats = {};

before(async () => {
  server = await startServer();
  grid = await someGrid(server.url);
  await makeUser(server.url, "case-duty", "duty_officer", DISTRICT);
  await makeUser(server.url, "case-gas", "agency_staff", DISTRICT, AGENCY);
  await makeUser(server.url, "case-check", "grid_worker", DISTRICT);
  filed = await ask("case-duty", "/cases", { type: "gas_leak", row: 0, area: grid, description: "巡查发现燃气异味" });
  browser = await startBrowser();
  for (const name of ["case-duty", "case-gas", "case-check"]) {
    seats[name] = await openPage(browser, server.url);
    await signIn(seats[name].page, name, passwordOf(name));
  }
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function ask(name, path, body) {
  const cookie = await signInByHttp(server.url, name, passwordOf(name));
  const answer = await fetch(`${server.url}/api/v1${path}`, {
    method: body ? "POST" : "GET",
    headers: { cookie, origin: server.url, ...(body ? { "content-type": "application/json" } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  assert.ok(answer.ok, `${path} answered ${answer.status}`);
  return answer.json();
}

async function open(name) {
  const { page } = seats[name];
  await page.goto(`/cases/${filed.id}`);
  await settled(page);
  return page;
}

/** Opens the step's dialog, wherever its button stands. */
async function begin(page, action) {
  const button = page.locator(`[data-action=${action}]`);
  if (!(await button.isVisible())) await page.locator("[data-test=more-steps]").click();
  await button.click();
  await page.locator("[data-test=case-send]").waitFor();
}

async function finish(page) {
  const send = page.locator("[data-test=case-send]");
  await page.waitForFunction(() => !document.querySelector("[data-test=case-send]").disabled);
  await send.click();
  await send.waitFor({ state: "detached" });
}

async function act(page, action, words = "") {
  await begin(page, action);
  if (words) await page.locator("#case-words").fill(words);
  await finish(page);
}

const reaches = (page, wanted) =>
  until(`the case is ${wanted}`, async () => (await page.locator("[data-case-state]").getAttribute("data-case-state")) === wanted);
const disabled = (page) => page.locator("[data-test=case-send]").isDisabled();

test("dispatched and begun, the case has one next step and the rest in groups", async () => {
  const officer = await open("case-duty");
  await act(officer, "dispatch");
  await reaches(officer, "dispatched");
  const agency = await open("case-gas");
  assert.equal(await agency.locator(".btn.primary[data-action]").getAttribute("data-action"), "start");
  assert.equal(await agency.locator("[data-action=ask_delay]").isVisible(), false);
  await act(agency, "start");
  await reaches(agency, "handling");
});

test("a delay is asked for with length and reason, and granted from the banner", async () => {
  const agency = await open("case-gas");
  await begin(agency, "ask_delay");
  assert.equal(await disabled(agency), true);
  await agency.locator("#case-amount").fill("2");
  await agency.locator("#case-unit").selectOption("work_hour");
  assert.equal(await disabled(agency), true, "a reason is required");
  await agency.locator("#case-words").fill("管段需停气，等待停气公告");
  await finish(agency);
  await agency.locator("[data-petition=delay]").waitFor();
  assert.equal(await agency.locator("[data-action=grant]").count(), 0);
  const officer = await open("case-duty");
  const banner = officer.locator("[data-petition=delay]");
  await banner.waitFor();
  assert.match(await banner.innerText(), /2\s*工作时[\s\S]*停气公告/);
  await act(officer, "grant");
  await banner.waitFor({ state: "detached" });
  await officer.locator("[data-test=moved]").waitFor();
});

test("a suspension stands still until its review day and is resumed", async () => {
  const agency = await open("case-gas");
  await begin(agency, "ask_suspend");
  await agency.locator("#case-words").fill("等待管材");
  assert.equal(await disabled(agency), true, "a day is required");
  const day = new Date(Date.now() + 5 * 86_400_000).toISOString().slice(0, 10);
  await agency.locator("#case-until").fill(day);
  await finish(agency);
  const officer = await open("case-duty");
  await act(officer, "grant");
  await reaches(officer, "suspended");
  assert.match(await officer.locator("[data-test=suspended]").innerText(), /处置中/);
  await officer.goto("/cases?state=suspended");
  await settled(officer);
  await officer.locator(`tr[data-case="${filed.id}"]`).waitFor();
  const back = await open("case-gas");
  await act(back, "resume");
  await reaches(back, "handling");
});

test("handled, checked by another and closed, with every ended clock in the table", async () => {
  const agency = await open("case-gas");
  await act(agency, "finish", "更换阀门，复测合格");
  await reaches(agency, "handled");
  const checker = await open("case-check");
  await act(checker, "take_check");
  await reaches(checker, "checking");
  await act(checker, "check_pass");
  const officer = await open("case-duty");
  await reaches(officer, "checked");
  await act(officer, "close");
  await reaches(officer, "closed");
  const stages = await officer.locator("[data-test=clocks] tbody tr td:first-child").allInnerTexts();
  for (const stage of ["派遣时限", "处置时限", "挂账复核", "核查时限", "结案时限"]) assert.ok(stages.some((text) => text.includes(stage)), `${stage} of ${stages}`);
  await officer.locator(".clock", { hasText: "按期结案" }).first().waitFor();
});

/** A case as the server would answer it, on a page of its own; what is sent to it is kept. */
async function shown(changes, look = {}) {
  const base = await ask("case-duty", `/cases/${filed.id}`);
  const item = { ...base, closed_at: null, on_time: null, ...changes, circumstances: { ...base.circumstances, ...changes.circumstances } };
  const seat = await openPage(browser, server.url, look);
  const sent = [];
  await seat.page.route(new RegExp(`/api/v1/cases/${filed.id}(/\\w+)?$`), async (route) => {
    const request = route.request();
    if (request.method() === "POST") sent.push([request.url().split("/").pop(), request.postDataJSON()]);
    await route.fulfill({ json: item });
  });
  await signIn(seat.page, "case-duty", passwordOf("case-duty"));
  await seat.page.goto(`/cases/${filed.id}`);
  await settled(seat.page);
  return { ...seat, sent };
}

test("before filing, the way in is shown, filing cites a row of the standard and refusing is confirmed", async () => {
  const { page, sent, context, faults } = await shown({ state: "unverified", source: "public", row: null, clocks: [], due_at: null, first_due_at: null, actions: ["accept", "file", "refuse", "cancel", "merge"] });
  assert.equal(await page.locator(".steps li").count(), 4);
  assert.match(await page.locator(".steps [aria-current=step]").innerText(), /受理[\s\S]*核实不实/);
  await begin(page, "file");
  await page.locator("[name=case-row]").first().waitFor();
  assert.equal(await disabled(page), true, "a row is required");
  await page.locator("[name=case-row]").first().check();
  assert.equal(await disabled(page), true, "what was not found is filed only with a reason");
  await page.locator("#case-words").fill("二次核实属实");
  await finish(page);
  await begin(page, "refuse");
  await page.locator("#case-words").fill("不在立案标准内");
  assert.equal(await disabled(page), true, "an end is confirmed");
  await page.locator("[data-test=case-sure]").check();
  await finish(page);
  assert.deepEqual(sent, [
    ["file", { reason: "二次核实属实", type: "gas_leak", row: 0 }],
    ["refuse", { reason: "不在立案标准内" }],
  ]);
  assert.deepEqual(faults, []);
  await context.close();
});

/** Everything that can stand on record at once. */
function everything() {
  const at = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const text = (zh, en) => ({ zh, en });
  const clock = (from, yellow, due) => ({ stage: "handle", stage_name: text("处置", "Handling"), started_at: at(from), yellow_at: at(yellow), due_at: at(due), limit: "4 work_hour", extended: 0, used_share: 0.5, light: "green" });
  const row = (stage, due, ended, overdue, more = {}) => ({ stage, stage_name: text("", ""), agency: AGENCY, agency_name: text("渝中区燃气公司", "Yuzhong Gas Company"), started_at: at(-40), due_at: at(due), ended_at: at(ended), used_ms: 5_400_000, paused_ms: 0, extended: 0, overdue, excused: false, ...more });
  return {
    state: "handling",
    clock: clock(-4, -0.5, 0.4),
    due_at: at(20),
    first_due_at: at(12),
    delays: 1,
    urges: 2,
    supervisions: 1,
    joined: 3,
    children: ["500103-20261121-00007"],
    clocks: [row("dispatch", -30, -31, false, { agency: null, agency_name: null }), row("handle", -28, -26, true, { excused: true, extended: 1 }), row("check", -20, -18, true, { paused_ms: 7_200_000 })],
    actions: ["finish", "return", "force_close", "cancel", "grant", "deny", "supervise", "urge", "hand_up", "hand_sideways", "admit", "involve", "drop_part", "appeal", "uphold_appeal", "reject_appeal", "grade", "report_up", "stand_down", "merge", "remark"],
    circumstances: {
      petition: { kind: "delay", by: "gas", at: at(-1), reason: "管段需停气，等待停气公告", more: "2 work_day", until: null, agency: null },
      parts: [
        { agency: "fire-500103", agency_name: text("渝中区消防救援大队", "Yuzhong Fire Brigade"), task: "现场警戒", clock: clock(-2, 1, 2), state: "working", ended_at: null, overdue: null },
        { agency: "traffic-500103", agency_name: text("渝中区交巡警支队", "Yuzhong Traffic Police"), task: "临时封路", clock: clock(-9, -6, -5), state: "done", ended_at: at(-4), overdue: true },
      ],
      admissions: [{ agency: AGENCY, by: "duty", at: at(-20), reason: "无主管线，暂由燃气公司处置" }],
      ruled_agency: AGENCY,
      appeals: [
        { stage: "handle", stage_name: text("处置", "Handling"), by: "gas", at: at(-24), reason: "停气公告须提前 24 小时", due_at: at(-2), first: { upheld: true, by: "duty", at: at(-20) }, second: { upheld: true, by: "city", at: at(-10) }, open: false },
        { stage: "check", stage_name: text("核查", "Check"), by: "gas", at: at(-8), reason: "现场封闭无法进入", due_at: at(30), first: null, second: null, open: true },
      ],
      event_level: "II",
      reports: [
        { form: "phone", form_name: text("电话报告", "By telephone"), due_at: at(-3), done_at: at(-2.9) },
        { form: "written", form_name: text("书面报告", "In writing"), due_at: at(0.2), done_at: null },
      ],
      plan: { id: "gas_emergency", by: "duty", at: at(-3), level_before: "town", agency_before: null },
      stars: 4,
    },
  };
}

for (const [lang, theme, width, height] of [["zh", "light", 1600, 900], ["en", "dark", 390, 844]]) {
  test(`with everything on record the page is clear in ${lang} at ${width}, and every dialog has its words and no barrier`, async () => {
    const facts = everything();
    const { page, context, faults } = await shown(facts, { lang, theme, width, height });
    for (const part of ["petition", "plan", "ruling", "moved", "record", "reports", "parts", "appeals", "admissions", "children", "clocks"]) await page.locator(`[data-test=${part}]`).waitFor();
    await page.locator("[data-test=more-steps]").click();
    const found = await barriers(page);
    for (const action of facts.actions) {
      await begin(page, action);
      await page.locator(".el-dialog").evaluate((dialog) => Promise.all(dialog.getAnimations({ subtree: true }).map((animation) => animation.finished)));
      const text = await page.locator("body").innerText();
      found.push(...(text.match(/\b(?:case|action|record|stage|step)\.[a-z_]+\b/g) ?? []).map((key) => `${action} shows ${key}`));
      found.push(...(await barriers(page)).map((fault) => `${action} ${fault}`));
      await page.keyboard.press("Escape");
      await page.locator("[data-test=case-send]").waitFor({ state: "detached" });
    }
    assert.deepEqual(found, []);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)) <= 0, "the page is wider than the screen");
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test("the consoles stayed clean and nothing was asked from outside", () => {
  for (const seat of Object.values(seats)) {
    assert.deepEqual(seat.faults, []);
    assert.deepEqual(seat.outside, []);
  }
});
