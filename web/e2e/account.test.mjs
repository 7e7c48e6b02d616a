// Locks as people meet them: a second factor set up and asked for, who reported a case shown for a purpose, an emergency begun, and
// all of it found again in the audit.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { barriers, makeUser, openPage, passwordOf, settled, signIn, startBrowser, startServer } from "./harness.mjs";

let server;
let browser;
before(async () => {
  server = await startServer();
  browser = await startBrowser();
  await makeUser(server.url, "wang", "duty_officer", "500103");
  await makeUser(server.url, "li", "supervisor", "50");
});
after(async () => {
  await browser?.close();
  await server?.end();
});

/** The six digits that an authenticator shows (RFC 6238), worked out here and not by the server. */
function codeOf(secret, steps = 0) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac("sha1", key).update(counter).digest();
  const at = hash[19] & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

test("a second factor is set up on the account page and asked for at the next sign-in", { timeout: 180_000 }, async () => {
  const { page, faults } = await openPage(browser, server.url, { lang: "en" });
  await signIn(page, "wang", passwordOf("wang"));
  await page.goto("/account");
  await settled(page);
  await page.locator('[data-test="factor-start"]').click();
  await page.locator("#factor-password").fill(passwordOf("wang"));
  await page.locator('[data-test="factor"] button[type=submit]').click();
  const secret = (await page.locator('[data-test="factor"] pre').textContent()).trim();
  assert.match(secret, /^[A-Z2-7]{32}$/);
  assert.equal(await page.locator('[data-test="factor"] img').evaluate((image) => image.complete && image.naturalWidth > 0), true, "the picture to scan is drawn");
  await page.locator("#factor-code").fill(codeOf(secret));
  await page.locator('[data-test="factor"] button[type=submit]').click();
  await page.locator('[data-test="factor-saved"]').waitFor();
  const codes = (await page.locator('[data-test="factor"] pre').textContent()).trim().split("\n");
  assert.equal(codes.length, 10);
  assert.deepEqual(await barriers(page), []);
  await page.locator('[data-test="factor-saved"]').click();
  await page.context().clearCookies();
  await page.goto("/signin");
  await page.locator("#name").fill("wang");
  await page.locator("#password").fill(passwordOf("wang"));
  await page.locator("button[type=submit]").click();
  await page.locator("#code").fill(codeOf(secret, 1));
  assert.deepEqual(await barriers(page), []);
  await page.locator("button[type=submit]").click();
  await page.locator("nav").first().waitFor();
  assert.deepEqual(faults.filter((fault) => !fault.includes("401")), []);
  await page.context().close();
});

test("an emergency widens the view, is told on every page, and is reviewed by somebody else", { timeout: 180_000 }, async () => {
  await makeUser(server.url, "zhao", "duty_officer", "500103");
  const { page, faults } = await openPage(browser, server.url, { lang: "en" });
  await signIn(page, "zhao", passwordOf("zhao"));
  await page.goto("/account");
  await page.locator("#e-reason").fill("the river rises upstream");
  assert.deepEqual(await barriers(page), []);
  await page.locator('[data-test="emergency"] button[type=submit]').click();
  const banner = page.locator("header a[role=status]");
  await banner.waitFor();
  await page.goto("/cases");
  await banner.waitFor();
  await page.goto("/account");
  await page.locator('[data-test="emergency"] button.primary').click();
  await banner.waitFor({ state: "detached" });
  assert.deepEqual(faults, []);
  await page.context().close();

  const seen = await openPage(browser, server.url, { lang: "en" });
  await signIn(seen.page, "li", passwordOf("li"));
  await seen.page.goto("/audit");
  await settled(seen.page);
  const row = seen.page.locator('[data-test="emergencies"] li', { hasText: "the river rises upstream" });
  await row.locator("button").click();
  await seen.page.locator("#g-remark").fill("the gauge at Beibei stood high");
  assert.deepEqual(await barriers(seen.page), []);
  await seen.page.locator("button[form=review-form]").click();
  await row.getByText("the gauge at Beibei stood high").waitFor();
  await seen.page.getByText("emergency access reviewed").first().waitFor();
  assert.deepEqual(seen.faults, []);
  await seen.page.context().close();
});

test("who reported a case is covered until a purpose is given", { timeout: 180_000 }, async () => {
  await makeUser(server.url, "chen", "duty_officer", "50");
  const form = new URLSearchParams({ words: "井盖没了，路人差点掉下去", lat: "29.5600", long: "106.5700", name: "张先生", phone: "13800001234" });
  const answer = await fetch(`${server.url}/report`, { method: "POST", body: form, redirect: "manual" });
  assert.ok(answer.status === 303 || answer.status === 200, `${answer.status}: ${await answer.text()}`);
  const { page, faults } = await openPage(browser, server.url, { lang: "en" });
  await signIn(page, "chen", passwordOf("chen"));
  await page.goto("/cases");
  await settled(page);
  await page.locator('a[href^="/cases/"]').first().click();
  const panel = page.locator('[data-test="contact"]');
  await panel.getByText("138****1234").waitFor();
  await page.locator('[data-test="contact-show"]').click();
  await page.locator('input[name=purpose][value=handle]').check();
  assert.deepEqual(await barriers(page), []);
  await page.locator('[data-test="purpose-go"]').click();
  await panel.getByText("13800001234").waitFor();
  assert.deepEqual(faults, []);
  await page.context().close();
});
