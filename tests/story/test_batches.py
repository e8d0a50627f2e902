"""A job whose questions wait for a batch: the whole program, killed in between."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, Service, eventually

pytestmark = pytest.mark.slow

JOB = """
[[jobs]]
name = "{name}"
every = "30d"
tier = "frontier"
prompt = "say: good morning, {name}"
deliver = "file:outbox/{name}.txt"
{more}
"""
WAITS = 'batch = true\ndeadline = "2h"'


def test_runs_that_wait_survive_a_kill_block_nobody_and_cost_half(tmp_path: Path) -> None:
    """Two wait and a third goes past them. The worker is killed, then main: each next life gets
    what was asked before.
    """
    jobs = [JOB.format(name=name, more=WAITS) for name in ("one", "two")]
    jobs.append(JOB.format(name="quick", more=""))
    with FakeAnthropic() as fake:
        fake.batches.holds = True
        tiers = FRONTIER.format(base_url=fake.base_url).replace('m25 = "local"', "")
        service = Service(tmp_path, tiers, *jobs, env={"FRONTIER_KEY": fake.key})
        try:
            service.up(ready="")
            eventually(lambda: service.status()["worker"]["state"] == "ready")
            for name in ("one", "two"):
                service.worker.post(f"/jobs/{name}/run", {})
            eventually(lambda: len(waiting(service)) == 2, what="both wait")
            service.worker.post("/jobs/quick/run", {})
            eventually(lambda: service.runs("quick", "done"), what="the third goes past them")
            shown = service.command("status").stdout
            assert "2 requests wait for a batch: one, two" in shown
            assert "waits for a batch" in service.command("runs").stdout
            os.kill(service.status()["worker"]["pid"], signal.SIGKILL)
            eventually(lambda: resumed(service), what="the worker comes back and asks again")
            service.kill()
            service.up(ready="")
            assert len(service.status()["batches"]) == 2
            eventually(lambda: service.status()["worker"]["state"] == "ready")
            fake.batches.holds = False
            for name in ("one", "two"):
                eventually(lambda job=name: service.runs(job, "done"), what=f"{name} ends")  # type: ignore[misc]
                delivered = (tmp_path / "outbox" / f"{name}.txt").read_text(encoding="utf-8")
                assert f"good morning, {name}" in delivered
            assert (len(fake.batches.made), len(fake.bodies)) == (2, 1)
            row = service.spend()["frontier"]
            assert round(float(row["cost_usd"]) * 1_000_000) == fake.billed_microusd
            assert (row["unknown"], float(row["reserved_usd"])) == (0, 0.0)
            assert service.status()["batches"] == []
        finally:
            service.__exit__(None, None, None)


def waiting(service: Service) -> list[str]:
    """The runs that say so."""
    return [run["id"] for run in service.runs(state="running") if "batch" in run["because"]]


def resumed(service: Service) -> bool:
    """Whether a new worker has both runs in hand again."""
    log = (service.paths.logs / "worker.log").read_text(encoding="utf-8")
    return log.count('"run resumed"') == log.count('"run waits"') == 2
