"""A probe of the article's own server with a model of the article's architecture."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bench.decision import spec
from tests.engines.fixtures import mlx_environment, tiny_minimax
from tests.engines.test_engines import keeper_of, kept
from tests.toys.tiny_minimax import TOOLS, says
from twotier.attempts import new_ids
from twotier.clock import SystemClock
from twotier.dispatch import Dispatch
from twotier.domain.endpoint import Endpoint
from twotier.domain.money import FREE
from twotier.domain.tier import TierSpec
from twotier.engines.base import engine
from twotier.exchange import Ground, Tier
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.ledger.book import Book
from twotier.ledger.findings import ProbeRow
from twotier.matrix.ask import Asker
from twotier.matrix.heard import Heard, called
from twotier.matrix.probe import Order, Probe
from twotier.matrix.rows import Row, asked, judge_cut
from twotier.protocols.toolcalls import Habits
from twotier.providers.http import Transport
from twotier.providers.openai_compatible import OpenAICompatible
from twotier.router.breaker import Breakers
from twotier.router.names import Names
from twotier.router.retry import RetryBudget
from twotier.router.tree import Router
from twotier.supervisor.keeper import Keeper
from twotier.tries import Remedy

NOTES = ("read_file", {"path": "notes.txt"})


def reads(heard: Heard, _: int) -> str:
    """One call, of the file the model was taught."""
    return called(heard, [NOTES], tools=TOOLS)


def reads_both(heard: Heard, _: int) -> str:
    """Two calls in one answer."""
    return called(heard, [NOTES, ("read_file", {"path": "list.txt"})], tools=TOOLS)


def row(name: str, said: str, judge: object, **more: object) -> Row:
    """A row in the words of the model's script."""
    return Row(name, "", lambda _: asked(*says(said), tools=TOOLS, **more), judge)  # type: ignore[arg-type]


SCRIPTED = (
    row("single", "probe", reads),
    row("parallel", "two", reads_both),
    row("cut", "probe", judge_cut, max_tokens=24),
    row("bare", "bare", reads),
)


def local() -> TierSpec:
    """The tier as the product describes it."""
    return replace(
        spec("local", local=True),
        price=FREE,
        model_upstream="default_model",
        window_tokens=4096,
        stream_always=True,
        stream_bent=True,
    )


def dispatch_to(
    endpoint: Endpoint, keeper: Keeper, *, book: Book, transport: Transport, learned: Learned
) -> Dispatch:
    """The one path to that server, learned about."""
    one, traits = local(), engine("mlx_lm").traits
    provider = OpenAICompatible(transport, base_url=endpoint.base_url, not_found_is_outage=True)
    learned.follow(one, engine="mlx_lm")
    told = (learned.speeds, learned.verdicts)
    return Dispatch(
        {"local": Tier(one, provider, keeper.facts, traits.fields, kept=True, calls=Habits())},
        router=Router(Names([one], {}, lambda _provider, _model: False)),
        price=lambda _provider, _model, _day: FREE,
        ground=Ground(book, (), SystemClock(), told),
        new_id=new_ids(),
        remedy=Remedy(Breakers(), RetryBudget(), lambda: 0.0),
    )


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(300)
def test_a_model_that_calls_its_tools_through_mlx_lm_passes_and_its_speed_is_known(
    tmp_path: Path,
) -> None:
    """Single, parallel and cut calls, in the words of the model's script, and rates at three depths
    with the window filled from both ends (which a model of 1.2 MB cannot remember).
    """

    async def scenario() -> None:
        clock = SystemClock()
        learned = Learned(Speeds(clock))
        keeper = keeper_of("mlx_lm", tmp_path, python=mlx_environment(), model=tiny_minimax())
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        async with kept(keeper), Transport() as transport:
            endpoint = await keeper.ensure_ready(within_seconds=240)
            dispatch = dispatch_to(
                endpoint, keeper, book=book, transport=transport, learned=learned
            )
            await learned.open(book)
            probe = Probe(
                Asker(dispatch, learned.verdicts, clock, "local"),
                Order("local", repeat=2),
                ProbeRow("p", "", 1, "local", local().ref, "mlx_lm", "", 0, 0, 0),
                window_tokens=4096,
                seed=7,
                some=SCRIPTED,
            )
            async for _ in probe.run():
                pass
        found = {row.row: row for row in probe.rows()}
        assert (found["single"].passed, found["parallel"].passed) == (2, 2)
        assert found["cut"].passed == 2
        assert found["single"].repaired == 0
        # Written as text without its opening tag, and made whole by us: it passes, and is counted.
        assert (found["bare"].passed, found["bare"].repaired) == (2, 2)
        for name in ("shallow", "middle", "deep"):
            assert found[name].passed == 1
            assert found[name].prefill > 0
        assert found["middle"].tokens < found["deep"].tokens <= 4096
        assert found["window"].note == "the beginning and end of the prompt was lost"
        await learned.verdicts.put("local", probe.rows())
        assert learned.verdicts.untooled == {}
        assert learned.speeds.paces["local"].speed.prefill[1].count
        await book.close()

    asyncio.run(scenario())
