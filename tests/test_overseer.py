"""An answer that nobody has seen yet is broken off where it goes astray; the next tier begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_tries import World, play
from twotier.domain.decision import Option
from twotier.domain.known import Known, Spread
from twotier.domain.message import (
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    ToolCallDelta,
    Usage,
    Whole,
)
from twotier.domain.task import Asking, Caller
from twotier.errors import HANDED_OVER_KIND, UpstreamError
from twotier.overseer import LOOK_SECONDS, LOOK_TOKENS, Overseer, needed_of, usual_of
from twotier.protocols import INBOUND
from twotier.providers.scripted import Line
from twotier.router.breaker import FAILING_SECONDS, FAILURES_MAX
from twotier.router.estimate import estimate
from twotier.router.speed import Prediction
from twotier.verify.guards import NOTHING, Usual
from twotier.verify.lengths import SLOW

LOOP = "and again " * 600
LONG = " ".join(f"word{number}" for number in range(2_000))
SPREAD = Spread(p50=100, p90=200, count=9, source="record")
FEW = Spread(p50=100, p90=200, count=2, source="record")


def says(text: str) -> Whole:
    """An answer of these words."""
    return Whole("i", "m", (Text(text),), "stop", Usage(3, 4))


def asked(
    folder: Path, local: Line, *, output: Spread | None = SPREAD, job: str = "poll", **fields: Any
) -> tuple[str, str, bool]:
    """The tier that answered a poll, what failed before it, and whether the local one was made to
    stream.
    """
    seen: list[tuple[str, str, bool]] = []
    talk = [{"role": "user", "content": "Anything new?"}]
    body = json.dumps({"model": "auto", "messages": talk} | fields).encode()

    async def story(world: World) -> None:
        world.dispatch.deciding.knowledge = lambda _: Known(output=output)
        caller = Caller(private=True, job=job, kind="polling")
        request = INBOUND["openai_chat"].read_request(body)
        answer = await world.dispatch.answer(request, caller)
        while await answer.read():
            pass
        await answer.close()
        assert not world.breakers.outage(("local", "local-model"), now=world.clock.monotonic())
        head = answer.headers
        streamed = world.local.asks[0].stream
        seen.append((head["x-twotier-tier"], head.get("x-twotier-fallback", ""), streamed))

    play(folder, story, local=[local], frontier=[says("12")])
    return seen[0]


@pytest.mark.parametrize(
    ("said", "guard"),
    [
        (LOOP, "local: guard repetition: it ends in the same 10 characters again and again"),
        (LONG, "local: guard tokens: "),
    ],
)
def test_what_goes_astray_is_broken_off(tmp_path: Path, said: str, guard: str) -> None:
    tier, failed, streamed = asked(tmp_path, says(said))
    assert (tier, streamed) == ("frontier", True)
    assert failed.startswith(guard)


def test_five_of_them_are_no_outage(tmp_path: Path) -> None:
    """The tier did its work each time."""

    async def story(world: World) -> None:
        world.dispatch.deciding.knowledge = lambda _: Known(output=SPREAD)
        caller = Caller(private=True, job="poll", kind="polling")
        talk = [{"role": "user", "content": "Anything new?"}]
        body = json.dumps({"model": "auto", "messages": talk}).encode()
        for number in range(FAILURES_MAX + 1):
            world.clock.turn(FAILING_SECONDS)
            answer = await world.dispatch.answer(INBOUND["openai_chat"].read_request(body), caller)
            await answer.close()
            assert len(world.local.asks) == number + 1

    script = [says(LOOP)] * (FAILURES_MAX + 1)
    play(tmp_path, story, local=script, frontier=[says("12")] * (FAILURES_MAX + 1))


def test_what_stays_within_the_usual_goes_out(tmp_path: Path) -> None:
    assert asked(tmp_path, says("Nothing new. " + LONG[:2_000])) == ("local", "", True)


@pytest.mark.parametrize(
    ("output", "fields"),
    [(FEW, {}), (None, {}), (SPREAD, {"stream": True}), (SPREAD, {"model": "local"})],
)
def test_nobody_watches_where_nothing_is_known_or_it_goes_out_at_once(
    tmp_path: Path, output: Spread | None, fields: dict[str, Any]
) -> None:
    tier, failed, _ = asked(tmp_path, says(LONG), output=output, **fields)
    assert (tier, failed) == ("local", "")


def overseer(usual: Usual = NOTHING, *, ready: bool = True, until: float | None = None) -> Overseer:
    """One whose clock moves a second at each look."""
    seconds = iter(range(0, 10_000, 20))
    return Overseer(
        usual, elsewhere=lambda: ready, monotonic=lambda: float(next(seconds)), until=until
    )


def test_it_looks_now_and_then_and_counts_everything() -> None:
    watching = overseer(Usual(runs=9, tokens_p50=1_000, tokens_p90=1_000), until=30.0)
    watching.saw([ToolCallDelta(0, "x" * 4 * (LOOK_TOKENS - 1))])
    with pytest.raises(UpstreamError, match="guard rate: at its rate it needs") as caught:
        watching.saw([ReasoningDelta("some more thoughts")])
    assert caught.value.upstream_kind == HANDED_OVER_KIND


def test_where_nobody_can_take_over_it_goes_on() -> None:
    watching = overseer(ready=False)
    for _ in range(4):
        watching.saw([TextDelta(LOOP)])


def test_what_is_usual() -> None:
    assert usual_of(None) == NOTHING
    assert usual_of(SPREAD, limit=7) == Usual(9, tokens_p50=100, tokens_p90=200, most=7)


def test_what_the_next_tier_would_take_is_told_where_enough_is_known() -> None:
    """For each token, on a slow day. What is built in breaks nothing off; a limit holds."""
    there = Prediction(1.0, 3.0, 10.0)
    options = (Option("local"), Option("frontier"))
    request = Request("openai_chat", b"{}", "auto", max_output_tokens=300)
    asking = Asking(
        request,
        estimate(request, Caller()),
        Caller(),
        Known(output=SPREAD, seconds={"frontier": there}),
    )
    usual = needed_of(asking, options)
    assert usual.elsewhere_begins == pytest.approx(SLOW * 4.0)
    assert usual.elsewhere_each == pytest.approx(SLOW * 10.0 / 200)
    assert usual.longest(0) == 300
    assert needed_of(asking, options[:1]).elsewhere_each is None
    assert usual_of(FEW, there).elsewhere_each is None


def test_at_the_last_moment_the_next_tier_takes_over() -> None:
    """20 seconds go by at each look, for 256 tokens: the rest will not be in time here."""
    usual = Usual(runs=9, tokens_p50=300, tokens_p90=600, elsewhere_begins=5.0, elsewhere_each=0.01)
    watching = overseer(usual, until=32.0)
    with pytest.raises(UpstreamError, match="guard late: 12 s are left, and elsewhere it takes 17"):
        watching.saw([ToolCallDelta(0, "x" * 4 * LOOK_TOKENS)])


def test_a_moment_is_not_missed_because_few_words_come() -> None:
    """It looks at the clock too, for a slow server writes 256 tokens in half a minute."""
    times = iter([0.0, 0.5, 0.5 + LOOK_SECONDS])
    usual = Usual(runs=9, tokens_p50=300, tokens_p90=600, elsewhere_each=0.01)
    watching = Overseer(usual, elsewhere=lambda: True, monotonic=lambda: next(times), until=6.0)
    watching.saw([TextDelta("a few words ")])
    with pytest.raises(UpstreamError, match="guard late"):
        watching.saw([TextDelta("and some more")])
