"""A job with tools in a real worker: it waits for its owner's yes, and nothing is done twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.agent.stage import lived, message
from tests.worker.playing_main import paths_of, playing_main, worker

KEEPER = """
[[jobs]]
name = "keeper"
every = "12h"
prompt = "Keep a note."
tier = "local-only"
tools = ["write_file"]
approve = "log"
deliver = "log"
"""


async def keeps_a_note(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Writes a file, then says so."""
    if body["messages"][-1]["role"] == "tool":
        return message(f"Kept: {body['messages'][-1]['content']}")
    return message(None, ("write_file", {"path": "note.md", "text": "milk\n"}))


async def decide(home: Path, approval: str, verdict: str) -> None:
    """The owner's word over the private socket."""
    connector = aiohttp.UnixConnector(str(paths_of(home).worker_socket))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(f"http://worker/approvals/{approval}", json={"verdict": verdict}) as reply,
    ):
        assert reply.status == 200


@pytest.mark.slow
@lived
async def test_a_run_waits_for_its_owner_through_a_kill(tmp_path: Path) -> None:
    """Killed while it waits, it goes on from there after the answer; no model is asked again."""
    (tmp_path / "twotier.toml").write_text(KEEPER)
    note = tmp_path / "jobs-files" / "keeper" / "note.md"
    async with playing_main(tmp_path, keeps_a_note) as main:
        async with worker(tmp_path) as first:
            await first.get("/jobs/keeper/run", method="POST")
            waiting = await first.run_ended("waiting-approval", seconds=60)
            first.process.kill()
        assert not note.exists()
        async with worker(tmp_path) as second:
            (approval,) = (await second.get("/approvals"))["approvals"]
            assert approval["arguments"] == {"path": "note.md", "text": "milk\n"}
            assert approval["run"] == waiting["id"]
            assert len(main.bodies) == 1
            await decide(tmp_path, approval["id"], "yes")
            done = await second.run_ended("done", seconds=60)
            calls = (await second.get(f"/runs/{done['id']}/calls"))["calls"]
            (turn,) = (await second.get(f"/runs/{done['id']}/transcript"))["turns"]
            steps = (await second.get(f"/runs/{done['id']}/steps?texts=1"))["steps"]
            told = await second.get(f"/runs/{done['id']}")
            (strip,) = (await second.get("/strips"))["jobs"]
            none = (await second.get("/strips?runs=0"))["jobs"]
    assert done["id"] == waiting["id"]
    assert len(main.bodies) == 2
    assert (done["model_calls"], done["tokens"]) == (2, 60)
    assert note.read_text() == "milk\n"
    assert calls[0]["rule"] == "approval"
    assert calls[0]["verdict"] == "allow"
    by_name = {step["name"]: step for step in steps}
    assert by_name["approve:write_file"]["verdict"] == "yes"
    assert "approved by its owner" in by_name["approve:write_file"]["because"]
    assert by_name["tool:write_file"]["tool"] == "write_file"
    assert by_name["model"]["text"].startswith("Kept: ")
    assert all(step["started_at"] <= step["ended_at"] for step in steps)
    assert told["asked"] == {"tier": "local-only", "model": "auto"}
    assert (strip["name"], [bar["id"] for bar in strip["runs"]]) == ("keeper", [done["id"]])
    assert strip["runs"][0]["state"] == "done"
    assert none == [{"name": "keeper", "runs": []}]
    assert turn["messages"][-1]["content"].startswith("Kept: ")
