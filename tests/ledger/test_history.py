"""Looking back at requests: the newest first, each with its tries, in a time that does not grow."""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ledger.toys import HandClock, free, paid, settled
from twotier.domain.decision import Because, Decision, Option
from twotier.domain.message import Usage
from twotier.domain.money import Attempt, Outcome, Settled
from twotier.domain.task import Task
from twotier.domain.tier import TierPolicy
from twotier.ledger import history
from twotier.ledger.book import Book
from twotier.ledger.history import Asked, Stretch, Wanted, names, one, stretch

WHY = (Because("kind", "chose", "polling"),)
GO = Decision((Option("local"),), "kind", WHY)
NO = Decision((), "budget", (), refusal="the day's limit is reached", refusal_code="budget")


def task(job: str = "", client: str = "") -> Task:
    return Task(
        dialect="openai_chat",
        model_asked="auto",
        prompt_tokens=10,
        prompt_tokens_max=40,
        output_tokens=20,
        output_tokens_asked=None,
        tools=0,
        images=0,
        kind="polling",
        kind_because="",
        policy=TierPolicy.AUTO,
        job=job,
        background=bool(job),
        deadline_seconds=None,
        client=client,
    )


def of(request: str, attempt: Attempt, number: int = 0) -> Attempt:
    return replace(attempt, id=f"{request}-{number}", request_id=request)


async def work(book: Book, clock: HandClock) -> None:
    """Seven requests: good ones on both tiers, one after a failed try, refused, open, unasked."""
    local, frontier = free("x", client="default"), paid("x", 900)
    for number, job in enumerate(("mail", "", "mail")):
        name = f"r{number}"
        book.note_decision(name, GO, task=task(job))
        book.record(of(name, local), settled())
        clock.turn(60)
    book.note_decision("twice", GO, task=task(client="default"))
    failed = replace(settled(), outcome=Outcome.ERROR, error="upstream: gone", usage=Usage(5, 0))
    book.record(of("twice", local), failed)
    clock.turn(1)
    await book.reserve(of("twice", frontier, 1), ())
    await book.settle("twice-1", settled(700))
    clock.turn(60)
    book.note_decision("refused", NO, task=task(client="default"))
    book.note_decision("open", GO, task=task("mail"))
    await book.reserve(of("open", frontier), ())
    book.note_decision("nobody", GO, task=task())
    await book.flush()


def looked(folder: Path, *wanted: Wanted) -> list[Stretch]:
    """What each of these finds."""

    async def scenario() -> list[Stretch]:
        clock = HandClock()
        book = await Book.open(folder / "ledger.db", clock=clock)
        try:
            await work(book, clock)
            return [await book.read(functools.partial(stretch, wanted=one)) for one in wanted]
        finally:
            await book.close()

    return asyncio.run(scenario())


def said(found: Stretch) -> list[str]:
    return [row.request_id for row in found.asked]


def test_every_request_is_there_with_what_came_of_it(tmp_path: Path) -> None:
    """Refused ones, those on their way, those that took two tries; the newest first."""
    (whole,) = looked(tmp_path, Wanted())
    assert said(whole) == ["nobody", "open", "refused", "twice", "r2", "r1", "r0"]
    by: dict[str, Asked] = {row.request_id: row for row in whole.asked}
    assert {name: row.outcome for name, row in by.items()} == {
        **dict.fromkeys(("r0", "r1", "r2", "twice"), "ok"),
        **dict.fromkeys(("open", "nobody"), "open"),
        "refused": "refused",
    }
    assert (by["twice"].tier, len(by["twice"].tries)) == ("frontier", 2)
    assert by["twice"].tries[0]["error"] == "upstream: gone"
    assert by["refused"].tier == ""
    assert by["nobody"].tier == "local"
    assert by["r0"].because == [{"rule": "kind", "effect": "chose", "text": "polling"}]
    assert whole.next == 0
    assert names(whole.asked)["job"] == ["mail"]


def test_pages_follow_one_another_and_filters_hold(tmp_path: Path) -> None:
    """The place of the next ones is that of the last that was shown."""
    first, none, mail, refused, tier, failed, client = looked(
        tmp_path,
        Wanted(limit=3),
        Wanted(rule="nobody"),
        Wanted(job="mail", limit=2),
        Wanted(outcome="refused"),
        Wanted(tier="frontier"),
        Wanted(outcome="failed"),
        Wanted(client="default"),
    )
    assert said(first) == ["nobody", "open", "refused"]
    assert (said(none), none.next, none.looked) == ([], 0, 7)
    assert said(mail) == ["open", "r2"]
    assert mail.looked == 5
    assert said(refused) == ["refused"]
    assert said(tier) == ["open", "twice"]
    assert said(failed) == []
    assert "twice" in said(client)
    assert "refused" in said(client)
    (second,) = looked(tmp_path / "again", Wanted(limit=3, before=first.next))
    assert said(second) == ["twice", "r2", "r1"]


def test_a_search_ends_and_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many decisions, with the place where another can go on."""
    monkeypatch.setattr(history, "LOOKED_MAX", 2)
    monkeypatch.setattr(history, "AT_ONCE", 2)
    (found,) = looked(tmp_path, Wanted(job="mail", rule="nobody"))
    assert (said(found), found.looked) == ([], 2)
    assert found.next > 0
    assert found.since is not None


def test_one_request_is_found_by_its_name(tmp_path: Path) -> None:
    """With all that was kept of it; a text that cannot be read is left empty."""

    async def scenario() -> tuple[list[Asked], list[Asked]]:
        clock = HandClock()
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        try:
            await work(book, clock)
            whole: Any = await book.read(lambda connection: one(connection, "twice"))
            return whole, await book.read(lambda connection: one(connection, "none"))
        finally:
            await book.close()

    found, none = asyncio.run(scenario())
    assert none == []
    assert len(found) == 1
    assert [row["settled"] for row in found[0].tries] == [Settled.SETTLED.value] * 2
    assert found[0].task["kind"] == "polling"
    assert history._read("{", dict) == {}
    assert history._read("[1]", dict) == {}
