// frost-sta-client, which knows nothing of us, makes, finds, changes and removes entities, and reads devices that came through
// another door. It signs in with a name and a token. No screen is involved.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ingestToken, signInByHttp, someGrid, startServer, until, write } from "./harness.mjs";

const PYTHON = process.env.CHENGMAI_PYTHON ?? "python3";
const HEAD = `
import datetime, json, sys
import frost_sta_client as fsc
service = fsc.SensorThingsService(sys.argv[1] + "/sta/v1.1", auth_handler=fsc.AuthHandler("any", sys.argv[2]))
said = {}
`;
const TAIL = `
print(json.dumps(said))
`;
const MAKE = `
start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
def at(minute):
    return (start + datetime.timedelta(minutes=minute)).isoformat()
def unit(symbol):
    return fsc.UnitOfMeasurement(name=symbol, symbol=symbol, definition="")
def datastream(name, definition, symbol):
    return fsc.Datastream(name=name, description="of a test",
        observation_type="http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement", unit_of_measurement=unit(symbol),
        sensor=fsc.Sensor(name="probe", description="of a test", encoding_type="text/plain", metadata="none"),
        observed_property=fsc.ObservedProperty(name=name, definition=definition, description="of a test"))
thing = fsc.Thing(name="Bridge", description="of a test", properties={"floor": 3})
place = fsc.Location(name="bridge", description="of a test", encoding_type="application/geo+json", location={"type": "Point", "coordinates": [1.0, 2.0]})
thing.locations = fsc.EntityList(entity_class="frost_sta_client.model.location.Location", entities=[place])
service.create(thing)
found = service.things().find(thing.id)
said["found"] = [found.name, found.properties, found.id == thing.id]
streams = []
for made in [datastream("gas", "urn:chengmai:kind:methane", "%LEL"), datastream("mood", "about:mood", "")]:
    made.thing = fsc.Thing(id=thing.id)
    service.create(made)
    streams.append(made.id)
for stream in streams:
    for minute in range(5):
        one = fsc.Observation(result=minute, phenomenon_time=at(minute), datastream=fsc.Datastream(id=stream))
        service.create(one)
        again = service.observations().find(one.id)
        assert again.result == minute, (again.result, minute)
rows = fsc.DataArrayValue()
rows.datastream = fsc.Datastream(id=streams[0])
rows.components = {rows.Property.PHENOMENON_TIME, rows.Property.RESULT}
for minute in range(5, 8):
    rows.add_observation(fsc.Observation(result=minute, phenomenon_time=at(minute)))
document = fsc.DataArrayDocument()
document.add_data_array_value(rows)
said["rows"] = len(service.observations().create(document))
for name, stream in zip(["gas", "mood"], streams):
    parent = service.datastreams().find(stream)
    said[name] = [one.result for one in parent.get_observations().query().filter("result ge 2").top(2).list()]
found.name = "New bridge"
found.properties = {"floor": 4}
service.update(found)
service.patch(found, [{"op": "replace", "path": "/description", "value": "patched"}])
changed = service.things().find(thing.id)
said["changed"] = [changed.name, changed.description, changed.properties]
whole = service.things().query().filter(f"id eq {thing.id}").expand("Datastreams($orderby=name;$expand=Observations($orderby=phenomenonTime desc;$top=1)),Locations").count().list()
said["latest"] = [[stream.name, stream.observations.entities[0].result] for stream in whole.entities[0].datastreams.entities]
said["count"] = whole.count
service.delete(changed)
try:
    service.things().find(thing.id)
    said["gone"] = False
except Exception as error:
    said["gone"] = error.response.status_code
`;
const SEVERAL = `
class Units(list):
    # The client asks the list itself for its state.
    def __getstate__(self):
        return [one.__getstate__() for one in self]
number = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
unit = lambda symbol: fsc.UnitOfMeasurement(name=symbol, symbol=symbol, definition="")
seen = lambda name, definition: fsc.ObservedProperty(name=name, definition=definition, description="of a test")
place = fsc.Location(name="several", description="of a test", encoding_type="application/geo+json", location={"type": "Point", "coordinates": [1.0, 2.0]})
thing = fsc.Thing(name="Several", description="of a test")
thing.locations = fsc.EntityList(entity_class="frost_sta_client.model.location.Location", entities=[place])
service.create(thing)
properties = [seen("gas", "urn:chengmai:kind:methane"), seen("mood", "about:mood")]
several = fsc.MultiDatastream(name="both", description="of a test", unit_of_measurements=Units([unit("%LEL"), unit("")]),
    multi_observation_data_types=[number, "about:category"], thing=fsc.Thing(id=thing.id),
    sensor=fsc.Sensor(name="probe", description="of a test", encoding_type="text/plain", metadata="none"),
    observed_properties=fsc.EntityList(entity_class="frost_sta_client.model.observedproperty.ObservedProperty", entities=properties))
service.create(several)
one = fsc.Observation(result=[2.5, "calm"], multi_datastream=fsc.MultiDatastream(id=several.id))
service.create(one)
said["result"] = service.observations().find(one.id).result
found = service.multi_datastreams().query().filter(f"id eq {several.id}").expand("ObservedProperties,Observations").list().entities[0]
said["properties"] = [one.name for one in found.observed_properties.entities]
said["types"] = found.multi_observation_data_types
said["of"] = [one.name for one in service.things().find(thing.id).get_multi_datastreams().query().list()]
`;
const READ = `
said["names"] = [thing.name for thing in service.things().query().filter("startswith(name, 'frost-')").top(2).list()]
device = service.things().query().filter("name eq 'frost-3'").list().entities[0]
stream = device.get_datastreams().query().list().entities[0]
said["results"] = [one.result for one in stream.get_observations().query().orderby("phenomenonTime", "asc").list()]
`;

let server;
let cookie;
let token;

before(async () => {
  server = await startServer();
  cookie = await signInByHttp(server.url);
  const account = { name: "frost", display_name: "frost", password: "frost-only-Passw0rd", roles: ["engineer"], area: "50", agency: null };
  const post = async (path, body) => {
    const headers = { cookie, "content-type": "application/json", origin: server.url };
    const answer = await fetch(`${server.url}/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 201, await answer.clone().text());
    return answer.json();
  };
  await post("/users", account);
  ({ token } = await post("/users/frost/token", {}));
});
after(() => server?.end());

async function python(program) {
  const { stdout } = await promisify(execFile)(PYTHON, ["-c", HEAD + program + TAIL, server.url, token]);
  return JSON.parse(stdout);
}

test("frost-sta-client makes, finds, changes and removes what it knows of the standard", async () => {
  const said = await python(MAKE);
  assert.deepEqual(said.found, ["Bridge", { floor: 3 }, true]);
  assert.equal(said.rows, 3);
  assert.deepEqual([said.gas, said.mood], [[7, 6, 5, 4, 3, 2], [4, 3, 2]], "over pages, the newest first");
  assert.deepEqual(said.changed, ["New bridge", "patched", { floor: 4 }]);
  assert.deepEqual([said.latest, said.count], [[["gas", 7], ["mood", 4]], 1]);
  assert.equal(said.gone, 404);
});

test("frost-sta-client reads devices that came through another door", async () => {
  const grid = await someGrid(server.url);
  const feed = await ingestToken(server.url);
  const lines = Array.from({ length: 25 }, (_, i) => `methane,device=frost-${i % 5},area=${grid} value=${i} ${Date.now() - 60_000 + i}`);
  await write(server.url, feed, lines);
  await until("the readings can be read back", async () => {
    const answer = await fetch(`${server.url}/api/v1/devices/frost-4/observations`, { headers: { cookie } });
    return answer.ok && (await answer.json()).items.length === 5;
  });
  const said = await python(READ);
  assert.deepEqual(said.names, ["frost-0", "frost-1", "frost-2", "frost-3", "frost-4"]);
  assert.deepEqual(said.results, [3, 8, 13, 18, 23]);
});

test("frost-sta-client observes several properties at once", async () => {
  const said = await python(SEVERAL);
  assert.deepEqual(said.result, [2.5, "calm"]);
  assert.deepEqual([said.properties, said.types.length, said.of], [["gas", "mood"], 2, ["both"]]);
});
