"""Work that is done once more on another tier, without effects, and what that proves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import HandClock, job
from tests.stores import laid
from tests.worker.playing_main import PlayingMain, completion, refusal
from twotier.agent.model import Answer, MainClient
from twotier.domain.job import Item, Job, Run, RunState
from twotier.domain.tier import TierPolicy
from twotier.errors import NotFoundError, TierUnavailableError
from twotier.jobs.database import Database
from twotier.jobs.items import ItemStore
from twotier.jobs.records import Records
from twotier.jobs.results import Letter, ResultStore
from twotier.jobs.store import Ended, RunStore
from twotier.jobs.trial_desk import Around, TrialDesk, Window
from twotier.jobs.trials import Rates, Trial, TrialStore
from twotier.watch.base import Look

MAIL = "Invoice 4711 over 120 EUR is due on 12 May."
OWN = "Pay invoice 4711 (120 EUR) by 12 May."
REPORT = job(
    name="report",
    prompt="Say what it wants.",
    tier=TierPolicy.AUTO,
    watch={"kind": "files", "path": "inbox"},
    deliver="log",
)
SHADOW = Trial(
    id="trial-1",
    job="report",
    kind="shadow",
    side="local",
    policy="local-only",
    judge="frontier",
    runs=2,
    at_once=True,
    limit_microusd=1_000_000,
)
ANSWER = Answer(OWN, False, "frontier", "anthropic/opus", "policy", "req-1", 300, 4_000)


@dataclass
class Loads:
    """The one place of two local models."""

    loaded_now: str = "local"
    used: list[str] = field(default_factory=list)
    broken: str = ""

    async def loaded(self, tier: str) -> str:
        assert tier == "coder"
        return self.loaded_now

    async def use(self, tier: str) -> None:
        if tier == self.broken:
            raise TierUnavailableError(f"{tier} does not come up; see its log")
        self.loaded_now = tier
        self.used.append(tier)


@dataclass
class Bench:
    """A desk with its stores, before a main that plays."""

    database: Database
    clock: HandClock
    main: PlayingMain
    store: TrialStore
    desk: TrialDesk
    loads: Loads
    records: Records
    client: MainClient

    async def done(self, text: str = MAIL, said: str = OWN) -> Run:
        """A run of the job that answered about one item."""
        self.clock.turn(60)
        items, results = (
            ItemStore(self.database, self.clock),
            ResultStore(self.database, self.clock),
        )
        runs = RunStore(self.database, self.clock)
        run = await runs.start((await runs.add_by_hand("report")).id)
        item = Item(f"id-{run.id}", "mail", text, "inbox/mail")
        await items.store_look("report", "files:inbox", look=Look((item,), {}))
        await items.take("report", run.id, limit=9)
        letter = Letter(run.id, item.id, "report", "log", "mail", said)
        await results.count_call(run.id, ANSWER, step="1")
        await results.store_answer(letter, replace(ANSWER, text=said), step="1")
        await results.delivered(letter, [item.id])
        await runs.end(run.id, Ended(RunState.DONE, "1 new item", "log"))
        return run

    async def verdicts(self, trial_id: str = "trial-1") -> list[str]:
        return [row["verdict"] for row in await self.store.pairs(trial_id)]


@asynccontextmanager
async def bench(
    home: Path, script: Any, *, jobs: Mapping[str, Job] | None = None, window: Window | None = None
) -> AsyncIterator[Bench]:
    """Open it, and close it."""
    main, clock, loads = PlayingMain(home / "main.sock", script), HandClock(), Loads()
    await main.open()
    database = Database.open(laid(home / "work.db"))
    try:
        async with MainClient(home / "main.sock") as client:
            store = TrialStore(database, clock)
            known = {"report": REPORT} if jobs is None else jobs
            around = Around(lambda: known, window, client.judged)
            desk = TrialDesk(store, around, client=client, loads=loads, clock=clock)
            records = Records(
                database, store, clock=clock, local_tiers=frozenset({"local", "coder"})
            )
            yield Bench(database, clock, main, store, desk, loads, records, client)
    finally:
        database.close()
        await main.close()


def says(text: str, *, better: str = "same", cost_usd: str = "0.001000") -> Any:
    """The other tier says `text`; the judge finds the local one `better`, `worse` or `same`."""

    async def script(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        step = request.headers["x-twotier-step"]
        if "judge" not in step:
            return completion(text)
        local_is = "B" if step.endswith("judge1") else "A"
        other = {"A": "B", "B": "A"}[local_is]
        word = {"better": local_is, "worse": other, "same": "same", "A": "A"}[better]
        del body
        return completion(json.dumps({"because": "seen", "better": word}), cost_usd=cost_usd)

    return script


def test_the_next_runs_are_done_again_and_judged_blind_in_both_orders(tmp_path: Path) -> None:
    """Without delivery; the judge is told of no tier, and what it said both times is counted."""

    async def scenario() -> None:
        async with bench(tmp_path, says("Invoice 4711: 120 EUR until 12 May.")) as one:
            await one.done()  # before the order: not one of its next runs
            await one.store.add(SHADOW)
            await one.desk.once()
            assert one.main.bodies == []
            await one.done()
            await one.desk.once()
            assert (await one.store.trial("trial-1")).state == "open"
            await one.done()
            await one.desk.once()
            trial = await one.store.trial("trial-1")
            assert (trial.state, trial.because) == ("done", "2 of 2 runs")
            assert trial.spent_microusd == 4_000  # two pieces, each judged twice
            assert await one.verdicts() == ["same", "same"]
            asked = one.main.headers[:3]
            assert [one["x-twotier-policy"] for one in asked] == ["local-only"] + ["frontier"] * 2
            assert {one["x-twotier-job"] for one in asked} == {"report/shadow"}
            assert {one["x-twotier-kind"] for one in asked} == {"shadow"}
            first, second = (body["messages"][1]["content"] for body in one.main.bodies[1:3])
            assert first.index(OWN) < first.index("Invoice 4711: 120")
            assert second.index(OWN) > second.index("Invoice 4711: 120")
            assert "local" not in f"{first}{second}"

    asyncio.run(scenario())


def test_what_fails_its_checks_is_not_even_judged(tmp_path: Path) -> None:
    """An invented figure is a failure of the cheaper tier; nobody is paid to say so."""

    async def scenario() -> None:
        async with bench(tmp_path, says("Invoice 4711: 950 EUR until 12 May.")) as one:
            await one.done()
            await one.store.add(replace(SHADOW, stored=True))
            await one.desk.once()
            (row,) = await one.store.pairs("trial-1")
            assert (row["fits"], row["verdict"]) == (False, "none")
            assert [check for check in row["checks"] if not check[1]] == [
                ["numbers", False, "figures that are not in the items: 950"]
            ]
            assert len(one.main.bodies) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("better", "verdict"), [("better", "better"), ("worse", "worse"), ("A", "undecided")]
)
def test_a_judge_that_always_says_a_has_said_nothing(
    tmp_path: Path, better: str, verdict: str
) -> None:
    """Only agreement of both orders is a verdict."""

    async def scenario() -> None:
        async with bench(tmp_path, says("4711 wants 120 EUR.", better=better)) as one:
            await one.done()
            await one.store.add(replace(SHADOW, stored=True))
            await one.desk.once()
            assert await one.verdicts() == [verdict]

    asyncio.run(scenario())


def test_the_same_words_need_no_judge(tmp_path: Path) -> None:
    """They are the same."""

    async def scenario() -> None:
        async with bench(tmp_path, says(f" {OWN}\n")) as one:
            await one.done()
            await one.store.add(replace(SHADOW, stored=True))
            await one.desk.once()
            assert (await one.verdicts(), len(one.main.bodies)) == (["same"], 1)

    asyncio.run(scenario())


def test_the_limit_is_held_before_a_question_is_asked(tmp_path: Path) -> None:
    """By its worst case, a token a byte: the trial stops, its evidence stays, nothing is passed."""

    async def scenario() -> None:
        async with bench(tmp_path, says("4711 wants 120 EUR.", cost_usd="0.010000")) as one:
            for _ in range(3):
                await one.done()
            rates = Rates(5_000_000, 25_000_000)
            limit = replace(SHADOW, stored=True, runs=3, limit_microusd=50_000, judge_rates=rates)
            await one.store.add(limit)
            await one.desk.once()
            trial = await one.store.trial("trial-1")
            assert trial.state == "stopped"
            assert trial.because.startswith("one more question could cost $0.0")
            assert trial.spent_microusd <= 50_000
            assert 1 <= len(await one.store.pairs("trial-1")) < 3

    asyncio.run(scenario())


def test_it_waits_for_its_hours_and_for_a_moment_without_runs(tmp_path: Path) -> None:
    """Unless it is to be at once. The clock of the test stands at noon."""
    night = Window(time(1), time(6), "UTC")

    async def scenario() -> None:
        async with bench(tmp_path, says("4711 wants 120 EUR."), window=night) as one:
            await one.done()
            await one.store.add(replace(SHADOW, stored=True, at_once=False, runs=1))
            await one.desk.once()
            assert one.main.bodies == []
            one.clock.turn(14 * 3_600)
            runs = RunStore(one.database, one.clock)
            going = await runs.start((await runs.add_by_hand("other")).id)
            await one.desk.once()
            assert one.main.bodies == []
            await runs.end(going.id, Ended(RunState.QUIET, "nothing new"))
            await one.desk.once()
            assert await one.verdicts() == ["same"]

    asyncio.run(scenario())


def test_hours_may_span_midnight() -> None:
    """22:00 to 06:00, and 01:00 to 06:00."""
    at = [datetime(2026, 3, 2, hour, 30, tzinfo=UTC) for hour in (0, 5, 12, 23)]
    late, early = Window(time(22), time(6), "UTC"), Window(time(1), time(6), "UTC")
    assert [late.holds(one) for one in at] == [True, True, False, True]
    assert [early.holds(one) for one in at] == [False, True, False, False]


def test_a_tier_that_cannot_be_asked_now_is_asked_at_the_next_look(tmp_path: Path) -> None:
    """A refusal that is meant ends the trial, with its sentence."""
    answers: list[Callable[[], web.Response]] = [
        lambda: refusal(503, "the local tier is down"),
        lambda: completion(OWN),
        lambda: refusal(403, "the budget of the day is spent"),
    ]

    async def script(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return answers.pop(0)()

    async def scenario() -> None:
        async with bench(tmp_path, script) as one:
            for _ in range(2):
                await one.done()
            await one.store.add(replace(SHADOW, stored=True))
            await one.desk.once()
            trial = await one.store.trial("trial-1")
            assert (trial.state, trial.because) == ("open", "waits: the local tier is down")
            await one.desk.once()
            trial = await one.store.trial("trial-1")
            assert (trial.state, trial.because) == ("stopped", "the budget of the day is spent")
            assert await one.verdicts() == ["same"]

    asyncio.run(scenario())


def test_an_answer_that_breaks_off_is_a_failure_of_the_tier_that_is_tried(tmp_path: Path) -> None:
    """It is evidence, and the trial goes on."""

    async def scenario() -> None:
        async with bench(tmp_path, says("")) as one:
            await one.done()
            await one.store.add(replace(SHADOW, stored=True, runs=1))
            await one.desk.once()
            (row,) = await one.store.pairs("trial-1")
            assert (row["fits"], row["because"]) == (False, "the model gave an empty answer")
            assert (await one.store.trial("trial-1")).state == "done"

    asyncio.run(scenario())


def test_a_model_that_is_tried_gives_its_place_back(tmp_path: Path) -> None:
    """Who had it is stored first; also after a kill in the middle, and where a load fails."""
    model = replace(SHADOW, kind="model", model="coder", stored=True, runs=1)

    async def scenario() -> None:
        async with bench(tmp_path, says("4711 wants 120 EUR.")) as one:
            await one.done()
            await one.store.add(model)
            await one.desk.once()
            assert one.loads.used == ["coder", "local"]
            trial = await one.store.trial("trial-1")
            assert (trial.state, trial.swapped_from) == ("done", "")
            asked = one.main.bodies[0]
            assert asked["model"] == "coder"

            await one.store.add(replace(model, id="trial-2", swapped_from="local", state="stopped"))
            one.loads.loaded_now, one.loads.used = "coder", []
            await one.desk.once()  # as the process after a kill
            assert one.loads.used == ["local"]

            one.loads.broken = "coder"
            await one.store.add(replace(model, id="trial-3"))
            await one.desk.once()
            trial = await one.store.trial("trial-3")
            assert (trial.state, trial.swapped_from) == ("stopped", "")
            assert trial.because == "coder does not come up; see its log"

    asyncio.run(scenario())


def test_jobs_that_try_the_same_model_share_one_swap(tmp_path: Path) -> None:
    """Loading a large model takes minutes: it goes from one trial to the next, and back at last."""
    model = replace(SHADOW, kind="model", model="coder", stored=True, runs=1)

    async def scenario() -> None:
        async with bench(tmp_path, says("4711 wants 120 EUR.")) as one:
            await one.done()
            for number in (1, 2, 3):
                await one.store.add(replace(model, id=f"trial-{number}"))
            await one.desk.once()
            assert one.loads.used == ["coder", "local"]
            assert {trial.state for trial in await one.store.of_job("report")} == {"done"}
            assert await one.store.open() == []

    asyncio.run(scenario())


def test_a_place_that_cannot_be_given_back_is_tried_again(tmp_path: Path) -> None:
    """At each look, until it is."""

    async def scenario() -> None:
        async with bench(tmp_path, says("4711 wants 120 EUR.")) as one:
            one.loads.loaded_now, one.loads.broken = "coder", "local"
            await one.store.add(replace(SHADOW, swapped_from="local", state="stopped"))
            await one.desk.once()
            assert (await one.store.trial("trial-1")).swapped_from == "local"
            one.loads.broken = ""
            await one.desk.once()
            assert (await one.store.trial("trial-1")).swapped_from == ""

    asyncio.run(scenario())


def test_another_prompt_is_asked_and_the_jobs_own_answer_kept_beside_it(tmp_path: Path) -> None:
    """By the job's own policy, so that the router decides as it does for the job."""

    async def scenario() -> None:
        async with bench(tmp_path, says("wants 120 EUR")) as one:
            await one.done()
            test = replace(SHADOW, kind="test", policy="auto", side="frontier", judge="")
            await one.store.add(replace(test, prompt="In five words.", stored=True))
            await one.desk.once()
            (row,) = await one.store.pairs("trial-1")
            assert (row["own"], row["other"], row["verdict"]) == (OWN, "wants 120 EUR", "none")
            assert one.main.bodies[0]["messages"][1]["content"].startswith("In five words.")
            assert one.main.headers[0]["x-twotier-kind"] == "polling"

    asyncio.run(scenario())


def test_work_whose_text_has_expired_is_not_done_again(tmp_path: Path) -> None:
    """It is told to be gone."""

    async def scenario() -> None:
        async with bench(tmp_path, says(OWN)) as one:
            await one.done(text="")
            (work,) = await one.store.works(REPORT, runs_max=5)
            assert work.gone
            await one.store.add(replace(SHADOW, stored=True))
            await one.desk.once()
            assert one.main.bodies == []

    asyncio.run(scenario())


def test_ten_good_ones_prove_it_with_dollars_a_month(tmp_path: Path) -> None:
    """By the pace of the job's own runs; the job itself is not touched."""

    async def scenario() -> None:
        async with bench(tmp_path, says("4711 wants 120 EUR.")) as one:
            for _ in range(10):
                await one.done()
            await one.store.add(replace(SHADOW, stored=True, runs=10))
            await one.desk.once()
            record = await one.records.record(REPORT)
            assert (record.side, record.pace.pieces, record.runs) == ("frontier", 10, 10)
            assert record.proposal is not None
            assert (record.proposal.ready, record.proposal.good) == (True, 10)
            # Ten pieces of $0.004 in less than a day: blown up to a month of thirty days.
            assert record.proposal.saved_microusd_a_month == pytest.approx(1_200_000)
            assert record.same_answers == 9

    asyncio.run(scenario())


def test_a_trial_of_a_job_that_is_gone_ends_and_one_can_be_stopped(tmp_path: Path) -> None:
    """With a sentence each; whoever waits for it hears of it at once."""

    async def scenario() -> None:
        async with bench(tmp_path, says(OWN), jobs={}) as one:
            await one.store.add(SHADOW)
            await one.desk.once()
            assert (await one.store.trial("trial-1")).because == "there is no job 'report' any more"
            await one.store.add(replace(SHADOW, id="trial-2"))
            async with asyncio.TaskGroup() as group:
                waits = group.create_task(one.desk.ended("trial-2", within_seconds=60))
                await asyncio.sleep(0)
                await one.desk.stop("trial-2", "stopped by hand")
            assert waits.result().state == "stopped"
            await one.desk.stop("trial-2", "again")
            with pytest.raises(NotFoundError, match="no trial 'nothing'"):
                await one.store.trial("nothing")
            assert (await one.desk.ended("trial-1", within_seconds=0)).state == "stopped"

    asyncio.run(scenario())


def test_the_desk_looks_again_when_there_is_news(tmp_path: Path) -> None:
    """It sleeps in between."""

    async def scenario() -> None:
        async with bench(tmp_path, says("4711 wants 120 EUR.")) as one:
            await one.done()
            async with asyncio.TaskGroup() as group:
                goes = group.create_task(one.desk.run())
                await one.store.add(replace(SHADOW, stored=True, runs=1))
                one.desk.look()
                ended = await one.desk.ended("trial-1", within_seconds=60)
                assert ended.state == "done"
                goes.cancel()

    asyncio.run(scenario())
