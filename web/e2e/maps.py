"""Asks a city as OWSLib and GDAL do, and prints what they understood as JSON.

Run by maps.test.mjs: maps.py ADDRESS TOKEN DISTRICT
"""

import json
import sys
import tempfile
import urllib.request

import pyogrio
from owslib.ogcapi.features import Features

ADDRESS, TOKEN, DISTRICT = sys.argv[1:4]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def owslib():
    city = Features(f"{ADDRESS}/ogc", headers=BEARER)
    areas = city.collection_items("areas", filter="tier = 'district'", limit=50)
    box = city.collection_items("devices", bbox=[106.50, 29.50, 106.53, 29.53], limit=1000)
    return {
        "collections": city.feature_collections(),
        "conforms": len(city.conformance()["conformsTo"]),
        "queryables": sorted(city.collection_queryables("areas")["properties"]),
        "title": city.collection("areas")["title"],
        "districts": areas["numberReturned"],
        "one": city.collection_item("areas", DISTRICT)["id"],
        "in_box": box["numberReturned"],
    }


def read(layer, **how):
    meta, _, geometry, fields = pyogrio.raw.read(f"OAPIF:{ADDRESS}/ogc", layer=layer, **how)
    columns = dict(zip(meta["fields"], fields, strict=True))
    return columns, geometry, meta


def gdal():
    pyogrio.set_gdal_config_options({"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": TOKEN})
    layers = [str(name) for name, _ in pyogrio.list_layers(f"OAPIF:{ADDRESS}/ogc")]
    districts, outlines, meta = read("areas", where="tier = 'district'")
    devices, points, _ = read("devices")
    box, _, _ = read("devices", bbox=(106.50, 29.50, 106.53, 29.53))
    methane, _, _ = read("devices", where="kind = 'methane' AND severity < 1")
    return {
        "layers": layers,
        "districts": len(districts["code"]),
        "outlines": sum(one is not None for one in outlines),
        "crs": meta["crs"],
        "devices": len(set(devices["id"])),
        "points": sum(one is not None for one in points),
        "in_box": len(box["id"]),
        "methane": len(methane["id"]),
    }


def tile(layer, z, x, y):
    request = urllib.request.Request(f"{ADDRESS}/tiles/{layer}/{z}/{x}/{y}.mvt", headers=BEARER)
    with urllib.request.urlopen(request) as answer, tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/{y}.mvt"
        with open(path, "wb") as file:
            file.write(answer.read())
        # The place of the tile, so that GDAL tells positions in metres of the web map.
        options = {"X": str(x), "Y": str(y), "Z": str(z)}
        meta, _, geometry, fields = pyogrio.raw.read(path, layer=layer, **options)
        return dict(zip(meta["fields"], fields, strict=True)), geometry


def tiles():
    devices, points = tile("devices", 10, 814, 423)
    counts, _ = tile("devices", 6, 50, 26)
    areas, _ = tile("areas", 8, 203, 105)
    return {
        "devices": len(points),
        "ids": sorted(devices["id"])[:2],
        "cells": len(counts["count"]),
        "counted": int(sum(counts["count"])),
        "areas": sorted(str(code) for code in areas["code"]),
    }


print(json.dumps({"owslib": owslib(), "gdal": gdal(), "tiles": tiles()}))
