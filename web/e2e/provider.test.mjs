// The city's identity provider, played by a certified one (oidc-provider): the same person gets in by it, and nobody else.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import Provider from "oidc-provider";
import { DISTRICT, freePort, makeUser, openPage, passwordOf, settled, signIn, signInByHttp, startBrowser, startServer } from "./harness.mjs";

const SECRET = "a secret of 32 characters or more";
const NAME = "渝城通";
let server;
let browser;
let folder;
let issuer;
let listener;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "chengmai-provider-"));
  await writeFile(join(folder, "secret"), `${SECRET}\n`);
  const port = await freePort();
  issuer = `http://127.0.0.1:${port}`;
  server = await startServer((url) => [
    ...["--public-url", url, "--oidc-issuer", issuer, "--oidc-client", "chengmai", "--oidc-name", NAME],
    ...["--oidc-secret-file", join(folder, "secret"), "--oidc-account-claim", "preferred_username"],
  ]);
  const provider = new Provider(issuer, {
    clients: [{ client_id: "chengmai", client_secret: SECRET, redirect_uris: [`${server.url}/api/v1/session/provider/callback`] }],
    claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email"] },
    cookies: { keys: ["one that signs cookies of the test"] },
    pkce: { required: () => true },
    // A thief is another person there, and calls themselves duty.
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id === "thief" ? "duty" : id }) }),
  });
  listener = createServer(provider.callback()).listen(port, "127.0.0.1");
  browser = await startBrowser();
  await makeUser(server.url, "duty", "duty_officer", DISTRICT);
  await makeUser(server.url, "li", "supervisor", "50");
});
after(async () => {
  await browser?.close();
  await server?.end();
  listener?.closeAllConnections();
  listener?.close();
  await rm(folder, { recursive: true, force: true });
});

/** What a person does at the provider: a name, a password, and "yes, tell them". */
async function atProvider(page, name) {
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("anything");
  await page.locator("button[type=submit]").click();
  await page.locator("input[name=prompt][value=consent]").waitFor({ state: "attached" });
  await page.locator("button[type=submit]").click();
}

/** A browser that went to the provider as this person and came back. */
async function through(name, next = "") {
  const opened = await openPage(browser, server.url);
  await opened.page.goto(`/signin${next}`);
  await opened.page.locator("[data-test=provider]").click();
  await atProvider(opened.page, name);
  return opened;
}

const deeds = async () => {
  const cookie = await signInByHttp(server.url, "li", passwordOf("li"));
  const answer = await fetch(`${server.url}/api/v1/audit`, { headers: { cookie } });
  return (await answer.json()).items.map((line) => `${line.who} ${line.what}`);
};

test("a person gets in by the provider, lands where they wanted to go, and it is on record", async () => {
  const { page, faults } = await through("duty", "?next=%2Fcases%3Fstate%3Dall");
  await page.waitForURL("**/cases?state=all");
  await settled(page);
  const session = await page.evaluate(async () => (await fetch("/api/v1/session")).json());
  assert.equal(session.user.name, "duty");
  assert.equal(session.user.second_factor, false);
  assert.ok((await page.context().cookies(server.url)).every((cookie) => cookie.httpOnly && cookie.name !== "chengmai_provider"));
  assert.deepEqual(faults, []);
  const lines = await deeds();
  assert.ok(lines.includes("duty provider_linked") && lines.includes("duty sign_in_provider"), lines.join("\n"));
});

test("who has no account here, and who calls themselves like somebody else, stays outside", async () => {
  for (const [name, code] of [["stranger", "E-517"], ["thief", "E-519"]]) {
    const { page } = await through(name);
    await page.locator(".notice").waitFor();
    assert.match(await page.locator(".notice").innerText(), new RegExp(code));
    assert.equal(await page.evaluate(async () => (await fetch("/api/v1/session")).status), 401);
  }
});

test("an answer counts once, and only in the browser that asked", async () => {
  const begin = await fetch(`${server.url}/api/v1/session/provider`, { method: "POST", headers: { "content-type": "application/json", origin: server.url }, body: "{}" });
  const cookie = begin.headers.getSetCookie()[0].split(";")[0];
  // Somebody is lured to the address that another browser was given.
  const { page } = await openPage(browser, server.url);
  const came = page.waitForRequest((request) => request.url().includes("/provider/callback?"));
  await page.goto((await begin.json()).url);
  await atProvider(page, "duty");
  const answer = (await came).url();
  await page.locator(".notice").waitFor();
  assert.match(await page.locator(".notice").innerText(), /E-516/);
  assert.equal(await page.evaluate(async () => (await fetch("/api/v1/session")).status), 401);
  const ask = async (url) => (await fetch(url, { headers: { cookie } })).status;
  assert.equal(await ask(answer.replace(/state=[^&]+/, "state=cm_0000")), 401, "another state ends the attempt");
  assert.equal(await ask(answer), 401, "which cannot be taken up again");
});

test("somebody of another name links their account, gets in by it, and takes the link away", async () => {
  const { page, faults } = await openPage(browser, server.url);
  await signIn(page, "li", passwordOf("li"));
  await page.goto("/account");
  await page.locator("[data-test=provider-link]").click();
  await atProvider(page, "li.wei");
  await page.locator("[data-test=provider-end]").waitFor();
  assert.deepEqual(faults, []);
  const other = await through("li.wei");
  await other.page.waitForURL(`${server.url}/`);
  const session = await other.page.evaluate(async () => (await fetch("/api/v1/session")).json());
  assert.equal(session.user.name, "li");
  await page.locator("[data-test=provider-end]").click();
  await page.locator("[data-test=provider-link]").waitFor();
  const third = await through("li.wei");
  await third.page.locator(".notice").waitFor();
  assert.match(await third.page.locator(".notice").innerText(), /E-517/);
});

test("a city whose provider is away says so, and passwords still work", async () => {
  listener.closeAllConnections();
  await new Promise((resolve) => listener.close(resolve));
  await server.stop();
  await server.start();
  const { page } = await openPage(browser, server.url);
  await page.goto("/signin");
  await page.locator("[data-test=provider]").click();
  await page.locator(".problem").waitFor();
  assert.match(await page.locator(".problem").innerText(), /E-515|统一身份认证平台/);
  await signIn(page, "duty", passwordOf("duty"));
});
