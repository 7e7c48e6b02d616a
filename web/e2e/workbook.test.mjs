// The workbook of an evaluation, downloaded by its button and read by openpyxl, which knows nothing of us: the figures are those
// of the screen's own answer, and what begins like a formula is text.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { DISTRICT, closeMoreCases, forPurpose, makeUser, openPage, passwordOf, settled, signIn, signInByHttp, someGrid, startBrowser, startServer } from "./harness.mjs";

const PYTHON = process.env.CHENGMAI_PYTHON ?? "python3";
const READ = `
import json, openpyxl, sys
book = openpyxl.load_workbook(sys.argv[1])
print(json.dumps({sheet.title: [[cell.value for cell in row] for row in sheet.iter_rows()] for sheet in book}))
print(json.dumps(sorted({cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None})))
`;
const AGENCY = `gas_company-${DISTRICT}`;
let server;
let browser;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "chengmai-workbook-"));
  server = await startServer();
  browser = await startBrowser();
  const area = await someGrid(server.url);
  await makeUser(server.url, "sheet-duty", "duty_officer", DISTRICT);
  await makeUser(server.url, "sheet-gas", "agency_staff", DISTRICT, AGENCY);
  await makeUser(server.url, "sheet-check", "grid_worker", DISTRICT);
  await closeMoreCases(server.url, 3, { area, officer: "sheet-duty", agency: "sheet-gas", checker: "sheet-check" });
});
after(async () => {
  await browser?.close();
  await server?.end();
  await rm(folder, { recursive: true, force: true });
});

async function read(file) {
  const { stdout } = await promisify(execFile)(PYTHON, ["-c", READ, file]);
  const [book, types] = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return { book, types };
}

test("a month of all agencies is downloaded, and another's reader finds the same figures", async () => {
  const { page, faults } = await openPage(browser, server.url);
  await signIn(page, "sheet-duty", passwordOf("sheet-duty"));
  await page.goto("/evaluation?object=agency");
  await settled(page);
  await page.locator("[data-test=workbook]").click();
  const download = await forPurpose(page, "review");
  assert.match(download.suggestedFilename(), /^evaluation-agency-\d{4}-\d{2}-01\.xlsx$/);
  await download.saveAs(join(folder, "all.xlsx"));
  const { book, types } = await read(join(folder, "all.xlsx"));
  assert.deepEqual(Object.keys(book), ["指标", "星级", "案件", "口径"]);
  const cookie = await signInByHttp(server.url, "sheet-duty", passwordOf("sheet-duty"));
  const answer = await (await fetch(`${server.url}/api/v1/evaluation?object=agency`, { headers: { cookie } })).json();
  const names = new Map(answer.formulas.map((formula) => [formula.name.zh, formula.id]));
  const rows = book["指标"].filter((row) => row[1] === AGENCY && names.has(row[2]));
  const own = answer.items.find((row) => row.id === AGENCY);
  assert.equal(rows.length, own.figures.length);
  for (const [, , name, numerator, denominator, value] of rows) {
    const figure = own.figures.find((item) => item.formula === names.get(name));
    assert.deepEqual([numerator, denominator], [figure.numerator, figure.denominator], name);
    if (figure.value === null) assert.equal(value, "不计");
    else assert.ok(Math.abs(value - figure.value * 100) < 0.006, name);
  }
  assert.equal(book["案件"].length, 4, "a head and three cases");
  assert.ok(book["口径"].length > answer.formulas.length);
  assert.deepEqual(types, ["n", "s"], "numbers and texts, no formula");
  assert.deepEqual(faults, []);
});

test("one agency's sheet in English says no Chinese but names", async () => {
  const duty = await signInByHttp(server.url, "sheet-duty", passwordOf("sheet-duty"));
  const name = encodeURIComponent(AGENCY);
  const answer = await fetch(`${server.url}/api/v1/evaluation.xlsx?object=agency&id=${name}&lang=en&purpose=review`, { headers: { cookie: duty } });
  assert.equal(answer.status, 200);
  await writeFile(join(folder, "one.xlsx"), Buffer.from(await answer.arrayBuffer()));
  const { book } = await read(join(folder, "one.xlsx"));
  assert.deepEqual(Object.keys(book), ["Figures", "Stars", "Cases", "Definitions"]);
  for (const [name] of book.Definitions) assert.doesNotMatch(String(name), /[\u4e00-\u9fff]/);
  const rows = book.Figures.filter((row) => row[2] === "Handled on time" || row[1] === AGENCY);
  assert.ok(rows.length > 10 && rows.every((row) => row[1] === AGENCY), "this agency only");
});
