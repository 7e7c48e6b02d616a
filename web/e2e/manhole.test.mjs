// A broken manhole from the street to five stars, every step in a browser by the one whose it is, nothing mocked: a citizen
// without an account reports it, the centre accepts, a grid worker looks, it is filed, dispatched, mended, checked and closed,
// and the citizen says what they think of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { barriers, ended, makeUser, openPage, passwordOf, settled, signIn, signInByHttp, startBrowser, startServer } from "./harness.mjs";
import { act, addPhoto, begin, click, clicks, finish, PHOTO, photosShown, reaches, shot } from "./steps.mjs";

let server;
let browser;
const open = [];

before(async () => {
  server = await startServer();
  browser = await startBrowser();
});
after(() => ended(browser, server));

async function seat(look) {
  const place = await openPage(browser, server.url, look);
  open.push(place);
  return place.page;
}

/** Signs somebody in and opens the case. */
async function staff(name, role, area, id, { agency = null, look = {} } = {}) {
  await makeUser(server.url, name, role, area, agency);
  const page = await seat(look);
  await signIn(page, name, passwordOf(name));
  const show = async () => {
    await page.goto(`/cases/${id}`);
    await settled(page);
    return page;
  };
  return show;
}

test("a citizen reports a broken manhole and follows it to five stars", async (t) => {
  const began = Date.now();
  const phone = { width: 390, height: 844 };
  const citizen = await seat(phone);
  await citizen.goto("/report?lang=zh");
  await citizen.locator("#photo").setInputFiles(PHOTO);
  await citizen.locator("#type").selectOption("manhole_storm");
  await citizen.locator("#words").fill("雨水井盖破了一个洞，行人容易踩空");
  await click(citizen.locator("form#report > button"));
  await citizen.waitForURL(/\/track\/[0-9a-f]{32}/);
  const link = citizen.url();
  const id = (await citizen.locator("h1").innerText()).match(/\d{6}-\d{8}-\d{5,}/)[0];
  const reported = Date.now();

  const cookie = await signInByHttp(server.url);
  const found = await (await fetch(`${server.url}/api/v1/cases/${id}`, { headers: { cookie } })).json();
  assert.equal(found.state, "reported");
  const town = found.holder.area;
  const district = town.slice(0, 6);
  const officer = await staff("manhole-officer", "duty_officer", town, id);
  const walker = await staff("manhole-walker", "grid_worker", town, id, { look: phone });
  const mender = await staff("manhole-mender", "agency_staff", district, id, { agency: `drainage_company-${district}`, look: phone });

  let page = await officer();
  assert.match((await photosShown(page))[0], /近景/, "what the citizen saw is on record");
  await act(page, "accept");
  await reaches(page, "accepted");

  page = await walker();
  await act(page, "verify_pass", { words: "井盖破损属实，已放警示锥", photo: PHOTO });
  await reaches(page, "verified");
  assert.deepEqual(await barriers(page), []);

  page = await officer();
  await begin(page, "file");
  await click(page.locator("[name=case-row]").first());
  await finish(page);
  await reaches(page, "filed");
  await act(page, "dispatch");
  await reaches(page, "dispatched");

  page = await mender();
  await act(page, "start");
  await reaches(page, "handling");
  await begin(page, "finish");
  await page.locator("#case-words").fill("已更换井盖，路面平整");
  await addPhoto(page, PHOTO);
  await shot(page, "manhole-finish-phone");
  await finish(page);
  await reaches(page, "handled");

  page = await walker();
  await act(page, "take_check");
  await act(page, "check_pass", { words: "井盖完好" });
  await reaches(page, "checked");

  page = await officer();
  assert.equal((await photosShown(page)).length, 3, "reported, verified, mended");
  await shot(page, "manhole-checked");
  await act(page, "close");
  await reaches(page, "closed");

  await citizen.goto(link);
  const told = await citizen.locator("main").innerText();
  for (const words of ["已结案", "已更换井盖", "核查通过"]) assert.ok(told.includes(words), `${words} in ${told}`);
  await click(citizen.locator("input[value='5']"));
  await click(citizen.locator("form:has(input[value=rate]) button"));
  await citizen.locator(".facts").getByText("5 / 5").waitFor();
  await page.reload();
  await settled(page);
  await page.locator(".stars, [class*=stars]").first().waitFor();
  const rated = await (await fetch(`${server.url}/api/v1/cases/${id}`, { headers: { cookie } })).json();
  assert.equal(rated.circumstances.stars, 5);

  for (const { faults, outside } of open) {
    assert.deepEqual(faults, []);
    assert.deepEqual(outside, []);
  }
  const seconds = (ms) => (ms / 1000).toFixed(1);
  t.diagnostic(`reported after ${seconds(reported - began)} s, five stars after ${seconds(Date.now() - began)} s and ${clicks.count} clicks of all people`);
});
