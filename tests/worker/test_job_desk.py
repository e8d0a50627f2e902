"""Job files as pages write them, against a real worker: seen before they are written, or not."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

from tests.worker.playing_main import inbox_home, paths_of, playing_main, worker
from twotier.build.job_desk import DRAFTS_MAX, JobDesk
from twotier.build.worker_peer import WorkerPeer
from twotier.errors import (
    ConfigError,
    DeadlineError,
    NotFoundError,
    NotRunningError,
    RequestError,
    TwotierError,
    UpstreamError,
)

OWN = 'every = "1d"  # mine\nprompt = "Say hello."\ndeliver = "webhook:https://h.example/SECRET"\n'
GOOD = {"prompt": 'Say "hello"\nin two lines.', "every": "1h", "deliver": "log"}


def desk_of(home: Path) -> JobDesk:
    """The desk of main for a folder."""
    numbers = count()
    peer = WorkerPeer(paths_of(home).worker_socket)
    return JobDesk(home / "twotier.toml", peer, new_id=lambda: f"d{next(numbers)}")


@pytest.mark.slow
def test_jobs_are_made_and_changed_with_a_second_look(tmp_path: Path) -> None:
    home = inbox_home(tmp_path, every="30d")
    (home / "jobs").mkdir()
    (home / "jobs" / "hello.toml").write_text(OWN, encoding="utf-8")
    config = home / "twotier.toml"

    async def scenario() -> None:
        async with playing_main(home), worker(home) as child:
            desk = desk_of(home)
            await made(desk)
            names = [job["name"] for job in (await child.get("/jobs"))["jobs"]]
            assert names == ["inbox", "greeting", "hello"]
            assert (await child.get("/jobs/greeting"))["prompt"] == GOOD["prompt"]
            await changed(desk)
            assert (await child.get("/jobs/hello"))["trigger"] == "every 2d"
            assert (await child.get("/jobs/inbox"))["trigger"] == "every 20d"
            await not_looked(desk)

    async def made(desk: JobDesk) -> None:
        templates = {one["name"]: one for one in await desk.templates()}
        asks = {ask["key"]: ask for ask in templates["blank"]["asks"]}
        assert asks["tier"]["choices"][:2] == ["auto", "local-only"]
        assert asks["every"]["choices"] == []
        before = config.read_text(encoding="utf-8")
        empty = await desk.make("blank", {"every": "often"}, name="inbox")
        assert set(empty.problems) == {"prompt", "every", "name"}
        assert "already" in empty.problems["name"]
        with pytest.raises(ConfigError, match="nothing was written"):
            await desk.write(empty.id)
        empty = await desk.make("blank", GOOD, name="../Not A Name")
        assert set(empty.problems) == {"name"}
        wrong = await desk.make("blank", GOOD | {"deliver": "pigeon:me"}, name="bird")
        assert set(wrong.problems) == {"deliver"}
        never = await desk.make("blank", GOOD | {"every": ""}, name="never")
        assert set(never.problems) == {""}
        assert "/" not in never.problems[""]
        assert config.read_text(encoding="utf-8") == before
        good = await desk.make("blank", {**GOOD, "cron": " "}, name="greeting")
        assert (dict(good.problems), good.could_not_look, good.diff) == ({}, "", ())
        assert desk.draft(good.id) == good
        assert not (home / "jobs" / "greeting.toml").exists()
        told = await desk.write(good.id)
        assert told == {"job": "greeting", "path": good.path, "waits": ""}
        assert (home / "jobs" / "greeting.toml").read_text(encoding="utf-8") == good.text
        with pytest.raises(NotFoundError, match="begin again"):
            desk.draft(good.id)
        with pytest.raises(NotFoundError, match="no template"):
            await desk.make("bank", {}, name="x")

    async def changed(desk: JobDesk) -> None:
        there = await desk.text("hello")
        assert (there["own"], "SECRET" in there["text"]) == (True, False)
        text = there["text"].replace('"1d"', '"2d"').replace("\n", "\r\n")
        draft = await desk.change("hello", text, present=there["sha256"])
        assert [line for line in draft.diff if line[0] in "+-"] == [
            '-every = "1d"  # mine',
            '+every = "2d"  # mine',
        ]
        assert (await desk.write(draft.id))["waits"] == ""
        kept = (home / "jobs" / "hello.toml").read_text(encoding="utf-8")
        assert kept == OWN.replace('"1d"', '"2d"')
        late = await desk.change("hello", text, present=there["sha256"])
        assert "was changed meanwhile" in late.problems[""]
        there = await desk.text("hello")
        draft = await desk.change("hello", 'every = "x"', present=there["sha256"])
        assert "every" in draft.problems[""]
        draft = await desk.change("hello", there["text"] + "# more", present=there["sha256"])
        with (home / "jobs" / "hello.toml").open("a", encoding="utf-8") as file:
            file.write("# by another hand\n")
        with pytest.raises(ConfigError, match="changed meanwhile"):
            await desk.write(draft.id)
        inline = await desk.text("inbox")
        assert inline["own"] is False
        text = inline["text"].replace('"30d"', '"20d"')
        draft = await desk.change("inbox", text, present=inline["sha256"])
        assert (await desk.write(draft.id))["path"] == str(config)
        draft = await desk.change("inbox", text + "[gateway]\nport = 1\n", present="")
        assert draft.problems
        with pytest.raises(RequestError, match="characters"):
            await desk.change("inbox", "#" * 300_000, present="")
        with pytest.raises(NotFoundError, match="no job"):
            await desk.text("nothing")

    async def not_looked(desk: JobDesk) -> None:
        lost = {"host": "127.0.0.1", "user": "me", "password": "env:NO_SUCH_PLACE"}
        draft = await desk.make("mail-check", lost, name="mail")
        assert dict(draft.problems) == {}
        assert "NO_SUCH_PLACE" in draft.could_not_look
        for _ in range(DRAFTS_MAX):
            await desk.make("blank", {}, name="x")
        with pytest.raises(NotFoundError):
            desk.draft(draft.id)

    asyncio.run(scenario())


def test_a_job_is_written_while_the_worker_is_away(tmp_path: Path) -> None:
    """It counts later, and nothing says that it was tried."""
    home = inbox_home(tmp_path)

    async def scenario() -> None:
        desk = desk_of(home)
        there = await desk.text("inbox")
        text = there["text"].replace('"1s"', '"2s"')
        draft = await desk.change("inbox", text, present=there["sha256"])
        assert "worker is back" in (await desk.write(draft.id))["waits"]
        letters = {"host": "mail.example", "user": "me"}
        draft = await desk.make("mail-check", letters, name="mail")
        assert draft.could_not_look.startswith("it was not tried: the worker does not answer")

    asyncio.run(scenario())


def test_the_worker_is_asked_and_its_errors_are_ours(tmp_path: Path) -> None:
    """Whatever answers: what it refuses, what cannot be read, and nobody at all."""

    async def answer(request: web.Request) -> web.Response:
        match request.path:
            case "/runs/a b":
                return web.json_response({"query": dict(request.query)})
            case "/text":
                return web.Response(text="hello")
            case "/list":
                return web.json_response([1])
            case "/upstream":
                error = {"message": "too much", "code": "upstream_error"}
                return web.json_response({"error": error}, status=502)
            case "/odd":
                return web.json_response({"error": "x"}, status=500)
        error = {"message": "no such run", "code": "not_found"}
        return web.json_response({"error": error}, status=404)

    async def scenario() -> None:
        socket = tmp_path / "worker.sock"
        peer = WorkerPeer(socket)
        with pytest.raises(NotRunningError, match="does not answer"):
            await peer.get("/jobs")
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            told = await peer.get("/runs/a%20b", {"job": "x y", "none": None, "empty": ""})
            assert told == {"query": {"job": "x y"}}
            with pytest.raises(NotFoundError, match="no such run"):
                await peer.post("/runs/c/cancel")
            for path in ("/text", "/list"):
                with pytest.raises(TwotierError, match="cannot be read"):
                    await peer.get(path)
            with pytest.raises(UpstreamError, match="too much"):
                await peer.get("/upstream")
            with pytest.raises(TwotierError, match="status 500"):
                await peer.get("/odd")
        finally:
            await runner.cleanup()

    asyncio.run(scenario())


def test_a_worker_that_says_nothing_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twotier.build.worker_peer.ANSWER_SECONDS", 0.05)

    released = asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        await released.wait()
        return web.json_response({})

    async def scenario() -> None:
        socket = tmp_path / "worker.sock"
        app = web.Application()
        app.router.add_get("/jobs", silent)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            with pytest.raises(DeadlineError, match="in time"):
                await WorkerPeer(socket).get("/jobs")
        finally:
            released.set()
            await runner.cleanup()

    asyncio.run(scenario())
