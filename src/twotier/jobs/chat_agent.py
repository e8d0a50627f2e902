"""A conversation answered by an agent: with tools, approvals and an audit, like a job's run.

Each message is a run of the durable engine, so a step that was done before a kill is not done
again. What was read in a conversation stays with it: the next message's turn begins with its taint.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twotier.agent.loop import converse
from twotier.agent.said import Chat, Said
from twotier.agent.turn import Guard, Limits, Turn
from twotier.domain.label import Label
from twotier.domain.steps import Steps
from twotier.errors import PausedError, StreamBrokenError, TwotierError
from twotier.jobs.chat import Talk, passing
from twotier.jobs.chat_answers import KIND, Manner
from twotier.jobs.chat_keeping import JOB
from twotier.jobs.chat_store import Replied, run_of
from twotier.jobs.chat_text import recent
from twotier.jobs.engine import Engine
from twotier.tools.base import Tool

STEPS_MAX = 20
TOKENS_MAX = 400_000

Asked = Callable[[Chat], Awaitable[Said | None]]
Tooling = Callable[[], Awaitable[Sequence[Tool]]]


class AgentAnswers:
    """Answers with an agent's turn. `rules` say what the owner allows; somebody is there to ask."""

    def __init__(
        self,
        ask: Asked,
        manner: Manner,
        *,
        engine: Engine,
        tooling: Tooling,
        guard: Guard,
        artifacts: Path,
    ) -> None:
        self._ask = ask
        self._manner = manner
        self._engine = engine
        self._tooling = tooling
        self._guard = guard
        self._artifacts = artifacts

    async def __call__(self, talk: Talk) -> Replied:
        """Raises `ApprovalWaitsError` and `PausedError`: the run stays, to go on later."""
        run = run_of(talk.conversation, talk.key)
        told = await self._engine.run(run, partial(self._work, talk))
        taint = frozenset(Label(word) for word in told["taint"])
        return Replied(**{**told, "taint": taint})

    async def _work(self, talk: Talk, steps: Steps) -> dict[str, Any]:
        """The turn, step by step; its end as JSON."""
        tools = await self._tooling()
        outcome = await converse(
            self.turn_of(talk), ask=self._asked, tools=tools, steps=steps, guard=self._guard
        )
        failed = f"No answer: {outcome.failed}" if outcome.failed else ""
        return {
            "text": outcome.text or failed or "No answer.",
            "tier": outcome.tier,
            "model": outcome.model,
            "tokens": outcome.tokens,
            "cost_microusd": outcome.cost_microusd + outcome.tools_microusd,
            "taint": sorted(outcome.taint | talk.taint),
        }

    def turn_of(self, talk: Talk) -> Turn:
        """What the agent is given: the conversation as far as it fits, then the last message."""
        manner, run = self._manner, run_of(talk.conversation, talk.key)
        *before, last = recent(talk.lines, characters_max=manner.characters_max)
        said = "\n\n".join(f"{line.role}: {line.text}" for line in before)
        earlier = f"The conversation so far:\n\n{said}\n\nAnswer this:\n\n" if said else ""
        return Turn(
            job=JOB,
            run=run,
            key=talk.key,
            prompt=f"{manner.system}\n\n{earlier}{last.text}",
            policy=manner.policy,
            taint=talk.taint,
            model=manner.model,
            kind=KIND,
            output_tokens_max=manner.output_tokens_max,
            limits=Limits(STEPS_MAX, TOKENS_MAX, manner.seconds_max),
            quarantine=False,
            artifacts=str(self._artifacts / run),
        )

    async def _asked(self, chat: Chat) -> Said:
        """One model call. What may pass leaves the run as it stands, in place of ending it."""
        try:
            said = await self._ask(chat)
        except TwotierError as exc:
            if passing(exc):
                raise PausedError(exc.message) from exc
            raise
        if said is None:
            raise StreamBrokenError("main put a conversation into a batch; that is a defect")
        return said
