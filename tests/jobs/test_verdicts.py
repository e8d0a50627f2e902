"""What a run tells main of how good its answers were, and what it does not claim to know."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.jobs.making import START, job
from tests.jobs.test_trials import OWN, REPORT, SHADOW, bench, says
from tests.jobs.workshop import INBOX, workshop
from tests.worker.playing_main import completion
from twotier.domain.job import Item, Job, Run, RunState
from twotier.domain.terms import Terms, Verifying
from twotier.domain.tier import TierPolicy
from twotier.errors import ToolError, TwotierError
from twotier.jobs import quality, verdicts
from twotier.jobs.api import refuse
from twotier.jobs.judging import Verdict as Beside
from twotier.jobs.mark_api import Marking
from twotier.jobs.parts import ALL, Part, Worked
from twotier.jobs.trial_desk import Window
from twotier.jobs.trials import Compared, Work
from twotier.verify.checks import Check

LINES = job(watch=INBOX, answer_lines=3)
ITEM = Item("42", "Bug", "It breaks, see https://a.example/1", "inbox", link="https://a.example/2")
RUN = Run("inbox-1", "inbox", START, RunState.RUNNING)


def part(of: Job, *items: Item) -> Part:
    """A part of a run."""
    return Part(of, RUN, items[0].id if items else ALL, items)


@pytest.mark.parametrize(
    ("of", "text", "good", "by"),
    [
        (job(), "Nothing cited.", None, "nothing"),
        (job(watch=INBOX), "See https://a.example/1 and https://a.example/2.", True, "citations"),
        (job(watch=INBOX), "See https://b.example/3.", False, "citations"),
        (job(watch=INBOX), "No source.", None, "nothing"),
        (LINES, "one\ntwo\nthree", True, "form"),
        (LINES, "same\nsame\nsame\nsame\nsame", False, "loop"),
        (LINES, "See #99", False, "citations"),
        (job(terms=Terms(schema={"type": "object"})), "{}", True, "schema"),
    ],
)
def test_what_can_be_seen_of_an_answer(of: Job, text: str, good: bool | None, by: str) -> None:
    """A form that was asked for, sources that were given; of free text nothing is claimed."""
    made = {"text": text, "answer": {"tier": "local"}}
    (told,) = verdicts.ended(part(of, ITEM) if of.watch else part(of), made)
    assert (told.good, told.by, told.key, told.tier) == (good, by, "inbox", "local")
    assert told.run == "inbox-1"


@pytest.mark.parametrize(
    ("looked", "good", "by"),
    [
        (None, None, "nothing"),
        ((True, "checks"), None, "nothing"),  # there was nothing to look at
        ((None, "second"), None, "nothing"),
        ((True, "second"), True, "second"),
        ((False, "checks"), False, "checks"),  # kept, because the frontier could not be asked
        ([False, "rubric"], False, "rubric"),  # as it comes out of a step
    ],
)
def test_what_the_run_has_verified_counts(looked: Any, good: bool | None, by: str) -> None:
    """Before what can be seen of the answer alone."""
    made = {"text": "Nothing cited.", "answer": {"tier": "local"}, "looked": looked}
    (told,) = verdicts.ended(part(job()), made)
    assert (told.good, told.by, told.redone) == (good, by, False)
    free = job(tier=TierPolicy.AUTO)
    (told,) = verdicts.ended(part(free), made)
    assert told.redone is bool(good)  # what was kept although it is bad was not
    made |= {"gave_up": "local", "answer": {"tier": "frontier"}}
    before, after = verdicts.ended(part(job()), made)
    assert (before.tier, before.good) == ("local", False)
    assert before.by == (by if good is False else "escalated")
    assert (after.tier, after.good) == ("frontier", None)


def test_a_tier_that_gave_up_has_failed() -> None:
    """The one that carried on is judged by its own answer."""
    made = {"text": "Well.", "answer": {"tier": "frontier"}, "gave_up": "local"}
    gave, carried = verdicts.ended(part(job()), made)
    assert (gave.tier, gave.good, gave.by, gave.redone) == ("local", False, "escalated", True)
    assert (carried.tier, carried.good) == ("frontier", None)
    both = verdicts.stuck(part(job()), Worked("", failed="x", tier="frontier", gave_up="local"))
    assert [(one.tier, one.by) for one in both] == [("local", "stuck"), ("frontier", "stuck")]
    assert not any(one.redone for one in both)  # nobody has an answer
    assert verdicts.stuck(part(job()), Worked("", failed="x")) == ()


def test_an_edit_of_the_job_is_another_prompt() -> None:
    """Its words, its tools and its form; not where it is delivered."""
    names = {
        verdicts.prompt_of(one)
        for one in (
            job(),
            job(prompt="Other."),
            job(answer_lines=3),
            job(terms=Terms(tools=("fetch",))),
            job(terms=Terms(schema={"type": "object"})),
        )
    }
    assert len(names) == 5
    assert verdicts.prompt_of(job(deliver="log")) == verdicts.prompt_of(job())


def test_main_knows_a_part_by_its_steps() -> None:
    """Long names are cut in two ways: an agent's are cut, others are hashed."""
    long = "a-very-long-name-of-an-item"
    assert verdicts.part_name(None, "all") == "all"
    assert verdicts.part_name(job(terms=Terms(tools=("fetch",))), long) == long[:12]
    assert verdicts.part_name(job(), long) == verdicts.short(long)


@pytest.mark.parametrize(
    ("changes", "fits", "verdict", "expected"),
    [
        ({}, True, Beside.SAME, ("coder", True)),
        ({}, True, Beside.BETTER, ("coder", True)),
        ({}, True, Beside.WORSE, ("coder", False)),
        ({}, False, Beside.NONE, ("coder", False)),
        ({}, True, Beside.NONE, None),
        ({}, True, Beside.UNDECIDED, None),
        ({"side": "frontier"}, True, Beside.BETTER, ("local", False)),
        ({"side": "frontier", "kind": "quality"}, True, Beside.SAME, ("local", True)),
        ({"kind": "model"}, True, Beside.SAME, ("coder", True)),
        ({"kind": "test"}, True, Beside.SAME, None),
        ({"prompt": "Another."}, True, Beside.SAME, None),
    ],
)
def test_a_comparison_is_a_verdict_on_the_cheaper_tier(
    changes: dict[str, Any], fits: bool, verdict: Beside, expected: tuple[str, bool] | None
) -> None:
    """Where it was decided, and where it was the job's own prompt."""
    compared = Compared("text", fits, (Check("text", fits),), verdict, tier="coder", seconds=2.0)
    work = Work(RUN, ALL, (), "said", "local", 10, 0)
    told = verdicts.tried(replace(SHADOW, **changes), work, compared=compared, job=REPORT)
    assert (told and (told.tier, told.good)) == expected


FREE = replace(REPORT, tier=TierPolicy.AUTO, watch=None)


@pytest.mark.parametrize(
    ("of", "changes", "redone"),
    [
        (FREE, {}, True),
        (replace(FREE, verify=Verifying(rungs=frozenset())), {}, False),  # nobody would look
        (replace(FREE, batch=True), {}, False),
        (replace(FREE, model="coder"), {}, False),
        (replace(FREE, tier=TierPolicy.LOCAL_ONLY), {}, False),
        (replace(FREE, watch=INBOX), {}, False),  # text of strangers stays here
        (replace(FREE, watch=INBOX, terms=Terms(escalate=True)), {}, True),
        (FREE, {"kind": "quality", "side": "frontier"}, False),  # it was delivered
    ],
)
def test_a_trial_tells_what_would_have_been_done_again(
    of: Job, changes: dict[str, Any], redone: bool
) -> None:
    """Of a job whose failures on a local tier go to the frontier before anybody has them."""
    compared = Compared("text", True, (), Beside.WORSE, tier="coder")
    if changes:
        compared = replace(compared, verdict=Beside.BETTER)
    work = Work(RUN, ALL, (), "said", "local", 10, 0)
    told = verdicts.tried(replace(SHADOW, **changes), work, compared=compared, job=of)
    assert told is not None
    assert (told.good, told.redone) == (False, redone)
    good = replace(compared, verdict=Beside.SAME)
    told = verdicts.tried(replace(SHADOW, **changes), work, compared=good, job=of)
    assert told is not None
    assert (told.good, told.redone) == (True, redone)


def test_a_run_tells_how_its_parts_ended(tmp_path: Path) -> None:
    """Each by its own name; twice in a wrong form is a failure of the tier that gave it."""

    async def script(_: Any, body: dict[str, Any]) -> Any:
        text = body["messages"][1]["content"]
        return completion('["one"]' if "wrong" in text else json.dumps(["a", "b", "c"]))

    async def scenario() -> None:
        async with workshop(tmp_path, [LINES], script=script) as shop:
            shop.drop("a.txt", "right")
            shop.drop("b.txt", "wrong")
            run = await shop.by_hand("inbox")
            told = {one["good"]: one for one in shop.main.verdicts}
            assert len(shop.main.verdicts) == 2
            assert {one["key"] for one in told.values()} == {"inbox"}
            assert (told[True]["by"], told[True]["run"]) == ("form", run.id)
            assert told[False]["tier"] == "local"
            assert told[True]["part"] in {one["x-twotier-step"][:-2] for one in shop.main.headers}
            assert "right" not in json.dumps(shop.main.verdicts)

    asyncio.run(scenario())


def test_the_owners_word_reaches_main(tmp_path: Path) -> None:
    """On every answer of the run; a run without one has nothing to mark."""

    async def scenario() -> None:
        async with workshop(tmp_path, [LINES]) as shop:
            shop.drop("a.txt")
            run, empty = await shop.by_hand("inbox"), await shop.by_hand("inbox")
            told: list[dict[str, Any]] = []

            class Main:
                async def order(self, path: str, body: Any) -> dict[str, Any]:
                    assert path == "/control/verdicts"
                    told.append(dict(body))
                    return {}

            marking = Marking(shop.scheduler, shop.results, Main())
            app = Starlette(
                routes=marking.routes(),
                exception_handlers={TwotierError: refuse},  # type: ignore[dict-item]
            )

            def marked(run_id: str, body: str) -> Any:
                return TestClient(app).post(f"/runs/{run_id}/mark", content=body)

            said = await asyncio.to_thread(marked, run.id, '{"good": false}')
            assert said.json()["marked"] == [{"part": "a.txt", "tier": "local"}]
            assert (told[0]["by"], told[0]["good"], told[0]["run"]) == ("owner", False, run.id)
            assert told[0]["part"] == shop.main.verdicts[0]["part"]
            for run_id, body in ((empty.id, '{"good": true}'), (run.id, '{"good": 1}')):
                assert (await asyncio.to_thread(marked, run_id, body)).status_code == 400
            assert (await asyncio.to_thread(marked, "no", '{"good": true}')).status_code == 404

    asyncio.run(scenario())


# -- the watch over quality


def watch_of(
    one: Any,
    percent: float,
    *,
    limit: int = 1_000_000,
    local: frozenset[str] = frozenset({"local", "frontier"}),
) -> quality.QualityWatch:
    """The watch beside the desk of a bench; what the playing main says comes from `frontier`."""
    sample = quality.Sample(percent, limit, local, prove=True)
    return quality.QualityWatch(
        one.store, one.desk, sample=sample, main=one.client, clock=one.clock
    )


def test_a_sample_is_drawn_by_name() -> None:
    """About as many as were asked for, and always the same."""
    names = [f"report-{number}" for number in range(2_000)]
    drawn = [name for name in names if quality.drawn(name, 5)]
    assert 60 < len(drawn) < 140
    assert drawn == [name for name in names if quality.drawn(name, 5)]
    assert not any(quality.drawn(name, 0) for name in names)


def test_a_few_local_runs_are_judged_beside_the_frontier(tmp_path: Path) -> None:
    """Once a day for a job, within its dollars; the verdict is on the job's own tier."""

    async def scenario() -> None:
        async with bench(tmp_path, says(OWN, better="worse")) as one:
            await one.done()
            watch = watch_of(one, 100)
            assert await watch.once() == 1
            (trial,) = await one.store.of_job("report")
            assert (trial.kind, trial.policy, trial.judge) == ("quality", "frontier", "frontier")
            assert (trial.rates.read, trial.rates.written) == (5_000_000, 25_000_000)
            await one.desk.once()
            (told,) = one.main.verdicts
            assert (told["by"], told["good"], told["tier"]) == ("trial", True, "frontier")
            assert await watch.once() == 0  # today's is done
            one.clock.turn(timedelta(days=1).total_seconds())
            assert await watch.once() == 0  # nothing has run since
            await one.done()
            assert await watch_of(one, 100, limit=0).once() == 0
            assert await watch_of(one, 0).once() == 0
            one.main.refuses = "no frontier"
            with pytest.raises(TwotierError, match="nobody can judge"):
                await watch.once()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({"tier": TierPolicy.LOCAL_ONLY}, None),
        ({"tier": TierPolicy.FRONTIER}, None),
        (
            {},
            Window((START - timedelta(hours=2)).time(), (START - timedelta(hours=1)).time(), "UTC"),
        ),
    ],
)
def test_private_work_is_never_watched_that_way(
    tmp_path: Path, changes: dict[str, Any], window: Window | None
) -> None:
    """Nor anything outside the hours."""

    async def scenario() -> None:
        jobs = {"report": replace(REPORT, **changes)}
        async with bench(tmp_path, says(OWN), jobs=jobs, window=window) as one:
            await one.done()
            assert await watch_of(one, 100).once() == 0
            assert one.main.bodies == []

    asyncio.run(scenario())


def test_a_job_that_nobody_knows_is_proven_by_its_first_runs(tmp_path: Path) -> None:
    """Without an order: done again on the local tier, judged by the frontier, ten of them at most;
    what comes of it is a verdict on the local tier.
    """

    async def scenario() -> None:
        jobs = {"report": replace(REPORT, tier=TierPolicy.AUTO)}
        async with bench(tmp_path, says(OWN, better="same"), jobs=jobs) as one:
            watch = watch_of(one, 0, local=frozenset({"local"}))
            assert await watch.once() == 0  # nothing has run
            for _ in range(2):
                await one.done()
            assert await watch.once() == 1
            (trial,) = await one.store.of_job("report")
            assert (trial.kind, trial.policy, trial.judge) == ("proof", "local-only", "frontier")
            assert (trial.runs, trial.rates.read, trial.judge_rates.read) == (2, 0, 5_000_000)
            assert await watch.once() == 0  # tomorrow again
            await one.desk.once()
            assert {told["by"] for told in one.main.verdicts} == {"trial"}
            assert [told["good"] for told in one.main.verdicts] == [True, True]
            one.clock.turn(timedelta(days=1).total_seconds())
            await one.done()
            assert await watch_of(one, 0, local=frozenset({"local", "frontier"})).once() == 0
            assert await watch.once() == 1
            one.main.script = says(OWN + " Or not.", better="worse")
            for _ in range(2):
                await one.desk.once()
                one.clock.turn(timedelta(days=1).total_seconds())
                await one.done()
                await watch.once()
            assert [told["good"] for told in one.main.verdicts] == [True, True, False, False]
            assert await watch.once() == 0  # two did not do

    asyncio.run(scenario())


def test_the_next_job_is_ordered_as_soon_as_the_first_is_over(tmp_path: Path) -> None:
    """An open order holds all of the day's dollars: a second job had to wait a quarter of an hour
    for what was left of them.
    """

    async def scenario() -> None:
        auto = replace(REPORT, tier=TierPolicy.AUTO)
        jobs = {"report": auto, "other": replace(auto, name="other")}
        async with bench(tmp_path, says(OWN), jobs=jobs) as one:
            await one.done()
            watch = watch_of(one, 0, local=frozenset({"local"}))
            waits: list[float] = []

            class Clock:
                now = staticmethod(one.clock.now)

                async def sleep(self, seconds: float) -> None:
                    waits.append(seconds)
                    if len(waits) == 2:
                        await one.desk.once()
                    if len(waits) == 4:
                        raise asyncio.CancelledError

            watch._clock = cast("Any", Clock())
            with pytest.raises(asyncio.CancelledError):
                await watch.run()
            assert waits == [quality.SOON_SECONDS] * 2 + [quality.LOOK_SECONDS] * 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "changes",
    [
        {"tier": TierPolicy.LOCAL_THEN_FRONTIER},
        {"tier": TierPolicy.FRONTIER},
        {"tier": TierPolicy.AUTO, "model": "frontier"},
    ],
)
def test_what_its_owner_decided_is_not_proven(tmp_path: Path, changes: dict[str, Any]) -> None:
    async def scenario() -> None:
        jobs = {"report": replace(REPORT, **changes)}
        async with bench(tmp_path, says(OWN), jobs=jobs) as one:
            await one.done()
            assert await watch_of(one, 0, local=frozenset({"local"})).once() == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("tiers", "tried", "failed", "runs"),
    [
        (["frontier"] * 2, 0, 1, 2),
        (["frontier"] * 9, 0, 0, 3),  # judging costs, and a few may do
        (["frontier"] * 9, 8, 0, 2),
        (["frontier"] * 9, 12, 0, 0),
        (["frontier"] * 9, 2, 2, 0),  # it will be tried again by its record
        (["frontier", "local"], 0, 0, 0),
        ([], 0, 0, 0),
    ],
)
def test_how_many_runs_prove_a_job(tiers: list[str], tried: int, failed: int, runs: int) -> None:
    works = [
        Work(replace(RUN, id=f"inbox-{number}"), ALL, (), "said", tier, 10, 0)
        for number, tier in enumerate(tiers)
    ]
    found = quality.to_prove(works, tried=tried, failed=failed, local_tiers={"local"})
    assert found == runs
    assert quality.to_prove(works, tried=tried, failed=failed, local_tiers=()) == 0


# -- proofs that cost nothing


@pytest.mark.parametrize(
    ("tiers", "done", "tried", "runs"),
    [
        (["frontier"] * 2, (), 0, 2),
        (["frontier"] * 9, (), 0, 3),
        (["frontier"] * 3, ("inbox-1",), 1, 1),  # only what came since
        (["frontier"] * 3, ("inbox-0",), 1, 0),
        (["frontier"] * 3, (), 9, 1),
        (["frontier"] * 3, (), 12, 0),
        (["frontier", "local"], (), 0, 0),
        ([], (), 0, 0),
    ],
)
def test_how_many_runs_prove_a_job_for_nothing(
    tiers: list[str], done: tuple[str, ...], tried: int, runs: int
) -> None:
    """The newest first; a failure does not end it, since it cost nobody anything."""
    works = [
        Work(replace(RUN, id=f"inbox-{number}"), ALL, (), "said", tier, 10, 0)
        for number, tier in enumerate(tiers)
    ]
    local = {"local"}
    assert quality.to_prove_free(works, done=done, tried=tried, local_tiers=local) == runs
    assert quality.to_prove_free(works, done=done, tried=tried, local_tiers=()) == 0


PAID = "Is it paid? Say yes or no."


@dataclass(frozen=True)
class Proof:
    """What both tiers say, how the job looks at answers, and what the record is told."""

    own: str
    said: str
    told: tuple[bool, str, bool] | None
    lines: int = 0
    command: str = ""
    prompt: str = PAID


NO_GOOD = Proof("It is due soon.", "It is due.", (False, "trial", True), command="totals")


@pytest.mark.parametrize(
    "proof",
    [
        Proof("Yes, on 12 May.", "yes", (True, "trial", True)),
        Proof("Yes, on 12 May.", "No.", (False, "trial", True)),
        Proof("It is due soon.", "It has to be paid.", None, prompt="What is it?"),
        Proof("See #9.", "See #8.", (False, "trial", True), prompt="What is it?"),
        Proof("One.\nTwo.", "A.\nB.", (True, "form", False), lines=2, prompt="What is it?"),
        replace(NO_GOOD, told=(True, "command", True), prompt="What is it?"),
        replace(NO_GOOD, said="It is bad.", prompt="What is it?"),
        replace(NO_GOOD, command="changes", told=None, prompt="What is it?"),
    ],
)
def test_a_free_proof_tells_what_programs_can_tell(tmp_path: Path, proof: Proof) -> None:
    """At once and outside the hours of trials, without a question to the frontier: the same value,
    the job's own program, the form that was asked for. Of a free text nothing is claimed.
    """

    async def looks(job: Job, answer: str) -> tuple[bool, str]:
        if job.verify.command == "changes":
            raise ToolError("it may change something")
        return "bad" not in answer, "totals: it is bad"

    verify = Verifying(rungs=frozenset({"checks"}), command=proof.command)
    terms = Terms(escalate=True)
    changes: dict[str, Any] = {"answer_lines": proof.lines, "prompt": proof.prompt}
    auto = replace(REPORT, tier=TierPolicy.AUTO, verify=verify, terms=terms, **changes)
    hour = timedelta(hours=1)
    never = Window((START - 2 * hour).time(), (START - hour).time(), "UTC")

    async def scenario() -> None:
        said = json.dumps(proof.said.split("\n")) if proof.lines else proof.said
        async with bench(tmp_path, says(said), jobs={"report": auto}, window=never) as one:
            one.desk.around = replace(one.desk.around, command=looks)
            sample = quality.Sample(0, 0, frozenset({"local"}), free=True)
            watch = quality.QualityWatch(
                one.store, one.desk, sample=sample, main=one.client, clock=one.clock
            )
            assert await watch.once() == 0
            await one.done(said=proof.own)
            assert await watch.once() == 1
            assert await watch.once() == 0  # it is under way
            await one.desk.once()
            (trial,) = await one.store.of_job("report")
            assert (trial.state, trial.judge, trial.spent_microusd) == ("done", "", 0)
            assert {sent["x-twotier-policy"] for sent in one.main.headers} == {"local-only"}
            told = [(one["good"], one["by"], one["redone"]) for one in one.main.verdicts]
            assert told == ([] if proof.told is None else [proof.told])
            assert await watch.once() == 0  # until the next run

    asyncio.run(scenario())
