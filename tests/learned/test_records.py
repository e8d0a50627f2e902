"""What is told of work is kept, by tier, model and server; once, whoever tells it how often."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ledger.toys import HandClock, free, settled
from tests.router.test_tree import FRONTIER, LOCAL
from twotier.domain.message import Request
from twotier.domain.money import Outcome
from twotier.domain.task import Asking, Caller
from twotier.domain.verdict import Took, Verdict
from twotier.learned import records as module
from twotier.learned.records import Records, part_of, template_key
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.ledger.book import Book
from twotier.ledger.judgements import DAYS_MAX, ROWS_MAX
from twotier.router.estimate import estimate


def followed(clock: HandClock | None = None) -> Records:
    """Of two tiers."""
    records = Records(clock or HandClock())
    for spec in (LOCAL, FRONTIER):
        records.follow(spec)
        records.settle_on(spec.name, "1")
    return records


def tell(
    records: Records, good: bool | None, run: str, *, tier: str = "local", by: str = "form"
) -> bool:
    """One verdict on a run of `brief`."""
    return records.tell(Verdict("brief", tier, good, by, run, "all", prompt="p"))


def asking(caller: Caller) -> Asking:
    """A request of this caller."""
    request = Request("openai_chat", b"{}", "auto")
    return Asking(request, estimate(request, caller), caller)


def test_a_run_counts_once() -> None:
    """It was killed after its verdict and told it again."""
    records = followed()
    assert tell(records, True, "r1")
    assert not tell(records, True, "r1")
    assert records.of("brief")["local"].lately == (True,)
    assert tell(records, True, "r1", tier="frontier")
    assert not records.tell(Verdict("brief", "nowhere", True, "form", "r2"))
    assert not records.tell(Verdict("", "local", True, "form", "r2"))
    assert records.of("other") == {}


def test_who_knows_better_overrules() -> None:
    """A check that found something, a comparison, and last of all the owner."""
    records = followed()
    steps = [
        (None, "nothing", ()),
        (True, "form", (True,)),
        (False, "citations", (False,)),
        (True, "form", (False,)),  # one check that found nothing does not undo another
        (True, "trial", (True,)),
        (False, "owner", (False,)),
        (True, "trial", (False,)),
        (True, "owner", (True,)),  # who may think again
    ]
    for good, by, expected in steps:
        tell(records, good, "r1", by=by)
        assert records.of("brief")["local"].lately == expected


def test_what_a_part_took_is_heard_from_its_attempts() -> None:
    """All its calls, each tier apart; what has no verdict is forgotten in time."""
    records = followed()
    attempt = replace(free("a"), job="brief", run="r1", step="all:1", tier="local")
    end = replace(settled(), total_seconds=2.0)
    records(attempt, end)
    records(replace(attempt, step="all:2"), end)
    records(replace(attempt, step="all:3"), replace(end, outcome=Outcome.ERROR))
    records(replace(attempt, run=""), end)
    tell(records, None, "r1")
    record = records.of("brief")["local"]
    assert record.steps is not None
    assert record.seconds is not None
    assert (record.steps.p50, record.seconds.p50) == (2, 4.0)
    for number in range(module.PIECES_MAX + 5):
        records(replace(attempt, run=f"x{number}"), end)
    assert len(records._took) == module.PIECES_MAX
    took = Took(7, 1.5, 1, 300)
    records.tell(Verdict("brief", "local", True, "trial", "r2", took=took))
    assert records.past("brief")["local"][-1].cost_microusd == 300


def test_a_later_word_keeps_what_it_took(tmp_path: Path) -> None:
    """Nor is it younger than it was, or another model's."""
    del tmp_path
    clock = HandClock()
    records = followed(clock)
    records.tell(Verdict("brief", "local", None, "nothing", "r1", took=Took(5, 1.0, 1, 0)))
    before = records.past("brief")["local"][0]
    clock.moment += timedelta(hours=1)
    records.settle_on("local", "2")
    tell(records, False, "r1", by="owner")
    records.tell(Verdict("brief", "local", False, "owner", "r1"))
    after = records.past("brief")["local"][0]
    assert (after.at_ms, after.version, after.steps, after.prompt) == (before.at_ms, "1", 1, "")
    records.tell(Verdict("brief", "local", True, "owner", "r1", took=Took(6, 2.0, 2, 0)))
    assert records.past("brief")["local"][0].steps == 2


def test_it_survives_a_restart_and_belongs_to_its_server(tmp_path: Path) -> None:
    """An upgraded server begins with a quarter of it; what is forgotten stays forgotten."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def scenario() -> None:
        book = await Book.open(path, clock=clock)
        records = followed(clock)
        await records.open(book)
        for run in ("r1", "r2", "r3"):
            tell(records, True, run)
        tell(records, True, "r1", by="owner")
        records.tell(Verdict("gone", "local", True, "form", "g1"))
        assert records.forget("gone") == 1
        assert records.forget("gone") == 0
        await book.close()

        book = await Book.open(path, clock=clock)
        records = followed(clock)
        await records.open(book)
        assert records.keys() == ("brief",)
        assert records.of("brief")["local"].lately == (True, True, True)
        records.settle_on("local", "2")
        assert records.of("brief")["local"].good == pytest.approx(3 / 4, abs=0.05)
        assert records.of("brief")["local"].lately == ()
        await book.close()

    asyncio.run(scenario())


def test_of_each_work_the_newest_is_kept(tmp_path: Path) -> None:
    """In memory and in the file; and of all work only so much."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def scenario() -> None:
        book = await Book.open(path, clock=clock)
        records = followed(clock)
        await records.open(book)
        for number in range(ROWS_MAX + 3):
            clock.moment += timedelta(seconds=1)
            tell(records, True, f"r{number}")
        await book.flush()
        kept = await book.judgements()
        assert [one.id for one in kept] == [one.id for one in records.past("brief")["local"]]
        assert len(kept) == ROWS_MAX
        clock.moment += timedelta(days=DAYS_MAX + 1)
        await records.open(book)
        assert records.keys() == ()
        await book.close()

    asyncio.run(scenario())


def test_there_is_an_end_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was told of least lately goes."""
    monkeypatch.setattr(module, "KEYS_MAX", 2)
    records = followed()
    for key in ("a", "b", "a", "c"):
        records.tell(Verdict(key, "local", True, "form", f"{key}{len(records.keys())}"))
    assert records.keys() == ("c", "a")


def test_a_tier_that_lost_a_job_is_tried_again_by_one_part_of_a_run() -> None:
    """Not by every item of it, nor twice before anybody knows how it went."""
    clock = HandClock()
    records = followed(clock)
    tell(records, False, "r1")
    tell(records, False, "r2")
    clock.moment += timedelta(days=4)
    for number in range(10):
        tell(records, True, f"f{number}", tier="frontier")
    clock.moment += timedelta(days=1)
    assert records.recheck("brief", ("", "")) == ""  # who only asks, gets none
    assert records.recheck("brief", ("n1", "all")) == "local"
    assert records.recheck("brief", ("n1", "all")) == "local"
    assert records.recheck("brief", ("n1", "other")) == ""
    assert records.recheck("nothing", ("n1", "all")) == ""
    tell(records, True, "n1")
    assert records.recheck("brief", ("n2", "all")) == ""
    records.rechecks = False
    clock.moment += timedelta(days=99)
    assert records.recheck("brief", ("n1", "all")) == ""


def test_a_fall_of_a_local_tier_is_told_until_it_is_over() -> None:
    """A frontier that falls is its provider's business."""
    clock = HandClock()
    records = followed(clock)

    def all_of(words: str, *, tier: str = "local") -> None:
        for word in words:
            clock.moment += timedelta(minutes=1)
            tell(records, word == "+", f"{tier}{clock.moment}", tier=tier)

    all_of("+" * 30)
    all_of("+" * 30 + "-----", tier="frontier")
    assert not records.drifts()
    all_of("-+--")
    assert [(one.tier, one.sure) for one in records.drifts()] == [("local", True)]
    all_of("++++++")
    assert [one.sure for one in records.drifts()] == [False]
    all_of("+" * 50)
    assert not records.drifts()


def test_what_is_known_comes_with_the_request() -> None:
    """Of a job by its name, of other work by that of its instructions and tools."""
    learned = Learned(Speeds(HandClock()))
    for spec in (LOCAL, FRONTIER):
        learned.follow(spec, engine="mlx_lm")
    brief = asking(Caller(job="brief", run="r2", step="all:1"))
    assert learned.known(brief).records == {}
    tell(learned.records, True, "r1")
    known = learned.known(brief)
    assert (known.key, known.records["local"].runs, known.recheck) == ("brief", 1, "")
    learned.records.tell(Verdict(template_key("1f2e"), "local", True, "form", "req_1"))
    assert learned.known(asking(Caller()), "1f2e").records["local"].runs == 1
    assert learned.known(asking(Caller()), "aaaa").records == {}
    assert learned.known(asking(Caller())).records == {}


def test_the_part_of_a_step() -> None:
    """However it was asked again, and wherever."""
    assert [part_of(one) for one in ("all:1", "a:b:2", "all:1:frontier", "")] == [
        "all", "a:b", "all", "",
    ]  # fmt: skip
