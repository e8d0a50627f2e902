"""Jobs that an agent works on: from a part of a run to a turn, from its outcome to an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from twotier.agent.delegating import Chats
from twotier.agent.guard import Rules
from twotier.agent.loop import converse
from twotier.agent.model import Question
from twotier.agent.talk import SYSTEM, marked, user_of
from twotier.agent.turn import BOTH_TIERS, Asks, Desk, Entry, Guard, Limits, Outcome, Turn
from twotier.domain.clock import Clock
from twotier.domain.job import Item, Job
from twotier.domain.label import NO_LABELS
from twotier.domain.steps import Json, Steps
from twotier.jobs.parts import Part, Worked
from twotier.jobs.recorded import Recorded
from twotier.jobs.schedule import period_seconds
from twotier.jobs.transcripts import TranscriptStore
from twotier.jobs.verifying import AskModel, Subject, Verifier, by_chat, looked, noted
from twotier.tools.base import Tool
from twotier.verify.guards import Usual
from twotier.verify.ladder import End
from twotier.watch.kinds import labels_of

AT_HOME = frozenset({"file", "log"})  # deliveries that do not leave the machine


class Tooling(Protocol):
    """Where tools come from."""

    async def __call__(self, job: Job, chat: Chats | None = None) -> Sequence[Tool]:
        """Those of a job. `chat` asks the local tier in place of what usually does."""
        ...


# The seconds that a model call of a job takes at the frontier tier, None where nobody knows.
Elsewhere = Callable[[Job], Awaitable[float | None]]


async def nobody_knows(_: Job) -> float | None:
    """Of any job."""
    return None


class JobAgents:
    """Works on parts of jobs with tools, or with a form for their result. `elsewhere` tells how
    long a call takes at the frontier tier; whoever knows sets it.
    """

    def __init__(
        self,
        desk: Desk,
        transcripts: TranscriptStore,
        *,
        tooling: Tooling,
        artifacts: Path,
        verifier: Verifier,
        clock: Clock,
    ) -> None:
        self.tools = tooling
        self.elsewhere: Elsewhere = nobody_knows
        self._desk = desk
        self._transcripts = transcripts
        self.artifacts = artifacts
        self.verifier = verifier
        self._clock = clock

    def wants(self, job: Job) -> bool:
        """Whether an agent works on this job."""
        return job.terms.agent

    async def work(self, part: Part, *, ask: Asks, steps: Steps) -> Worked:
        """One part, step by step. Raises `ApprovalWaitsError` where its owner is to be asked."""
        turn = self.turn_of(part)
        if turn.policy in BOTH_TIERS:
            found = await steps.do("usual", partial(self._known, part.job))
            turn = replace(turn, usual=Usual.of(found))
        looking = Looking(part, self.verifier, ask=by_chat(ask), steps=steps)
        guard = Guard(rules_of(part.job), self._desk, looking)
        tools = await self.tools(part.job)
        outcome = await converse(turn, ask=ask, tools=tools, steps=steps, guard=guard)
        await steps.do("transcript", partial(self._keep, part, outcome))
        return Worked(
            text=outcome.text,
            failed=outcome.failed,
            tier=outcome.tier,
            model=outcome.model,
            rule=outcome.rule,
            request=outcome.request,
            tokens=outcome.tokens,
            cost_microusd=outcome.cost_microusd,
            told=outcome.because,
            looked=looking.looked,
            gave_up=outcome.gave_up,
        )

    async def _known(self, job: Job) -> Json:
        """What earlier runs of the job needed here, and how long a call takes elsewhere."""
        usual = await self.verifier.usual(job.name)
        if usual.known:
            each = await self.elsewhere(job)
            usual = replace(usual, most=float(job.terms.steps_max), elsewhere_each=each)
        return asdict(usual)

    def turn_of(self, part: Part) -> Turn:
        """The turn of a part."""
        job, terms = part.job, part.job.terms
        return Turn(
            job=job.name,
            run=part.run.id,
            key=part.key,
            prompt=job.prompt,
            material="\n\n".join(map(shown, part.items)),
            taint=labels_of(job.watch) if job.watch is not None else NO_LABELS,
            policy=job.tier,
            model=job.model,
            kind=job.kind,
            output_tokens_max=job.output_tokens_max,
            schema=terms.schema,
            limits=Limits(terms.steps_max, terms.tokens_max, job.deadline_seconds),
            quarantine=terms.quarantine,
            escalate=terms.escalate,
            escalations_max=terms.escalations_max,
            leaves=job.deliver.partition(":")[0] not in AT_HOME,
            artifacts=str(self.artifacts / part.run.id),
            local_tiers=self.verifier.local_tiers,
            period_seconds=period_seconds(job, at=self._clock.now()),
        )

    async def recorded(self, run: str, key: str) -> Recorded | None:
        """What a part of a run has called, None where that is not kept any more."""
        for turn in await self._transcripts.of_run(run):
            if turn["part"] == key:
                return Recorded.of(turn["messages"])
        return None

    async def note(self, entry: Entry) -> None:
        """A line of the audit, of a call that was not made in a run."""
        await self._desk.note(entry)

    async def _keep(self, part: Part, outcome: Outcome) -> Json:
        await self._transcripts.keep(
            part.job.name, part.run.id, part=part.key, messages=outcome.transcript
        )


@dataclass(slots=True)
class Looking:
    """Looks at what a local tier came to. `looked` is what the record is told of it."""

    part: Part
    verifier: Verifier
    ask: AskModel = field(kw_only=True)
    steps: Steps = field(kw_only=True)
    looked: tuple[bool | None, str] | None = None

    async def __call__(self, turn: Turn, outcome: Outcome, *, again: bool) -> tuple[str, str]:
        """Why it is not good enough, empty where it is kept, and what the run tells of it."""
        if not self.verifier.wants(self.part.job, outcome.tier):
            return "", ""
        subject = Subject(self.part, question_of(turn), outcome.text, again=again)
        found = await self.verifier.verdict(subject, ask=self.ask, steps=self.steps)
        self.looked = looked(found)
        return (found.text, "") if found.end is End.ESCALATE else ("", noted(found))


def question_of(turn: Turn) -> Question:
    """What a turn asks, as one question."""
    return Question(
        system=SYSTEM,
        prompt=user_of(turn),
        job=turn.job,
        run=turn.run,
        step=f"{turn.key[:12]}:verify",
        kind=turn.kind,
        policy=turn.policy,
        model=turn.model,
        output_tokens_max=turn.output_tokens_max,
        deadline_seconds=turn.limits.seconds_max,
        schema=turn.schema,
    )


def rules_of(job: Job) -> Rules:
    """What the owner's configuration allows a run of this job."""
    return Rules(
        attended=bool(job.terms.approve),
        hosts=job.terms.hosts,
        tool_microusd_max=job.terms.tools_microusd_max,
    )


def shown(item: Item) -> str:
    """An item as the model gets it: what a stranger wrote stands between markers, all of it."""
    head = "\n".join(text for text in (item.title, item.author, item.at, item.link) if text)
    cut = f"\n\n({item.bytes_cut} bytes more are not shown.)" if item.bytes_cut else ""
    return marked(f"{head}\n\n{item.text}{cut}")
