// A grid worker's day without a network: tasks loaded, network cut, page opened anew, work done, network back, and then every
// deed compared with what the server has: each exactly once, the one that came too late shown and kept. Of two deeds the
// server's answer is lost after it was taken.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { barriers, DISTRICT, ended, makeUser, openPage, passwordOf, settled, signIn, signInByHttp, someGrid, startBrowser, startServer, until } from "./harness.mjs";

const AGENCY = `gas_company-${DISTRICT}`;
const WORDS = "路面井盖松动，行人易绊倒";
const SHOTS = process.env.CHENGMAI_SHOTS;
const cases = {};
let server;
let browser;
let seat;
let page;
let before_;
let spot;

async function ask(name, path, body = null, method = body ? "POST" : "GET") {
  const cookie = await signInByHttp(server.url, name, passwordOf(name));
  const answer = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { cookie, origin: server.url, ...(body ? { "content-type": "application/json" } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  assert.ok(answer.ok, `${path} answered ${answer.status}: ${await answer.clone().text()}`);
  return answer.headers.get("content-type")?.includes("json") ? answer.json() : answer;
}
const step = (name, id, verb, body = {}) => ask(name, `/cases/${id}/${verb}`, body);

async function shot(name) {
  if (!SHOTS) return;
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: name.startsWith("whole") });
}

/** A place inside the grid, so many steps from its first corner to its middle. */
function within(shapes, share) {
  const ring = shapes.features[0].geometry.coordinates.flat(shapes.features[0].geometry.type === "MultiPolygon" ? 1 : 0)[0];
  const middle = [0, 1].map((axis) => ring.reduce((sum, point) => sum + point[axis], 0) / ring.length);
  return [0, 1].map((axis) => middle[axis] + (ring[0][axis] - middle[axis]) * share);
}

before(async () => {
  server = await startServer();
  const grid = await someGrid(server.url);
  await makeUser(server.url, "grid-duty", "duty_officer", DISTRICT);
  await makeUser(server.url, "grid-gas", "agency_staff", DISTRICT, AGENCY);
  await makeUser(server.url, "grid-worker", "grid_worker", DISTRICT);
  const shapes = await ask("grid-duty", `/areas/${grid}/shapes`);
  let share = 0;
  const place = () => within(shapes, (share += 0.12));
  for (const name of ["seen", "not-there"]) {
    const reported = await ask("grid-duty", "/cases", { type: "gas_leak", position: place(), description: `来电反映燃气异味 ${name}` });
    assert.equal(reported.state, "reported");
    await step("grid-duty", reported.id, "accept");
    cases[name] = reported.id;
  }
  for (const name of ["passed", "too-late", "answer-lost"]) {
    const filed = await ask("grid-duty", "/cases", { type: "gas_leak", row: 0, position: place(), description: `巡查发现 ${name}` });
    await step("grid-duty", filed.id, "dispatch");
    await step("grid-gas", filed.id, "start");
    await step("grid-gas", filed.id, "finish", { note: "已更换阀门" });
    cases[name] = filed.id;
  }
  spot = place();
  before_ = (await ask("grid-duty", "/cases?limit=1")).total;
  browser = await startBrowser();
  seat = await openPage(browser, server.url, { width: 390, height: 844 });
  page = seat.page;
  await seat.context.grantPermissions(["geolocation"]);
  await seat.context.setGeolocation({ longitude: spot[0], latitude: spot[1], accuracy: 8 });
  await signIn(page, "grid-worker", passwordOf("grid-worker"));
});
after(() => ended(browser, server));

const queue = () => page.locator("[data-test=queue]");
const state = (name) => queue().getAttribute(`data-${name}`);
const reaches = (name, value) => until(`the queue's ${name} is ${value}`, async () => (await state(name)) === String(value));

/** A picture as a camera would give it, another one each time. */
async function picture(colour) {
  const bytes = await page.evaluate(async (fill) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2400, 1800];
    const pen = canvas.getContext("2d");
    pen.fillStyle = fill;
    pen.fillRect(0, 0, 2400, 1800);
    pen.fillStyle = "white";
    pen.fillRect(200, 200, 600, 300);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
    return [...new Uint8Array(await blob.arrayBuffer())];
  }, colour);
  return { name: "photo.jpg", mimeType: "image/jpeg", buffer: Buffer.from(bytes) };
}

async function photograph(colour) {
  const had = await page.locator("[data-test=shot]").count();
  await page.locator("[data-test=photo]").setInputFiles(await picture(colour));
  await until("the photo is there", async () => (await page.locator("[data-test=shot]").count()) === had + 1);
}

let done = 0;
async function act(name, deed, colour, words = "") {
  await page.locator("[data-part=tasks]").click();
  await page.locator(`[data-task="${cases[name]}"] button`).click();
  await page.locator("[data-test=task]").waitFor();
  if (colour) await photograph(colour);
  if (words) await page.locator("#grid-words").fill(words);
  if (name === "seen") await shot("task");
  await page.locator(`[data-deed=${deed}]`).click();
  done += 1;
  await reaches("waiting", done);
}

test("the day's tasks are there in walking order, on a map and as a list, and the page can be installed", async () => {
  await page.goto("/grid");
  await reaches("loaded", true);
  await until("five tasks are listed", async () => (await page.locator("[data-task]").count()) === 5);
  assert.equal(await page.locator("[data-pin]").count(), 5);
  await settled(page);
  assert.deepEqual(await barriers(page), []);
  await shot("tasks");
  const manifest = await fetch(`${server.url}/manifest.webmanifest`);
  assert.match(manifest.headers.get("content-type"), /manifest\+json|application\/json/);
  const { icons, start_url } = await manifest.json();
  assert.equal(start_url, "/grid");
  for (const icon of icons) assert.equal((await fetch(`${server.url}${icon.src}`)).status, 200, icon.src);
  assert.ok(icons.some((icon) => icon.purpose === "maskable"));
  const worker = await fetch(`${server.url}/sw.js`);
  assert.match(worker.headers.get("content-type"), /javascript/);
  assert.equal(worker.headers.get("cache-control"), "no-cache");
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
});

test("without a network the page opens anew with its tasks, and a day's work is done", async () => {
  await seat.context.setOffline(true);
  await page.reload();
  await reaches("loaded", true);
  await reaches("online", false);
  assert.equal(await page.locator("[data-task]").count(), 5);
  await act("seen", "verify_pass", "#335577", "现场确有异味");
  await act("not-there", "verify_fail", "#775533", "到场检测，未闻到异味");
  await act("passed", "check_pass", "#337755");
  await act("too-late", "check_pass", "#553377", "阀门已换好");
  await act("answer-lost", "check_pass", "#777733");
  await page.locator("[data-part=report]").click();
  await page.locator("[data-test=report]").waitFor();
  await photograph("#aa3333");
  await page.locator("#grid-type").selectOption("gas_leak");
  await page.locator("#grid-report-words").fill(WORDS);
  await shot("report");
  await page.locator("[data-test=report-send]").click();
  done += 1;
  await reaches("waiting", done);
  assert.equal(done, 6);
});

test("what waits survives another start of the page, and the server knows nothing of it yet", async () => {
  await page.goto("/grid");
  await reaches("loaded", true);
  await reaches("waiting", 6);
  assert.equal((await ask("grid-duty", "/cases?limit=1")).total, before_);
  await shot("tasks-done");
  await page.locator("[data-part=box]").click();
  await until("all six wait", async () => (await page.locator("[data-deed-state=waiting]").count()) === 6);
  assert.deepEqual(await barriers(page), []);
  await shot("box-waiting");
});

test("back on the network all is sent in order; two lost answers double nothing, and what came too late is shown", async () => {
  await step("grid-duty", cases["too-late"], "force_close", { reason: "管线改造，整段停用" });
  const lost = [];
  // The server takes these, but its first answer does not arrive.
  for (const path of [`**/api/v1/cases/${cases["answer-lost"]}/check_pass`, "**/api/v1/cases"]) {
    await page.route(path, async (route) => {
      if (route.request().method() !== "POST") return route.fallback();
      if (lost.includes(path)) return route.fallback();
      lost.push(path);
      const answer = await route.fetch();
      assert.ok(answer.ok(), `${path} answered ${answer.status()}`);
      await route.abort("connectionreset");
    });
  }
  await seat.context.setOffline(false);
  await until("everything but the refused one is sent", async () => {
    if ((await state("waiting")) === "0" && (await state("sending")) === "false") return true;
    // A lost answer looks like a lost network; the page tries again by itself, and at once when it is told to.
    if ((await state("sending")) === "false") await page.locator("[data-test=sync]").click();
    return false;
  });
  assert.equal(lost.length, 2, "both answers were lost");
  await reaches("refused", 1);
  await reaches("online", true);
});

const eventsOf = async (id) => (await ask("grid-duty", `/cases/${id}`)).events;
const mine = (events, kind = null) => events.filter((event) => event.actor === "grid-worker" && (kind === null || event.kind === kind));

test("compared one by one, each deed is there exactly once, with its words and its photo", async () => {
  const wanted = { seen: ["verify_passed", "现场确有异味"], "not-there": ["verify_failed", "到场检测，未闻到异味"], passed: ["check_passed", null], "answer-lost": ["check_passed", null] };
  const hashes = new Set();
  for (const [name, [kind, words]] of Object.entries(wanted)) {
    const events = mine(await eventsOf(cases[name]));
    assert.deepEqual(events.map((event) => [event.kind, event.note]), [[kind, words]], name);
    const [photo, ...more] = events[0].photos;
    assert.equal(more.length, 0);
    assert.ok(photo.at && photo.position, `${name}: the photo has time and place`);
    assert.deepEqual(photo.position.map((degrees) => degrees.toFixed(5)), spot.map((degrees) => degrees.toFixed(5)));
    await ask("grid-duty", `/cases/${cases[name]}/photos/${photo.hash}`);
    hashes.add(photo.hash);
  }
  assert.equal(hashes.size, 4, "each has its own photo");
  assert.deepEqual(mine(await eventsOf(cases["too-late"])), []);
  const list = await ask("grid-duty", "/cases?limit=100");
  assert.equal(list.total, before_ + 1);
  const reports = list.items.filter((item) => item.source === "grid_worker");
  assert.equal(reports.length, 1);
  assert.equal(reports[0].description, WORDS);
  const events = await eventsOf(reports[0].id);
  assert.deepEqual(events.map((event) => [event.kind, event.actor, event.photos.length]), [["reported", "grid-worker", 1]]);
});

test("what came too late is kept with the reason, and goes out as a remark when its owner says so", async () => {
  await page.locator("[data-part=box]").click();
  const card = page.locator("[data-deed-state=refused]");
  await card.waitFor();
  assert.match(await card.innerText(), /E-429[\s\S]*案件已有变化[\s\S]*强制结案[\s\S]*1 张照片/);
  assert.match(await card.innerText(), /阀门已换好/);
  assert.deepEqual(await barriers(page), []);
  await shot("whole-box-refused");
  // Said once, discarding only asks.
  await card.locator("[data-test=discard]").click();
  assert.equal(await card.count(), 1);
  await card.locator("[data-test=as-remark]").click();
  await reaches("refused", 0);
  await reaches("waiting", 0);
  const remarks = mine(await eventsOf(cases["too-late"]));
  assert.deepEqual(remarks.map((event) => event.kind), ["remarked"]);
  assert.match(remarks[0].note, /核查通过[\s\S]*阀门已换好/);
  assert.equal(remarks[0].photos.length, 1);
  assert.equal(await page.locator("[data-sent]").count(), 6);
  await page.locator("[data-part=tasks]").click();
  await until("no task is left", async () => (await page.locator("[data-task]").count()) === 0);
});

test("a patrol is recorded only after consent, is its owner's alone, and the centre sees metres by grid", async () => {
  await page.locator("[data-part=patrol]").click();
  assert.equal(await page.locator("[data-test=walk-begin]").count(), 0);
  await page.locator("[data-test=consent]").click();
  await page.locator("[data-test=walk-begin]").click();
  await page.locator("[data-test=walk]").waitFor();
  // The browser forgot where it was told to be when the network went.
  await seat.context.setGeolocation({ longitude: spot[0], latitude: spot[1], accuracy: 9 });
  // Two places sixty metres apart.
  const points = () => page.evaluate(() => new Promise((resolve) => {
    const request = indexedDB.open("chengmai-grid");
    request.onsuccess = () => {
      const all = request.result.transaction("walks").objectStore("walks").getAll();
      all.onsuccess = () => resolve(all.result.flatMap((walk) => walk.points).length);
    };
  }));
  await until("the walk has begun", async () => (await points()) > 0);
  // Nobody walks sixty metres in no time: the page's clock goes on by ten seconds.
  await page.clock.setFixedTime(Date.now() + 10_000);
  await seat.context.setGeolocation({ longitude: spot[0], latitude: spot[1] + 60 / 111_195, accuracy: 8 });
  await until("the second place is noted", async () => (await points()) > 1);
  await page.locator("[data-test=walk-end]").click();
  await reaches("waiting", 0);
  await page.locator("[data-walk]").waitFor();
  await shot("patrol");
  const [walk] = (await ask("grid-worker", "/patrols")).items;
  assert.equal(walk.metres, 60);
  assert.deepEqual((await ask("grid-duty", "/patrols")).items, []);
  const work = await ask("grid-duty", "/workload");
  const sum = (what) => work.items.reduce((all, row) => all + row[what], 0);
  assert.deepEqual([sum("done"), sum("reported"), sum("patrols"), sum("patrol_metres")], [4, 1, 1, 60]);
  assert.ok(!JSON.stringify(work).includes("grid-worker"), "no person is named");
  await page.locator("[data-part=workload]").click();
  await page.locator("[data-test=workload]").waitFor();
  assert.deepEqual(await barriers(page), []);
  await shot("workload");
  await page.locator("[data-part=patrol]").click();
  const remove = page.locator("[data-walk] button").last();
  await remove.click();
  await remove.click();
  await page.locator("[data-walk]").waitFor({ state: "detached" });
  assert.deepEqual((await ask("grid-worker", "/patrols")).items, []);
});

test("wide, and in English, it is the same page; signed out, nothing of the day is left on the device", async () => {
  await page.setViewportSize({ width: 1600, height: 900 });
  await page.locator("[data-test=language]").click();
  const again = await ask("grid-duty", "/cases", { type: "gas_leak", position: spot, description: "Smell of gas" });
  await step("grid-duty", again.id, "accept");
  await page.goto("/grid");
  await page.locator(`[data-task="${again.id}"]`).waitFor();
  await settled(page);
  assert.deepEqual(await barriers(page), []);
  await shot("wide");
  await page.locator("[data-test=me]").click();
  await page.locator(".pop .ends button").last().click();
  await page.locator("#password").waitFor();
  const kept = await page.evaluate(() => new Promise((resolve) => {
    const request = indexedDB.open("chengmai-grid");
    request.onsuccess = () => {
      const all = request.result.transaction("kept").objectStore("kept").getAllKeys();
      all.onsuccess = () => resolve(all.result);
    };
  }));
  assert.deepEqual(kept, []);
  const cached = await page.evaluate(async () => {
    const names = await caches.keys();
    const all = await Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname)));
    return all.flat();
  });
  assert.ok(cached.includes("/index.html"));
  assert.deepEqual(cached.filter((path) => path.startsWith("/api")), []);
  assert.deepEqual(seat.outside, []);
});
