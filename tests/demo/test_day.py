"""`twotier demo` as a person types it: what it says has really happened, and nothing is left."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.story.service import eventually

pytestmark = pytest.mark.slow
SECONDS_MAX = 180.0
WORDS = (sys.executable, "-m", "twotier", "demo")


@dataclass(frozen=True)
class Played:
    """One day: what it told, and the folder it left because it was asked to."""

    told: dict[str, Any]
    home: Path

    def kind(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.told["events"] if one["kind"] == kind]

    def rows(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.home / ".twotier" / name)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()


def environment(folder: Path) -> dict[str, str]:
    """Nothing of the person's own, and a place for what is temporary."""
    return {**os.environ, "TMPDIR": str(folder), "HOME": str(folder)}


def left(folder: Path) -> list[str]:
    """Processes that have to do with what lies in this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if str(folder) in words and "demo" in words:
            found.append(words)
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The whole day, once."""
    folder = tmp_path_factory.mktemp("d")
    done = subprocess.run(
        (*WORDS, "--json", "--keep"),
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (home,) = folder.glob("twotier-demo-*")
    assert str(home) in done.stderr
    assert left(folder) == []
    return Played(json.loads(done.stdout), home)


def test_everything_is_marked_as_simulated(played: Played) -> None:
    """The document, and each answer that a model gave."""
    assert played.told["simulated"] is True
    texts = [path.read_text() for path in (played.home / "outbox").iterdir()]
    assert len(texts) == 5
    assert all("[scripted]" in text for text in texts)


def test_the_schedule_was_kept(played: Played) -> None:
    """Each half hour, hour, two hours of the day and both crons: each slot has its run."""
    runs = played.rows("work.db", "SELECT job, count(*) FROM runs GROUP BY job")
    assert dict(runs) == {"comments": 48, "inbox": 24, "prices": 12, "brief": 1, "post": 1}
    quiet = played.rows("work.db", "SELECT count(*) FROM runs WHERE state = 'quiet'")[0][0]
    assert played.told["quiet"] == quiet
    assert played.told["looks"] == 84
    assert {one["at"] for one in played.kind("run")} >= {"02:00", "06:30", "10:00", "12:00"}


def test_the_ledger_has_what_was_told(played: Played) -> None:
    """Calls and money by tier; the local one costs nothing."""
    rows = played.rows(
        "ledger.db", "SELECT tier, count(*), sum(cost_microusd) FROM usage GROUP BY tier"
    )
    paid = {tier: (count, cost) for tier, count, cost in rows}
    assert paid["local"][1] == 0
    assert paid["frontier"][0] == played.told["frontier"] == 2
    assert paid["frontier"][1] == round(float(played.told["frontier_usd"]) * 1_000_000) > 0
    columns = played.told["savings"]["columns"]
    assert float(columns["P"]["usd"]) < float(columns["D"]["usd"]) < float(columns["B"]["usd"])


def test_the_injection_was_refused_by_the_rules(played: Played) -> None:
    """The model did read the file and did call the tool; code said no, and nothing arrived."""
    (refused,) = played.kind("refused")
    assert (refused["tool"], refused["rule"], refused["at"]) == ("send", "sends", "12:00")
    audit = played.rows("work.db", "SELECT tool, verdict, taint FROM audit WHERE event = 'judged'")
    assert audit == [("read_file", "allow", "untrusted"), ("send", "refuse", "private untrusted")]
    # The phone's own, and perhaps that the day is over; nothing went to the stranger.
    assert all("budget day" in alert["text"] for alert in played.kind("alert"))


def test_the_budget_has_told_the_phone(played: Played) -> None:
    """By the real notifier, when the dearest piece had been written."""
    alert, *over = played.kind("alert")
    assert all(one["text"].endswith("resolved") for one in over)
    assert "budget day" in alert["text"]
    assert alert["at"] == "10:00"


def test_the_engine_was_killed_and_is_up_again(played: Played) -> None:
    """With another pid, and the cause by its name; the jobs after it were done."""
    (restarted,) = played.kind("restarted")
    assert "SIGKILL" in restarted["cause"]
    assert restarted["pid"] != played.kind("killed")[0]["pid"]
    assert played.kind("failed") == []
    assert {one["at"] for one in played.kind("run")} >= {"18:00", "20:30"}


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """In the middle of the day: no folder, no process, the exit code of an interrupted command."""
    process = subprocess.Popen(
        WORDS, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "are up" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS_MAX)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in err
    assert list(tmp_path.glob("twotier-demo-*")) == []
    assert left(tmp_path) == []


def test_a_demo_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    """Killed with -9 it cleans nothing up; its processes go all the same."""
    process = subprocess.Popen(
        WORDS,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if "are up" in line:
                break
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(children) >= 4  # the frontier's stand-in, main, the worker, the engine
    eventually(lambda: not [one for one in children if alive(one)] or None, what="all have ended")


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
