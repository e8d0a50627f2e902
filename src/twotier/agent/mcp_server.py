"""Our own MCP server: a coding client asks the local tier, and has it read, for nothing.

Two tools on stdio. Every call goes through main like any client's, always `local-only`: nothing
here can spend a cent or let a text leave the machine. Files lie under one root that is given at the
start, with the rules of a job's own files: no way up, no links, no keys. The official library is an
extra and is loaded here alone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.agent.model import MainClient, Question
from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD
from twotier.domain.tier import TierPolicy
from twotier.errors import ToolError, TwotierError
from twotier.tools.files import text_in
from twotier.tools.folder import Folder
from twotier.tools.mcp_wire import library
from twotier.tools.reading import Ask, Limits, Reading, Told

FILE_BYTES_MAX = 2_000_000
FILES_MAX = 60
TEXT_CHARACTERS_MAX = 400_000  # of a prompt; what is longer belongs into a file
KIND = "mcp"
INSTRUCTIONS = (
    "A model on this machine, free of charge. Give it reading (logs, long files, looking for a"
    " fact) and simple writing; it is smaller than you, so check what matters. Nothing leaves the"
    " machine."
)
SCHEMA = {"type": "object", "description": "JSON schema of the answer; leave out for text"}
TOOLS: tuple[Mapping[str, Any], ...] = (
    {
        "name": "ask_local",
        "description": "Ask the local model. It knows only what the prompt says.",
        "inputSchema": {
            "type": "object",
            "properties": {"prompt": {"type": "string"}, "schema": SCHEMA},
            "required": ["prompt"],
            "additionalProperties": False,
        },
    },
    {
        "name": "read_local",
        "description": (
            "Have the local model read files and answer a question about them, so that you need not"
            " read them yourself. Large files are read in pieces."
        ),
        "inputSchema": {
            "type": "object",
            "properties": {
                "paths": {
                    "type": "array",
                    "items": {"type": "string"},
                    "minItems": 1,
                    "maxItems": FILES_MAX,
                    "description": "Files under the project's folder",
                },
                "question": {"type": "string"},
                "schema": SCHEMA,
            },
            "required": ["paths", "question"],
            "additionalProperties": False,
        },
    },
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the two tools stand on."""

    ask: Callable[[Ask], Awaitable[Told]]
    window: Callable[[], Awaitable[int]]
    folder: Folder
    clock: Clock
    seconds_max: float = 600.0

    async def work(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
        """The answer, and the line about it. Raises `TwotierError`."""
        schema = arguments.get("schema")
        if name == "ask_local":
            task, texts = text_of(arguments, "prompt"), {}
        elif name == "read_local":
            task = text_of(arguments, "question")
            texts = await asyncio.to_thread(self.read, arguments.get("paths"))
        else:
            raise ToolError(f"there is no tool {name!r}; there are: ask_local, read_local")
        if schema is not None and not isinstance(schema, dict):
            raise ToolError("schema must be an object: a JSON schema")
        limits = Limits(window_tokens=await self.window(), seconds_max=self.seconds_max)
        began = self.clock.monotonic()
        reading = Reading(self.ask, limits, key="mcp", now=self.clock.monotonic)
        answer = await reading.answer(task, texts, schema=schema)
        return answer, about(reading, self.clock.monotonic() - began)

    def read(self, paths: object) -> dict[str, str]:
        """The texts of files under the root. Raises `ToolError`."""
        if not isinstance(paths, list) or not paths or len(paths) > FILES_MAX:
            raise ToolError(f"paths must be a list of 1 to {FILES_MAX} paths")
        texts = {}
        for path in dict.fromkeys(self.below(str(one)) for one in paths):
            with self.folder.file(path) as found:
                texts[path] = text_in(found, FILE_BYTES_MAX, path=path)
        return texts

    def below(self, path: str) -> str:
        """A path from the root: clients like to send whole ones."""
        root = str(self.folder.root)
        return os.path.relpath(path, root) if path.startswith(f"{root}{os.sep}") else path


def text_of(arguments: Mapping[str, Any], name: str) -> str:
    """A text that was given. Raises `ToolError`."""
    text = arguments.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ToolError(f"{name} is missing or empty")
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ToolError(f"{name} has more than {TEXT_CHARACTERS_MAX:,} characters; use read_local")
    return text


def about(reading: Reading, seconds: float) -> str:
    """Who answered, what it took, and that it cost nothing."""
    calls = "1 call" if reading.calls == 1 else f"{reading.calls} calls"
    read = f", read in {reading.pieces} pieces" if reading.pieces > 1 else ""
    cost = f"${reading.cost_microusd / MICROUSD_PER_USD:.2f}"
    return (
        f"[{reading.tier} {reading.model}: {reading.tokens:,} tokens, {calls}{read},"
        f" {seconds:.1f} s, cost {cost}]"
    )


def asks_of(client: MainClient) -> Callable[[Ask], Awaitable[Told]]:
    """Asks main for the local tier alone."""

    async def ask(asked: Ask) -> Told:
        answer = await client.ask(
            Question(
                system=asked.system,
                prompt=asked.prompt,
                job="",
                run="",
                step=asked.step,
                kind=KIND,
                policy=TierPolicy.LOCAL_ONLY,
                model="auto",
                output_tokens_max=asked.output_tokens_max,
                deadline_seconds=asked.deadline_seconds,
                schema=asked.schema,
            )
        )
        if answer is None:
            raise ToolError("main put the question into a batch; ask again")
        return Told(
            text=answer.text,
            tokens=answer.tokens,
            cost_microusd=answer.cost_microusd,
            tier=answer.tier,
            model=answer.model,
            cut=answer.cut,
        )

    return ask


async def serve(socket: Path, *, folder: Folder, clock: Clock, version: str) -> None:
    """Serve on stdin and stdout until the client closes them. Raises `ToolError` without `mcp`."""
    stdio = library("mcp.server.stdio")
    async with MainClient(socket) as client:
        desk = Desk(asks_of(client), client.local_window, folder=folder, clock=clock)
        server = server_of(desk, version=version)
        async with stdio.stdio_server() as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())


def server_of(desk: Desk, *, version: str) -> Any:
    """The library's server with our two tools."""
    types = library("mcp_types")

    async def listed(_: Any, __: Any) -> Any:
        return types.ListToolsResult.model_validate({"tools": [dict(one) for one in TOOLS]})

    async def called(_: Any, asked: Any) -> Any:
        try:
            answer, said = await desk.work(asked.name, asked.arguments or {})
        except TwotierError as exc:
            return result(types, exc.message, is_error=True)
        return result(types, answer, said)

    return library("mcp.server.lowlevel").Server(
        "twotier",
        version=version,
        instructions=INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
    )


def result(types: Any, *texts: str, is_error: bool = False) -> Any:
    """A result of texts; the answer alone is the first of them."""
    parts = [{"type": "text", "text": text} for text in texts]
    return types.CallToolResult.model_validate({"content": parts, "isError": is_error})
