"""The peer of the fixture server in `../benches/calls.rs`: the same tool on the official Python SDK."""

from mcp.server.mcpserver import MCPServer
from pydantic import BaseModel

server = MCPServer("python-peer")


class Echoed(BaseModel):
    text: str


@server.tool()
def echo(text: str) -> Echoed:
    """Gives the text back."""
    return Echoed(text=text)


server.run("stdio")
