"""Tokens of prompts and answers are learned from what attempts came to, and the book keeps them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ledger.toys import HandClock, free
from tests.router.test_tree import FRONTIER, LOCAL
from twotier.domain.message import Request, Usage
from twotier.domain.money import Outcome, Settled, Settlement
from twotier.domain.task import Asking, Caller
from twotier.domain.verdict import Took, Verdict
from twotier.domain.work import Work
from twotier.learned.sizes import SAVE_SECONDS, Sizes
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.ledger.book import Book
from twotier.ledger.findings import Found, SpeedRow
from twotier.router.estimate import estimate

WORK = Work(6_000, kind="polling")
ATTEMPT = replace(free("a"), model=LOCAL.model, work=WORK)
WHOLE = Settlement(Settled.SETTLED, Outcome.OK, 0, Usage(2_000, 50))


def followed(clock: HandClock) -> Sizes:
    sizes = Sizes(clock)
    sizes.follow(LOCAL)
    return sizes


def test_a_tier_is_known_by_what_it_counted() -> None:
    sizes = followed(HandClock())
    assert sizes.scales.tokens(WORK, "local") == 1_500
    for _ in range(10):
        sizes(ATTEMPT, WHOLE)
    assert sizes.scales.tokens(WORK, "local") == 2_000
    assert sizes.scales.tokens(WORK, "frontier") == 1_500
    task = estimate(Request("openai_chat", b"{}", "auto"), Caller(kind="polling"))
    found = sizes.output(task)
    assert found.p50 == pytest.approx(50.0, rel=0.08)
    assert found.count == 10


@pytest.mark.parametrize(
    ("attempt", "end"),
    [
        (replace(ATTEMPT, tier="other"), WHOLE),
        (replace(ATTEMPT, model="haiku"), WHOLE),
        (replace(ATTEMPT, kind="probe"), WHOLE),
        (ATTEMPT, replace(WHOLE, outcome=Outcome.ERROR)),
        (ATTEMPT, replace(WHOLE, settled=Settled.ESTIMATED)),
    ],
)
def test_what_tells_nothing_is_not_learned_from(attempt: object, end: object) -> None:
    """Another model, a probe's filler, half an answer, what we counted ourselves."""
    sizes = followed(HandClock())
    sizes(attempt, end)  # type: ignore[arg-type]
    assert not list(sizes.scales["local"].known())
    assert not sizes.answers.sketches


def test_an_answer_without_tokens_is_no_answer() -> None:
    """Counting and embedding read only."""
    sizes = followed(HandClock())
    sizes(ATTEMPT, replace(WHOLE, usage=Usage(2_000, 0)))
    assert sizes.scales.tokens(WORK, "local") == 2_000
    assert not sizes.answers.sketches


def test_what_is_known_says_how_long_the_answer_will_be() -> None:
    learned = Learned(Speeds(HandClock()))
    request = Request("openai_chat", b"{}", "auto", max_output_tokens=100)
    asking = Asking(request, estimate(request, Caller(kind="polling")), Caller())
    output = learned.known(asking).output
    assert output is not None
    assert (output.p50, output.p90) == (60.0, 100.0)


def test_what_was_learned_survives(tmp_path: Path) -> None:
    """By model, whatever the version of its server; every ten seconds and at the end. Rows of an
    unknown form, and those of speeds, are left alone.
    """
    clock = HandClock()

    async def life(*, answers: int) -> Learned:
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        learned = Learned(Speeds(clock))
        for spec in (LOCAL, FRONTIER):
            learned.follow(spec, engine="mlx_lm")
        await learned.open(book)
        for _ in range(answers):
            learned.speeds(ATTEMPT, WHOLE)
            learned.sizes(ATTEMPT, WHOLE)
            clock.turn(SAVE_SECONDS / 2)
        learned.close()
        odd = SpeedRow(LOCAL.ref, "", "tokens/byte klingon", 0, 1.0, 1, 1)
        book.keep(Found((odd, replace(odd, measure="tokens/byte ascii", depth=9))))
        await book.close()
        return learned

    asyncio.run(life(answers=12))
    again = asyncio.run(life(answers=0)).sizes
    again = asyncio.run(life(answers=0)).sizes
    assert again.scales.tokens(WORK, "local") == 2_000
    assert again.scales.tokens(WORK, "frontier") == 1_500
    assert len(list(again.scales["local"].known())) == 1
    assert again.scales["local"].errors.seen == 12
    assert again.scales["local"].error(0.5) == pytest.approx(0.0, abs=0.01)
    ((key, sketch),) = again.answers.sketches.items()
    assert key == (LOCAL.ref, "polling")
    assert sketch.seen == 12


def test_the_record_of_a_job_tells_how_long_its_answers_are() -> None:
    """From three runs on, before all that was seen of such work."""
    learned = Learned(Speeds(HandClock()))
    learned.follow(LOCAL, engine="mlx_lm")
    request = Request("openai_chat", b"{}", "auto")
    caller = Caller(job="brief", kind="polling")
    asking = Asking(request, estimate(request, caller), caller)
    for run in ("1", "2", "3"):
        output = learned.known(asking).output
        assert output is not None
        assert output.source == "built in for polling"
        took = Took(output_tokens=77, seconds=1.0, steps=1)
        learned.records.tell(Verdict("brief", "local", good=True, by="form", run=run, took=took))
    output = learned.known(asking).output
    assert output is not None
    assert (output.p50, output.count, output.source) == (77.0, 3, "record")
