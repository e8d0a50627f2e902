"""`twotier status --watch`: live on a terminal, plain elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys
from pathlib import Path

from tests.cli.standin import STATUS, environment, standin

SECONDS_MAX = 60.0


async def start(config: Path, *words: str, terminal: int | None) -> asyncio.subprocess.Process:
    """A real `twotier status --watch`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "twotier.cli", "--config", str(config), "status", "--watch"),
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if terminal is None else terminal,
        stderr=asyncio.subprocess.PIPE,
        env=environment({"TERM": "xterm"}),
    )


def test_on_a_terminal_it_is_drawn_in_place_and_ctrl_c_is_its_end(tmp_path: Path) -> None:
    """What changes is seen, a main that goes is told, and one that comes back is seen again."""

    async def scenario() -> None:
        ours, theirs = pty.openpty()
        async with standin(tmp_path) as stand:
            process = await start(stand.config, terminal=theirs)
            os.close(theirs)
            await until(ours, "today $1.23")
            stand.answers["GET /control/status"] = (200, {**STATUS, "spend_today_usd": "7.770000"})
            seen = await until(ours, "today $7.77")
            assert "\x1b[H" in seen
        await until(ours, "`twotier up`")
        async with standin(tmp_path):
            await until(ours, "today $1.23")
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), SECONDS_MAX) == 0

    asyncio.run(scenario())


def test_elsewhere_each_status_that_differs_is_told_once(tmp_path: Path) -> None:
    """No codes of a terminal; with `--json` a document a line."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            plain = await start(stand.config, terminal=None)
            lines = await start(stand.config, "--json", terminal=None)
            assert plain.stdout is not None
            assert lines.stdout is not None
            first = json.loads(await asyncio.wait_for(lines.stdout.readline(), SECONDS_MAX))
            assert (first["schema_version"], first["spend_today_usd"]) == (1, "1.234500")
            page = (await asyncio.wait_for(plain.stdout.readuntil(b"anew"), SECONDS_MAX)).decode()
            assert "\x1b" not in page
            asked = len(stand.asked)
            async with asyncio.timeout(SECONDS_MAX):
                # Both have looked again, and found the same.
                while len(stand.asked) < asked + 4:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            stand.answers["GET /control/status"] = (200, {**STATUS, "spend_today_usd": "7.770000"})
            second = json.loads(await asyncio.wait_for(lines.stdout.readline(), SECONDS_MAX))
            assert second["spend_today_usd"] == "7.770000"
            page = (await asyncio.wait_for(plain.stdout.readuntil(b"7.77"), SECONDS_MAX)).decode()
            assert page.count("twotier 0.1.0") == 1
            for process in (plain, lines):
                process.send_signal(signal.SIGINT)
                assert await asyncio.wait_for(process.wait(), SECONDS_MAX) == 0

    asyncio.run(scenario())


async def until(terminal: int, text: str) -> str:
    """What is drawn until this has been."""
    seen = ""
    async with asyncio.timeout(SECONDS_MAX):
        while text not in seen:
            seen += (await asyncio.to_thread(os.read, terminal, 4096)).decode()
    return seen
