// Pictures for the README: node e2e/screenshot.mjs OUTDIR URL NAME PASSWORD
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { mapDrawn, openPage, settled, startBrowser } from "./harness.mjs";

const [outdir, url, name, password] = process.argv.slice(2);
if (!outdir || !url || !name || !password) {
  process.stderr.write("usage: node e2e/screenshot.mjs OUTDIR URL NAME PASSWORD\n");
  process.exit(2);
}
await mkdir(outdir, { recursive: true });
const browser = await startBrowser();
try {
  const { page } = await openPage(browser, new URL(url).origin, { width: 1920, height: 1080 });
  await page.goto("/signin");
  await page.locator("#name").fill(name);
  await page.locator("#password").fill(password);
  await page.locator("button[type=submit]").click();
  await page.locator("nav").first().waitFor();
  const shoot = async (file, path) => {
    await page.goto(path);
    await settled(page);
    await mapDrawn(page);
    await page.waitForLoadState("load");
    await page.locator(".live.live").waitFor();
    await page.screenshot({ path: join(outdir, `${file}.png`) });
    process.stdout.write(`${join(outdir, `${file}.png`)}\n`);
  };
  await shoot("overview", "/");
  await shoot("warnings", "/warnings");
  await shoot("cases", "/cases");
  const first = await page.evaluate(() => fetch("/api/v1/indicators?limit=50").then((answer) => answer.json()));
  await shoot("indicator", `/indicators/${(first.items.find((item) => item.value?.value != null) ?? first.items[0])?.code ?? "gas.safe_share"}`);
} finally {
  await browser.close();
}
