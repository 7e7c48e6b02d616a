// What an assistant proposes: a duty officer sees what would be done and why, approves one and declines the other with a reason;
// the deed stands in the officer's name.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { barriers, DISTRICT, ended, makeUser, openPage, passwordOf, settled, signIn, signInByHttp, someGrid, startBrowser, startServer } from "./harness.mjs";
import { shot } from "./steps.mjs";

let server;
let browser;
let grid;
let token;
let seat;

before(async () => {
  server = await startServer();
  grid = await someGrid(server.url);
  await makeUser(server.url, "robot", "supervisor", DISTRICT);
  await makeUser(server.url, "draft-duty", "duty_officer", DISTRICT);
  const cookie = await signInByHttp(server.url);
  const answer = await fetch(`${server.url}/api/v1/users/robot/token`, {
    method: "POST",
    headers: { cookie, origin: server.url, "content-type": "application/json" },
    body: JSON.stringify({ permissions: ["read", "propose"] }),
  });
  ({ token } = await answer.json());
  browser = await startBrowser();
  seat = await openPage(browser, server.url);
  await signIn(seat.page, "draft-duty", passwordOf("draft-duty"));
});
after(() => ended(browser, server));

async function tool(name, given) {
  const answer = await fetch(`${server.url}/mcp`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", accept: "application/json, text/event-stream" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: given } }),
  });
  const { result } = await answer.json();
  assert.equal(result.isError, false, result.content[0].text);
  return JSON.parse(result.content[0].text);
}

const propose = (description) => tool("propose_case", { type: "dirty_road", row: 0, area: grid, description, reason: "两小时内三人反映同一路段" });

test("a proposal is seen with what it would do, approved, and done in the officer's name", async () => {
  const { page } = seat;
  await page.goto("/cases");
  await settled(page);
  assert.equal(await page.locator("[data-test=drafts]").count(), 0, "nothing waits");
  const draft = await propose("路面散落渣土");
  await page.goto("/");
  await page.getByText("待批拟办 1 条").click();
  const row = page.locator(`[data-draft="${draft.id}"]`);
  await row.waitFor();
  for (const words of ["立案", "路面散落渣土", "两小时内三人反映同一路段", "robot"]) assert.ok((await row.textContent()).includes(words), words);
  assert.deepEqual(await barriers(page), []);
  await shot(page, "drafts");
  await row.getByRole("button", { name: "批准并办理" }).click();
  await row.waitFor({ state: "detached" });
  const { items } = await tool("list_proposals", { state: "ended" });
  assert.deepEqual([items[0].state, items[0].decided_by], ["approved", "draft-duty"]);
  const done = await tool("get_case", { id: items[0].outcome });
  assert.equal(done.filed_by, "draft-duty");
});

test("a proposal is declined with a reason, which the assistant can read", async () => {
  const { page } = seat;
  const draft = await propose("树枝下垂");
  await page.goto("/cases");
  const row = page.locator(`[data-draft="${draft.id}"]`);
  await row.getByRole("button", { name: "退回" }).click();
  await page.getByLabel("理由").fill("园林科已在现场");
  assert.deepEqual(await barriers(page), []);
  await page.locator(".modal-foot").getByRole("button", { name: "退回" }).click();
  await row.waitFor({ state: "detached" });
  const { items } = await tool("list_proposals", { state: "ended" });
  assert.deepEqual([items[0].state, items[0].remark], ["declined", "园林科已在现场"]);
});
