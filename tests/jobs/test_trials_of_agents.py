"""An agent's work done again on another tier: real tools in a world that stays as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.agent.stage import KeptSteps, lived, message
from tests.jobs.making import HandClock
from tests.toys.receiver import Taker
from tests.worker.playing_main import PlayingMain, completion
from twotier.agent.artifacts import READ_ARTIFACT
from twotier.agent.model import Answer, MainClient
from twotier.agent.said import Chat, Said
from twotier.build.agents import Tooling, agents_of
from twotier.build.owner import owner_of
from twotier.build.verifying import verifier_of
from twotier.config.load import load
from twotier.domain.job import Item, Job, RunState
from twotier.domain.tier import TierPolicy
from twotier.jobs.agents import JobAgents
from twotier.jobs.database import Database
from twotier.jobs.items import ItemStore
from twotier.jobs.parts import Part
from twotier.jobs.quality import QualityWatch, Sample
from twotier.jobs.records import Records
from twotier.jobs.results import Letter, ResultStore
from twotier.jobs.shadowing import NOT_DONE
from twotier.jobs.store import Ended, RunStore
from twotier.jobs.suggesting import suggest
from twotier.jobs.trial_desk import Around, TrialDesk
from twotier.jobs.trials import Rates, Trial, TrialStore
from twotier.tools.mcp import Servers
from twotier.verify.guards import Usual
from twotier.watch.base import Look
from twotier.worker import jobs_of

SHADOW = Trial(
    id="trial-1",
    job="notes",
    kind="shadow",
    side="local",
    policy="local-only",
    judge="frontier",
    runs=5,
    stored=True,
    at_once=True,
    limit_microusd=1_000_000,
)
TOOLS = ("files", "write_file:out/*.md", "send:team")
CONFIG = """
[tools.send.team]
to = "webhook:{hook}"
[tiers.local]
engine = "openai"
model = "toy"
base_url = "http://127.0.0.1:9"
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
key = "env:NO_KEY_IS_NEEDED_HERE"
[[jobs]]
name = "notes"
every = "1h"
prompt = "Read a.txt and keep a note."
deadline = "60s"
deliver = "log"
tier = "frontier"
"""
Line = Callable[[list[str]], web.Response]


@dataclass
class Plot:
    """What each side says: to the results of tools heard so far, the job, the trial; the judge."""

    own: Line
    other: Line
    better: str = "same"
    cost_usd: str = "0.000000"

    async def __call__(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        step = request.headers["x-twotier-step"]
        if "judge" in step:
            local_is = "B" if step.endswith("judge1") else "A"
            other = {"A": "B", "B": "A"}[local_is]
            word = {"better": local_is, "worse": other, "same": "same"}[self.better]
            return completion(json.dumps({"because": "seen", "better": word}), cost_usd="0.001")
        heard = [str(one["content"]) for one in body["messages"] if one["role"] == "tool"]
        if "importance" in str(body.get("response_format")):
            return message('{"importance": "low", "kind": "other", "gist": "milk"}')
        trial = request.headers["x-twotier-job"].endswith("/shadow")
        return (self.other if trial else self.own)(heard)


@dataclass
class Bench:
    """A desk with agents that have the real tools, before a main that plays."""

    database: Database
    clock: HandClock
    main: PlayingMain
    client: MainClient
    store: TrialStore
    desk: TrialDesk
    agents: JobAgents
    jobs: dict[str, Job]
    hook: Taker

    @property
    def folder(self) -> Path:
        """The job's files."""
        return Path(self.jobs["notes"].root)

    async def ask(self, chat: Chat) -> Said:
        said = await self.client.chat(chat)
        assert said is not None
        return said

    async def done(self, text: str = "") -> str:
        """A run of the job with its agent, to its stored answer; about an item if there is one."""
        self.clock.turn(60)
        job = self.jobs["notes"]
        runs, results = (
            RunStore(self.database, self.clock),
            ResultStore(self.database, self.clock),
        )
        run = await runs.start((await runs.add_by_hand("notes")).id)
        part = Part(job, run, "all", ())
        if text:
            item, items = Item("item", "news", text, "feed"), ItemStore(self.database, self.clock)
            await items.store_look("notes", "feed", look=Look((item,), {}))
            part = Part(job, run, item.id, tuple(await items.take("notes", run.id, limit=9)))
        worked = await self.agents.work(part, ask=self.ask, steps=KeptSteps())
        assert not worked.failed
        answer = Answer(worked.text, False, "frontier", "opus", "policy", "r", 300, 4_000)
        letter = Letter(run.id, part.key, "notes", "log", "", worked.text)
        await results.count_call(run.id, answer, step="1")
        await results.store_answer(letter, answer, step="1")
        await results.delivered(letter, part.item_ids)
        await runs.end(run.id, Ended(RunState.DONE, "asked", "log"))
        self.main.bodies.clear()
        self.main.headers.clear()
        self.hook.asked.clear()
        return run.id

    async def tried(self, trial: Trial = SHADOW) -> dict[str, Any]:
        """The one pair of a trial that is over."""
        await self.store.add(trial)
        await self.desk.once()
        ended = await self.store.trial(trial.id)
        assert ended.state == "done", ended.because
        (pair,) = await self.store.pairs(trial.id)
        return pair

    async def audit(self) -> list[str]:
        """Whose each line is, and what it says."""
        query = "SELECT job || ' ' || tool || ' ' || because FROM audit WHERE run LIKE 'trial-%'"
        return await self.database.do(
            lambda connection: list(connection.exec_driver_sql(query).scalars())
        )


@contextmanager
def config(home: Path, settings: str) -> Iterator[tuple[Path, Taker]]:
    """A configuration file, and what takes its messages."""
    with Taker() as hook:
        path = home / "twotier.toml"
        path.write_text(f"{CONFIG.format(hook=hook.url)}{settings}\n", encoding="utf-8")
        yield path, hook


@asynccontextmanager
async def bench(home: Path, plot: Plot, settings: str = "") -> AsyncIterator[Bench]:
    """Open it, and close it."""
    settings = settings or f"tools = {json.dumps(TOOLS)}"
    main, clock = PlayingMain(home / "main.sock", plot), HandClock()
    await main.open()
    database = Database.open(home / "work.db")
    try:
        with config(home, settings) as (path, hook):
            async with MainClient(home / "main.sock") as client:
                loaded = load(path)
                loaded.paths.make()
                owner = owner_of(loaded, database, channels={}, clock=clock)
                servers = Servers([], clock=clock)
                tooling = Tooling(lambda: loaded, client, servers=servers, clock=clock)
                results = ResultStore(database, clock)
                looks = verifier_of(lambda: loaded, owner.desk, results=results)
                agents = agents_of(loaded, owner, tooling=tooling, verifier=looks, clock=clock)
                jobs = {job.name: job for job in jobs_of(loaded)}
                store = TrialStore(database, clock)
                around = Around(lambda: jobs, None, client.judged)
                desk = TrialDesk(
                    store, around, client=client, loads=Loads(), clock=clock, agents=agents
                )
                filled(Path(jobs["notes"].root))
                yield Bench(database, clock, main, client, store, desk, agents, jobs, hook)
    finally:
        database.close()
        await main.close()


def filled(folder: Path) -> None:
    """The job's files."""
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("milk\n")
    (folder / "b.txt").write_text("bread\n")


@dataclass
class Loads:
    """The one place of two local models."""

    loaded_now: str = "local"

    async def loaded(self, tier: str) -> str:
        assert tier == "coder"
        return self.loaded_now

    async def use(self, tier: str) -> None:
        self.loaded_now = tier


def script(*calls: tuple[str, dict[str, Any]], says: str = "Kept a note about milk.") -> Line:
    """These calls, one after another, then the words."""

    def line(heard: list[str]) -> web.Response:
        if len(heard) < len(calls):
            return message(None, calls[len(heard)])
        return message(says)

    return line


READ_A = ("read_file", {"path": "a.txt"})
READ_B = ("read_file", {"path": "b.txt"})
WRITE = ("write_file", {"path": "out/n.md", "text": "milk"})
SEND = ("send", {"to": "team", "title": "Note", "text": "milk"})


@lived
async def test_it_reads_the_same_world_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """What the run heard is heard again though files have changed; what is new is looked up; what
    would last is not done, but where the run did the same it hears how that went.
    """
    other = script(READ_A, READ_B, WRITE, SEND, says="Kept the note: milk.")
    async with bench(tmp_path, Plot(script(READ_A, WRITE, SEND), other)) as one:
        run = await one.done()
        (one.folder / "a.txt").write_text("poison\n")
        (one.folder / "out" / "n.md").unlink()
        pair = await one.tried()
        heard = [one["content"] for one in one.main.bodies[4]["messages"] if one["role"] == "tool"]
        assert heard[:3] == ["milk", "bread", "wrote out/n.md, 4 bytes"]
        assert heard[3].startswith("sent to team: ")
        assert not (one.folder / "out" / "n.md").exists()
        assert one.hook.asked == []
        assert (pair["verdict"], pair["fits"], pair["effects"]) == ("same", True, "same")
        assert [call["tool"] for call in pair["other_effects"]] == ["write_file", "send"]
        assert pair["own_effects"] == pair["other_effects"]
        assert (pair["of_run"], pair["tier"], pair["tokens"]) == (run, "local", 150)
        asked = one.main.headers
        assert {head["x-twotier-job"] for head in asked} == {"notes/shadow"}
        policies = [head["x-twotier-policy"] for head in asked]
        assert policies == ["local-only"] * 5 + ["frontier"] * 2
        assert not list(one.agents.artifacts.glob("trial-*"))
        lines = await one.audit()
        assert len(lines) == 8
        assert all(line.startswith("notes ") and "shadow run: " in line for line in lines)


@pytest.mark.parametrize(
    ("better", "judge", "verdict"),
    [
        ("better", "frontier", "undecided"),
        ("same", "frontier", "same"),
        ("worse", "frontier", "worse"),
        ("same", "", "none"),
    ],
)
def test_other_effects_are_shown_to_the_judge_and_never_taken_for_better(
    tmp_path: Path, better: str, judge: str, verdict: str
) -> None:
    """Both lists stand in both orders; a judge that prefers the cheaper tier has not decided."""

    async def scenario() -> None:
        other = script(("write_file", {"path": "out/n.md", "text": "bread"}), SEND)
        plot = Plot(script(READ_A, WRITE), other, better=better)
        async with bench(tmp_path, plot) as one:
            await one.done()
            pair = await one.tried(replace(SHADOW, judge=judge))
            assert (pair["effects"], pair["verdict"]) == ("differ", verdict)
            heard = [one["content"] for one in one.main.bodies[2]["messages"]][-2:]
            assert heard[-1] == NOT_DONE
            assert (one.folder / "out" / "n.md").read_text() == "milk"
            assert one.hook.asked == []
            if judge:
                first, second = (body["messages"][1]["content"] for body in one.main.bodies[3:])
                assert first.index('"text": "milk"}') < first.index('"text": "bread"}')
                assert second.index('"text": "bread"}') < second.index('"text": "milk"}')
                assert "actions_a and actions_b" in first

    asyncio.run(scenario())


SEARCH = ("search", {"query": "milk"})


@lived
async def test_a_look_costs_nothing_or_is_not_taken(tmp_path: Path) -> None:
    """A page that the run has read is not asked for again, another one is; what failed then fails
    again; a search that is paid for is not made, and told.
    """
    with Taker() as site:
        read, other = ({"url": f"{site.url}/{name}"} for name in ("one", "two"))
        settings = (
            'tools = ["fetch", "search", "read_file"]\nhosts = ["127.0.0.1"]\ntools_usd = 1.0\n'
            '[tools]\nprivate_ok = ["127.0.0.1"]\n'
            '[tools.search]\nbackend = "brave"\nkey = "env:NO_KEY_IS_NEEDED_HERE"\n'
        )
        missing = ("read_file", {"path": "c.txt"})
        own = script(("fetch", read), missing)
        tried = script(SEARCH, ("fetch", read), missing, ("fetch", other))
        async with bench(tmp_path, Plot(own, tried), settings) as one:
            await one.done()
            (one.folder / "c.txt").write_text("it is there now")
            assert [path for _, path, _ in site.asked] == ["/one"]
            pair = await one.tried()
            messages = one.main.bodies[4]["messages"]
            heard = [str(one["content"]) for one in messages if one["role"] == "tool"]
            assert [path for _, path, _ in site.asked] == ["/one", "/two"]
            assert heard[0] == NOT_DONE
            assert heard[1].startswith(f"{site.url}/one")
            assert heard[2].startswith("error: there is no c.txt")
            assert heard[3].startswith(f"{site.url}/two")
            search = {"tool": "search", "arguments": {"query": "milk"}}
            assert (pair["effects"], pair["held"]) == ("", [search])


@lived
async def test_nobody_is_asked_for_a_yes(tmp_path: Path) -> None:
    """What the owner refused then is refused again; what he would be asked for now is not done."""
    settings = 'tools = ["files", "write_file"]\napprove = "log"'
    other = script(WRITE, ("write_file", {"path": "x.md", "text": "y"}))
    async with bench(tmp_path, Plot(script(says="Kept a note."), other), settings) as one:
        run = await one.done()
        refused = [
            {"role": "assistant", "tool_calls": [call_of(WRITE)]},
            {"role": "tool", "tool_call_id": "c", "content": "refused: you said no"},
        ]
        await one.agents._transcripts.keep("notes", run, part="all", messages=refused)
        pair = await one.tried()
        heard = [one["content"] for one in one.main.bodies[2]["messages"] if one["role"] == "tool"]
        assert heard == ["refused: you said no", NOT_DONE]
        assert [call["arguments"]["path"] for call in pair["other_effects"]] == ["x.md"]
        count = await one.database.do(
            lambda connection: connection.exec_driver_sql("SELECT count(*) FROM approvals").scalar()
        )
        assert count == 0


def call_of(call: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """As a transcript keeps it."""
    return {"id": "c", "function": {"name": call[0], "arguments": json.dumps(call[1])}}


@lived
async def test_a_long_result_is_heard_whole_again_as_long_as_it_is_kept(tmp_path: Path) -> None:
    """From the file of the run; the trial cuts it anew in a folder of its own."""
    async with bench(tmp_path, Plot(script(READ_A), script(READ_A, READ_A))) as one:
        (one.folder / "a.txt").write_text(f"{'long line ' * 5}\n" * 400)
        run = await one.done()
        (one.folder / "a.txt").write_text("short\n")
        (kept,) = (one.agents.artifacts / run).iterdir()
        await one.tried()
        heard = str(one.main.bodies[1]["messages"][-1]["content"])
        assert f"{READ_ARTIFACT} name=1-read-file.txt" in heard
        kept.unlink()
        await one.tried(replace(SHADOW, id="trial-2"))
        assert "(its rest is not kept any more)" in str(one.main.bodies[-2]["messages"][-1])


@lived
async def test_the_form_of_the_result_is_a_check(tmp_path: Path) -> None:
    """A result without it is a failure of the cheaper tier, and nobody is paid to say so; fields
    that may be left out may be.
    """
    schema = '{ type = "object", properties = { a = { type = "string" }, b = {} }, required = ["a"]'
    settings = f"answer_schema = {schema} }}"
    own = script(says='{"a": "milk", "b": "x"}')
    async with bench(tmp_path, Plot(own, script(says='{"a": "milk"}')), settings) as one:
        await one.done()
        pair = await one.tried()
        assert (pair["fits"], pair["verdict"], pair["effects"]) == (True, "same", "")
        assert ["schema", True, ""] in pair["checks"]
        one.main.script = Plot(own, script(says="milk"))
        pair = await one.tried(replace(SHADOW, id="trial-2"))
        assert (pair["fits"], pair["verdict"]) == (False, "none")
        assert "does not have the form asked for" in pair["because"]


@lived
async def test_each_question_is_held_against_the_limit_also_those_of_a_tool(tmp_path: Path) -> None:
    """A token a byte. The tool that delegates is told nothing more, and the trial stops."""
    reads = ("delegate", {"task": "Read it.", "files": ["long.txt"]})
    plot = Plot(script(says="ok"), script(reads, READ_A))
    async with bench(tmp_path, plot, 'tools = ["files", "delegate"]') as one:
        (one.folder / "long.txt").write_text("a line\n" * 1_500)
        await one.done()
        for number, limit_microusd in enumerate((100, 6_000), 1):
            trial = replace(SHADOW, id=f"trial-{number}", rates=Rates(1_000_000, 0))
            await one.store.add(replace(trial, limit_microusd=limit_microusd))
            await one.desk.once()
            ended = await one.store.trial(trial.id)
            assert ended.state == "stopped"
            assert ended.because.startswith("one more question could cost $0.0")
            assert await one.store.pairs(trial.id) == []
            assert len(one.main.bodies) == number - 1


@lived
async def test_a_piece_that_was_cut_off_is_done_anew_under_the_same_keys(tmp_path: Path) -> None:
    """Main keeps finished answers under them, so what was paid is not paid again; what lay in the
    folder of the trial is gone at the next start.
    """
    asked, going = asyncio.Event(), asyncio.Event()

    def second(heard: list[str]) -> web.Response:
        if heard:
            asked.set()
        return script(READ_A, says="Kept the note: milk.")(heard)

    async with bench(tmp_path, Plot(script(READ_A), second)) as one:
        await one.done()
        await one.store.add(SHADOW)
        plot = one.main.script

        async def hangs(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            reply = await plot(request, body)
            if asked.is_set():
                await going.wait()
            return reply

        one.main.script = hangs
        task = asyncio.create_task(one.desk.once())
        await asked.wait()
        task.cancel()
        await asyncio.wait([task])
        going.set()
        left = one.agents.artifacts / "trial-0123456789ab"
        other = one.agents.artifacts / "trial-20260302T120000Z"  # a run of a job of this name
        left.mkdir(parents=True)
        other.mkdir()
        async with asyncio.TaskGroup() as group:
            runs = group.create_task(one.desk.run())
            ended = await one.desk.ended("trial-1", within_seconds=20)
            runs.cancel()
        assert (ended.state, left.exists(), other.exists()) == ("done", False, True)
        keys = [head["idempotency-key"] for head in one.main.headers]
        assert keys[:2] == keys[2:4]
        assert len(set(keys[:2])) == 2


@lived
async def test_a_job_that_became_local_only_is_not_tried_or_judged_elsewhere(
    tmp_path: Path,
) -> None:
    """Whatever was ordered before; another local model does its work, without a judge."""
    async with bench(tmp_path, Plot(script(READ_A, WRITE), script(READ_A, WRITE))) as one:
        await one.done()
        one.jobs["notes"] = replace(one.jobs["notes"], tier=TierPolicy.LOCAL_ONLY)
        await one.store.add(SHADOW)
        await one.desk.once()
        trial = await one.store.trial("trial-1")
        assert trial.because == "notes is local-only now, so its texts do not leave this machine"
        assert one.main.bodies == []
        model = replace(SHADOW, id="trial-2", kind="model", model="coder", judge="")
        pair = await one.tried(model)
        assert (pair["fits"], pair["verdict"], pair["effects"]) == (True, "same", "same")
        assert {head["x-twotier-policy"] for head in one.main.headers} == {"local-only"}
        assert {body["model"] for body in one.main.bodies} == {"coder"}


@lived
async def test_what_strangers_wrote_is_read_apart_in_a_trial_too(tmp_path: Path) -> None:
    """On the local tier, typed; only that goes to the frontier that is tried. Who is tried on the
    local tier has no help of the frontier.
    """
    stuck = script(*[("read_file", {"path": f"{number}"}) for number in range(9)])
    plot = Plot(script(says="It is about milk."), script(says="It is milk."))
    async with bench(tmp_path, plot, 'tools = ["read_file"]') as one:
        watch = {"kind": "feed", "url": "http://127.0.0.1:9/feed"}
        one.jobs["notes"] = replace(one.jobs["notes"], watch=watch, tier=TierPolicy.AUTO)
        await one.done("Buy milk, says a stranger.")
        pair = await one.tried(replace(SHADOW, side="frontier", policy="frontier"))
        assert (pair["other"], pair["fits"]) == ("It is milk.", True)
        policies = [head["x-twotier-policy"] for head in one.main.headers]
        assert policies == ["local-only"] + ["frontier"] * 3
        assert "stranger" in str(one.main.bodies[0])
        assert "stranger" not in str(one.main.bodies[1:])  # nor is the judge told
        one.jobs["notes"] = replace(one.jobs["notes"], watch=None)
        one.main.script = Plot(script(), stuck)
        pair = await one.tried(replace(SHADOW, id="trial-2"))
        assert (pair["fits"], pair["because"]) == (False, "4 calls of tools failed in a row")
        policies = [head["x-twotier-policy"] for head in one.main.headers[4:]]
        assert policies == ["local-only"] * 4
        # Nor does a test use one of the times that the job may be carried on by the frontier.
        terms = replace(one.jobs["notes"].terms, quarantine=False, escalate=True)
        one.jobs["notes"] = replace(one.jobs["notes"], watch=watch, terms=terms)
        pair = await one.tried(replace(SHADOW, id="trial-3", kind="test", policy="auto"))
        assert pair["because"] == "4 calls of tools failed in a row"
        assert {head["x-twotier-policy"] for head in one.main.headers[8:]} == {"auto"}


@lived
async def test_a_turn_knows_how_long_a_call_takes_elsewhere(tmp_path: Path) -> None:
    """Asked of main where enough is known of earlier runs, and told to the guards."""
    async with bench(tmp_path, Plot(script(READ_A), script(READ_A))) as one:
        one.main.predicted = 8.0
        notes = replace(one.jobs["notes"], tier=TierPolicy.AUTO)
        for runs, each in ((4, None), (5, pytest.approx(10.0))):
            one.agents.verifier.usual = usual_after(runs)
            kept = await one.agents._known(notes)
            assert kept["elsewhere_each"] == each
        assert Usual.of(kept).most == notes.terms.steps_max


def usual_after(runs: int) -> Callable[[str], Awaitable[Usual]]:
    async def usual(_: str) -> Usual:
        return Usual(runs, steps_p50=2, steps_p90=4)

    return usual


@lived
async def test_the_watch_over_quality_looks_at_agents_too(tmp_path: Path) -> None:
    """A run of the local tier is done again by the frontier, in the same world and without effects;
    what the judge says is a verdict on the local tier.
    """
    own = script(READ_A, WRITE)
    async with bench(tmp_path, Plot(own, script(READ_A, WRITE), "worse")) as one:
        one.jobs["notes"] = replace(one.jobs["notes"], tier=TierPolicy.LOCAL_THEN_FRONTIER)
        await one.done()
        note = one.folder / "out" / "note.md"
        note.write_text("as it was", "utf-8")
        local = frozenset({"local", "frontier"})  # where the playing main answers from
        watch = QualityWatch(
            one.store,
            one.desk,
            sample=Sample(100, 1_000_000, local),
            main=one.client,
            clock=one.clock,
        )
        assert await watch.once() == 1
        (trial,) = await one.store.of_job("notes")
        assert trial.kind == "quality"
        await one.desk.once()
        (pair,) = await one.store.pairs(trial.id)
        assert pair["effects"] == "same"
        (told,) = one.main.verdicts
        assert (told["by"], told["key"]) == ("trial", "notes")
        assert note.read_text("utf-8") == "as it was"
        assert not list(one.agents.artifacts.glob("quality-*"))


@lived
async def test_such_a_job_is_suggested_like_others(tmp_path: Path) -> None:
    """It pays the frontier and was not tried; then what was proven stands there."""
    async with bench(tmp_path, Plot(script(READ_A, WRITE), script(READ_A, WRITE))) as one:
        await one.done()
        records = Records(
            one.database, one.store, clock=one.clock, local_tiers=frozenset({"local"})
        )
        (found,) = suggest([await records.record(one.jobs["notes"])])
        assert found.command == "twotier job shadow notes --runs 10"
        await one.tried()
        (found,) = suggest([await records.record(one.jobs["notes"])])
        assert found.because.startswith("not yet: 1 of 1 as good")


@lived
async def test_a_run_whose_transcript_is_gone_is_compared_and_not_decided(tmp_path: Path) -> None:
    """Nobody knows what it did; the words alone do not prove that both did the same."""
    async with bench(tmp_path, Plot(script(READ_A, WRITE), script(READ_A, WRITE))) as one:
        await one.done()
        await one.database.do(
            lambda connection: connection.exec_driver_sql("DELETE FROM transcripts")
        )
        pair = await one.tried()
        assert (pair["effects"], pair["verdict"]) == ("unknown", "undecided")
