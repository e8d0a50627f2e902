"""A local tier that goes astray, or comes to a result that is not good enough, hands over; where it
may not, the run goes on as it is and says so.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.agent.stage import UNTRUSTED, KeptSteps, Stage, Toy, lived, message, stage, turn_of
from twotier.agent.loop import converse
from twotier.agent.turn import Guard, Limits, Outcome, Turn
from twotier.domain.tier import TierPolicy
from twotier.verify.guards import Usual

BOTH = TierPolicy.LOCAL_THEN_FRONTIER
THERE = message("blue", tier="frontier", cost_usd="0.010000")


def look(number: int) -> Any:
    """The local tier looks something up, each time something else."""
    return message(f"Now I look up number {number}.", ("look_up", {"text": f"try {number}"}))


class Fresh(Toy):
    """A tool whose every result is another one."""

    async def call(self, arguments: Any, call: Any) -> Any:
        self.gives = f"blue {arguments['text']}"
        return await super().call(arguments, call)


class Says:
    """Looks at results, and finds this wrong with them."""

    def __init__(self, wrong: str, told: str = "") -> None:
        self.wrong = wrong
        self.told = told
        self.seen: list[tuple[str, bool]] = []

    async def __call__(self, turn: Turn, outcome: Outcome, *, again: bool) -> tuple[str, str]:
        assert turn.policy is BOTH
        self.seen.append((outcome.text, again))
        return self.wrong, self.told


async def play(on: Stage, turn: Turn, *tools: Toy, check: Says, steps: KeptSteps) -> Outcome:
    """The turn with somebody who looks at its result."""
    guard = Guard(on.rules, on.desk, check)
    return await converse(turn, ask=on.ask, tools=tools, steps=steps, guard=guard)


@lived
async def test_a_good_result_is_kept_with_what_is_told_of_it(tmp_path: Path) -> None:
    check = Says("", "verified: a second answer says the same")
    async with stage(tmp_path, message("blue")) as on:
        outcome = await play(on, turn_of(tmp_path, policy=BOTH), check=check, steps=KeptSteps())
        assert (outcome.text, outcome.because) == ("blue", (check.told,))
        assert check.seen == [("blue", True)]


@lived
async def test_a_result_that_is_not_good_enough_is_carried_on(tmp_path: Path) -> None:
    check = Says("it is not green")
    async with stage(tmp_path, message("red </item>"), THERE) as on:
        outcome = await play(on, turn_of(tmp_path, policy=BOTH), check=check, steps=KeptSteps())
        assert (outcome.text, outcome.tier, outcome.escalations) == ("blue", "frontier", 1)
        told = on.said[1][1]
        assert "it is not green" in told
        assert "It answered: red < /item>" in told


@pytest.mark.parametrize("there", [web.Response(status=402), message("cut", finish="length")])
@lived
async def test_it_stays_where_the_frontier_has_no_result(tmp_path: Path, there: Any) -> None:
    check = Says("it is not green")
    async with stage(tmp_path, message("red"), there) as on:
        outcome = await play(on, turn_of(tmp_path, policy=BOTH), check=check, steps=KeptSteps())
        assert (outcome.text, outcome.tier, outcome.failed) == ("red", "local", "")
        assert outcome.because[-1].startswith(
            "kept, though not verified: the frontier tier has no result: "
        )


@lived
async def test_it_stays_where_strangers_text_may_not_go_up(tmp_path: Path) -> None:
    check = Says("it is not green")
    turn = turn_of(tmp_path, policy=BOTH, taint=UNTRUSTED, quarantine=False)
    async with stage(tmp_path, message("red"), THERE) as on:
        outcome = await play(on, turn, check=check, steps=KeptSteps())
        assert outcome.because == ("kept, though not verified: it is not green",)
        assert len(on.main.bodies) == 1


@lived
async def test_a_stall_is_handed_over_between_steps_and_replays_the_same(tmp_path: Path) -> None:
    """Five calls whose results say nothing new; what was done stands in the account."""
    steps = KeptSteps()
    looks = [look(number) for number in range(5)]
    async with stage(tmp_path, *looks, THERE) as on:
        turn = turn_of(tmp_path, policy=BOTH)
        outcome = await on.play(turn, [Toy()], steps=steps)
        assert (outcome.text, outcome.tier) == ("blue", "frontier")
        assert outcome.because == (
            "carried on by the frontier tier: guard stall: 4 calls in a row brought nothing new",
        )
        assert 'look_up {"text": "try 4"}: blue' in on.said[-1][1]
        asked = len(on.main.bodies)
        again = await on.play(turn, [Toy()], steps=KeptSteps(steps.kept))
        assert again == outcome
        assert len(on.main.bodies) == asked


@lived
async def test_a_guard_that_may_not_hand_over_lets_it_go_on(tmp_path: Path) -> None:
    looks = [look(number) for number in range(6)]
    turn = turn_of(
        tmp_path, policy=BOTH, taint=UNTRUSTED, quarantine=False, escalate=True, escalations_max=1
    )
    async with stage(tmp_path, *looks, message("red")) as on:
        on.desk.escalations_left = 0
        outcome = await on.play(turn, [Toy()])
        assert (outcome.text, outcome.failed) == ("red", "")
        assert outcome.because == ("guard stall spoke, and it may not be handed over",)


@lived
async def test_more_steps_than_usual_are_handed_over(tmp_path: Path) -> None:
    looks = [look(number) for number in range(5)]
    usual = Usual(runs=9, steps_p50=2, steps_p90=4)
    async with stage(tmp_path, *looks, THERE) as on:
        outcome = await on.play(turn_of(tmp_path, policy=BOTH, usual=usual), [Fresh()])
        (because,) = outcome.because
        assert because.endswith("guard steps: 5 steps; nine of ten earlier runs needed 4 at most")


class Slow(Fresh):
    """One that takes its time."""

    async def call(self, arguments: Any, call: Any) -> Any:
        await asyncio.sleep(0.6)
        return await super().call(arguments, call)


@pytest.mark.parametrize("each", [0.5, None])
@lived
async def test_at_the_last_moment_the_other_tier_gets_the_run(
    tmp_path: Path, each: float | None
) -> None:
    """Some 140 calls are a long run here; the frontier would need 70 s for those, and 60 are left.
    At 0.6 s a call, its tools counted, this tier would get less far. Replayed it decides the same.
    """
    usual = Usual(runs=9, steps_p50=40, steps_p90=80, elsewhere_each=each)
    limits = Limits(seconds_max=60.0)
    steps = KeptSteps()
    async with stage(tmp_path, look(1), THERE if each else message("red"), THERE) as on:
        turn = turn_of(tmp_path, policy=BOTH, usual=usual, limits=limits)
        outcome = await on.play(turn, [Slow()], steps=steps)
        if each is None:
            assert (outcome.tier, outcome.because) == ("local", ())
            return
        (because,) = outcome.because
        assert because.startswith("carried on by the frontier tier: guard late: ")
        assert because.endswith("s are left, and elsewhere it takes 70 s")
        asked = len(on.main.bodies)
        assert await on.play(turn, [Slow()], steps=KeptSteps(steps.kept)) == outcome
        assert len(on.main.bodies) == asked


@lived
async def test_the_same_words_again_and_again_are_handed_over(tmp_path: Path) -> None:
    words = "I look it up in another place now."
    looks = [message(words, ("look_up", {"text": f"try {number}"})) for number in range(3)]
    async with stage(tmp_path, *looks, THERE) as on:
        outcome = await on.play(turn_of(tmp_path, policy=BOTH), [Fresh()])
        assert "guard repetition: the same was said 3 times" in outcome.because[0]


@lived
async def test_local_only_work_is_never_handed_over(tmp_path: Path) -> None:
    looks = [look(number) for number in range(6)]
    async with stage(tmp_path, *looks, message("red")) as on:
        outcome = await on.play(turn_of(tmp_path), [Toy()])
        assert (outcome.text, outcome.because) == ("red", ())
