"""Tiers that are not there: one that could not be built, and one whose outage is remembered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from twotier.errors import BudgetError, TierUnavailableError
from twotier.providers.absent import Absent
from twotier.providers.base import Ask, Deadlines
from twotier.providers.scripted import Answer, Scripted
from twotier.providers.watched import REMEMBERED_SECONDS, Watched

ASK = Ask(b"{}", stream=False, deadlines=Deadlines(1, 1, 1, 1))


class HandTurned:
    """A clock that goes when it is told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_an_absent_tier_says_what_to_do() -> None:
    absent = Absent("anthropic_messages", "set a key")
    with pytest.raises(TierUnavailableError, match="set a key"):
        asyncio.run(absent.ask(ASK))
    assert absent.dialect == "anthropic_messages"


def test_an_outage_is_remembered_for_a_while_and_forgotten_by_an_answer() -> None:
    async def scenario() -> None:
        clock = HandTurned()
        down, fine = TierUnavailableError("refused"), Answer((b"{}",))
        watched = Watched(Scripted([down, fine, down, BudgetError("no")]), clock)
        assert (watched.dialect, watched.outage()) == ("openai_chat", "")
        with pytest.raises(TierUnavailableError):
            await watched.ask(ASK)
        assert watched.outage() == "refused"
        await watched.ask(ASK)
        assert watched.outage() == ""
        with pytest.raises(TierUnavailableError):
            await watched.ask(ASK)
        with pytest.raises(BudgetError):
            await watched.ask(ASK)
        assert watched.outage() == "refused"
        clock.seconds += REMEMBERED_SECONDS
        assert watched.outage() == ""

    asyncio.run(scenario())
