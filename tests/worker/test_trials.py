"""Shadows, tests and suggestions as a person gives them: real worker, real command line."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.agent.stage import message
from tests.worker.playing_main import completion, inbox_home, playing_main, worker
from twotier.cli import run

pytestmark = pytest.mark.slow

TIERS = """
[tiers.local]
engine = "openai"
model = "toy"
base_url = "http://127.0.0.1:9"

[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
key = "env:NO_KEY_IS_NEEDED_HERE"

[trials]
hours = ""
"""
THREE = json.dumps(["It is about one thing.", "It is short.", "It ends."])


async def said(*words: str) -> tuple[int, str, str]:
    """A command: its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()

    def command() -> int:
        with redirect_stdout(out), redirect_stderr(err):
            return run(words)

    code = await asyncio.to_thread(command)
    return code, out.getvalue(), err.getvalue()


def home_with(folder: Path, *, tier: str) -> Path:
    """One job that watches a folder, and both tiers."""
    home = inbox_home(folder, every="1h")
    config = home / "twotier.toml"
    text = config.read_text(encoding="utf-8").replace('"local-only"', f'"{tier}"')
    config.write_text(f"{text}\n{TIERS}", encoding="utf-8")
    (home / "inbox" / "note.txt").write_text("One thing that is short.", encoding="utf-8")
    return home


async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Three lines from every tier, and a judge who sees no difference."""
    if "judge" in request.headers["x-twotier-step"]:
        return completion(json.dumps({"because": "both do", "better": "same"}), cost_usd="0.002")
    if "Haiku" in body["messages"][1]["content"]:
        return completion(json.dumps(["A thing", "so short", "it ends"]))
    return completion(THREE)


def test_a_prompt_is_tried_on_what_the_job_worked_on(tmp_path: Path) -> None:
    """The price first, then both answers side by side; no file is written, nothing is changed."""

    async def scenario() -> None:
        home = home_with(tmp_path, tier="local-only")
        config = ("--config", str(home / "twotier.toml"))
        async with playing_main(home, script) as main, worker(home) as child:
            await child.get("/jobs/inbox/run", method="POST")
            await child.run_ended("done")
            files = sorted(path.name for path in (home / "outbox").iterdir())
            (home / "haiku.txt").write_text("Haiku of it, three lines.", encoding="utf-8")
            prompt = ("--prompt", str(home / "haiku.txt"))
            code, out, err = await said("job", "test", "inbox", *prompt, "--yes", *config)
            assert code == 0, err
            assert "inbox: 1 stored pieces of work for the local tier" in err
            assert "at most $0.0000, and never more than its limit of $1.00" in err
            assert "-- then" in out
            assert "It is about one thing." in out
            assert "A thing\nso short\nit ends" in out
            assert "1 pieces, 1 passed all checks" in err
            assert sorted(path.name for path in (home / "outbox").iterdir()) == files
            code, _, err = await said(
                "job", "shadow", "inbox", "--tier", "frontier", "--yes", *config
            )
            assert (code, "its texts do not leave this machine" in err) == (1, True)
            asked = [one["x-twotier-policy"] for one in main.headers]
            assert set(asked) == {"local-only"}

    asyncio.run(scenario())


def test_a_shadow_is_ordered_listed_and_stopped(tmp_path: Path) -> None:
    """Its price stands first; what it proves is not enough after one run, and that is said."""

    async def scenario() -> None:
        home = home_with(tmp_path, tier="frontier")
        config = ("--config", str(home / "twotier.toml"))
        async with playing_main(home, script), worker(home) as child:
            code, _, err = await said("job", "shadow", "inbox", "--last", "1", "--yes", *config)
            assert (code, "no run with an answer yet" in err) == (1, True)
            await child.get("/jobs/inbox/run", method="POST")
            await child.run_ended("done")
            code, _, err = await said("job", "shadow", "inbox", "--last", "1", *config)
            assert (code, "add --yes" in err) == (2, True)
            code, out, err = await said(
                "job",
                "shadow",
                "inbox",
                "--last",
                "1",
                "--judge",
                "frontier",
                "--now",
                "--yes",
                *config,
            )
            assert code == 0, err
            assert "judged by the frontier, which is not told whose answer is whose" in err
            trial = out.strip()
            ended = await child.get(f"/trials/{trial}?wait_seconds=60")
            assert ended["trial"]["state"] == "done"
            code, out, _ = await said("job", "trials", "inbox", *config)
            assert "1 of 1 as good; at least 21 % with 95 % certainty" in out
            assert "not yet: 8 more runs without a failure" in out
            code, out, _ = await said("job", "shadow", "inbox", "--yes", *config)
            code, out, _ = await said("job", "trials", "--stop", out.strip(), *config)
            assert out.strip().endswith("is stopped")
            code, out, _ = await said("job", "suggest", *config)
            assert out.strip() == (
                "nothing to suggest: no job pays for what it need not, and none fails"
            )
            code, out, _ = await said("forget", "inbox", "--yes", *config)
            assert out.splitlines()[0] == "forgot inbox"
            assert (await child.get("/trials"))["trials"] == []

    asyncio.run(scenario())


KEEPER = """
[[jobs]]
name = "keeper"
every = "12h"
prompt = "Keep a note."
tier = "frontier"
tools = ["write_file:*.md"]
deliver = "log"
"""


async def keeps(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """An agent that keeps a note, another one in a trial; and the judge."""
    if "judge" in request.headers["x-twotier-step"]:
        return completion(json.dumps({"because": "both do", "better": "same"}), cost_usd="0.002")
    if body["messages"][-1]["role"] == "tool":
        return message("Kept it.")
    text = "bread" if request.headers["x-twotier-job"].endswith("/shadow") else "milk"
    return message(None, ("write_file", {"path": "note.md", "text": text}))


def test_what_an_agent_would_have_done_is_shown_beside_what_it_did(tmp_path: Path) -> None:
    """The price first; then both lists. Nothing is written, and no approval waits."""

    async def scenario() -> None:
        (tmp_path / "twotier.toml").write_text(f"{KEEPER}\n{TIERS}", encoding="utf-8")
        config = ("--config", str(tmp_path / "twotier.toml"))
        note = tmp_path / "jobs-files" / "keeper" / "note.md"
        async with playing_main(tmp_path, keeps), worker(tmp_path) as child:
            await child.get("/jobs/keeper/run", method="POST")
            await child.run_ended("done", seconds=60)
            words = ("job", "shadow", "keeper", "--last", "1", "--now", "--yes")
            code, out, err = await said(*words, *config)
            assert code == 0, err
            assert "an agent works on it, 60 tokens a piece so far" in err
            ended = await child.get(f"/trials/{out.strip()}?wait_seconds=30")
            assert ended["trial"]["state"] == "done", ended["trial"]
            (pair,) = ended["pairs"]
            assert (pair["verdict"], pair["effects"]) == ("same", "differ")
            code, out, _ = await said("job", "trials", "keeper", *config)
            assert "they do other things" in out
            (line,) = [line for line in out.splitlines() if "bread" in line]
            assert line.index('"milk"') < line.index('"bread"')
            code, out, _ = await said("job", "trials", "keeper", "--json", *config)
            shown = json.loads(out)["trials"][0]["pairs"][0]
            assert shown["other_effects"][0]["arguments"]["text"] == "bread"
            code, out, err = await said("job", "test", "keeper", "--last", "1", "--yes", *config)
            assert (code, "they do other things" in out) == (0, True), err
            assert (await child.get("/approvals"))["approvals"] == []
            code, out, _ = await said("job", "suggest", *config)
            assert code == 0
        assert note.read_text() == "milk"

    asyncio.run(scenario())
