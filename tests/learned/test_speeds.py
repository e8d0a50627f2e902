"""Speeds are learned from what attempts came to, and the book keeps them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ledger.toys import HandClock, free
from tests.router.test_tree import LOCAL
from twotier.domain.message import Usage
from twotier.domain.money import Outcome, Settled, Settlement
from twotier.domain.timing import Timing
from twotier.learned.speeds import SAVE_SECONDS, Speeds, did_of
from twotier.learned.tiers import Learned
from twotier.ledger.book import Book
from twotier.router.speed import Did
from twotier.supervisor.policy import Signal, State
from twotier.supervisor.spec import Change

ATTEMPT = replace(free("a"), model=LOCAL.model)
WHOLE = Settlement(
    Settled.SETTLED,
    Outcome.OK,
    0,
    Usage(2_000, 100),
    first_token_seconds=4.0,
    total_seconds=6.0,
)


def step(signal: Signal, before: State, *, adopted: bool = False) -> Change:
    """A step in the life of the local tier's server."""
    return Change("local", before, signal, State.READY, "", 1, 1, adopted)


def followed(clock: HandClock) -> Speeds:
    """Of the local tier, with the first version of its server."""
    speeds = Speeds(clock)
    speeds.follow(LOCAL)
    speeds.settle_on("local", "mlx-lm 1")
    return speeds


def test_a_streams_own_times_are_taken_where_the_server_tells_none() -> None:
    """First token and end, as we saw them."""
    assert did_of(WHOLE) == Did(2_000, 0, 2_000, 4.0, 100, 2.0)


def test_an_answer_in_one_lump_says_nothing_of_writing() -> None:
    """Some servers hold back what they cannot show yet, and some proxies everything."""
    lump = replace(WHOLE, first_token_seconds=5.999)
    assert did_of(lump) == Did(2_000, 0, 2_000, 5.999, 100, 0.0)


def test_a_call_that_was_held_says_nothing_of_reading_either() -> None:
    """It comes when it is whole, and its first token was written long before."""
    lump = replace(WHOLE, first_token_seconds=5.999, finish="tool_calls")
    assert did_of(lump) == Did(2_000, 0, 2_000, 0.0, 100, 0.0)
    paced = replace(lump, timing=Timing(2_000, 5.9))  # told by its signs of life until then
    assert did_of(paced) == Did(2_000, 0, 2_000, 0.0, 100, 0.0)
    told = replace(lump, timing=Timing(2_000, 1.0, 100, 4.0))  # by the server itself
    assert did_of(told) == Did(2_000, 0, 2_000, 1.0, 100, 4.0)


def test_what_was_kept_back_to_be_checked_says_nothing_of_reading() -> None:
    """JSON that was ordered in words comes when it is whole."""
    assert did_of(replace(WHOLE, first_token_seconds=5.999, held=True)) == did_of(
        replace(WHOLE, first_token_seconds=5.999, finish="tool_calls")
    )
    assert did_of(replace(WHOLE, held=True)) == did_of(WHOLE)  # its call let the rest through


def test_the_wait_for_a_slot_of_ours_is_no_slowness_of_the_server() -> None:
    """Two seconds in line: it read for two, not four."""
    waited = replace(WHOLE, waited_seconds=2.0)
    assert did_of(waited) == Did(2_000, 0, 2_000, 2.0, 100, 2.0)


def test_a_short_prompt_says_nothing_of_reading() -> None:
    """Its first token is mostly the way there and back."""
    assert did_of(replace(WHOLE, usage=Usage(100, 50))) == Did(100, 0, 100, 0.0, 50, 2.0)
    assert did_of(replace(WHOLE, first_token_seconds=None)) == Did(2_000, 0, 2_000, 0.0, 100, 0.0)


def test_the_servers_own_times_count_and_the_rest_was_waiting() -> None:
    """llama.cpp tells all of it, mlx-lm how fast it read."""
    usage = Usage(500, 100, cache_read_tokens=1_500)
    told = replace(WHOLE, usage=usage, timing=Timing(500, 1.0, 100, 1.5))
    assert did_of(told) == Did(2_000, 1_500, 500, 1.0, 100, 1.5, 3.0)
    read = replace(WHOLE, usage=usage, timing=Timing(500, 1.0))
    assert did_of(read) == Did(2_000, 1_500, 500, 1.0, 100, 2.0, 3.0)
    unstreamed = replace(told, first_token_seconds=None)
    assert did_of(unstreamed) == Did(2_000, 1_500, 500, 1.0, 100, 1.5, None)


def test_what_a_server_had_is_what_it_did_not_read() -> None:
    """mlx-lm 0.30.7 tells no cached tokens: a warm prompt taught 121,000 tokens a second."""
    warm = replace(WHOLE, usage=Usage(2_000, 100), timing=Timing(19, 0.0))
    assert did_of(warm) == Did(2_000, 1_981, 19, 0.0, 100, 2.0)
    cold = replace(WHOLE, usage=Usage(2_000, 100), timing=Timing(2_000, 0.0))
    assert did_of(cold) == Did(2_000, 0, 2_000, 4.0, 100, 2.0)


@pytest.mark.parametrize(
    "end",
    [
        replace(WHOLE, outcome=Outcome.ERROR),
        replace(WHOLE, outcome=Outcome.CANCELLED),
        replace(WHOLE, settled=Settled.ESTIMATED),
        replace(WHOLE, usage=Usage()),
    ],
)
def test_what_broke_off_or_was_guessed_teaches_nothing(end: Settlement) -> None:
    speeds = followed(HandClock())
    speeds(ATTEMPT, end)
    speeds(replace(ATTEMPT, tier="unknown"), WHOLE)
    speeds(replace(ATTEMPT, model="passed-through"), WHOLE)
    assert list(speeds.paces["local"].speed.means()) == []


def test_a_first_token_may_take_what_the_prompt_needs_and_never_less_than_configured() -> None:
    """At 500 tokens a second 100,000 take 200 s: three times that is waited, not one minute."""
    speeds = followed(HandClock())
    patience = speeds.patience(LOCAL)
    assert patience(100_000) == LOCAL.first_token_seconds
    speeds(ATTEMPT, WHOLE)
    assert patience(100_000) == pytest.approx(600.0)
    assert patience(100) == LOCAL.first_token_seconds


def test_loading_is_timed_from_the_start_to_the_first_token() -> None:
    """Not of a server that ran before us, nor of one that died on the way."""
    clock = HandClock()
    speeds = followed(clock)
    load = speeds.paces["local"].speed.load
    speeds.changed(step(Signal.SPAWNED, State.STARTING, adopted=True))
    speeds.changed(step(Signal.ANSWERED, State.LOADING))
    speeds.changed(step(Signal.SPAWNED, State.STARTING))
    clock.turn(5)
    speeds.changed(step(Signal.EXITED, State.LOADING))
    speeds.changed(step(Signal.ANSWERED, State.LOADING))
    assert load.count == 0
    speeds.changed(step(Signal.SPAWNED, State.STARTING))
    clock.turn(30)
    speeds.changed(step(Signal.ANSWERED, State.LOADING))
    speeds.changed(step(Signal.ANSWERED, State.DEGRADED))
    speeds.changed(replace_name(step(Signal.SPAWNED, State.STARTING), "worker"))
    assert (load.value, load.count) == (30.0, 1)


def replace_name(change: Change, name: str) -> Change:
    """The same step of somebody else."""
    return Change(name, change.before, change.signal, change.after, "", 1, 1)


def test_a_prediction_waits_for_a_server_that_comes_up() -> None:
    """Its load is a part of the sum only while it does not run."""
    speeds = followed(HandClock())
    assert speeds.predict("nobody", 1, output_tokens=1, up=True) is None
    speeds(ATTEMPT, WHOLE)
    speeds.paces["local"].speed.load.note(30.0)
    running = speeds.predict("local", 2_000, output_tokens=50, up=True)
    loading = speeds.predict("local", 2_000, output_tokens=50, up=False)
    assert running is not None
    assert loading is not None
    assert running.seconds == pytest.approx(5.0)
    assert loading.seconds == pytest.approx(35.0)


def test_what_was_learned_survives_and_belongs_to_its_version(tmp_path: Path) -> None:
    """Written every ten seconds and at the end; an upgraded server starts from nothing, and the
    old version's figures are there again after a rollback.
    """
    clock = HandClock()
    version = "mlx-lm 1"

    async def told() -> str:
        return version

    async def life(*, answers: int) -> Learned:
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        learned = Learned(Speeds(clock))
        learned.follow(LOCAL, engine="mlx_lm", version=told)
        await learned.open(book)
        for _ in range(answers):
            learned.speeds(ATTEMPT, WHOLE)
            clock.turn(SAVE_SECONDS / 2)
        learned.close()
        await book.close()
        return learned

    asyncio.run(life(answers=3))
    again = asyncio.run(life(answers=0)).speeds.paces["local"]
    assert (again.version, again.speed.decode[1].count) == ("mlx-lm 1", 3)
    assert again.speed.decode[1].value == pytest.approx(50.0)

    version = "mlx-lm 2"
    assert not list(asyncio.run(life(answers=0)).speeds.paces["local"].speed.means())
    version = "mlx-lm 1"
    assert asyncio.run(life(answers=1)).speeds.paces["local"].speed.decode[1].count == 4


def test_a_version_that_changes_while_we_run_parts_the_figures(tmp_path: Path) -> None:
    """`twotier engine upgrade`, and back: no restart of main, nothing mixed, nothing lost."""
    clock = HandClock()

    async def scenario() -> None:
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        speeds = Speeds(clock)
        speeds.follow(LOCAL)
        await speeds.open(book)
        speeds.settle_on("local", "1")
        speeds(ATTEMPT, WHOLE)
        speeds.settle_on("local", "1")  # looked at again: the same
        assert speeds.paces["local"].speed.decode[1].count == 1
        speeds.settle_on("local", "2")
        assert not list(speeds.paces["local"].speed.means())
        speeds.settle_on("local", "1")
        assert speeds.paces["local"].speed.decode[1].count == 1
        await book.close()

    asyncio.run(scenario())
