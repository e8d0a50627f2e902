"""Does an agent's piece of work once more, on another tier and in a world without effects.

The turn is the job's own, as it would be if the job were set to what is tried: the same tools, the
same guard, the same quarantine. Only who is asked is the trial's. Nothing of it is kept but what
comes out; long results lie in a folder of the trial's own while it lasts.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from twotier.agent.delegating import Chats
from twotier.agent.loop import converse
from twotier.agent.said import Chat, Said
from twotier.agent.talk import value_of
from twotier.agent.turn import BOTH_TIERS, Entry, Guard, Turn
from twotier.domain.job import Job
from twotier.domain.label import Label
from twotier.domain.tier import TierPolicy
from twotier.jobs.agents import rules_of
from twotier.jobs.effects import NO_DEEDS, Deeds
from twotier.jobs.parts import Part
from twotier.jobs.recorded import Recorded
from twotier.jobs.shadowing import MuteDesk, NoMemory, Shadowed, World, deeds_of
from twotier.jobs.till import Till
from twotier.jobs.trials import Trial, Work
from twotier.tools.base import Tool
from twotier.verify.checks import Check
from twotier.watch.kinds import labels_of

SHADOW, TEST, MODEL = "shadow", "test", "model"
KIND = SHADOW  # how main is told of it, and what the ledger calls it
SECONDS_MAX = 3_600.0
KEY_CHARACTERS = 12
FOLDER = re.compile(r"(trial|quality|proof)-[0-9a-f]{12}")  # the name of a trial, and of no run


class Agents(Protocol):
    """What is needed of whoever works on the jobs (`JobAgents`)."""

    artifacts: Path

    def turn_of(self, part: Part) -> Turn:
        """The turn of a part."""
        ...

    async def tools(self, job: Job, chat: Chats | None = None) -> Sequence[Tool]:
        """The tools of a job; the local tier is asked with `chat`."""
        ...

    async def recorded(self, run: str, key: str) -> Recorded | None:
        """What a part of a run has called, None where that is not kept."""
        ...

    async def note(self, entry: Entry) -> None:
        """Keep a line of the audit."""
        ...


@dataclass(frozen=True, slots=True)
class Redone:
    """What a piece came to. `failed` is why there is no answer, empty for a good one; `read` are
    the texts that its tools gave, then and now. `remembered`: what they gave then is kept.
    """

    text: str
    tier: str
    model: str
    cut: bool = False
    failed: str = ""
    tokens: int = 0
    cost_microusd: int = 0
    read: Sequence[str] = ()
    deeds: Deeds = NO_DEEDS
    remembered: bool = True


class AgentAgain:
    """Works for one trial."""

    def __init__(self, trial: Trial, agents: Agents, *, till: Till) -> None:
        self._trial = trial
        self._agents = agents
        self._till = till

    async def redone(self, job: Job, work: Work) -> Redone:
        """The piece. Raises `LimitReachedError` and what main raises; `JobError` where the job
        could not be set to what is tried at all.
        """
        trial, agents = self._trial, self._agents
        tried = replace(job, prompt=trial.prompt or job.prompt, tier=policy_of(trial, job))
        own = await agents.recorded(work.run.id, work.key)
        world = World(own or Recorded(), agents.artifacts / work.run.id)
        desk = MuteDesk(world, agents.note, job=job.name)
        turn = self._turn(tried, work)
        tools = await agents.tools(tried, self._ask)
        try:
            outcome = await converse(
                turn,
                ask=self._ask,
                tools=[Shadowed(tool, world) for tool in tools],
                steps=NoMemory(f"{trial.id}:{turn.key}"),
                guard=Guard(rules_of(tried), desk),
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, turn.artifacts, ignore_errors=True)
        if self._till.shut is not None:  # a tool may have taken it for its own trouble
            raise self._till.shut
        other = Recorded.of(outcome.transcript)
        return Redone(
            text=outcome.text,
            tier=outcome.tier,
            model=outcome.model,
            failed=outcome.failed,
            tokens=outcome.tokens,
            cost_microusd=outcome.cost_microusd,
            read=list(dict.fromkeys([*(own.texts if own is not None else []), *other.texts])),
            deeds=deeds_of(own, other, tools=tools),
            remembered=own is not None or not tools,
        )

    def _turn(self, tried: Job, work: Work) -> Turn:
        """The job's own turn, in the name of the trial and without the frontier's help."""
        trial = self._trial
        own = self._agents.turn_of(Part(tried, work.run, work.key, work.items))
        piece = hashlib.sha256(f"{trial.id}:{work.run.id}:{work.key}".encode()).hexdigest()
        as_for_the_job = trial.policy == tried.tier.value and trial.kind == TEST
        return replace(
            own,
            job=f"{tried.name}/{KIND}",
            run=trial.id,
            key=piece[:KEY_CHARACTERS],
            model=trial.model,
            kind=own.kind if as_for_the_job and own.kind else KIND,
            limits=replace(own.limits, seconds_max=min(own.limits.seconds_max, SECONDS_MAX)),
            # Whoever is tried is tried alone.
            local_tiers=own.local_tiers if trial.kind == TEST else frozenset(),
            artifacts=str(self._agents.artifacts / trial.id),
            period_seconds=None,
        )

    async def _ask(self, chat: Chat) -> Said:
        """Who is tried. What the job would ask of the local tier alone stays there."""
        trial = self._trial
        local = chat.policy is TierPolicy.LOCAL_ONLY
        policy = chat.policy if local or trial.kind == TEST else TierPolicy(trial.policy)
        model = trial.model if trial.kind == MODEL else chat.model
        return await self._till.chat(replace(chat, policy=policy, model=model))


def policy_of(trial: Trial, job: Job) -> TierPolicy:
    """What the job would be set to if this trial went well."""
    if trial.kind == TEST:
        return job.tier
    if trial.policy == TierPolicy.FRONTIER.value:
        return TierPolicy.FRONTIER
    local = job.tier in BOTH_TIERS or job.tier is TierPolicy.LOCAL_ONLY
    return job.tier if local else TierPolicy.LOCAL_THEN_FRONTIER


def read_apart(job: Job, trial: Trial) -> bool:
    """Whether what a watcher found must not be told to the trial's judge: the job has it read in
    quarantine, so that no other tier but the local one sees the words of strangers.
    """
    strangers = job.watch is not None and Label.UNTRUSTED in labels_of(job.watch)
    kept = job.terms.agent and job.terms.quarantine and strangers
    return kept and trial.judge != TierPolicy.LOCAL_ONLY.value


def sweep(artifacts: Path) -> None:
    """Folders of trials that a kill left behind."""
    for folder in artifacts.glob("*"):
        if FOLDER.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def schema_check(job: Job, text: str) -> Check:
    """Whether an answer has the form of the job's `answer_schema`."""
    _, wrong = value_of(text, job.terms.schema)
    return Check("schema", not wrong, wrong)
