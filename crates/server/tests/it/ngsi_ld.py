"""Somebody else's client of NGSI-LD (ngsildclient, unmodified) against a running city: entities made, read, asked for,
changed and removed; batches; types, contexts, subscriptions; and the past of a device."""

import json, sys
from datetime import datetime, timedelta

import requests
from ngsildclient import Client, Entity
from ngsildclient.api.exceptions import NgsiAlreadyExistsError, NgsiLdContextNotAvailableError, NgsiResourceNotFoundError
from ngsildclient.api.helper.subscription import SubscriptionBuilder
from ngsildclient.api.helper.temporal import TemporalQuery
from ngsildclient.api.constants import AggrMethod

port, token, hook = int(sys.argv[1]), sys.argv[2], sys.argv[4]
now = datetime.fromisoformat(sys.argv[3])


class Bearer(requests.auth.AuthBase):
    def __call__(self, request):
        request.headers["Authorization"] = "Bearer " + token
        return request


said = {}
client = Client("127.0.0.1", port, custom_auth=Bearer(), verbose=False)
client.session.trust_env = False

# An entity with readings, a place, words and a number that no pack knows.
air = Entity("AirQualityObserved", "air1")
air.gprop("location", (29.55, 106.56))
air.prop("pm25", 42, observedat=now, unitcode="GQ")
air.prop("operator", "the harbour")
air.prop("height", 12.5)
said["made"] = client.create(air)
got = client.get(air.id)
said["value"], said["unit"], said["operator"], said["height"] = got["pm25.value"], got["pm25.unitCode"], got["operator.value"], got["height.value"]
said["same place"] = got["location.value.coordinates"]
try:
    client.create(air)
    said["twice"] = "taken"
except NgsiAlreadyExistsError:
    said["twice"] = "refused"
said["exists"] = [client.exists(air), client.exists("urn:ngsi-ld:AirQualityObserved:nobody")]

# Put in its place, and asked for.
air.prop("pm25", 77, observedat=now + timedelta(seconds=1), unitcode="GQ")
said["upserted"] = client.upsert(air)
said["new value"] = client.get(air.id)["pm25.value"]
said["queried"] = [e.id for e in client.query(type="AirQualityObserved", q="pm25>70")]
said["not queried"] = [e.id for e in client.query(type="AirQualityObserved", q="pm25<70")]
said["counted"] = client.count(type="Device")
said["devices"] = sorted(e.id for e in client.query(type="Device", limit=2))
said["posted query"] = [e.id for e in client.alt.query({"type": "Query", "entities": [{"type": "Device"}], "q": "methane>=4"})]
said["areas"] = client.count(type="AdministrativeArea", q='tier=="district"')

# Many at once.
rooms = [Entity("Room", f"r{n}").prop("seats", n) for n in range(5)]
result = client.batch.create(rooms)
said["batch"] = [result.n_ok, result.n_err]
rooms[0].prop("seats", 50)
result = client.batch.upsert(rooms + [Entity("Room", "r9").prop("seats", 9)])
said["batch upserted"] = [result.n_ok, result.n_err]
said["seats"] = sorted(e["seats.value"] for e in client.query(type="Room"))
result = client.batch.delete(rooms)
said["batch deleted"] = [result.n_ok, result.n_err]
said["rooms left"] = client.count(type="Room")

# The past of the device that the entity is.
after = TemporalQuery().after("2020-01-01T00:00:00Z")
past = client.temporal.query(type="AirQualityObserved", tq=after)
said["past"] = [value for value, _ in past[0]["pm25"]["values"]]
summed = client.temporal.aggregate(type="AirQualityObserved", tq=after, methods=[AggrMethod.MAXIMUM, AggrMethod.AVERAGE], period=timedelta(days=36500))
said["summed"] = [summed.result[0]["pm25"]["max"][0][0], summed.result[0]["pm25"]["avg"][0][0]]
said["retrieved past"] = len(client.temporal.get("urn:ngsi-ld:Device:m1", verbose=True)["methane"])

# Types, contexts, subscriptions.
said["types"] = client.types.list()
client.contexts.add({"@context": {"Lamp": "https://lamps.example/Lamp", "watts": "https://lamps.example/watts"}})
[context] = client.contexts.list()
lamp = Entity("Lamp", "l1", ctx=[context, "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"]).prop("watts", 60)
client.create(lamp)
said["lamps by context"] = [e.id for e in client.query(type="Lamp", ctx=context)]
said["lamps without"] = [e.id for e in client.query(type="Lamp")]
said["whole type"] = client.get(lamp.id).type
try:
    client.create(Entity("Lamp", "l2", ctx=["https://elsewhere.example/context.jsonld"]).prop("watts", 60))
except NgsiLdContextNotAvailableError:
    said["elsewhere"] = "refused"
subscription = SubscriptionBuilder(hook).description("m1").select_id("urn:ngsi-ld:Device:m1").watch(["methane"]).query("methane>50").build()
made = client.subscriptions.create(subscription)
said["subscribed"] = [client.subscriptions.exists(made), len(client.subscriptions.list("m1")), client.subscriptions.get(made)["status"]]
said["subscription"] = made
said["deleted"] = client.delete(air)
try:
    client.get(air.id)
except NgsiResourceNotFoundError:
    said["after that"] = "not found"
print(json.dumps(said))
