// Starts a real server on a fresh data folder and a real browser, and knows how to sign in and send readings.
// Everything waits on a condition with a limit; nothing sleeps a fixed time.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BINARY = process.env.CHENGMAI_BIN ?? join(homedir(), ".cache/chengmai/target/debug/chengmai");
export const NAME = process.env.CHENGMAI_NAME ?? "admin";
export const PASSWORD = process.env.CHENGMAI_ADMIN_PASSWORD ?? "e2e-only-Passw0rd";
export const DISTRICT = "500103";
const READY_MS = 120_000;

const BROWSER_FLAGS = [
  "--no-sandbox",
  "--disable-gpu-sandbox",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Asks until the answer is true; the pause between two questions is short and the whole has a limit. */
export async function until(what, question, limitMs = 30_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`gave up waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A running city, with more flags for its address. With CHENGMAI_URL set, one that somebody else runs. */
export async function startServer(flagsFor = () => []) {
  if (process.env.CHENGMAI_URL) {
    return { url: process.env.CHENGMAI_URL, mine: false, log: () => "", stop: async () => {}, start: async () => {}, end: async () => {} };
  }
  const data = await mkdtemp(join(tmpdir(), "chengmai-e2e-"));
  const [http, mqtt] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${http}`;
  let child = null;
  let output = "";

  async function start() {
    child = spawn(
      BINARY,
      ["serve", "--data", data, "--http", `127.0.0.1:${http}`, "--mqtt", `127.0.0.1:${mqtt}`, "--register-unknown", ...flagsFor(url)],
      { cwd: ROOT, env: { ...process.env, CHENGMAI_ADMIN_PASSWORD: PASSWORD }, stdio: ["ignore", "pipe", "pipe"] },
    );
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    let failed = null;
    child.once("error", (error) => (failed = error));
    child.once("exit", (code) => (failed ??= new Error(`the server ended with ${code}`)));
    await until(
      "the server is ready",
      async () => {
        if (failed) throw new Error(`${failed.message}\n${output.slice(-4000)}`);
        return fetch(`${url}/readyz`).then((answer) => answer.ok, () => false);
      },
      READY_MS,
    );
  }
  async function stop() {
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }
  async function end() {
    await stop();
    await rm(data, { recursive: true, force: true });
  }
  await start();
  return { url, data, mine: true, log: () => output, start, stop, end };
}

/** A session of its own for calls that no screen makes (devices, not people, send readings). */
export async function signInByHttp(url, name = NAME, password = PASSWORD) {
  const answer = await fetch(`${url}/api/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, password }),
  });
  if (!answer.ok) throw new Error(`sign-in answered ${answer.status}: ${await answer.text()}`);
  return answer.headers.getSetCookie().map((cookie) => cookie.split(";")[0]).join("; ");
}

async function post(url, path, body, cookie = null) {
  cookie ??= await signInByHttp(url);
  const answer = await fetch(`${url}/api/v1${path}`, {
    method: "POST",
    headers: { cookie, "content-type": "application/json", origin: url },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`POST ${path} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

export const passwordOf = (name) => `${name}-only-Passw0rd`;

/** A person with one role in one area, perhaps of an agency. */
export const makeUser = (url, name, role, area, agency = null) =>
  post(url, "/users", { name, display_name: name, password: passwordOf(name), roles: [role], area, agency });

/** Takes `count` more cases through all their steps, each step by the one whose it is. No screen is involved. */
export async function closeMoreCases(url, count, { area, officer, agency, checker }) {
  const seats = {};
  for (const name of [officer, agency, checker]) seats[name] = await signInByHttp(url, name, passwordOf(name));
  for (let i = 0; i < count; i += 1) {
    const filed = await post(url, "/cases", { type: "gas_leak", row: 0, area, description: "巡查发现燃气异味" }, seats[officer]);
    const step = (name, verb, body = {}) => post(url, `/cases/${filed.id}/${verb}`, body, seats[name]);
    await step(officer, "dispatch");
    await step(agency, "start");
    await step(agency, "finish", { note: "已处置" });
    await step(checker, "check_pass");
    await step(officer, "close");
  }
}

/** A bearer token that may send readings. */
export async function ingestToken(url) {
  await makeUser(url, "feed", "ingest", "50");
  return (await post(url, "/users/feed/token", {})).token;
}

/** A grid of Yuzhong district, as the city's own pack numbers it. */
export async function someGrid(url) {
  const cookie = await signInByHttp(url);
  const answer = await fetch(`${url}/api/v1/areas?tier=grid&q=${DISTRICT}&limit=1`, { headers: { cookie } });
  return (await answer.json()).items[0].code;
}

export async function write(url, token, lines) {
  const answer = await fetch(`${url}/api/v2/write?precision=ms`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: lines.join("\n"),
  });
  if (!answer.ok) throw new Error(`write answered ${answer.status}: ${await answer.text()}`);
}

/** A browser that fails when it is closed if any page of it broke the policy that it was given. */
export async function startBrowser() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: BROWSER_FLAGS });
  const violations = new Set();
  const [newContext, close] = [browser.newContext.bind(browser), browser.close.bind(browser)];
  browser.newContext = async (options) => {
    const context = await newContext(options);
    await context.exposeFunction("noteViolation", (text) => violations.add(text));
    await context.addInitScript(() =>
      document.addEventListener("securitypolicyviolation", (event) =>
        window.noteViolation(`${location.pathname}: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.target?.outerHTML?.slice(0, 200)}`),
      ),
    );
    return context;
  };
  browser.close = async () => {
    await close();
    if (violations.size > 0) throw new Error(`the pages broke their policy:\n${[...violations].join("\n")}`);
  };
  return browser;
}

/** Closes both, the server also when the browser has something to complain of. */
export async function ended(browser, server) {
  try {
    await browser?.close();
  } finally {
    await server?.end();
  }
}

/** A page that remembers every console error and every request that left this machine. */
export async function openPage(browser, url, { width = 1366, height = 768, lang = "zh", theme = "light" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: "reduce", baseURL: url });
  await context.addInitScript(
    ([chosen, look]) => {
      localStorage.setItem("chengmai.lang", chosen);
      localStorage.setItem("chengmai.theme", look);
      localStorage.setItem("chengmai.muted", "yes");
    },
    [lang, theme],
  );
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const faults = [];
  const outside = [];
  page.on("console", (message) => {
    // What another site's page says is its own.
    if (!page.url().startsWith(url)) return;
    // The browser notes every refused request; "am I signed in?" answered with no is not a fault.
    if (message.type() === "error" && !message.location().url.endsWith("/api/v1/session")) faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(String(error.stack ?? error)));
  page.on("request", (request) => {
    const target = new URL(request.url());
    if (/^https?:$/.test(target.protocol) && target.origin !== url) outside.push(request.url());
  });
  return { page, context, faults, outside };
}

export async function signIn(page, name = NAME, password = PASSWORD) {
  await page.goto("/signin");
  await page.locator("#name").fill(name);
  await page.locator("#password").fill(password);
  await page.locator("button[type=submit]").click();
  await page.locator("nav").first().waitFor();
}

/** Says what a file is for, as the dialog asks, and waits for the file. */
export async function forPurpose(page, purpose) {
  await page.locator(`input[name=purpose][value=${purpose}]`).check();
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("[data-test=purpose-go]").click()]);
  return download;
}

/** The screen has what it asked for: a heading is there and no skeleton is left. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector("h1") && !document.querySelector("#main .skel"));
}

export async function mapDrawn(page) {
  const map = page.locator(".canvas").first();
  if ((await map.count()) > 0) await page.locator('.canvas[data-ready="true"]').first().waitFor();
}

/** What keeps somebody from using the screen, as far as axe sees it: serious and critical faults. */
export async function barriers(page) {
  await page.evaluate(AXE);
  const result = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ["violations"], rules: { "color-contrast": { enabled: true } } }),
  );
  return result.violations
    .filter((fault) => fault.impact === "serious" || fault.impact === "critical")
    .map((fault) => `${fault.id}: ${fault.help}\n  ${fault.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join("\n  ")}`);
}
