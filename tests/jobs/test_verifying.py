"""What a local tier answered is looked at; what does not pass is done by the frontier tier, where
the job allows it, and told in any case.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import HandClock, job
from tests.jobs.workshop import INBOX, workshop
from tests.worker.playing_main import completion, refusal
from twotier.domain.job import Job, Run, RunState
from twotier.domain.steps import Steps
from twotier.domain.terms import Terms, Verifying
from twotier.domain.tier import TierPolicy
from twotier.errors import ToolError
from twotier.jobs.parts import AskMain, Part, Worked
from twotier.jobs.usual import usual_by
from twotier.jobs.verifying import Verifier
from twotier.verify.guards import NOTHING, Usual

BOTH = TierPolicy.LOCAL_THEN_FRONTIER
ASKS = job(prompt="How many are there?", deliver="file:outbox/answer.txt", tier=BOTH)
ALL = frozenset({"checks", "second", "rubric"})
LOOP = "and again " * 60
Reply = Callable[[dict[str, Any]], web.StreamResponse]


@dataclass
class Desk:
    """Lets so many runs up."""

    left: int = 1

    async def may_escalate(self, job: str, *, run: str, times_max: int) -> bool:
        assert all((job, run, times_max))
        self.left -= 1
        return self.left >= 0


@dataclass
class Looks:
    """Only looks at answers; works on no job by itself."""

    verifier: Verifier

    def wants(self, job: Job) -> bool:
        return False

    async def work(self, part: Part, *, ask: AskMain, steps: Steps) -> Worked:
        raise AssertionError


@dataclass
class Main:
    """Two tiers: the local one says these, one after the other, the frontier one that."""

    local: list[str]
    frontier: str = "12"
    verdict: str = '{"because": "it says so", "good": "yes"}'
    refuses: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        policy = request.headers["x-twotier-policy"]
        step = request.headers["x-twotier-step"]
        self.asked.append((policy, step))
        if step.endswith(":rubric"):
            return completion(self.verdict)
        if policy != "frontier":
            said = self.local.pop(0) if len(self.local) > 1 else self.local[0]
            return completion(said) if said else refusal(400, "no")
        if self.refuses:
            return refusal(402, "the budget is spent")
        assert "A smaller model tried this" in body["messages"][1]["content"]
        reply = completion(self.frontier, cost_usd="0.010000")
        reply.headers["x-twotier-tier"] = "frontier"
        return reply


async def fine(_: Job, answer: str) -> tuple[bool, str]:
    """A command that likes only one answer."""
    return answer == "12", "it ended with 1: not 12"


async def absent(_: Job, __: str) -> tuple[bool, str]:
    """No command at all."""
    raise ToolError("there is none")


def once(
    home: Path, main: Main, asks: Job = ASKS, *, desk: Desk | None = None, command: Any = fine
) -> tuple[Run, str]:
    """One run, and what was delivered."""
    verifier = Verifier(desk or Desk(), command=command, local_tiers=frozenset({"local"}))

    async def scenario() -> Run:
        async with workshop(home, [asks], script=main, agents=Looks(verifier)) as shop:
            if asks.watch is not None:
                shop.drop("a.txt", "There are twelve of them, see #7.")
            return await shop.by_hand("inbox")

    run = asyncio.run(scenario())
    found = [path.read_text() for path in (home / "outbox").glob("*")]
    return run, (found[0] if found else "").strip()


def looked(*rungs: str, **changes: Any) -> Job:
    """A job whose answers are looked at so."""
    verify = Verifying(rungs=frozenset(rungs), **changes)
    return job(prompt="How many are there?", deliver="file:outbox/a.txt", tier=BOTH, verify=verify)


def test_what_passes_the_free_looks_is_delivered_and_not_spoken_of(tmp_path: Path) -> None:
    main = Main(["There are twelve."])
    run, text = once(tmp_path, main)
    assert (run.state, run.because, text) == (RunState.DONE, "asked", "There are twelve.")
    assert len(main.asked) == 1


def test_what_fails_is_done_by_the_frontier_with_an_account_of_the_try(tmp_path: Path) -> None:
    run, text = once(tmp_path, Main([LOOP]))
    assert (run.state, text, run.tier) == (RunState.DONE, "12", "frontier")
    assert run.because == (
        "asked; carried on by the frontier tier: checks fails: it ends in the same 10 characters"
        " again and again"
    )
    assert run.cost_microusd == 10_000


@pytest.mark.parametrize(
    "changes",
    [
        {"tier": TierPolicy.LOCAL_ONLY},
        {"model": "local"},
        {"verify": Verifying(rungs=frozenset())},
    ],
)
def test_who_chose_the_tier_gets_what_it_says(tmp_path: Path, changes: dict[str, Any]) -> None:
    main = Main([LOOP])
    run, text = once(tmp_path, main, replace(ASKS, **changes))
    assert (run.state, text) == (RunState.DONE, LOOP.strip())
    assert len(main.asked) == 1


def test_a_second_answer_that_says_the_same_proves_it(tmp_path: Path) -> None:
    main = Main(["There are 12 of them.", "12"])
    run, text = once(tmp_path, main, looked("checks", "second"))
    assert text == "There are 12 of them."
    assert run.because == "asked; verified: a second answer says the same (number)"
    assert [policy for policy, _ in main.asked] == [BOTH.value, "local-only"]
    assert run.model_calls == 2


def test_two_that_differ_are_asked_of_the_frontier(tmp_path: Path) -> None:
    run, text = once(tmp_path, Main(["12", "13"], frontier="14"), looked("checks", "second"))
    assert text == "14"
    assert "a second answer says something else (number)" in run.because


@pytest.mark.parametrize("local", [["12", ""], ["It is hard to say, as nobody has counted them."]])
def test_a_second_answer_that_does_not_come_or_compare_fails_nothing(
    tmp_path: Path, local: list[str]
) -> None:
    run, text = once(tmp_path, Main(list(local)), looked("checks", "second"))
    assert (run.state, text) == (RunState.DONE, local[0])
    assert "not verified: second cannot tell" in run.because


@pytest.mark.parametrize(
    ("verdict", "text", "told"),
    [
        ('{"because": "all is there", "good": "yes"}', "12", "the rubric finds it good"),
        ('{"because": "invented", "good": "no"}', "14", "the rubric finds it not good: invented"),
        ("what?", "12", "not verified: rubric cannot tell: the rubric"),
    ],
)
def test_a_rubric(tmp_path: Path, verdict: str, text: str, told: str) -> None:
    main = Main(["12"], frontier="14", verdict=verdict)
    asks = looked("checks", "rubric", rubric=TierPolicy.FRONTIER)
    run, said = once(tmp_path, main, asks)
    assert (run.state, said) == (RunState.DONE, text)
    assert told in run.because
    assert main.asked[1][0] == "frontier"


def test_a_command_of_the_owners_has_the_last_word(tmp_path: Path) -> None:
    main = Main(["12"])
    run, text = once(tmp_path, main, looked(*ALL, "command", command="count"))
    assert run.because == "asked; verified: count ended with 0"
    assert (text, len(main.asked)) == ("12", 1)


def test_a_command_that_says_no_sends_it_up(tmp_path: Path) -> None:
    run, text = once(tmp_path, Main(["13"]), looked("checks", "command", command="count"))
    assert text == "12"
    assert "count: it ended with 1: not 12" in run.because


def test_a_command_that_cannot_run_tells_nothing(tmp_path: Path) -> None:
    asks = looked("checks", "command", command="count")
    run, text = once(tmp_path, Main(["13"]), asks, command=absent)
    assert (run.because, text) == ("asked; not verified: command cannot tell: there is none", "13")


def test_where_the_frontier_has_none_the_answer_stays_and_is_told(tmp_path: Path) -> None:
    run, text = once(tmp_path, Main([LOOP], refuses=True))
    assert (run.state, text) == (RunState.DONE, LOOP.strip())
    assert run.because.startswith("asked; kept, though not verified (checks fails: ")
    assert run.because.endswith("the frontier tier has no answer: the budget is spent")


WATCHES = job(
    prompt="Say it in two lines.", watch=INBOX, deliver="file:outbox/a.txt", tier=BOTH, each=False
)


@pytest.mark.parametrize(
    ("terms", "left", "says"),
    [
        (Terms(), 9, "it read what strangers wrote, and the job does not say escalate = true"),
        (Terms(escalate=True), 0, "5 runs of today were escalated already (escalations_max)"),
    ],
)
def test_strangers_text_goes_up_only_where_the_job_says_so(
    tmp_path: Path, terms: Terms, left: int, says: str
) -> None:
    run, text = once(tmp_path, Main(["one line"]), replace(WATCHES, terms=terms), desk=Desk(left))
    assert (run.state, text) == (RunState.DONE, "one line")
    assert says in run.because


def test_and_then_it_goes_up(tmp_path: Path) -> None:
    asks = replace(WATCHES, terms=Terms(escalate=True))
    run, text = once(tmp_path, Main(["See #8.\nIt is new."], frontier="a\nb"), asks)
    assert (run.state, text) == (RunState.DONE, "a\nb")
    assert "cites what is not in the items: #8" in run.because


LINES = job(prompt="Count.", answer_lines=2, deliver="file:outbox/a.txt", tier=BOTH)


def test_a_form_that_stays_wrong_goes_up_instead_of_failing(tmp_path: Path) -> None:
    main = Main(["a\nb\nc"], frontier=json.dumps(["one", "two"]))
    run, text = once(tmp_path, main, LINES)
    assert (run.state, text) == (RunState.DONE, "one\ntwo")
    assert [policy for policy, _ in main.asked] == [BOTH.value, BOTH.value, "frontier"]


def test_and_fails_with_both_reasons_where_it_cannot(tmp_path: Path) -> None:
    run, text = once(tmp_path, Main(["a\nb\nc"], refuses=True), LINES)
    assert (run.state, text) == (RunState.FAILED, "")
    assert "the answer has 3 lines, 2 were asked for" in run.because
    assert "the frontier tier has no answer: the budget is spent" in run.because


def test_the_days_share_of_a_job_holds_for_what_goes_up(tmp_path: Path) -> None:
    """`when_local_is_down = "frontier:0.01"`: the first may, and then the day's cent is gone."""
    asks = replace(ASKS, when_local_is_down="frontier:0.01")
    verifier = Verifier(Desk(), command=fine, local_tiers=frozenset({"local"}))

    async def scenario() -> list[Run]:
        clock, main = HandClock(), Main([LOOP])
        agents = Looks(verifier)
        async with workshop(tmp_path, [asks], script=main, agents=agents, clock=clock) as shop:
            first = await shop.by_hand("inbox")
            clock.turn(1)
            return [first, await shop.by_hand("inbox")]

    first, second = asyncio.run(scenario())
    assert "carried on by the frontier tier" in first.because
    assert "today's $0.0100 for the frontier tier are spent" in second.because
    assert second.state is RunState.DONE


def test_what_was_usual_is_what_local_tiers_did_alone() -> None:
    rows = [
        *(("a", "done", f"all:{n}", "local", 10) for n in range(1, 4)),
        ("a", "done", "all:verify:second", "local", 99),
        *(("b", "failed", f"all:{n}", "local", 20) for n in range(1, 6)),
        ("c", "done", "all:1", "local", 5),
        ("c", "done", "all:2", "frontier", 5),
        ("d", "late", "x:1", "local", 7),
        ("d", "late", "y:1", "local", 8),
    ]
    found = usual_by(rows, {"local"})
    assert found == Usual(4, 3.0, 5.0, 30.0, 100.0)
    assert usual_by([], {"local"}) == NOTHING


def test_it_is_asked_of_the_runs_there_were(tmp_path: Path) -> None:
    """Two runs of one call each, of ten tokens in and twenty out or so."""
    main = Main(["There are twelve."])
    verifier = Verifier(Desk(), command=fine, local_tiers=frozenset({"local"}))

    async def scenario() -> Usual:
        async with workshop(tmp_path, [ASKS], script=main, agents=Looks(verifier)) as shop:
            for _ in range(2):
                await shop.by_hand("inbox")
            return await shop.results.usual("inbox", tiers={"local"})

    found = asyncio.run(scenario())
    assert (found.runs, found.steps_p50, found.steps_p90) == (2, 1.0, 1.0)
    assert found.tokens_p50 == found.tokens_p90 > 0
