"""A real worker is told what to do: posts, pauses, dry runs, other jobs; and it is put to sleep."""

from __future__ import annotations

import asyncio
import hmac
import os
import signal
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from tests.worker.playing_main import SECONDS_MAX, Worker, paths_of, playing_main, worker
from twotier.build.hooks import forward
from twotier.domain.task import Caller
from twotier.errors import NotFoundError, NotRunningError
from twotier.gateway.asgi import Call, Message
from twotier.gateway.hooks import HookRoute, Post

pytestmark = pytest.mark.slow

SECRET = "0123456789abcdef0123456789abcdef"
ASLEEP_SECONDS = 45.0 if os.environ.get("SOAK") else 4.5
POSTED = """
[[jobs]]
name = "posted"
webhook = true
webhook_secret = "file:secret"
prompt = "What is this about?"
deliver = "log"
"""


def home_of(folder: Path, text: str) -> Path:
    """A folder with a configuration and a secret."""
    (folder / "twotier.toml").write_text(text, encoding="utf-8")
    (folder / "secret").write_text(SECRET, encoding="utf-8")
    (folder / "secret").chmod(0o600)
    return folder


def every(name: str, period: str) -> str:
    """A job that asks without looking."""
    return f'[[jobs]]\nname = "{name}"\nevery = "{period}"\nprompt = "Say yes."\n'


async def names(child: Worker) -> list[str]:
    """The jobs that the worker has."""
    return [job["name"] for job in (await child.get("/jobs"))["jobs"]]


def test_a_post_goes_from_main_to_a_run(tmp_path: Path) -> None:
    """Main hands it on as it came; a wrong signature is refused, and nothing of it is kept."""

    async def scenario() -> None:
        home = home_of(tmp_path, POSTED)
        body = b'{"action": "opened"}'
        signed = "sha256=" + hmac.new(SECRET.encode(), body, sha256).hexdigest()
        socket = paths_of(home).worker_socket
        async with playing_main(home) as main, worker(home) as child:
            headers = {"x-hub-signature-256": signed}
            status, told = await forward(socket, Post("posted", b"{}", headers))
            assert (status, b"signature does not fit" in told) == (403, True)
            status, _ = await forward(socket, Post("posted", body, headers))
            assert status == 202
            done = await child.run_ended("done")
            assert (done["trigger"], done["items"]) == ("webhook", 1)
            assert "opened" in main.bodies[0]["messages"][1]["content"]
            assert SECRET not in (home / ".twotier/logs/worker.log").read_text(encoding="utf-8")
        with pytest.raises(NotRunningError, match="was not taken"):
            await forward(socket, Post("posted", body, headers))

    asyncio.run(scenario())


def test_jobs_are_paused_shown_and_reloaded_in_a_running_worker(tmp_path: Path) -> None:
    """What cannot be read changes nothing and says why; SIGHUP and the command do the same."""

    async def scenario() -> None:
        home = home_of(tmp_path, every("one", "1h"))
        config = home / "twotier.toml"
        async with playing_main(home) as main, worker(home) as child:
            assert (await child.get("/jobs/one/pause", method="POST"))["paused"]
            (one,) = (await child.get("/jobs"))["jobs"]
            assert (one["paused"], one["next"]) == (True, [])
            dry = await child.get("/jobs/one/dry")
            assert (dry["questions"], dry["prompts"]) == (1, ["Say yes."])
            (home / "jobs").mkdir()
            two = 'every = "1h"\nprompt = "p"\ntools = ["list_files"]\n'
            (home / "jobs" / "two.toml").write_text(two)
            assert (await child.get("/reload", method="POST"))["jobs"] == 2
            assert (await child.get("/jobs/two/dry"))["tools"] == ["list_files"]
            assert await names(child) == ["one", "two"]
            assert (await child.get("/jobs/one"))["paused"]
            config.write_text(every("one", "1h") + "budget_usd = 1\n")
            refused = (await child.get("/reload", method="POST"))["error"]["message"]
            assert "changed while it was read" in refused  # main has not read that limit
            main.limits = {"one": 1_000_000}
            assert (await child.get("/reload", method="POST"))["jobs"] == 2
            main.limits = {}
            config.write_text(every("one", "nonsense"))
            refused = (await child.get("/reload", method="POST"))["error"]["message"]
            assert "jobs.0.every: 'nonsense' is not a duration" in refused
            assert await names(child) == ["one", "two"]
            config.write_text(every("three", "1h"))
            child.process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(SECONDS_MAX):
                while True:
                    if await names(child) == ["three", "two"]:
                        break
                    await asyncio.sleep(0.02)

    asyncio.run(scenario())


@pytest.mark.timeout(180)
def test_a_worker_that_was_asleep_catches_up_once(tmp_path: Path) -> None:
    """Stopped for several slots: one of them runs, the others are `missed`, and it goes on."""

    async def scenario() -> None:
        home = home_of(tmp_path, every("often", "1s"))
        async with playing_main(home), worker(home) as child:
            await child.run_ended("done")
            child.process.send_signal(signal.SIGSTOP)
            asleep = datetime.now(UTC).isoformat()
            await asyncio.sleep(ASLEEP_SECONDS)
            woken = datetime.now(UTC).isoformat()
            child.process.send_signal(signal.SIGCONT)
            async with asyncio.timeout(SECONDS_MAX):
                while True:
                    runs = (await child.get("/runs?limit=1000"))["runs"]
                    after = [run for run in runs if run["slot"] > woken and run["ended_at"]]
                    if any(run["state"] == "done" for run in after):
                        break
                    await asyncio.sleep(0.1)
            meanwhile = [run for run in runs if asleep < run["slot"] <= woken]
            ran = [run for run in meanwhile if run["state"] != "missed"]
            assert len(meanwhile) >= ASLEEP_SECONDS - 1.5
            assert len(ran) <= 1, ran
            assert all("was not running" in run["because"] for run in meanwhile if run not in ran)

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/hooks/a/../../jobs/x/run", "/hooks/", "/hooks/A%20b"])
def test_a_post_reaches_no_other_path_of_the_worker(path: str) -> None:
    """Only the name of a job is handed on; all else is refused, and the worker is not asked."""

    async def scenario() -> None:
        async def never(_: Post) -> tuple[int, bytes]:
            raise AssertionError("it was handed on")

        async def receive() -> Message:
            return {"type": "http.request", "body": b"x"}

        async def send(_: Message) -> None:
            """Nobody hears it."""

        scope = {"type": "http", "path": path, "headers": []}
        with pytest.raises(NotFoundError, match="a post goes to /hooks/JOB"):
            await HookRoute(never)(Call(scope, receive, send, Caller()))

    asyncio.run(scenario())
