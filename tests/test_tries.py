"""The whole path before the first byte: real ledger, scripted upstreams, a clock turned by hand."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from bench.decision import spec
from tests.ledger.toys import OPUS, HandClock, paid
from twotier import errors
from twotier.dispatch import Dispatch
from twotier.domain.message import Dialect, Request, Text, Usage, Whole
from twotier.domain.money import FREE, Budget, Price
from twotier.domain.task import Caller
from twotier.domain.tier import TierFacts, TierPolicy, TierState
from twotier.exchange import Ground, Tier
from twotier.ledger.book import Book
from twotier.providers.base import Ask, Reply
from twotier.providers.scripted import Answer, Line, Scripted
from twotier.router.breaker import FAILING_SECONDS, FAILURES_MAX, OPEN_SECONDS, Breakers
from twotier.router.names import Names
from twotier.router.retry import PATIENCE_SECONDS, RETRIES_AT_START, RetryBudget
from twotier.router.tree import Router
from twotier.tries import Remedy, key_of

BODY = b'{"model":"x","messages":[{"role":"user","content":"Any news?"}]}'
WHOLE = Whole("i", "m", (Text("fine"),), "stop", Usage(3, 4))
GONE = "nobody listens"


def refused() -> errors.TwotierError:
    """Nothing listens where the tier should be."""
    return errors.TierUnavailableError(GONE, unreachable=True)


def upstream(
    status: int, *, started: bool = False, wait: float | None = None
) -> errors.TwotierError:
    """An answer with this status."""
    return errors.UpstreamError(
        f"answered {status}", upstream_status=status, started=started, retry_after_seconds=wait
    )


@dataclass
class World:
    """Two tiers, `local` before `frontier` for work that may use both."""

    book: Book
    path: Path
    clock: HandClock
    local: Scripted = field(default_factory=Scripted)
    frontier: Scripted = field(default_factory=Scripted)
    kept: bool = False
    requests: int = 0
    budgets: Sequence[Budget] = ()
    local_price: Price = FREE

    def __post_init__(self) -> None:
        """The real path round the scripts."""
        self.breakers = Breakers()
        near, far = spec("local", local=True), spec("frontier", local=False)
        near, far = replace(near, price=self.local_price), replace(far, price=OPUS)
        tiers = {
            "local": Tier(near, self.local, lambda: self.facts("local"), kept=self.kept),
            "frontier": Tier(far, self.frontier, lambda: self.facts("frontier")),
        }
        self.dispatch = Dispatch(
            tiers,
            router=Router(Names([near, far], {}, lambda _provider, _model: False)),
            price=lambda _provider, _model, _day: OPUS,
            ground=Ground(self.book, self.budgets, self.clock),
            new_id=self.new_id,
            remedy=Remedy(self.breakers, RetryBudget(), lambda: 0.0),
        )

    def new_id(self) -> str:
        """r1, r2, ..."""
        self.requests += 1
        return f"r{self.requests}"

    def facts(self, name: str) -> TierFacts:
        """As the breaker sees it."""
        because = self.breakers.outage((name, f"{name}-model"), now=self.clock.monotonic())
        return TierFacts(name, TierState.DOWN if because else TierState.READY, because)

    def silence(self, provider: Scripted) -> None:
        """Put another script in the place of `local`."""
        self.local = provider
        self.__post_init__()

    async def ask(self, model: str = "auto", *, deadline: float | None = None) -> dict[str, str]:
        """The headers of an answer that was read whole."""
        caller = Caller(policy=TierPolicy.LOCAL_THEN_FRONTIER, deadline_seconds=deadline)
        request = Request("openai_chat", BODY, model, text_bytes=len(BODY))
        answer = await self.dispatch.answer(request, caller)
        try:
            assert b"fine" in await answer.read()
            return dict(answer.headers)
        finally:
            await answer.close()

    async def rows(self) -> list[tuple[str, str, str]]:
        """Every attempt of the ledger: its id, tier and how it was settled."""
        await self.book.close()
        with closing(sqlite3.connect(self.path)) as file:
            return file.execute("SELECT attempt_id, tier, settled FROM usage").fetchall()


Story = Callable[[World], Awaitable[None]]


def play(
    folder: Path,
    story: Story,
    *,
    local: Iterable[Line] = (),
    frontier: Iterable[Line] = (),
    kept: bool = False,
) -> None:
    """One story in a world of its own."""

    async def run() -> None:
        clock = HandClock()
        path = folder / "ledger.db"
        book = await Book.open(path, clock=clock)
        try:
            await story(World(book, path, clock, Scripted(local), Scripted(frontier), kept))
        finally:
            await book.close()

    asyncio.run(run())


def test_a_long_prompt_has_the_time_it_needs_on_this_machine(tmp_path: Path) -> None:
    """The limit of the first token follows the prompt where somebody knows how fast it is read."""

    async def story(world: World) -> None:
        local = world.dispatch.tiers["local"]
        world.dispatch.tiers["local"] = replace(local, patience=lambda tokens: 1000.0 + tokens)  # type: ignore[index]
        await world.ask()
        await world.ask("frontier")
        (near,), (far,) = world.local.asks, world.frontier.asks
        assert near.deadlines.first_token_seconds == 1000.0 + len(BODY) // 4
        assert far.deadlines.first_token_seconds == 120

    play(tmp_path, story, local=[WHOLE], frontier=[WHOLE])


def test_the_dead_tier_is_tried_once_and_then_passed_over(tmp_path: Path) -> None:
    """Nothing listens: the first request goes on at once, the next ones do not even look."""

    async def story(world: World) -> None:
        first = await world.ask()
        assert first["x-twotier-tier"] == "frontier"
        assert first["x-twotier-fallback"] == f"local: {GONE}"
        for _ in range(3):
            later = await world.ask()
            assert later["x-twotier-tier"] == "frontier"
            assert "x-twotier-fallback" not in later
        assert len(world.local.asks) == 1
        assert world.clock.slept == []

    play(tmp_path, story, local=[refused()], frontier=[WHOLE] * 4)


@pytest.mark.parametrize(
    ("local", "frontier", "code"),
    [
        ("gone", "no key", "tier_unavailable"),
        ("no key", "gone", "tier_unavailable"),
        ("no key", "no key", "no_model"),
    ],
)
def test_a_tier_without_a_key_is_not_why_another_one_failed(
    tmp_path: Path, local: str, frontier: str, code: str
) -> None:
    """A job waits for a model only where there is none; where one is down it tries again."""
    lines = {"gone": refused(), "no key": errors.NoModelError("no key")}

    async def story(world: World) -> None:
        with pytest.raises(errors.TierUnavailableError) as raised:
            await world.ask()
        assert raised.value.code == code

    play(tmp_path, story, local=[lines[local]], frontier=[lines[frontier]])


def test_it_comes_back_by_itself(tmp_path: Path) -> None:
    """After its time one request tries it, and it is the first choice again."""

    async def story(world: World) -> None:
        await world.ask()
        world.clock.turn(OPEN_SECONDS + 1)
        assert (await world.ask())["x-twotier-tier"] == "local"
        assert (await world.ask())["x-twotier-tier"] == "local"
        assert len(world.local.asks) == 3

    play(tmp_path, story, local=[refused(), WHOLE, WHOLE], frontier=[WHOLE])


def test_five_failures_in_a_row_open_it_too(tmp_path: Path) -> None:
    """A server that answers 503 is asked five times, whoever asks, and then left alone."""

    async def story(world: World) -> None:
        for _ in range(FAILURES_MAX + 3):
            assert (await world.ask())["x-twotier-tier"] == "frontier"
            world.clock.turn(FAILING_SECONDS / (FAILURES_MAX - 1))
        assert len(world.local.asks) == FAILURES_MAX

    play(tmp_path, story, local=[upstream(503)] * 5, frontier=[WHOLE] * 8)


def test_the_only_tier_is_refused_aloud_with_the_time_to_come_back(tmp_path: Path) -> None:
    """503 and `retry-after` at once, and no row, because nobody was asked."""

    async def story(world: World) -> None:
        with pytest.raises(errors.TierUnavailableError, match=GONE):
            await world.ask("local")
        world.clock.turn(1)
        with pytest.raises(errors.TierUnavailableError, match=f"{GONE}; asked again in 4 s") as no:
            await world.ask("local")
        assert no.value.retry_after_seconds == OPEN_SECONDS - 1
        assert not no.value.spent
        assert len(world.local.asks) == 1
        assert [row[0] for row in await world.rows()] == ["r1-0"]

    play(tmp_path, story, local=[refused()])


def test_a_keepers_word_opens_no_breaker(tmp_path: Path) -> None:
    """Its server is asked every time: the keeper knows, and waits or refuses by itself."""

    async def story(world: World) -> None:
        for _ in range(2):
            assert (await world.ask())["x-twotier-tier"] == "frontier"
        assert (await world.ask())["x-twotier-tier"] == "local"

    play(
        tmp_path,
        story,
        local=[refused(), errors.DeadlineError("x"), WHOLE],
        frontier=[WHOLE] * 2,
        kept=True,
    )


def test_a_client_that_leaves_a_probing_request_does_not_lock_the_tier(tmp_path: Path) -> None:
    """Cancelled in mid-try: the next request may probe."""

    class Silent(Scripted):
        """Takes the second ask and never answers."""

        asked = asyncio.Event()

        async def ask(self, ask: Ask) -> Reply:
            if len(self.asks) == 1:
                self.asks.append(ask)
                self.asked.set()
                await asyncio.get_running_loop().create_future()
            return await super().ask(ask)

    async def story(world: World) -> None:
        world.silence(Silent([refused(), WHOLE]))
        await world.ask()
        world.clock.turn(OPEN_SECONDS)
        leaving = asyncio.ensure_future(world.ask())
        await Silent.asked.wait()
        assert (await world.ask())["x-twotier-tier"] == "frontier"
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert (await world.ask())["x-twotier-tier"] == "local"

    play(tmp_path, story, frontier=[WHOLE] * 2)


def test_one_tier_alone_is_asked_again_after_a_while(tmp_path: Path) -> None:
    """Overloaded and no other allowed: one retry, in a row of its own, and the header says so."""

    async def story(world: World) -> None:
        told = await world.ask("frontier")
        assert told["x-twotier-fallback"] == "frontier: answered 529"
        assert world.clock.slept == [0.25]
        assert await world.rows() == [
            ("r1-0", "frontier", "void"),
            ("r1-0r2", "frontier", "settled"),
        ]

    play(tmp_path, story, frontier=[upstream(529), WHOLE])


def test_the_upstreams_own_wait_is_honoured_if_there_is_time(tmp_path: Path) -> None:
    """Seven seconds for a person, sixty for a job that has an hour."""

    async def story(world: World) -> None:
        await world.ask("frontier")
        await world.ask("frontier", deadline=3_600)
        assert world.clock.slept == [7.0, 60.0]

    script: list[Line] = [upstream(429, wait=7.0), WHOLE, upstream(429, wait=60.0), WHOLE]
    play(tmp_path, story, frontier=script)


def test_a_wait_that_does_not_fit_is_the_clients(tmp_path: Path) -> None:
    """Handed on at once, and it may try: we have not."""

    async def story(world: World) -> None:
        with pytest.raises(errors.UpstreamError) as handed_on:
            await world.ask("frontier")
        assert handed_on.value.retry_after_seconds == PATIENCE_SECONDS + 1
        assert not handed_on.value.spent
        assert (len(world.frontier.asks), world.clock.slept) == (1, [])

    play(tmp_path, story, frontier=[upstream(429, wait=PATIENCE_SECONDS + 1)])


def test_after_two_tries_the_client_is_told_not_to_go_on(tmp_path: Path) -> None:
    """And the sentence is said once, though it was heard twice."""

    async def story(world: World) -> None:
        with pytest.raises(errors.UpstreamError) as spent:
            await world.ask("frontier")
        assert spent.value.spent
        assert spent.value.message == "frontier: answered 503"
        assert len(world.frontier.asks) == 2

    play(tmp_path, story, frontier=[upstream(503)] * 2)


def test_what_may_have_begun_is_not_sent_twice(tmp_path: Path) -> None:
    """A hang-up, a timeout, half an answer: the upstream may be charging."""

    async def story(world: World) -> None:
        for asked in range(1, 5):
            with pytest.raises(errors.TwotierError) as failed:
                await world.ask("frontier")
            assert len(world.frontier.asks) == asked
            assert failed.value.retry_after_seconds is None

    play(
        tmp_path,
        story,
        frontier=[
            upstream(500, started=True),
            upstream(0, started=True),
            errors.DeadlineError("too slow"),
            errors.StreamBrokenError("half"),
        ],
    )


def test_another_ready_tier_is_better_than_a_second_try(tmp_path: Path) -> None:
    """No waiting: 429, 503 and a hang-up before the first byte all go on at once."""

    async def story(world: World) -> None:
        for _ in range(3):
            assert (await world.ask())["x-twotier-tier"] == "frontier"
        assert (len(world.local.asks), world.clock.slept) == (3, [])

    script = [upstream(429, wait=1.0), upstream(503), upstream(0, started=True)]
    play(tmp_path, story, local=script, frontier=[WHOLE] * 3)


def test_a_second_try_comes_before_a_tier_that_is_down(tmp_path: Path) -> None:
    """The other side is known to be dead: so it is worth while to wait here."""

    async def story(world: World) -> None:
        await world.ask()  # finds that nobody listens at local
        told = await world.ask()
        assert (told["x-twotier-tier"], world.clock.slept) == ("frontier", [0.25])

    play(tmp_path, story, local=[refused()], frontier=[WHOLE, upstream(529), WHOLE])


def test_retries_end_when_their_share_is_used_up(tmp_path: Path) -> None:
    """In a storm most requests are asked once: at most 1.2 tries for each, and a few more."""

    async def story(world: World) -> None:
        for _ in range(50):
            with pytest.raises(errors.UpstreamError):
                await world.ask("frontier")
        assert len(world.frontier.asks) <= 50 * 1.2 + RETRIES_AT_START

    play(tmp_path, story, frontier=[upstream(429)] * 100)


def test_a_fault_of_the_request_goes_nowhere_else(tmp_path: Path) -> None:
    """It would be the same everywhere."""

    async def story(world: World) -> None:
        with pytest.raises(errors.UpstreamError):
            await world.ask()
        assert not world.frontier.asks

    play(tmp_path, story, local=[upstream(422)], frontier=[WHOLE])


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
def test_what_came_before_a_failure_in_the_same_piece_reaches_the_client(
    tmp_path: Path, dialect: Dialect
) -> None:
    """Relayed or said anew: the text first, then the error, and no end that looks like success."""
    said = b'data: {"id":"i","choices":[{"index":0,"delta":{"content":"half"}}]}\n\n'
    failed = b'data: {"error":{"message":"out of memory","code":500}}\n\n'
    body = b'{"model":"local","messages":[{"role":"user","content":"a"}],"input":"a","stream":true}'

    async def story(world: World) -> None:
        request = Request(dialect, body, "local", stream=True, text_bytes=len(body))
        answer = await world.dispatch.answer(request, Caller())
        try:
            pieces = b""
            while piece := await answer.read():
                pieces += piece
        finally:
            await answer.close()
        before, found, after = pieces.partition(b"out of memory")
        assert found
        assert b"half" in before
        assert b"[DONE]" not in pieces
        assert b"response.completed" not in after
        assert not answer.whole()

    play(tmp_path, story, local=[Answer((said + failed,))])


def test_counting_says_nothing_of_the_server_behind_it() -> None:
    """Many tiers count by themselves: no such answer may close the breaker of a dead server."""
    attempt = paid("a", 1)
    assert key_of(attempt) == ("frontier", "claude-opus-4-6")
    assert key_of(msgspec.structs.replace(attempt, dialect="anthropic_count")) != key_of(attempt)
