"""The day's plot: what happens when, and what is told of it. Every line is what was found out from
the running program, never what was planned.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from twotier.cli.demo_stage import Stage
from twotier.cli.output import dollars
from twotier.demo.site import INJECTED
from twotier.domain.job import Job
from twotier.errors import TwotierError

HALF_HOUR = timedelta(minutes=30)
MARK = "scripted"
RUNS_MAX = 500
COMMENTS = {
    2.0: "First!",
    9.5: "How do you do this?",
    15.0: "Thank you",
    20.5: "Where is part two?",
}
MAILS = {8.0: "An invoice", 13.0: "A question", 18.0: "Minutes of the meeting"}
POST_AT, INJECTION_AT, KILL_AT = 10.0, 12.0, 17.0
SETTLED = frozenset({"done", "quiet", "failed", "skipped", "missed", "cancelled"})


@dataclass(slots=True)
class Day:
    """Plays it, half an hour at a time. `events` is all that was told, with its kind."""

    stage: Stage
    tell: Callable[[str], None]
    events: list[Mapping[str, Any]] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _heard: int = 0

    def play(self) -> dict[str, Any]:
        """From midnight to midnight; what it came to."""
        stage = self.stage
        pid = stage.wait(lambda: self.ready("local"), "the scripted engine")
        stage.wait(lambda: stage.worker.get("/jobs"), "the worker")
        self.note("up", f"main, worker and the scripted engine (pid {pid}) are up")
        jobs = self.jobs()
        for step in range(1, 49):
            self.happens(step / 2)
            moment = stage.began + step * HALF_HOUR
            stage.turn_to(moment)
            self.settled(jobs, step)
            if step / 2 == POST_AT:  # the dearest piece of the day: it crosses the budget's alert
                stage.wait(lambda: len(stage.site.heard), "the alert of the budget")
            self.hear()
        return self.total()

    def jobs(self) -> list[Job]:
        """The jobs as the worker has them."""
        from twotier.config.load import load
        from twotier.worker import jobs_of

        return jobs_of(load(self.stage.config))

    def ready(self, tier: str) -> int:
        """The tier's pid once it can be asked, else 0."""
        found = self.stage.tier(tier)
        return int(found["pid"] or 0) if found["state"] == "ready" else 0

    def happens(self, hour: float) -> None:
        """What the world does by this hour."""
        stage = self.stage
        if hour in COMMENTS:
            stage.site.entries.append((COMMENTS[hour], stage.now()))
        if hour in MAILS:
            path = stage.config.parent / "inbox" / f"{hour:04.1f}.txt"
            path.write_text(f"{MAILS[hour]}\n{'A line of it. ' * 200}", encoding="utf-8")
        if hour == INJECTION_AT:
            stage.site.text = INJECTED
            self.note("page", "a watched page now orders its reader to send away accounts.txt")
        if hour == KILL_AT:
            self.kill()

    def kill(self) -> None:
        """End the engine as the kernel does, and see who notices."""
        stage = self.stage
        pid = self.ready("local")
        os.kill(pid, signal.SIGKILL)
        self.note("killed", f"kill -9 of the engine, pid {pid}", pid=pid)
        death = stage.wait(self.death, "the engine's death to be noticed")
        fresh = stage.wait(
            lambda: self.ready("local") not in (0, pid) and self.ready("local"), "it"
        )
        self.note(
            "restarted",
            f"engine: {death['cause']}; up again, pid {fresh}",
            cause=death["cause"],
            pid=fresh,
        )

    def death(self) -> Mapping[str, Any] | None:
        """The last death that main knows of."""
        engines = self.stage.main.get("/control/engine")["engines"]
        deaths = next(one for one in engines if one["tier"] == "local")["deaths"]
        found: Mapping[str, Any] | None = deaths[-1] if deaths else None
        return found

    def settled(self, jobs: list[Job], step: int) -> None:
        """Wait until all that was due by now is over, then tell of it."""
        from twotier.jobs.schedule import due_slots

        stage = self.stage
        moment = stage.began + step * HALF_HOUR
        due = sum(len(due_slots(job, after=stage.began, now=moment)) for job in jobs)

        def over() -> list[Mapping[str, Any]] | None:
            runs = stage.worker.get("/runs", {"limit": RUNS_MAX})["runs"]
            done = [run for run in runs if run["ended_at"]]
            return done if len(done) >= due else None

        for run in reversed(stage.wait(over, f"the runs of {moment:%H:%M}")):
            self.ran(run)

    def ran(self, run: Mapping[str, Any]) -> None:
        """One run, once; a quiet one is only counted."""
        if run["id"] in self._seen:
            return
        self._seen.add(run["id"])
        if run["state"] == "quiet":
            return
        if run["state"] != "done":
            self.note("failed", f"{run['job']}: {run['state']}, {run['because']}", run=run["id"])
            return
        cost = dollars(run["cost_usd"])
        self.note(
            "run",
            f"{run['job']}: {run['tier']} tier, {run['tokens']:,} tokens, {cost}",
            run=run["id"],
        )
        for refused in self.refused(run["id"]):
            self.note(
                "refused",
                f"REFUSED: the model obeyed and called `{refused['tool']}`; {refused['because']}",
                rule=refused["rule"],
                tool=refused["tool"],
                run=run["id"],
            )

    def refused(self, run: str) -> list[Mapping[str, Any]]:
        """The calls of a run that were not allowed, from its audit."""
        calls: list[Mapping[str, Any]] = self.stage.worker.get(f"/runs/{run}/calls")["calls"]
        return [one for one in calls if one["verdict"] == "refuse"]

    def hear(self) -> None:
        """What the phone has got since."""
        for message in self.stage.site.heard[self._heard :]:
            self.note("alert", f"ALERT on the phone: {message.get('title') or message.get('text')}")
            self._heard += 1

    def total(self) -> dict[str, Any]:
        """What the day came to, from the ledger and the runs."""
        stage = self.stage
        span = {"since": stage.began.isoformat(), "until": stage.now().isoformat()}
        rows = {
            one["key"]: one
            for one in stage.main.get("/control/spend", {"by": "tier", **span})["rows"]
        }
        runs = stage.worker.get("/runs", {"limit": RUNS_MAX})["runs"]
        looks = [run for run in runs if run["job"] in ("comments", "inbox", "prices")]
        if "frontier" not in rows or "local" not in rows:
            raise TwotierError(
                "the demo's ledger is empty; run it with --keep and look at its logs"
            )
        return {
            "looks": len(looks),
            "quiet": sum(run["state"] == "quiet" for run in looks),
            "local": rows["local"]["requests"],
            "frontier": rows["frontier"]["requests"],
            "frontier_usd": rows["frontier"]["cost_usd"],
            "savings": stage.main.get("/control/savings", span),
        }

    def note(self, kind: str, text: str, **more: Any) -> None:
        """Tell of one thing."""
        at = f"{self.stage.now():%H:%M}"
        self.events.append({"at": at, "kind": kind, "text": text, **more})
        self.tell(f"[{MARK}] {at}  {text}")
