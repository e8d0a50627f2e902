"""The commands against the real main and the real worker; only the model is a stand-in."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.cli.standin import CANARY, Done, StandIn, start, twotier

SECONDS_MAX = 60.0
CONFIG = """\
[gateway]
port = 0
[tiers.local]
engine = "openai"
model = "toy"
base_url = "http://127.0.0.1:{port}/v1"
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
base_url = "http://127.0.0.1:{port}"
key = "env:TOY_FRONTIER_KEY"
[[jobs]]
name = "hello"
prompt = "Say hello."
every = "1d"
tier = "local-only"
deliver = "file:hello.txt"
"""


@asynccontextmanager
async def model_server(folder: Path) -> AsyncIterator[int]:
    """A server with an OpenAI-shaped stream, on a port of its own."""
    stand = StandIn(folder)
    stand.stream = [stand.chunk("Hallo"), stand.chunk(" there", "stop"), "data: [DONE]\n\n"]
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stand.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def lines_until(reader: asyncio.StreamReader, word: str) -> list[str]:
    """The lines up to the one that holds `word`, or to the end."""
    found: list[str] = []
    async with asyncio.timeout(SECONDS_MAX):
        while line := (await reader.readline()).decode():
            found.append(line.rstrip())
            if word in line:
                break
    return found


async def worker_ready(*at: str) -> Done:
    """`job list` once the worker answers; it comes up by itself, a little after main."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            done = await twotier(*at, "job", "list", "--json")
            if done.code != 3:
                return done


@pytest.mark.slow
def test_from_up_to_down(tmp_path: Path) -> None:
    """One life: banner, status, answer, job, sums, down; the key is in no output and no log."""

    async def scenario() -> None:
        config = tmp_path / "twotier.toml"
        at = ("--config", str(config))
        env = {"TOY_FRONTIER_KEY": CANARY}
        async with model_server(tmp_path) as port:
            config.write_text(CONFIG.format(port=port))
            up = await start(*at, "up", env=env)
            try:
                await life(up, at)
                assert await asyncio.wait_for(up.wait(), SECONDS_MAX) == 0
            finally:
                if up.returncode is None:
                    up.kill()
                    await up.wait()
        logs = "".join(path.read_text() for path in (tmp_path / ".twotier" / "logs").iterdir())
        assert logs
        assert CANARY not in logs

    asyncio.run(scenario())


async def life(up: asyncio.subprocess.Process, at: tuple[str, ...]) -> None:
    """What a person does between `up` and `down`."""
    assert up.stdout is not None
    banner = await lines_until(up.stdout, "twotier down")
    assert 4 <= len(banner) < 10, banner
    said = "\n".join(banner)
    for words in ("status", "doctor", "config show", "models list", "route hello", "spend"):
        done = await twotier(*at, *words.split(), env={"TOY_FRONTIER_KEY": CANARY})
        assert done.code == 0, done.err
        said += done.out + done.err
    assert CANARY not in said
    status = (await twotier(*at, "status", "--json")).document
    assert status["pid"] == up.pid
    assert {tier["name"]: tier["state"] for tier in status["tiers"]} == {
        "local": "ready",
        "frontier": "ready",
    }
    asked = await twotier(*at, "ask", "Hello?", "--model", "local")
    assert asked.out == "Hallo there\n", asked.err
    assert "[local, openai-local/toy, explicit, $0.00]" in asked.err
    unknown = await twotier(*at, "ask", "Hello?", "--model", "nobody-knows-it")
    assert unknown.code == 1
    assert "nobody-knows-it" in unknown.err
    assert [job["name"] for job in (await worker_ready(*at)).document["jobs"]] == ["hello"]
    ran = await twotier(*at, "job", "run", "hello")
    assert ran.code == 0, ran.out + ran.err
    assert "Hallo there" in ran.out
    assert "local" in (await twotier(*at, "runs")).out
    spent = (await twotier(*at, "spend", "--by", "job", "--json")).document
    assert {row["key"] for row in spent["rows"]} >= {"hello"}
    second = await twotier(*at, "up")
    assert second.code == 1
    assert "already running" in second.err
    assert (await twotier(*at, "down")).code == 0
    assert (await twotier(*at, "status")).code == 3


@pytest.mark.slow
def test_ctrl_c_stops_up_cleanly(tmp_path: Path) -> None:
    """The terminal's own way to stop is a way to stop, not a crash."""

    async def scenario() -> None:
        config = tmp_path / "twotier.toml"
        async with model_server(tmp_path) as port:
            config.write_text(CONFIG.format(port=port))
            up = await start("--config", str(config), "up")
            assert up.stdout is not None
            await lines_until(up.stdout, "twotier down")
            up.send_signal(signal.SIGINT)
            async with asyncio.timeout(SECONDS_MAX):
                _, err = await up.communicate()
            assert up.returncode == 0
            assert b"Traceback" not in err

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """The address, and both ways out."""

    async def scenario() -> None:
        config = tmp_path / "twotier.toml"
        async with model_server(tmp_path) as port:
            text = CONFIG.format(port=port).replace("port = 0", f"port = {port}")
            config.write_text(text)
            done = await twotier("--config", str(config), "up")
            assert done.code == 1
            assert f"127.0.0.1:{port}" in done.err
            assert "gateway.port" in done.err
            assert len(done.err.splitlines()) == 1

    asyncio.run(scenario())


@pytest.mark.slow
def test_an_engine_that_cannot_be_made_does_not_stop_the_rest(tmp_path: Path) -> None:
    """No package index: said with its reason; the program starts, the other tier answers."""

    async def scenario() -> None:
        config = tmp_path / "twotier.toml"
        at = ("--config", str(config))
        kept = '[tiers.kept]\nengine = "llama_cpp"\nmodel = "starter"\n'
        env = {"TWOTIER_CACHE": str(tmp_path / "cache"), "PIP_NO_INDEX": "1", "UV_NO_INDEX": "1"}
        async with model_server(tmp_path) as port:
            config.write_text(CONFIG.format(port=port) + kept)
            up = await start(*at, "up", env=env)
            assert up.stdout is not None
            assert up.stderr is not None
            try:
                banner = await lines_until(up.stdout, "twotier down")
                assert any("kept" in line and "down" in line for line in banner), banner
                asked = await twotier(*at, "ask", "Hello?", "--model", "local")
                assert asked.out == "Hallo there\n"
            finally:
                up.send_signal(signal.SIGINT)
                _, err = await asyncio.wait_for(up.communicate(), SECONDS_MAX)
            assert "tier kept cannot be used yet: " in err.decode()

    asyncio.run(scenario())
