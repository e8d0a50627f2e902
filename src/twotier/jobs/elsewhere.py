"""How long the frontier tier takes for one model call of a job, as main knows it.

What the job itself needed there counts before what its speed lets expect. It is what the guard
`late` is told, so it is taken a quarter longer than usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from twotier.domain.job import Job
from twotier.domain.tier import TierPolicy
from twotier.errors import NotRunningError, UpstreamError
from twotier.verify.lengths import SLOW

ROUTE = "/control/route"
RUNS_MIN = 3


class Main(Protocol):
    """Whoever tells what would be decided: `MainClient`."""

    async def order(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Main's answer. Raises `UpstreamError` and `NotRunningError`."""
        ...


async def step_seconds(main: Main, job: Job) -> float | None:
    """The seconds; None where nobody knows, or no frontier tier may be asked."""
    body = {
        "prompt": job.prompt,
        "job": job.name,
        "policy": TierPolicy.FRONTIER.value,
        "tools": len(job.terms.tools),
    }
    try:
        told = await main.order(ROUTE, body)
    except (UpstreamError, NotRunningError):
        return None
    tiers = [option["tier"] for option in told.get("options", ())]
    if not tiers:
        return None
    record = told.get("known", {}).get("records", {}).get(tiers[0]) or {}
    predicted = told.get("predicted", {}).get(tiers[0])
    seconds = of_record(record) or (predicted["seconds"] if predicted else 0.0)
    return SLOW * seconds if seconds else None


def of_record(record: Mapping[str, Any]) -> float:
    """The seconds for a call, by what runs took there; 0 where too few are known."""
    seconds, steps = record.get("seconds"), record.get("steps")
    if not seconds or not steps or min(seconds["count"], steps["count"]) < RUNS_MIN:
        return 0.0
    return float(seconds["p90"]) / max(1.0, float(steps["p90"]))
