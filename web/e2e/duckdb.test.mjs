// DuckDB, which knows nothing of us, reads the Parquet files of a data folder and gets the sums that our own SQL gives.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ingestToken, signInByHttp, startServer, until, write } from "./harness.mjs";

const PYTHON = process.env.CHENGMAI_PYTHON ?? "python3";
const KINDS = ["methane", "manhole_tilt", "pm25"];
const READ = `
import duckdb, json, sys
rows = duckdb.sql(f"""SELECT kind, area, count(*), sum(value), min(epoch_ms("at")), max(epoch_ms("at"))
    FROM read_parquet('{sys.argv[1]}', union_by_name=true) GROUP BY kind, area ORDER BY kind, area""").fetchall()
print(json.dumps(rows))
`;

let server;
let cookie;

async function ask(sql) {
  const answer = await fetch(`${server.url}/api/v1/sql`, {
    method: "POST",
    headers: { cookie, origin: server.url, "content-type": "application/json" },
    body: JSON.stringify({ sql }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return (await answer.json()).rows;
}

before(async () => {
  server = await startServer();
  cookie = await signInByHttp(server.url);
});
after(() => server?.end());

test("DuckDB and our SQL count and sum the same readings, kind by kind and area by area", { skip: process.env.CHENGMAI_URL !== undefined && "the files of another's city cannot be read" }, async () => {
  const token = await ingestToken(server.url);
  const list = await fetch(`${server.url}/api/v1/areas?tier=grid&limit=40`, { headers: { cookie } });
  const grids = (await list.json()).items.map((area) => area.code);
  assert.equal(grids.length, 40);
  const start = Date.now() - 600_000;
  const lines = [];
  for (let i = 0; i < 24_000; i += 1) {
    const device = i % 240;
    const kind = KINDS[device % KINDS.length];
    // Quarters add up without an error, in whatever order they are added.
    lines.push(`${kind},device=d${device},area=${grids[device % grids.length]} value=${(i % 40) / 4} ${start + i * 20}`);
  }
  for (let at = 0; at < lines.length; at += 4_000) await write(server.url, token, lines.slice(at, at + 4_000));

  const sql = `SELECT kind, area, count(*), sum(value),
      CAST(round(min(date_part('epoch', at)) * 1000) AS BIGINT), CAST(round(max(date_part('epoch', at)) * 1000) AS BIGINT)
    FROM readings GROUP BY kind, area ORDER BY kind, area`;
  const hot = await until("every reading has come to history", async () => {
    const rows = await ask(sql);
    return rows.reduce((sum, row) => sum + row[2], 0) === lines.length && rows;
  });
  assert.ok(hot.length >= 40);

  // Stopping writes what is in memory to files.
  await server.stop();
  const files = join(server.data, "history", "raw", "**", "*.parquet");
  const { stdout } = await promisify(execFile)(PYTHON, ["-c", READ, files]);
  assert.deepEqual(JSON.parse(stdout), hot);

  await server.start();
  assert.deepEqual(await ask(sql), hot);
});
