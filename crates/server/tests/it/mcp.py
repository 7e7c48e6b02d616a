"""The official Python client of Model Context Protocol against a running city: the newest version by itself, one that is
found out by asking, and one with an `initialize`; each lists the tools and calls all of them."""

import asyncio, json, os, sys

os.environ["NO_PROXY"] = "*"
from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

url, token, case, foreign = sys.argv[1:]
device = "cover-" + case[:6] + "001"
indicator = "street.manhole_closed_share"
SQL = "SELECT device, count(*) AS n FROM readings GROUP BY device"


def arguments(warning):
    step = {"case": case, "action": "dispatch", "reason": "it is theirs"}
    new = {"area": case[:6] + "001001001", "description": "rubbish", "reason": "seen twice", "type": "dirty_road", "row": 0}
    return {
        "find_areas": {"q": "甲", "tier": "town"},
        "get_area": {"code": case[:6] + "001"},
        "list_indicators": {"limit": 5},
        "get_indicator": {"code": indicator},
        "indicator_by_area": {"code": indicator},
        "indicator_history": {"code": indicator},
        "find_devices": {"kind": "manhole_tilt"},
        "get_device": {"id": device},
        "device_readings": {"id": device, "limit": 10},
        "latest_values": {"kind": "manhole_tilt", "min": 1.5},
        "list_warnings": {"state": "all", "severity_min": 1},
        "get_warning": {"id": warning},
        "list_cases": {"sort": "due"},
        "get_case": {"id": case},
        "summarise_cases": {},
        "list_case_types": {},
        "query_history": {"sql": SQL, "limit": 10},
        "propose_case": new,
        "propose_step": step,
        "list_proposals": {},
    }


FOREIGN = [("list_cases", {"area": foreign}), ("get_device", {"id": "cover-" + foreign}), ("get_area", {"code": foreign})]


async def ask(mode):
    said = {}
    async with create_mcp_http_client(headers={"Authorization": "Bearer " + token}) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            # Who takes a version for granted asked nobody for a name.
            said["server"] = client.server_info and client.server_info.name
            said["version"] = client.protocol_version
            said["tools"] = [tool.name for tool in (await client.list_tools()).tools]
            warnings = await client.call_tool("list_warnings", {})
            warning = warnings.structured_content["items"][0]["id"]
            said["called"], said["leaks"] = [], []
            for name, given in arguments(warning).items():
                answer = await client.call_tool(name, given)
                assert not answer.is_error, (mode, name, answer.content[0].text)
                assert json.loads(answer.content[0].text) == answer.structured_content, (mode, name)
                said["called"].append(name)
                if foreign in answer.content[0].text:
                    said["leaks"].append(name)
            said["foreign"] = []
            for name, given in FOREIGN:
                answer = await client.call_tool(name, given)
                assert answer.is_error, (mode, name)
                said["foreign"].append(answer.structured_content["code"])
    return said


async def main():
    said = [await ask(mode) for mode in ("2026-07-28", "auto", "legacy")]
    versions = [one.pop("version") for one in said]
    assert versions == ["2026-07-28", "2026-07-28", "2025-11-25"], versions
    servers = [one.pop("server") for one in said]
    assert servers == [None, "chengmai", "chengmai"], servers
    assert said[0] == said[1] == said[2], said
    print(json.dumps(said[0]))


asyncio.run(main())
