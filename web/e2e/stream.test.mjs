// The live stream: when it breaks the screen says since when, and when it comes back the screen is live again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ended, openPage, settled, signIn, startBrowser, startServer } from "./harness.mjs";

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await startBrowser();
});
after(() => ended(browser, server));

test("an interrupted stream is announced with the moment since when, and heals by itself", async (context) => {
  if (!server.mine) return context.skip("the server is not ours to stop");
  const { page } = await openPage(browser, server.url);
  await signIn(page);
  await settled(page);
  await page.locator(".live.live").waitFor();
  await server.stop();
  const banner = page.locator(".stale[role=alert]");
  await banner.waitFor();
  assert.match(await banner.innerText(), /\d{2}:\d{2}:\d{2}/);
  await server.start();
  await banner.waitFor({ state: "detached" });
  await page.locator(".live.live").waitFor();
});
