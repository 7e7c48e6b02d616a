// A citizen with a phone, with scripts and without: reports with a photo, follows the link, rates, says that it
// is not fixed; in between an officer and an agency do their part over the interface. axe on every page.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { barriers, ended, makeUser, openPage, passwordOf, signInByHttp, startBrowser, startServer } from "./harness.mjs";

const PHOTO = fileURLToPath(new URL("../../tests/corpus/geo_report/photo.jpg", import.meta.url));
const SHOTS = process.env.CHENGMAI_SHOTS;
let server;
let browser;
let seats;

before(async () => {
  server = await startServer();
  browser = await startBrowser();
});
after(() => ended(browser, server));

/** A page without scripts, as a phone with them switched off has it. */
async function plainPage(width = 390, height = 844) {
  const context = await browser.newContext({
    viewport: { width, height },
    locale: "zh-CN",
    javaScriptEnabled: false,
    baseURL: server.url,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  return { page, context };
}

async function shot(page, name) {
  if (!SHOTS) return;
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
}

/** Nothing hinders, nothing is wider than the screen. */
async function sound(page, name) {
  assert.deepEqual(await barriers(page), [], name);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(wide <= 0, `${name} is ${wide} px wider than the screen`);
  await shot(page, name);
}

async function api(path, { as = null, method = "GET", body } = {}) {
  const cookie = as ?? (await signInByHttp(server.url));
  const answer = await fetch(`${server.url}/api/v1${path}`, {
    method,
    headers: { cookie, "content-type": "application/json", origin: server.url },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path} answered ${answer.status}: ${text}`);
  return text === "" ? null : JSON.parse(text);
}

/** From reported to closed, each step by the one whose it is. */
async function handle(id) {
  const found = await api(`/cases/${id}`);
  const town = found.holder.area;
  const agency = `sanitation-${town.slice(0, 6)}`;
  if (!seats) {
    await makeUser(server.url, "officer", "duty_officer", town);
    await makeUser(server.url, "walker", "grid_worker", town);
    await makeUser(server.url, "sweeper", "agency_staff", town.slice(0, 6), agency);
    seats = {};
    for (const name of ["officer", "walker", "sweeper"]) seats[name] = await signInByHttp(server.url, name, passwordOf(name));
  }
  const step = (as, verb, body = {}) => api(`/cases/${id}/${verb}`, { as: seats[as], method: "POST", body });
  await step("officer", "accept");
  await step("walker", "verify_pass");
  await step("officer", "file", { type: "dirty_road", row: 0 });
  await step("officer", "dispatch");
  await step("sweeper", "start");
  await step("sweeper", "finish", { note: "已清扫干净" });
  await step("walker", "check_pass");
  await step("officer", "close");
}

const numberOf = async (page) => (await page.locator("h1").innerText()).match(/\d{6}-\d{8}-\d{5,}/)[0];

test("with scripts off a citizen reports with a photo, follows, rates and says it is not fixed", async () => {
  const { page, context } = await plainPage();
  await page.goto("/report");
  await page.locator("#photo").setInputFiles(PHOTO);
  await page.locator("#type").selectOption("dirty_road");
  await page.locator("#words").fill("路口满地垃圾，电话 13812345678");
  await page.locator("#name").fill("张三");
  await page.locator("button[type=submit]").last().click();
  await page.waitForURL(/\/track\/[0-9a-f]{32}/);
  const id = await numberOf(page);
  // The place was the photo's.
  const found = await api(`/cases/${id}`);
  assert.deepEqual(found.position.map((n) => n.toFixed(2)), ["106.57", "29.56"]);
  assert.ok(!JSON.stringify(found).includes("张三"));
  await handle(id);
  await page.reload();
  assert.match(await page.locator("main").innerText(), /已结案[\s\S]*已清扫干净/);
  await page.locator("input[value='4']").check();
  await page.locator("form:has(input[value=rate]) button").click();
  assert.match(await page.locator(".facts").innerText(), /4 \/ 5/);
  await page.locator("#reopen").fill("第二天又脏了");
  await page.locator("form:has(input[value=reopen]) button").click();
  assert.match(await page.locator("main").innerText(), /返工[\s\S]*第二天又脏了/);
  await context.close();
});

test("with scripts on the map chooses the place, and what is near is shown before sending", async () => {
  const { page, context, faults, outside } = await openPage(browser, server.url, { width: 390, height: 844 });
  await page.goto("/report?lang=zh");
  await page.locator("#map path.part").first().waitFor();
  await sound(page, "report-phone");
  const part = page.locator("#map path.part").nth(3);
  await part.click({ force: true });
  await page.waitForFunction(() => document.querySelector("#lat").value !== "");
  await page.locator("input[type=search]").fill("道路不洁");
  assert.equal(await page.locator("#type").inputValue(), "dirty_road");
  // The same spot as the first report, to the metre.
  await page.evaluate(() => {
    document.querySelector("#lat").value = "29.5601";
    document.querySelector("#long").value = "106.5701";
  });
  await page.locator("#words").fill("又是这个路口");
  await page.locator("form#report > button").click();
  await page.getByRole("heading", { level: 1 }).waitFor();
  assert.match(await page.locator("h1").innerText(), /是不是同一个/);
  await sound(page, "near-phone");
  await page.getByRole("button", { name: "是同一个，算我一个" }).first().click();
  await page.waitForURL(/\/track\//);
  await sound(page, "track-phone");
  // The receipt is checked by the phone itself; the newest step is signed within a second or two.
  const receipt = page.locator("#receipt");
  for (;;) {
    await page.getByRole("button", { name: "现在核对" }).click();
    await page.waitForFunction(() => !document.querySelector("#receipt button").disabled && document.querySelector("#receipt").dataset.found);
    if ((await receipt.getAttribute("data-found")) !== "waiting") break;
  }
  assert.match(await receipt.innerText(), /核对无误/);
  // A receipt in which a single digest was changed is not right.
  await page.route("**/receipt", async (route) => {
    const answer = await route.fetch();
    const whole = await answer.json();
    whole.events[0].salt = whole.events[0].salt.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    await route.fulfill({ json: whole });
  });
  await page.getByRole("button", { name: "现在核对" }).click();
  await page.waitForFunction(() => document.querySelector("#receipt").dataset.found === "wrong");
  await page.unroute("**/receipt");
  const found = await api(`/cases/${await numberOf(page)}`);
  assert.equal(found.joined, 1);
  assert.deepEqual(faults, []);
  assert.deepEqual(outside, []);
  await context.close();
});

test("every page is sound on phone and desk, in both languages", async () => {
  for (const [width, height, lang] of [
    [390, 844, "en"],
    [1600, 900, "zh"],
    [1600, 900, "en"],
  ]) {
    const { page, context, faults } = await openPage(browser, server.url, { width, height });
    for (const path of ["/report", "/public", "/public?area=500103"]) {
      const query = path.includes("?") ? "&" : "?";
      await page.goto(`${path}${query}lang=${lang}`);
      await page.locator("h1").waitFor();
      const name = `${path.replace(/\W+/g, "-").slice(1)}-${width}-${lang}`;
      await sound(page, name);
      if (lang === "en") {
        const words = await page.locator("main > h1, legend, label, button[type=submit], h2").allInnerTexts();
        const foreign = words.filter((text) => /[\u4e00-\u9fff]/.test(text.replace(/ · .*/, "")));
        assert.deepEqual(foreign, [], name);
      }
    }
    await page.goto("/track/00000000000000000000000000000000");
    await sound(page, `no-link-${width}-${lang}`);
    assert.deepEqual(faults.filter((text) => !text.includes("404")), []);
    await context.close();
  }
});
