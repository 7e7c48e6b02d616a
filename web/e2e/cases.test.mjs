// A case through the rarer parts of its life, each step by the one whose it is: asked for, granted, suspended, resumed,
// handled, checked, closed. What no screen can bring about here, a report before filing and a case with everything on
// record, is put before the screen as the server would answer it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { barriers, DISTRICT, ended, makeUser, openPage, passwordOf, settled, signIn, signInByHttp, someGrid, startBrowser, startServer, until } from "./harness.mjs";
import { act, addPhoto, begin, disabled, finish, PHOTO, photosShown, reaches, shot, SQUARE } from "./steps.mjs";

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
after(() => ended(browser, server));

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
  await act(agency, "finish", { words: "更换阀门，复测合格", photo: PHOTO });
  await reaches(agency, "handled");
  assert.match((await photosShown(agency))[0], /^处置完成 · 处置后 · /);
  await agency.locator("[data-test=photo-strip] button").first().click();
  await until("the photo is large", () => agency.locator("[data-test=photo-large]").evaluate((image) => image.naturalWidth > 0));
  await shot(agency, "photo-large");
  await agency.keyboard.press("Escape");
  await agency.locator("[data-test=photo-large]").waitFor({ state: "detached" });
  await shot(agency, "case-with-photo");
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

test("photos that a step needs are asked for with time and place, and what is no photo is refused by number", async () => {
  const { page, sent, context, faults } = await shown({ state: "handling", clocks: [], actions: ["finish"] }, { width: 390, height: 844 });
  await page.route("**/api/v1/case-types", async (route) => {
    const types = await (await route.fetch()).json();
    for (const type of types.items) type.photos = { finish: ["before", "after"] };
    await route.fulfill({ json: types });
  });
  await context.grantPermissions(["geolocation"]);
  await context.setGeolocation({ longitude: 106.5, latitude: 29.5 });
  await page.reload();
  await settled(page);
  await begin(page, "finish");
  await page.locator("#case-words").fill("已修好");
  assert.match(await page.locator("[data-test=photos-needed]").innerText(), /处置前、处置后/);
  assert.equal(await disabled(page), true, "the photos are lacking");
  await page.locator("[data-test=photo-file]").setInputFiles({ name: "no.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no photo") });
  await page.locator("[data-photo=failed]").waitFor();
  assert.match(await page.locator("[data-photo=failed] [role=alert]").innerText(), /E-\d{3}/);
  await page.locator("[data-photo=failed] .btn", { hasText: "移除" }).click();
  await addPhoto(page, PHOTO);
  await addPhoto(page, SQUARE);
  assert.match(await page.locator("[data-test=photos-lacking]").innerText(), /还缺：处置后/, "one has no place yet");
  assert.equal(await disabled(page), true);
  assert.deepEqual(await barriers(page), []);
  await page.locator("[data-test=photos]").scrollIntoViewIfNeeded();
  await shot(page, "photos-phone");
  await page.locator("[data-test=photo-here]").click();
  await page.locator("[data-test=photos-lacking]").waitFor({ state: "detached" });
  await finish(page);
  const [[, request]] = sent;
  assert.deepEqual(request.photos.map((photo) => [photo.kind, photo.position.map((degrees) => degrees.toFixed(2))]), [
    ["before", ["106.57", "29.56"]],
    ["after", ["106.50", "29.50"]],
  ]);
  for (const photo of request.photos) assert.match(photo.hash, /^[0-9a-f]{64}$/);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)) <= 0);
  assert.deepEqual(faults.filter((text) => !text.includes("400") && !text.includes("422") && !text.includes("415")), []);
  await context.close();
});

test("a plan is chosen from those that the packs declare, and what it changes is said", async () => {
  const { page, sent, context } = await shown({ actions: ["fire_plan"], state: "handling", clocks: [] });
  const plan = (id, zh, level) => ({ id, name: { zh, en: id }, pack: "gas", level, lead_kind: null, limit: "1 urgent_hour", fires_at: "II", source: "test" });
  let plans = [];
  await page.route("**/api/v1/case-plans", (route) => route.fulfill({ json: { items: plans, next_cursor: null, total: plans.length } }));
  await begin(page, "fire_plan");
  await page.locator("#case-words").fill("险情扩大");
  await until("nothing can be fired", async () => (await page.locator("#case-plan-hint").innerText()).includes("没有声明预案"));
  assert.equal(await disabled(page), true);
  plans = [plan("gas_emergency", "燃气突发事件预案", "district")];
  await page.reload();
  await settled(page);
  await begin(page, "fire_plan");
  await page.locator("#case-words").fill("险情扩大");
  await until("its own plan needs no choosing", async () => !(await disabled(page)));
  plans = [plan("evacuation", "人员疏散预案", "district"), plan("flood", "防汛应急预案", "city")];
  await page.reload();
  await settled(page);
  await begin(page, "fire_plan");
  await page.locator("#case-words").fill("险情扩大");
  await page.locator("#case-plan option[value=flood]").waitFor({ state: "attached" });
  assert.equal(await disabled(page), true, "without a plan of its own one is chosen");
  await page.locator("#case-plan").selectOption("flood");
  assert.match(await page.locator("#case-plan-hint").innerText(), /主办层级.*1/);
  await shot(page, "plan");
  await finish(page);
  assert.deepEqual(sent, [["fire_plan", { reason: "险情扩大", plan: "flood" }]]);
  await context.close();
});

test("a list that is counted no further says so", async () => {
  const { page } = seats["case-duty"];
  await page.route(/\/api\/v1\/cases\?/, async (route) => {
    const list = await (await route.fetch()).json();
    await route.fulfill({ json: { ...list, next_cursor: "100", total: 10_001 } });
  });
  await page.goto("/cases?state=all");
  await settled(page);
  await until("the head says it", async () => /10,000\+ 条/.test(await page.locator("#main").innerText()));
  assert.match(await page.locator("#main").innerText(), /\/ 10,000\+/);
  await page.unroute(/\/api\/v1\/cases\?/);
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
