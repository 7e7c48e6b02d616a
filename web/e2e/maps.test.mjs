// Programs that draw maps, as they are: OWSLib, GDAL (as QGIS uses it) and MapLibre walk in with a token.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DISTRICT, mapDrawn, openPage, settled, signIn, signInByHttp, startBrowser, startServer, until } from "./harness.mjs";

const PYTHON = process.env.CHENGMAI_PYTHON ?? "python3";
const MAPS = fileURLToPath(new URL("maps.py", import.meta.url));
const DEVICES = 2_500;

let server;
let cookie;

before(async () => {
  server = await startServer();
  cookie = await signInByHttp(server.url);
  const rows = ["id,kinds,area,lon,lat"];
  // A grid of fifty columns, a hundredth of a degree apart: nine of them in each box of the clients.
  for (let n = 0; n < DEVICES; n += 1) {
    const [column, row] = [n % 50, Math.floor(n / 50)];
    rows.push(`d${n},${n % 4 === 0 ? "methane" : "pm25"},${DISTRICT},${(106.305 + column / 100).toFixed(3)},${(29.305 + row / 100).toFixed(3)}`);
  }
  const headers = { cookie, origin: server.url, "content-type": "text/csv" };
  const registered = await fetch(`${server.url}/api/v1/devices`, { method: "POST", headers, body: rows.join("\n") });
  assert.equal((await registered.json()).registered, DEVICES);
});
after(() => server?.end());

test("OWSLib and GDAL find every district and every device, page by page, by box and by filter", { skip: process.env.CHENGMAI_URL !== undefined && "another's city has other devices" }, async () => {
  const token = await viewerToken();
  const { stdout } = await promisify(execFile)(PYTHON, [MAPS, server.url, token, DISTRICT]);
  const { owslib, gdal, tiles } = JSON.parse(stdout);
  const collections = ["areas", "devices", "warnings", "cases"];
  assert.deepEqual(owslib.collections, collections);
  assert.ok(owslib.conforms >= 15);
  assert.ok(owslib.queryables.includes("tier") && owslib.queryables.includes("geometry"));
  assert.equal(owslib.one, DISTRICT);
  assert.equal(owslib.in_box, 9);

  assert.deepEqual(gdal.layers, collections);
  const list = await fetch(`${server.url}/api/v1/areas?tier=district&limit=1`, { headers: { cookie } });
  const districts = (await list.json()).total;
  assert.deepEqual([owslib.districts, gdal.districts, gdal.outlines], [districts, districts, districts]);
  assert.match(gdal.crs, /CRS84|4326/);
  assert.deepEqual([gdal.devices, gdal.points], [DEVICES, DEVICES]);
  assert.equal(gdal.in_box, 9);
  assert.equal(gdal.methane, DEVICES / 4);

  // Twenty-two columns and twenty-six rows lie on the one tile, all of them on the other, which counts by cell.
  assert.equal(tiles.devices, 22 * 26);
  assert.equal(tiles.counted, DEVICES);
  assert.ok(tiles.cells > 1 && tiles.cells <= 256, String(tiles.cells));
  assert.match(tiles.ids[0], /^d\d+$/);
  assert.ok(tiles.areas.includes(DISTRICT), tiles.areas.join());
});

test("MapLibre draws the devices of our tiles, and draws them no more when they are switched off", async () => {
  const browser = await startBrowser();
  try {
    const { page, context, faults, outside } = await openPage(browser, server.url, { width: 900, height: 640 });
    const tiles = [];
    page.on("response", async (answer) => {
      if (answer.url().includes("/tiles/devices/")) tiles.push([answer.status(), (await answer.body()).length]);
    });
    await signIn(page);
    await page.goto(`/?area=${DISTRICT}`);
    await settled(page);
    await mapDrawn(page);
    await until("tiles with devices have come", () => tiles.some(([status, length]) => status === 200 && length > 0));
    await mapDrawn(page);
    const map = page.locator(".canvas").first();
    const drawn = await map.screenshot();
    const button = page.locator("button.tiny", { hasText: "设备" });
    assert.equal(await button.getAttribute("aria-pressed"), "true");
    await button.click();
    await page.locator("button.tiny[aria-pressed=false]", { hasText: "设备" }).waitFor();
    await mapDrawn(page);
    assert.notDeepEqual(await map.screenshot(), drawn);
    assert.deepEqual(faults, []);
    assert.deepEqual(outside, []);
    await context.close();
  } finally {
    await browser.close();
  }
});

async function viewerToken() {
  const headers = { cookie, origin: server.url, "content-type": "application/json" };
  const account = { name: "maps", display_name: "maps", password: "maps password, long enough", roles: ["viewer"], area: "50" };
  const made = await fetch(`${server.url}/api/v1/users`, { method: "POST", headers, body: JSON.stringify(account) });
  assert.equal(made.status, 201, await made.clone().text());
  const token = await fetch(`${server.url}/api/v1/users/maps/token`, { method: "POST", headers, body: "{}" });
  return (await token.json()).token;
}
