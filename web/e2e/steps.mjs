// How people take steps of a case on its page: one dialog a step, wherever its button stands.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { until } from "./harness.mjs";

/** A photo with a position in its camera data: 29.56 N, 106.57 E. */
export const PHOTO = fileURLToPath(new URL("../../tests/corpus/geo_report/photo.jpg", import.meta.url));
/** A grey square, which knows neither when nor where it was taken. */
export const SQUARE = {
  name: "square.png",
  mimeType: "image/png",
  buffer: Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR4nGNogAIGyhgAgIQgAQ2AJGEAAAAASUVORK5CYII=", "base64"),
};

/** How often somebody clicked, over all pages. */
export const clicks = { count: 0 };
export async function click(locator) {
  clicks.count += 1;
  await locator.click();
}

/** Opens the step's dialog, wherever its button stands. */
export async function begin(page, action) {
  const button = page.locator(`[data-action=${action}]`);
  if (!(await button.isVisible())) await click(page.locator("[data-test=more-steps]"));
  await click(button);
  await page.locator("[data-test=case-send]").waitFor();
}

export async function finish(page) {
  const send = page.locator("[data-test=case-send]");
  await page.waitForFunction(() => !document.querySelector("[data-test=case-send]").disabled);
  await click(send);
  await send.waitFor({ state: "detached" });
}

/** Puts a photo into the open dialog and waits until the server has it. */
export async function addPhoto(page, file) {
  const kept = page.locator("[data-photo=kept]");
  const before = await kept.count();
  await page.locator("[data-test=photo-file]").setInputFiles(file);
  await until("the photo is sent", async () => (await kept.count()) > before);
}

export async function act(page, action, { words = "", photo = null } = {}) {
  await begin(page, action);
  if (words) await page.locator("#case-words").fill(words);
  if (photo) await addPhoto(page, photo);
  await finish(page);
}

export const reaches = (page, wanted) =>
  until(`the case is ${wanted}`, async () => (await page.locator("[data-case-state]").getAttribute("data-case-state")) === wanted);
export const disabled = (page) => page.locator("[data-test=case-send]").isDisabled();

/** The photos that a page shows with its steps; all of them are really drawn. */
export async function photosShown(page) {
  const strip = page.locator("[data-test=photo-strip] img");
  await strip.first().waitFor();
  await until("the photos are drawn", () => strip.evaluateAll((images) => images.every((image) => image.complete && image.naturalWidth > 0)));
  const alts = await strip.evaluateAll((images) => images.map((image) => image.alt));
  for (const alt of alts) assert.notEqual(alt.trim(), "");
  return alts;
}

/** A picture of the page for whoever asked for pictures (CHENGMAI_SHOTS names the folder). */
export async function shot(page, name) {
  const folder = process.env.CHENGMAI_SHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
}
