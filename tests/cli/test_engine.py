"""What `twotier engine` prints and sends; the real main stands in `story/test_engine.py`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.cli.standin import Done, StandIn, standin, twotier
from twotier.cli.engine import followed
from twotier.supervisor import history
from twotier.supervisor.death import Kind
from twotier.supervisor.logs import opened

DEATH = {
    "at": "2026-02-03T07:12:00+00:00",
    "cause": "killed by the system because memory ran out",
    "action": "waited until it fits",
    "evidence": ["oom_kill rose from 0 to 1"],
    "exit_code": -9,
    "lived_seconds": 4000.0,
}
LOCAL: dict[str, Any] = {
    "tier": "local",
    "state": "coming-up",
    "because": "8.0 GB are wanted, 2.0 GB are free",
    "pid": None,
    "address": "",
    "owner": "twotier",
    "gate": "8.0 GB are wanted, 2.0 GB are free",
    "evidence": [],
    "deaths": [DEATH],
}


def run(folder: Path, *words: str, engines: list[dict[str, Any]], failed: str = "") -> Done:
    """One command against a main with these engines; what it was sent is in `asked`."""

    async def scenario() -> Done:
        async with standin(folder) as stand:
            listed = {"schema_version": 1, "engines": engines}
            stand.answers["GET /control/engine"] = (200, listed)
            for verb in ("start", "stop", "restart"):
                told = {"schema_version": 1, **engines[0], "failed": failed}
                stand.answers[f"POST /control/engine/local/{verb}"] = (200, told)
            done = await twotier("--config", str(stand.config), "engine", *words)
            sent.append(stand)
            return done

    return asyncio.run(scenario())


sent: list[StandIn] = []


def test_a_start_that_memory_holds_up_says_how_to_force_it(tmp_path: Path) -> None:
    """Exit code 1, the sum, and the command; `--force` goes to main by its name."""
    done = run(tmp_path, "start", engines=[LOCAL], failed=LOCAL["gate"])
    assert done.code == 1
    assert "local is not up: 8.0 GB are wanted, 2.0 GB are free" in done.err
    assert "twotier engine start local --force" in done.err
    assert sent[-1].asked[-1][3]["force"] is False
    up = {**LOCAL, "state": "ready", "pid": 7, "address": "http://127.0.0.1:9", "gate": ""}
    done = run(tmp_path, "start", "local", "--force", engines=[up])
    assert done.code == 0
    assert "local started in " in done.out
    assert "pid 7 at http://127.0.0.1:9" in done.out
    assert sent[-1].asked[-1][3]["force"] is True


def test_why_is_a_sentence_with_its_evidence(tmp_path: Path) -> None:
    """What holds it up, how it died last, and what was seen of that."""
    lines = run(tmp_path, "why", engines=[LOCAL]).out.splitlines()
    assert lines[0] == "local is coming-up: 8.0 GB are wanted, 2.0 GB are free"
    assert lines[1].startswith("  held up: ")
    assert "after 4000 s: killed by the system because memory ran out" in lines[2]
    assert lines[2].endswith("-> waited until it fits")
    assert lines[3] == "    oom_kill rose from 0 to 1"
    well = {**LOCAL, "state": "ready", "gate": "", "evidence": ["a line"], "deaths": []}
    assert run(tmp_path, "why", engines=[well]).out == "local is up; no death is known\n"
    document = run(tmp_path, "why", "--json", engines=[LOCAL]).document
    assert document["engines"][0]["deaths"] == [DEATH]


def test_a_name_is_needed_where_there_are_several(tmp_path: Path) -> None:
    """And they are named."""
    done = run(tmp_path, "stop", engines=[LOCAL, {**LOCAL, "tier": "coder"}])
    assert (done.code, "name one of: local, coder" in done.err) == (2, True)


def test_a_log_is_shown_from_a_number_of_lines_on(tmp_path: Path) -> None:
    """Its last lines; fewer than none there are not."""
    folder = tmp_path / ".twotier" / "logs"
    (tmp_path / "twotier.toml").touch()
    at = ("--config", str(tmp_path / "twotier.toml"), "engine", "logs", "-n")
    assert "no log of any server" in asyncio.run(twotier(*at, "1")).err
    folder.mkdir(parents=True)
    (folder / "engine-local.log").write_text("one\ntwo\n")
    assert asyncio.run(twotier(*at, "1")).out == "two\n"
    refused = asyncio.run(twotier(*at, "-1"))
    assert (refused.code, "--lines -1" in refused.err) == (2, True)


def test_nothing_of_a_log_is_lost_when_a_new_one_takes_its_name(tmp_path: Path) -> None:
    """What the old life said last, between two looks, stands in the file that was moved away."""
    path = tmp_path / "engine-local.log"
    path.write_text("before\n")
    file = opened(path, at_end=True)

    def a_new_life() -> None:
        with path.open("a") as log:
            log.write("last words\n")
        path.rename(tmp_path / "engine-local.log.1")
        path.write_text("a new life\n")

    told = followed(path, file, pause=a_new_life)
    assert [next(told) for _ in range(2)] == ["last words\n", "a new life\n"]
    told.close()


def test_the_deaths_of_last_night_are_read_without_main(tmp_path: Path) -> None:
    """They lie in a file of the state folder."""
    engines = tmp_path / ".twotier" / "engines"
    note = history.DeathNote(
        at=datetime(2026, 2, 3, tzinfo=UTC),
        cause="it crashed",
        kind=next(iter(Kind)),
        action="",
        evidence=("exit code 3",),
        exit_code=3,
        lived_seconds=5.0,
    )
    history.write(engines / "local.deaths", (note,))
    config = tmp_path / "twotier.toml"
    config.write_text("")
    done = asyncio.run(twotier("--config", str(config), "engine", "why", "local"))
    assert done.code == 0, done.err
    assert "local is down: twotier is not running" in done.out
    assert "it crashed" in done.out
    assert "    exit code 3" in done.out
