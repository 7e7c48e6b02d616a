// Programs that others wrote and that know nothing of us: MQTT.js and the official Influx client send readings,
// which are then read back. No screen is involved.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { HttpError, InfluxDB, Point } from "@influxdata/influxdb-client";
import mqtt from "mqtt";
import { ingestToken, signInByHttp, someGrid, startServer, until } from "./harness.mjs";

let server;
let cookie;
let token;
let grid;

const get = async (path) => {
  const answer = await fetch(`${server.url}${path}`, { headers: { cookie } });
  assert.equal(answer.status, 200, path);
  return answer.json();
};

/** Registers a device before anything is sent for it. */
async function register(device) {
  const answer = await fetch(`${server.url}/api/v1/devices`, {
    method: "POST",
    headers: { cookie, "content-type": "text/csv", origin: server.url },
    body: `id,kinds,area\n${device},methane,${grid}\n`,
  });
  assert.equal(answer.status, 200, await answer.text());
}

async function readings(device) {
  const { items } = await get(`/api/v1/devices/${device}/observations?kind=methane&limit=10000`);
  return items.map(({ at, value }) => [Date.parse(at), value]);
}

/** Address of the MQTT listener, in the words of the running city. */
async function listener() {
  const { mqtt: door } = await get("/api/v1/system");
  return `mqtt://${door.listen}`;
}

before(async () => {
  server = await startServer();
  token = await ingestToken(server.url);
  cookie = await signInByHttp(server.url);
  grid = await someGrid(server.url);
});
after(() => server?.end());

for (const [name, protocolVersion] of [["3.1.1", 4], ["5", 5]]) {
  test(`MQTT.js speaking ${name} gets a PUBACK for every message, and what it sent is on disk by then`, async () => {
    const device = `mqttjs-${protocolVersion}`;
    await register(device);
    const client = await mqtt.connectAsync(await listener(), { protocolVersion, username: "any", password: token, reconnectPeriod: 0 });
    try {
      const acknowledged = [];
      client.on("packetreceive", (packet) => packet.cmd === "puback" && acknowledged.push(packet.messageId));
      const start = Date.now() - 60_000;
      const sent = Array.from({ length: 50 }, (_, i) => [start + i * 100, i / 4]);
      const publish = ([time, value]) =>
        client.publishAsync(`chengmai/v1/${device}/methane`, JSON.stringify({ value, time }), { qos: 1 });
      await Promise.all(sent.map(publish));
      assert.equal(new Set(acknowledged).size, sent.length);
      const read = await until("the readings can be read back", async () => {
        const found = await readings(device);
        return found.length >= sent.length && found;
      });
      assert.deepEqual(read, sent);
    } finally {
      await client.endAsync();
    }
  });
}

test("MQTT.js with a wrong token is told that it may not come in", async () => {
  const options = { protocolVersion: 5, username: "any", password: "cm_nonsense", reconnectPeriod: 0 };
  await assert.rejects(mqtt.connectAsync(await listener(), options, false), (error) => error.code === 134);
});

test("the official Influx client writes points packed with gzip", async () => {
  const device = "influx-1";
  await register(device);
  const influx = new InfluxDB({ url: server.url, token });
  const api = influx.getWriteApi("any", "any", "ms", { gzipThreshold: 1, maxRetries: 0 });
  const start = Date.now() - 60_000;
  const sent = Array.from({ length: 500 }, (_, i) => [start + i * 100, (i % 40) / 4]);
  for (const [at, value] of sent) {
    api.writePoint(new Point("methane").tag("device", device).floatField("value", value).timestamp(at));
  }
  await api.close();
  const read = await until("the points can be read back", async () => {
    const found = await readings(device);
    return found.length >= sent.length && found;
  });
  assert.deepEqual(read, sent);
});

test("the official Influx client hears which line was refused, and the others are kept", async () => {
  const device = "influx-2";
  await register(device);
  const failures = [];
  const api = new InfluxDB({ url: server.url, token }).getWriteApi("any", "any", "ms", {
    gzipThreshold: 1,
    maxRetries: 0,
    writeFailed: (error) => {
      failures.push(error);
      return Promise.resolve();
    },
  });
  const at = Date.now() - 60_000;
  api.writeRecords([
    `methane,device=${device} value=1.5 ${at}`,
    `methane,device=${device} value=oops ${at + 1}`,
    `methane,device=${device} value=2.5 ${at + 2}`,
  ]);
  await api.close();
  assert.equal(failures.length, 1);
  assert.ok(failures[0] instanceof HttpError);
  assert.equal(failures[0].statusCode, 400);
  assert.match(failures[0].message, /partial write: 1 refused, 2 accepted; line 2, byte \d+/);
  const read = await until("the others can be read back", async () => {
    const found = await readings(device);
    return found.length >= 2 && found;
  });
  assert.deepEqual(read, [[at, 1.5], [at + 2, 2.5]]);
});
