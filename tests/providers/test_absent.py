"""A tier that could not be built."""

from __future__ import annotations

import asyncio

import pytest

from twotier.errors import TierUnavailableError
from twotier.providers.absent import Absent
from twotier.providers.base import Ask, Deadlines

ASK = Ask(b"{}", stream=False, deadlines=Deadlines(1, 1, 1, 1))


def test_an_absent_tier_says_what_to_do() -> None:
    absent = Absent("anthropic_messages", "set a key")
    with pytest.raises(TierUnavailableError, match="set a key"):
        asyncio.run(absent.ask(ASK))
    assert absent.dialect == "anthropic_messages"
