// How fast tiles are: registers so many devices in a fresh city and asks for tiles that nobody asked for before, one
// after another. Not a test; prints the table of docs/benchmarks/tiles.md. `node tiles-speed.mjs 1000000`
import { signInByHttp, startServer, until } from "./harness.mjs";

const DEVICES = Number(process.argv[2] ?? 1_000_000);
const ZOOMS = [4, 6, 8, 10, 12, 14, 16];
const TILES = 40;
const AT_ONCE = 50_000;
/** Middle of the city; half of all devices lie within some ten kilometres of it. */
const CENTRE = [106.55, 29.56];

/** Numbers that look random and are the same in each run (Lehmer). */
let state = 20_261_122;
function random() {
  state = (state * 48_271) % 2_147_483_647;
  return state / 2_147_483_647;
}

function place() {
  // Dense in the middle, thin at the edge.
  const [far, turn] = [1.2 * random() ** 4, 2 * Math.PI * random()];
  return [CENTRE[0] + far * Math.cos(turn), CENTRE[1] + far * Math.sin(turn)];
}

function tileOf([lon, lat], zoom) {
  const side = 2 ** zoom;
  const x = Math.floor(((lon + 180) / 360) * side);
  const y = Math.floor((0.5 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / (2 * Math.PI)) * side);
  return `${zoom}/${x}/${y}`;
}

const share = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
const server = await startServer();
try {
  const cookie = await signInByHttp(server.url);
  const places = [];
  for (let at = 0; at < DEVICES; at += AT_ONCE) {
    const rows = ["id,kinds,area,lon,lat"];
    for (let n = at; n < Math.min(DEVICES, at + AT_ONCE); n += 1) {
      const [lon, lat] = place();
      if (n % 997 === 0) places.push([lon, lat]);
      rows.push(`d${n},pm25,500103,${lon.toFixed(6)},${lat.toFixed(6)}`);
    }
    const headers = { cookie, origin: server.url, "content-type": "text/csv" };
    const answer = await fetch(`${server.url}/api/v1/devices`, { method: "POST", headers, body: rows.join("\n") });
    if (!answer.ok) throw new Error(await answer.text());
  }
  const ask = async (tile) => {
    const before = performance.now();
    const answer = await fetch(`${server.url}/tiles/devices/${tile}.mvt`, { headers: { cookie, "accept-encoding": "identity" } });
    const bytes = (await answer.arrayBuffer()).byteLength;
    if (answer.status !== 200) throw new Error(`${tile}: ${answer.status}`);
    return [performance.now() - before, bytes];
  };
  const [first] = await ask("0/0/0");
  // The index may be a little behind the last devices.
  await until("all devices are in the index", async () => (await ask(tileOf(CENTRE, 8)))[1] > 0);
  console.log(`${DEVICES} devices; the first tile, with the index, ${first.toFixed(0)} ms\n`);
  console.log("| zoom | tiles | p50 ms | p95 ms | slowest ms | largest KB |\n| --- | --- | --- | --- | --- | --- |");
  for (const zoom of ZOOMS) {
    const tiles = [...new Set(places.map((at) => tileOf(at, zoom)))].slice(0, TILES);
    const found = [];
    for (const tile of tiles) found.push(await ask(tile));
    const times = found.map(([time]) => time).sort((a, b) => a - b);
    const largest = Math.max(...found.map(([, bytes]) => bytes));
    const row = [zoom, tiles.length, share(times, 0.5).toFixed(1), share(times, 0.95).toFixed(1), times.at(-1).toFixed(1), (largest / 1e3).toFixed(0)];
    console.log(`| ${row.join(" | ")} |`);
  }
} finally {
  await server.end();
}
