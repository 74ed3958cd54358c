"""The official Python SDK, in either era.

Takes one JSON argument (see README.md) and prints what the server answered as JSON.
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters


async def main() -> None:
    plan = json.loads(sys.argv[1])
    if plan.get("url"):
        server = plan["url"]
    else:
        server = StdioServerParameters(command=plan["command"], args=plan["args"], cwd=plan["cwd"], env=plan["env"])
    mode = "auto" if plan["era"] == "stateless" else "legacy"
    async with Client(server, mode=mode) as client:
        answer = {"server": client.server_info.name, "protocol": client.protocol_version, "results": [], "progress": 0}
        answer["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        for call in plan["calls"]:
            result = await client.call_tool(call["tool"], call["arguments"])
            answer["results"].append({"isError": bool(result.is_error), "structured": result.structured_content})
        if plan.get("resource"):
            answer["resource"] = (await client.read_resource(plan["resource"])).contents[0].text
    print(json.dumps(answer, ensure_ascii=False))


asyncio.run(main())
