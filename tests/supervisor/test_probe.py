"""What counts as a sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from twotier.clock import SystemClock
from twotier.domain.endpoint import Endpoint
from twotier.errors import TierUnavailableError
from twotier.supervisor.probe import Ask, until_answered
from twotier.supervisor.process import Processes


def answers(failures: Sequence[Exception]) -> Ask:
    """Fails in this order, then answers."""
    left = list(failures)

    async def ask(_: Endpoint) -> None:
        if left:
            raise left.pop(0)

    return ask


async def hangs(_: Endpoint) -> None:
    await asyncio.Event().wait()


async def tried(ask: Ask, *, listens: bool = False, within_seconds: float = 5.0) -> str:
    endpoint = Endpoint(f"http://127.0.0.1:{Processes().free_port()}", 1)
    return await until_answered(
        ask, endpoint, within_seconds=within_seconds, clock=SystemClock(), listens=listens
    )


def test_a_refusal_is_asked_again_until_it_answers() -> None:
    """503 while loading, a reset connection, its own limit: all may pass."""
    failures = [TierUnavailableError("loading"), ConnectionResetError(), TimeoutError()]
    assert asyncio.run(tried(answers(failures))) == ""


@pytest.mark.parametrize(
    ("ask", "listens", "because"),
    [
        (answers([TierUnavailableError("loading")] * 99), False, "loading"),
        (answers([TimeoutError("too slow")] * 99), False, "TimeoutError: too slow"),
        (hangs, False, "did not answer"),
        (answers([]), True, "port did not open"),
    ],
)
def test_the_last_reason_is_told_when_time_is_over(ask: Ask, listens: bool, because: str) -> None:
    assert because in asyncio.run(tried(ask, listens=listens, within_seconds=0.3))
