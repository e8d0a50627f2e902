"""Cursor: it asks models from its maker's servers, which no address of this machine reaches."""

from __future__ import annotations

from twotier.connect.edits import JsonEdit
from twotier.connect.plan import Client, FileChange, Given, Home, Plan, first_of

WHY = (
    "its `Override OpenAI Base URL` does not help: Cursor's own servers ask that address, so it"
    " would have to be public. What runs on this machine is an MCP server, so it gets that"
)


def plan(given: Given) -> Plan:
    """Our MCP server."""
    program, *arguments = given.program
    server = {"command": program, "args": [*arguments, "mcp"]}
    path = given.home.folder / ".cursor" / "mcp.json"
    files = (FileChange(path, JsonEdit([(["mcpServers", "twotier"], server)])),)
    use = "cursor   (then: Settings, MCP shows `twotier`)"
    return Plan(files, "mcp", use, (WHY,), keyed=False)


def found(home: Home) -> str:
    """The program, else its folder."""
    return first_of(home, "cursor", home.folder / ".cursor")


CLIENT = Client("cursor", "Cursor", found, plan)
