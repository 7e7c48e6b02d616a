"""Follows topics with paho-mqtt and prints a line of JSON for all that happens: what it is granted, what it is told, how it ends."""
import json
import os
import sys

import paho.mqtt.client as mqtt

port, token, version, quality = sys.argv[1:5]
topics = sys.argv[5:]
newest = version == "5"
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5 if newest else mqtt.MQTTv311)
client.username_pw_set("any", token)


def say(**what):
    print(json.dumps(what), flush=True)


def on_connect(client, userdata, flags, reason, properties):
    if reason.is_failure:
        say(refused=reason.value)
        os._exit(0)
    client.subscribe([(topic, mqtt.SubscribeOptions(qos=int(quality)) if newest else int(quality)) for topic in topics])


def on_subscribe(client, userdata, mid, reasons, properties):
    say(granted=[reason.value for reason in reasons], why=getattr(properties, "ReasonString", None))


def on_message(client, userdata, message):
    say(topic=message.topic, payload=json.loads(message.payload), qos=message.qos, retained=message.retain)


def on_disconnect(client, userdata, flags, reason, properties):
    say(ended=reason.value)
    os._exit(0)


client.on_connect, client.on_subscribe, client.on_message, client.on_disconnect = on_connect, on_subscribe, on_message, on_disconnect
client.connect("127.0.0.1", int(port))
client.loop_forever()
