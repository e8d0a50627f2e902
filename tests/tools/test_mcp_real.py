"""MCP servers as they are: three from PyPI, two from npm, over both transports."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.tools.mcp_servers import node, python
from twotier.clock import SystemClock
from twotier.domain.label import NO_LABELS, UNKNOWN, Label
from twotier.errors import ToolError
from twotier.tools.base import Call
from twotier.tools.mcp import McpTool, Servers
from twotier.tools.mcp_wire import ServerSpec

CALL = Call("job", "run", "key", NO_LABELS, 20.0)
GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def repository(folder: Path) -> Path:
    """A real repository with one commit."""
    folder.mkdir()
    who = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    for words in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "the first")):
        subprocess.run(("git", *words), cwd=folder, check=True, env=os.environ | GIT)
    return folder


@asynccontextmanager
async def everything() -> AsyncIterator[str]:
    """The address of npm's server-everything over streamable HTTP, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *node("server-everything", "streamableHttp"),
        env={"PATH": os.environ["PATH"], "PORT": str(port)},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            while b"listening" not in (line := await process.stderr.readline()):
                assert line, "server-everything ended"
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        await process.wait()


def specs(folder: Path, url: str) -> list[ServerSpec]:
    """All five."""
    return [
        ServerSpec("time", (python(), "-m", "mcp_server_time"), tools=("get_current_time",)),
        ServerSpec(
            "fetch",
            (python(), "-m", "mcp_server_fetch"),
            tools=("fetch",),
            labels={"fetch": frozenset({Label.UNTRUSTED})},
        ),
        ServerSpec("git", (python(), "-m", "mcp_server_git"), tools=("git_log",), env=GIT),
        ServerSpec(
            "files",
            node("server-filesystem", str(folder)),
            tools=("read_text_file", "list_directory"),
            labels={"read_text_file": frozenset({Label.PRIVATE})},
        ),
        ServerSpec("all", url=url, tools=("echo", "get-sum", "get-tiny-image")),
    ]


async def text(tool: McpTool, **arguments: object) -> str:
    """The text of a call."""
    return (await tool.call(arguments, CALL)).text


@pytest.mark.slow
def test_five_real_servers_are_tools_over_both_transports(tmp_path: Path) -> None:
    """Three from PyPI, two from npm: listed, called, and refusing what they should."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "note.txt").write_text("what it says", encoding="utf-8")
    folder = repository(tmp_path / "repository")

    async def scenario() -> None:
        async with (
            everything() as url,
            Servers(specs(tmp_path / "root", url), clock=SystemClock()) as servers,
            asyncio.TaskGroup() as group,
        ):
            ways = {
                name: group.create_task(servers.tools([f"mcp:{name}"])) for name in servers.names
            }
            found = {name: await way for name, way in ways.items()}
            time, fetch, git = found["time"][0], found["fetch"][0], found["git"][0]
            read, listed = found["files"]
            echo, total, picture = found["all"]
            assert time.spec.name == "mcp_time_get_current_time"
            assert time.spec.labels == UNKNOWN
            assert not time.spec.repeatable
            assert fetch.spec.labels == {Label.UNTRUSTED}
            assert fetch.spec.repeatable
            assert '"timezone": "Europe/Berlin"' in await text(time, timezone="Europe/Berlin")
            assert "the first" in await text(git, repo_path=str(folder))
            assert "what it says" in await text(read, path=str(tmp_path / "root" / "note.txt"))
            assert "note.txt" in await text(listed, path=str(tmp_path / "root"))
            assert "a word" in await text(echo, message="a word")
            assert "5" in await text(total, a=2, b=3)
            assert "[image, " in await text(picture)
            with pytest.raises(ToolError, match="denied"):
                await text(read, path="/etc/passwd")
            with pytest.raises(ToolError, match=r"127\.0\.0\.1"):
                await text(fetch, url="http://127.0.0.1:9/")

    asyncio.run(scenario())
