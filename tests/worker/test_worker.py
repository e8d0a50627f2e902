"""The worker process: it does its job once, whatever happens to it or to main."""

from __future__ import annotations

import asyncio
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.worker.playing_main import (
    Worker,
    completion,
    inbox_home,
    paths_of,
    playing_main,
    start,
    worker,
)

pytestmark = pytest.mark.slow


def summaries(home: Path) -> dict[str, str]:
    """The outbox."""
    return {
        path.name: path.read_text(encoding="utf-8") for path in sorted((home / "outbox").iterdir())
    }


def test_a_new_file_is_summarised_and_an_empty_poll_asks_nobody(tmp_path: Path) -> None:
    """From inbox to outbox, with the headers main needs; polls before and after stay quiet."""

    async def scenario() -> None:
        home = inbox_home(tmp_path)
        async with playing_main(home) as main, worker(home) as child:
            quiet = await child.run_ended("quiet")
            assert quiet["model_calls"] == 0
            assert main.bodies == []
            (home / "inbox" / "note.txt").write_text("A long story.", encoding="utf-8")
            done = await child.run_ended("done")
            assert summaries(home) == {"note.summary.txt": "one\ntwo\nthree\n"}
            assert (done["model_calls"], done["items"], done["tier"]) == (1, 1, "local")
            await asyncio.sleep(1.5)  # more polls: nothing new, nobody asked
            assert len(main.bodies) == 1
            body, headers = main.bodies[0], main.headers[0]
            assert body["response_format"]["json_schema"]["schema"]["minItems"] == 3
            assert body["temperature"] == 0
            assert "A long story." in body["messages"][1]["content"]
            assert headers["x-twotier-job"] == "inbox"
            assert headers["x-twotier-run"] == done["id"]
            assert headers["x-twotier-kind"] == "polling"
            assert headers["x-twotier-policy"] == "local-only"
            assert 0 < float(headers["x-twotier-deadline"]) <= 60

    asyncio.run(scenario())


def test_a_run_killed_in_the_middle_goes_on_and_delivers_once(tmp_path: Path) -> None:
    """SIGKILL while the model works: the next worker resumes the same run, one summary results."""

    async def scenario() -> None:
        home = inbox_home(tmp_path, every="1h")
        (home / "inbox" / "note.txt").write_text("text", encoding="utf-8")
        stalled = asyncio.Event()

        async def stall(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            stalled.set()
            await asyncio.sleep(60)
            return completion("never")

        async with playing_main(home, stall) as main:
            async with worker(home) as child:
                run = (await child.get("/jobs/inbox/run", method="POST"))["run"]
                async with asyncio.timeout(60):
                    await stalled.wait()
                child.process.send_signal(signal.SIGKILL)
                await child.process.wait()
            main.script = playing_three
            async with worker(home) as child:
                ended = await child.get(f"/runs/{run}?wait_seconds=60")
                assert (ended["state"], ended["tries"]) == ("done", 2)
                again = (await child.get("/jobs/inbox/run", method="POST"))["run"]
                ended = await child.get(f"/runs/{again}?wait_seconds=60")
                assert (ended["state"], ended["model_calls"]) == ("quiet", 0)
        assert summaries(home) == {"note.summary.txt": "one\ntwo\nthree\n"}
        assert len(main.bodies) == 2

    asyncio.run(scenario())


async def playing_three(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    """The usual answer."""
    return completion('["one", "two", "three"]')


def test_a_second_worker_is_refused(tmp_path: Path) -> None:
    """One worker per state folder; the other says who has it, and exits 1."""

    async def scenario() -> None:
        home = inbox_home(tmp_path, every="1h")
        async with playing_main(home), worker(home) as child:
            other = await start(home)
            async with asyncio.timeout(60):
                _, said = await other.communicate()
            assert other.returncode == 1
            assert "twotier runs already here" in said.decode()
            assert f"pid {child.process.pid}" in said.decode()
            assert (await child.get("/healthz"))["status"] == "ok"

    asyncio.run(scenario())


def test_the_worker_ends_when_main_has_gone(tmp_path: Path) -> None:
    """Main's socket closes, also in the middle of an answer: within a second the worker is gone."""

    async def scenario() -> None:
        home = inbox_home(tmp_path)
        (home / "inbox" / "note.txt").write_text("text", encoding="utf-8")

        async def stall(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            await asyncio.sleep(60)
            return completion("never")

        async with playing_main(home, stall) as main, worker(home) as child:
            async with asyncio.timeout(60):
                await main.asked.wait()
            async with asyncio.TaskGroup() as group:
                group.create_task(main.close())
                async with asyncio.timeout(60):  # the question would have taken a minute
                    await child.process.wait()
            assert child.process.returncode == 0
        assert not paths_of(home).worker_socket.exists()

    asyncio.run(scenario())


def test_without_main_there_is_no_worker(tmp_path: Path) -> None:
    """Nobody to ask: exit code 3, with a sentence."""

    async def scenario() -> None:
        home = inbox_home(tmp_path)
        paths_of(home).make()
        child = await start(home)
        async with asyncio.timeout(60):
            _, said = await child.communicate()
        assert child.returncode == 3
        assert "main does not answer" in said.decode()

    asyncio.run(scenario())


def test_on_sigterm_the_step_under_way_is_finished(tmp_path: Path) -> None:
    """The answer that is coming is used, nothing new begins, exit 0."""

    async def scenario() -> None:
        home = inbox_home(tmp_path)
        for name in ("a.txt", "b.txt"):
            (home / "inbox" / name).write_text(f"text of {name}", encoding="utf-8")
        answer = asyncio.Event()

        async def held(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            await answer.wait()
            return completion('["one", "two", "three"]')

        async with playing_main(home, held) as main, worker(home) as child:
            async with asyncio.timeout(60):
                await main.asked.wait()
            child.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            answer.set()
            async with asyncio.timeout(60):
                await child.process.wait()
            assert child.process.returncode == 0
            assert len(main.bodies) == 1
            assert len(summaries(home)) == 1
            async with worker(home) as again:
                done = await again.run_ended("done")
                assert (done["items"], done["model_calls"], done["tries"]) == (2, 2, 2)
        assert list(summaries(home)) == ["a.summary.txt", "b.summary.txt"]

    asyncio.run(scenario())


def test_the_private_socket_is_private_and_explains_itself(tmp_path: Path) -> None:
    """Mode 0600; jobs with their next slots; errors in OpenAI's shape."""

    async def scenario() -> None:
        home = inbox_home(tmp_path, every="1h")
        async with playing_main(home), worker(home) as child:
            mode = stat.S_IMODE(paths_of(home).worker_socket.stat().st_mode)
            assert mode == 0o600
            assert stat.S_IMODE(paths_of(home).work.stat().st_mode) == 0o600
            await explained(child)

    asyncio.run(scenario())


async def explained(child: Worker) -> None:
    """What the API says about the one job."""
    listed = await child.get("/jobs")
    assert listed["schema_version"] == 1
    (job,) = listed["jobs"]
    assert (job["name"], job["trigger"], job["tier"]) == ("inbox", "every 1h", "local-only")
    assert len(job["next"]) == 5
    assert job["last_run"] is None
    wrong = await child.get("/jobs/nope")
    assert wrong["error"]["code"] == "not_found"
    assert "there are: inbox" in wrong["error"]["message"]
    assert (await child.get("/nothing"))["error"]["code"] == "not_found"
    wrong = (await child.get("/runs?state=tired"))["error"]
    assert wrong["code"] == "invalid_request"
    assert "'tired' is not a valid RunState; there are: due, running, waiting-" in wrong["message"]
    assert (await child.get("/runs?limit=x"))["error"]["code"] == "invalid_request"
    assert (await child.get("/runs/none"))["error"]["code"] == "not_found"


def test_runs_can_be_asked_for_by_state(tmp_path: Path) -> None:
    """A job of every second has a row for each, and most of them say that nothing was done."""

    async def scenario() -> None:
        home = inbox_home(tmp_path)
        async with playing_main(home), worker(home) as child:
            await child.run_ended("quiet")
            (home / "inbox" / "note.txt").write_text("A long story.", encoding="utf-8")
            done = await child.run_ended("done")
            assert (await child.get("/runs?state=done,failed"))["runs"] == [done]
            quiet = (await child.get("/runs?job=inbox&state=quiet"))["runs"]
            assert {run["state"] for run in quiet} == {"quiet"}
            states = {run["state"] for run in (await child.get("/runs"))["runs"]}
            assert states >= {"quiet", "done"}

    asyncio.run(scenario())


def test_what_opens_a_webhook_is_not_shown(tmp_path: Path) -> None:
    """Neither with the job nor with a run's answers."""

    async def scenario() -> None:
        hook = "webhook:http://user:passw0rd@127.0.0.1:9/hook?token=s3cret"
        home = inbox_home(tmp_path, every="1h", deliver=hook)
        (home / "inbox" / "note.txt").write_text("A long story.", encoding="utf-8")
        async with playing_main(home), worker(home) as child:
            run = (await child.get("/jobs/inbox/run", method="POST"))["run"]
            ended = await child.get(f"/runs/{run}?wait_seconds=60")
            assert ended["state"] == "failed"  # nobody listens there
            (answer,) = ended["answers"]
            assert answer["target"] == "webhook:http://127.0.0.1:9/***"
            job = await child.get("/jobs/inbox")
            assert job["deliver"] == answer["target"]
            for said in (ended, job, await child.get("/jobs"), await child.get("/runs")):
                assert "s3cret" not in str(said)
                assert "passw0rd" not in str(said)

    asyncio.run(scenario())


def test_the_workers_log_does_not_hold_its_token(tmp_path: Path) -> None:
    """Whatever text it came in: here a model says it, and the answer goes to the log."""

    async def scenario() -> None:
        home = inbox_home(tmp_path, every="1h", deliver="log")
        with (home / "twotier.toml").open("a", encoding="utf-8") as config:
            config.write('\n[ntfy]\ntoken = "file:ntfy.key"\n')
        (home / "ntfy.key").touch(mode=0o600)
        (home / "ntfy.key").write_text("tk_abcdefghijkl", encoding="utf-8")
        (home / "inbox" / "note.txt").write_text("A long story.", encoding="utf-8")

        async def tell(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            return completion('["one", "tk_abcdefghijkl", "three"]')

        async with playing_main(home, tell), worker(home) as child:
            run = (await child.get("/jobs/inbox/run", method="POST"))["run"]
            assert (await child.get(f"/runs/{run}?wait_seconds=60"))["state"] == "done"
        log = (paths_of(home).logs / "worker.log").read_text(encoding="utf-8")
        assert "[secret]" in log
        assert "tk_abcdefghijkl" not in log

    asyncio.run(scenario())
