"""What a soak runs on: one service, three tiers of which each can be broken in its own way.

`frontier` and `lan` lie behind chaos proxies, `local` is a child that the keeper starts and that
can be killed. Two jobs are due once for each fault.
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.anthropic_api import Behaviour, FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.faults.crowd import Crowd, Told
from tests.faults.invariant import nothing_lost
from tests.faults.played import ROOT, played_cache
from tests.faults.proxy import ChaosProxy
from tests.story.service import FRONTIER, Service

BAD = (Behaviour.RATE_LIMITED, Behaviour.BROKEN, Behaviour.OVERLOADED)
PACE_SECONDS = 0.004
WAIT_SECONDS = 300.0  # to start beside whatever else the machine does
MODULE = "tests.faults.played"

TIERS = """
[tiers.local]
engine = "llama_cpp"
model = "./played.gguf"
window_tokens = 65536
idle_seconds = 10
first_token_seconds = 20

[tiers.lan]
engine = "openai"
model = "toy"
base_url = "{lan}"
idle_seconds = 10
first_token_seconds = 20

[[budgets]]
period = "day"
limit_usd = 100000
"""
JOBS = """
[[jobs]]
name = "inbox"
watch = {{ kind = "files", path = "inbox", settle_seconds = 0.01 }}
every = "{every:.0f}s"
tier = "local-then-frontier"
prompt = "Summarise this text in one line."
deliver = "file:outbox/{{stem}}.txt"

[[jobs]]
name = "pulse"
every = "{every:.0f}s"
tier = "frontier"
prompt = "say: all is well"
deliver = "log"
"""


class Weather(FakeAnthropic):
    """As bad as `share` says, from a seed, or as was queued."""

    def __init__(self, seed: int) -> None:
        super().__init__(retry_after="1", pace_seconds=PACE_SECONDS)
        self.share = 0.0
        self._chance = random.Random(seed)

    def _behaviour(self, body: Mapping[str, Any]) -> Behaviour | None:
        if self._chance.random() < self.share:
            return self._chance.choice(BAD)
        return super()._behaviour(body)


@dataclass
class SoakWorld:
    """All of it. `told` is what clients saw, `dropped` the files that the job has to answer."""

    service: Service
    frontier: Weather
    lan: FakeOpenAI
    before_frontier: ChaosProxy
    before_lan: ChaosProxy
    told: list[Told] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def crowd(self) -> Crowd:
        """Clients of the main that runs now."""
        key = self.service.paths.client_key.read_text(encoding="ascii").strip()
        return Crowd(self.service.status()["address"], key, self.told)

    def pids(self) -> dict[str, int]:
        """Main and, where it stands, the worker."""
        assert self.service.process is not None
        worker = self.service.status()["worker"].get("pid") or 0
        return {"main": self.service.process.pid, **({"worker": int(worker)} if worker else {})}

    def local_pid(self) -> int:
        """The child that the keeper started; 0 while there is none."""
        for record in self.service.paths.engines.glob("*.json"):
            return int(json.loads(record.read_text(encoding="utf-8"))["pid"])
        return 0

    def fair(self) -> None:
        """Fair weather from now on: what was queued and met nobody is forgotten."""
        self.frontier.share = 0.0
        self.frontier.unqueue()
        self.lan.unqueue()
        self.before_frontier.clear()
        self.before_lan.clear()

    def drop(self) -> None:
        """One more file for the job."""
        name = f"note{len(self.dropped):05d}"
        half = self.service.folder / f"{name}.half"
        half.write_text(f"say: seen {name}", encoding="utf-8")
        half.rename(self.service.folder / "inbox" / f"{name}.txt")
        self.dropped.append(name)

    def missing(self) -> list[str]:
        """Files that were dropped, and nothing came of them."""
        outbox = self.service.folder / "outbox"
        return [name for name in self.dropped if not (outbox / f"{name}.txt").exists()]

    def _down(self) -> list[str]:
        """It ends when it is told to; where it does not, what its threads did."""
        down = self.service.typed("down")
        assert self.service.process is not None
        try:
            code = self.service.process.wait(60)
        except subprocess.TimeoutExpired:
            self.service.process.send_signal(signal.SIGABRT)
            return [f"`twotier down` did not end it: {down.stderr}"]
        return [] if (down.returncode, code) == (0, 0) else [f"ended with {code}: {down.stderr}"]

    def look(self) -> list[str]:
        """What was lost, in words; the service is stopped first."""
        found = self._down()
        try:
            nothing_lost(self.service.paths.state, self.frontier.bill, told=self.told)
        except AssertionError as exc:
            found.append(str(exc))
        if missing := self.missing():
            found.append(f"{len(missing)} files without an answer: {missing[:5]}")
        return found + odd_runs(self.service.paths.work)


def odd_runs(work: Path) -> list[str]:
    """Runs that are on the way for ever, and items that two runs did."""
    with closing(sqlite3.connect(work)) as connection:
        ends = dict(connection.execute("SELECT state, count(*) FROM runs GROUP BY state"))
        open_items = connection.execute(
            "SELECT count(*) FROM items WHERE state NOT IN ('done')"
        ).fetchone()[0]
        twice = connection.execute(
            "SELECT item, step, count(*) FROM answers WHERE item != 'all'"
            " GROUP BY item, step HAVING count(*) > 1"
        ).fetchall()
    found = [f"runs that never ended: {n} {state}" for state, n in ends.items() if state in ODD]
    if open_items:
        found.append(f"{open_items} files were found and are not done")
    if twice:
        found.append(f"answered by two runs: {twice[:5]}")
    return found


ODD = ("running", "waiting-approval")


@contextmanager
def soak_world(folder: Path, *, seed: int, every_seconds: float) -> Iterator[SoakWorld]:
    """It runs; at the end all of it is ended."""
    (folder / "played.gguf").touch()
    with (
        Weather(seed) as frontier,
        FakeOpenAI(pace_seconds=PACE_SECONDS) as lan,
        ChaosProxy(frontier.base_url) as before_frontier,
        ChaosProxy(lan.base_url) as before_lan,
    ):
        parts = (
            TIERS.format(lan=before_lan.base_url),
            FRONTIER.format(base_url=before_frontier.base_url),
            JOBS.format(every=every_seconds),
        )
        service = Service(
            folder,
            *parts,
            env={
                "FRONTIER_KEY": frontier.key,
                "PYTHONFAULTHANDLER": "1",  # what its threads do, if it does not end
                "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
                "TWOTIER_CACHE": str(played_cache(folder / "cache")),
            },
            program=(sys.executable, "-m", MODULE),
            wait_seconds=WAIT_SECONDS,
        )
        with service:
            yield SoakWorld(service, frontier, lan, before_frontier, before_lan)
