"""How long the frontier takes for a call of a job: by what it took before, else by its speed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.jobs.making import job
from twotier.errors import NotRunningError
from twotier.jobs.elsewhere import step_seconds
from twotier.verify.lengths import SLOW


class Main:
    """Says this; or it is gone."""

    def __init__(self, told: Mapping[str, Any] | None) -> None:
        self.told = told
        self.asked: Mapping[str, Any] = {}

    async def order(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        assert path == "/control/route"
        self.asked = body
        if self.told is None:
            raise NotRunningError("it has gone")
        return dict(self.told)


def spread(p90: float, count: int = 3) -> dict[str, float]:
    return {"p50": p90 / 2, "p90": p90, "count": count}


OPTIONS = {"options": [{"tier": "frontier"}]}
PREDICTED = {"predicted": {"frontier": {"seconds": 8.0}}}


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (None, None),
        ({"options": [], "refusal": "none"}, None),
        (OPTIONS | {"predicted": {"frontier": None}}, None),
        (OPTIONS | PREDICTED, 8.0),
        (
            OPTIONS
            | PREDICTED
            | {"known": {"records": {"frontier": {"seconds": spread(60), "steps": spread(20)}}}},
            3.0,
        ),
        (
            OPTIONS
            | PREDICTED
            | {"known": {"records": {"frontier": {"seconds": spread(60, 2), "steps": spread(20)}}}},
            8.0,
        ),
        (OPTIONS | PREDICTED | {"known": {"records": {"frontier": {"seconds": None}}}}, 8.0),
    ],
)
def test_what_the_job_took_there_counts_before_its_speed(
    told: Mapping[str, Any] | None, seconds: float | None
) -> None:
    main = Main(told)
    found = asyncio.run(step_seconds(main, job()))
    assert found == (None if seconds is None else pytest.approx(SLOW * seconds))
    assert (main.asked["job"], main.asked["policy"]) == ("inbox", "frontier")
