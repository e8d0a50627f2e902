"""Where a request goes: what is known is asked where there is a choice, the clock where a rule is
about the time.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from tests.ledger.toys import HandClock
from tests.router.test_tree import NAMES, READY
from twotier.build.ledger import hold_again
from twotier.deciding import Deciding
from twotier.dispatch import Dispatch
from twotier.domain.known import Known
from twotier.domain.message import Request
from twotier.domain.task import Asking, Caller
from twotier.domain.tier import TierFacts, TierPolicy
from twotier.ledger.book import Book
from twotier.router.own import Own, Span
from twotier.router.rows import rules_of
from twotier.router.tree import Router

KNOWN = Known("job brief")
NOTES = Caller(client="notes")


class Seen:
    """Who was asked what."""

    def __init__(self, *own: Own) -> None:
        self.asked: list[Asking] = []
        self.looked: list[str] = []
        self.clock = HandClock()
        self.deciding = Deciding(Router(NAMES, rules_of(own=own)), self.fact, clock=self.clock)
        self.deciding.knowledge = self.known

    def fact(self, name: str) -> TierFacts:
        self.looked.append(name)
        return READY[name]

    def known(self, asking: Asking) -> Known:
        self.asked.append(asking)
        return KNOWN

    def at(self, model: str = "auto", caller: Caller = NOTES) -> datetime | None:
        """When the request came, as far as the rules know."""
        asking, _ = self.deciding(Request("openai_chat", b"{}", model, text_bytes=9), caller)
        return asking.task.at


def test_what_is_known_is_asked_where_there_is_a_choice() -> None:
    """Whoever names a model pays nothing for it; what was known goes on with the request."""
    seen = Seen()
    asking, _ = seen.deciding(Request("openai_chat", b"{}", "opus"), NOTES)
    assert (seen.asked, asking.known) == ([], Known())
    for model in ("auto", ""):
        asking, decision = seen.deciding(Request("openai_chat", b"{}", model), NOTES)
        assert asking.known is KNOWN
        assert decision.rule == "default"
    assert [one.caller for one in seen.asked] == [NOTES, NOTES]


def test_the_clock_is_asked_where_a_rule_is_about_the_time() -> None:
    """Else there is no time to know."""
    assert Seen().at() is None
    seen = Seen(Own("night", side="local", span=Span(0, 60)))
    assert seen.at() == seen.at("opus") == seen.clock.now()


def test_work_that_a_rule_holds_here_is_local_only_from_then_on() -> None:
    """Whoever handles it later sees that in its task."""
    seen = Seen(Own("held", local_only=True, clients=["notes"]))
    asking, decision = seen.deciding(Request("openai_chat", b"{}", "auto"), NOTES)
    assert decision.restricted
    assert asking.task.policy is TierPolicy.LOCAL_ONLY
    other, decision = seen.deciding(Request("openai_chat", b"{}", "auto"), Caller())
    assert not decision.restricted
    assert other.task.policy is TierPolicy.AUTO


def test_a_run_that_was_held_here_once_stays_here() -> None:
    """What carries it on may have no tools, and is no less private for that."""
    seen = Seen(Own("tooled", "my files", local_only=True, tools=True))
    with_tools = Request("openai_chat", b"{}", "auto", tools=1)
    without = Request("openai_chat", b"{}", "auto")
    first = Caller(job="a", run="r1", policy=TierPolicy.LOCAL_THEN_FRONTIER)
    assert not seen.deciding(without, first)[1].restricted
    assert seen.deciding(with_tools, first, explain=True)[1].restricted
    assert not seen.deciding(without, first)[1].restricted  # to explain changes nothing
    assert seen.deciding(with_tools, first)[1].rule == "tooled"
    for _ in range(2):
        asking, later = seen.deciding(without, first)
        assert [one.tier for one in later.options] == ["local"]
        text = "local-only: my files (with tools), as before in this run"
        assert (later.because[0].text, later.rule) == (text, "tooled")
        assert asking.task.policy is TierPolicy.LOCAL_ONLY
    refused = seen.deciding(without, replace(first, policy=TierPolicy.FRONTIER))[1]
    assert (refused.options, refused.refusal_code) == ((), "forbidden")
    own = seen.deciding(without, replace(first, policy=TierPolicy.LOCAL_ONLY))[1]
    assert (own.rule, own.restricted) == ("policy", False)
    assert not seen.deciding(without, replace(first, run="r2"))[1].restricted


def test_a_run_that_was_held_stays_here_after_a_restart(tmp_path: Path) -> None:
    """What the ledger has of it is enough: the next life of main holds it before it hears of it."""

    async def scenario() -> None:
        tooled = Own("tooled", "my files", local_only=True, tools=True)
        with_tools = Request("openai_chat", b"{}", "auto", tools=1)
        without = Request("openai_chat", b"{}", "auto")
        seen = Seen(tooled)
        book = await Book.open(tmp_path / "ledger.db", clock=seen.clock)
        for run, request in (("r1", with_tools), ("r2", without)):
            asking, decision = seen.deciding(request, Caller(job="a", run=run))
            book.note_decision(run, decision, task=asking.task, run=run)
        await book.close()

        later = Seen(tooled)
        book = await Book.open(tmp_path / "ledger.db", clock=later.clock)
        world = cast("Dispatch", SimpleNamespace(deciding=later.deciding))
        await hold_again(world, book)
        _, decision = later.deciding(without, Caller(job="a", run="r1"))
        text = "local-only: my files (with tools), as before in this run"
        assert (decision.because[0].text, decision.restricted) == (text, True)
        assert not later.deciding(without, Caller(job="a", run="r2"))[1].restricted
        lifted = Seen()  # without such a rule nothing is held
        await hold_again(cast("Dispatch", SimpleNamespace(deciding=lifted.deciding)), book)
        assert not lifted.deciding(without, Caller(job="a", run="r1"))[1].restricted
        await book.close()

    asyncio.run(scenario())


def test_so_many_runs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten; they have ended long ago."""
    monkeypatch.setattr("twotier.deciding.RUNS_MAX", 2)
    seen = Seen(Own("tooled", local_only=True, tools=True))
    for run in ("r1", "r2", "r3"):
        seen.deciding(Request("openai_chat", b"{}", "auto", tools=1), Caller(job="a", run=run))
    plain = Request("openai_chat", b"{}", "auto")
    held = [seen.deciding(plain, Caller(job="a", run=run))[1].restricted for run in ("r1", "r3")]
    assert held == [False, True]


def test_each_tier_is_asked_for_its_state_once() -> None:
    """What it says is old as soon as it is read, so it is read once."""
    seen = Seen()
    facts = seen.deciding.facts()
    assert facts["local"] is facts["local"]
    assert seen.looked == ["local"]
