"""An agent's turn: model, tools, model, until there is a result or a limit is reached.

What a turn does stands in three functions: `converse` reads strangers' text apart and carries on
with the other tier where that is allowed; `Attempt` talks to one tier; `Hands` makes the calls. The
library that drives the talk is loaded when the first turn begins, and not before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from twotier.agent.artifacts import READ_ARTIFACT, Artifacts
from twotier.agent.course import Course, is_empty, text_of
from twotier.agent.guard import HELD_IN_QUARANTINE, MIXED, grown, plain
from twotier.agent.hands import Hands
from twotier.agent.said import Chat, Said
from twotier.agent.talk import (
    CARRY_ON,
    GIVE_JSON,
    READING,
    SAY_SOMETHING,
    check_tools,
    marked,
    system_of,
    tools_of,
    user_of,
    value_of,
)
from twotier.agent.turn import BOTH_TIERS, Asks, Guard, Outcome, Turn
from twotier.domain.label import Label
from twotier.domain.steps import Json, Steps
from twotier.domain.tier import TierPolicy
from twotier.errors import (
    DeadlineError,
    StreamBrokenError,
    StuckError,
    TwotierError,
    UpstreamError,
)
from twotier.tools.base import Tool, ToolSpec
from twotier.verify.guards import fired

LIBRARY = "pydantic_ai"
ANSWER_CHARACTERS_MAX = 1_000  # of a result that was not good enough, for the tier that carries on
LIBRARY_RETRIES = 5  # above our own limits, so that ours speak first


async def converse(
    turn: Turn, *, ask: Asks, tools: Sequence[Tool], steps: Steps, guard: Guard
) -> Outcome:
    """Do the turn. An outcome that `failed` is told; what an upstream did wrong is raised, and so
    are `ApprovalWaitsError` and, after `seconds_max`, `DeadlineError`.
    """
    check_tools(turn, [tool.spec.name for tool in tools])
    await asyncio.to_thread(import_module, LIBRARY)  # a second of work, once
    talk = Talk(turn, ask=ask, tools=tools, steps=steps, guard=guard)
    try:
        async with asyncio.timeout(turn.limits.seconds_max) as timer:
            talk.ends_at = timer.when() or 0.0
            return await talk.whole()
    except TimeoutError as exc:
        seconds = turn.limits.seconds_max
        raise DeadlineError(f"no result within {seconds:.0f} s; give the job more time") from exc


class Talk:
    """A turn under way."""

    def __init__(
        self, turn: Turn, *, ask: Asks, tools: Sequence[Tool], steps: Steps, guard: Guard
    ) -> None:
        self.turn = turn
        self.course = Course(turn.limits, grown(turn.taint))
        self.ends_at = 0.0
        self._ask = ask
        self._tools = tools
        self._steps = steps
        self._guard = guard
        self._transcript: list[Mapping[str, Any]] = []
        self._because: list[str] = []
        self._escalations = 0
        self._guarded = True
        self._gave_up = ""

    async def whole(self) -> Outcome:
        """Read apart what is to be read apart, then do the work."""
        turn = self.turn
        if not turn.quarantined:
            return await self._work(turn, self._tools)
        if turn.policy is TierPolicy.LOCAL_ONLY:
            self._because.append("read in quarantine")
            reading = replace(turn, schema=turn.schema or READING)
            return await self._work(reading, harmless(self._tools))
        reading = replace(turn, schema=READING, policy=TierPolicy.LOCAL_ONLY)
        read = await self._attempt(reading, ())
        if read.failed:
            return replace(read, failed=f"reading in quarantine: {read.failed}")
        self._because.append("read in quarantine on the local tier")
        self.course.again()
        typed = replace(turn, material=marked(read.text), quarantine=False)
        return await self._work(typed, self._tools)

    async def _work(self, turn: Turn, tools: Sequence[Tool]) -> Outcome:
        """The work itself; once more on the other tier, where one failed, or came to a result that
        is not good enough, and that is allowed. Such a result stays where the other tier has none.
        """
        outcome = await self._attempt(turn, tools)
        wrong = outcome.failed or await self._checked(turn, outcome, again=not tools)
        if not wrong or not await self._may_escalate(turn):
            return outcome if outcome.failed else self._told(outcome, wrong)
        self._escalations += 1
        self._gave_up = outcome.tier
        self._because.append(f"carried on by the frontier tier: {wrong}")
        said = "" if outcome.failed else f"\nIt answered: {outcome.text[:ANSWER_CHARACTERS_MAX]}"
        told = CARRY_ON.format(because=wrong, story=marked(self.course.compact() + said))
        self.course.again()
        again = replace(turn, policy=TierPolicy.FRONTIER, material=f"{turn.material}\n\n{told}")
        try:
            there = await self._attempt(again, tools)
        except (UpstreamError, StreamBrokenError) as exc:
            if outcome.failed:
                raise both(outcome.failed, exc) from exc
            return self._told(outcome, f"the frontier tier has no result: {exc.message}")
        if there.failed and not outcome.failed:
            return self._told(outcome, f"the frontier tier has no result: {there.failed}")
        return there

    async def _checked(self, turn: Turn, outcome: Outcome, *, again: bool) -> str:
        """Why a local tier's result is not good enough, where the other one might be asked."""
        check = self._guard.check
        mine = turn.policy in BOTH_TIERS and self.course.tiers <= turn.local_tiers
        if check is None or not mine:
            return ""
        wrong, told = await check(turn, outcome, again=again)
        self._because += [told] if told and not wrong else []
        return wrong

    def _told(self, outcome: Outcome, wrong: str) -> Outcome:
        """The result with the sums of all that was tried; `wrong` says why it is only kept."""
        self._because += [f"kept, though not verified: {wrong}"] if wrong else []
        course = self.course
        return replace(
            outcome,
            steps=course.steps,
            tool_calls=course.calls,
            tokens=course.tokens,
            cost_microusd=course.cost_microusd,
            tools_microusd=course.tools_microusd,
            taint=course.taint,
            escalations=self._escalations,
            gave_up=self._gave_up,
            because=tuple(self._because),
            transcript=tuple(self._transcript),
        )

    async def _watched(self, turn: Turn) -> None:
        """Between two steps: raises `StuckError` where a guard speaks and the other tier may carry
        on. Where it may not, the run goes on as it is, and says so.
        """
        begun = self._guarded and self.course.steps > 0
        may = begun and not self._escalations and turn.may_escalate(self.course.taint)
        found = fired(self.course.flight(), turn.usual) if may else None
        if found is None:
            return
        self._guarded = False
        if await self._may_escalate(turn):
            raise StuckError(f"guard {found.name}: {found.because}")
        self._because.append(f"guard {found.name} spoke, and it may not be handed over")

    async def _may_escalate(self, turn: Turn) -> bool:
        course, desk = self.course, self._guard.desk
        if not turn.may_escalate(course.taint) or not course.tiers <= turn.local_tiers:
            return False

        async def allowed() -> Json:
            if Label.UNTRUSTED not in course.taint:
                return True
            most = turn.escalations_max
            return await desk.may_escalate(turn.job, run=turn.run, times_max=most)

        return bool(await self._steps.do("escalate", allowed))

    async def _attempt(self, turn: Turn, tools: Sequence[Tool]) -> Outcome:
        """One tier's try. A limit that is reached is a failed outcome."""
        quarantined = turn.quarantined
        rules = replace(self._guard.rules, quarantine=quarantined)
        guard = replace(self._guard, rules=rules)
        attempt = Attempt(self, turn, tools=tools, guard=guard)
        text, value, failed = "", None, ""
        try:
            text, value = await attempt.run()
        except StuckError as exc:
            failed = exc.message
        self._transcript += attempt.messages
        return self._outcome(text, value, failed=failed)

    def _outcome(self, text: str, value: Any, *, failed: str) -> Outcome:
        course, last = self.course, self.course.last
        strip = self.turn.leaves and course.taint >= MIXED
        return Outcome(
            text=plain(text) if strip else text,
            value=value,
            failed=failed,
            steps=course.steps,
            tool_calls=course.calls,
            refused=course.refused,
            tokens=course.tokens,
            cost_microusd=course.cost_microusd,
            tools_microusd=course.tools_microusd,
            tier=last.tier if last else "",
            model=last.model if last else "",
            rule=last.rule if last else "",
            request=last.request if last else "",
            taint=course.taint,
            escalations=self._escalations,
            gave_up=self._gave_up,
            because=tuple(self._because),
            transcript=tuple(self._transcript),
        )

    async def ask(self, turn: Turn, body: Mapping[str, Any], *, policy: TierPolicy) -> Said:
        """One model call, as a step."""
        await self._watched(turn)
        number = self.course.before_step()
        left_seconds = self.ends_at - asyncio.get_running_loop().time()
        chat = Chat(
            messages=tuple(body["messages"]),
            tools=body["tools"],
            schema=body["schema"],
            job=turn.job,
            run=turn.run,
            step=f"{turn.key[:12]}:{number}",
            kind=turn.kind,
            policy=policy,
            model=turn.model,
            output_tokens_max=turn.output_tokens_max,
            deadline_seconds=max(0.1, left_seconds),
            period_seconds=turn.period_seconds,
        )

        async def asked() -> Json:
            clock = asyncio.get_running_loop().time
            began = clock()
            said = await self._ask(chat)
            return replace(said, seconds=clock() - began).json()

        return Said.of(await self._steps.do("model", asked))

    def hands(self, turn: Turn, tools: Sequence[Tool], *, guard: Guard) -> Hands:
        """The tools of an attempt."""
        return Hands(turn, self.course, tools=tools, steps=self._steps, guard=guard)


class Attempt:
    """A talk with one tier, from the prompt to a result."""

    def __init__(self, talk: Talk, turn: Turn, *, tools: Sequence[Tool], guard: Guard) -> None:
        self._talk = talk
        self._turn = turn
        self._artifacts = Artifacts.of(turn.artifacts)
        self._tools = list(tools)
        self._hands = talk.hands(turn, [*tools, self._artifacts], guard=guard)
        self.messages: list[Mapping[str, Any]] = []

    async def run(self) -> tuple[str, Any]:
        """The result as text and as a value. Raises `StuckError`."""
        from pydantic_ai import Agent
        from pydantic_ai.exceptions import AgentRunError
        from pydantic_ai.usage import UsageLimits

        from twotier.agent.adapter import MainModel, Toolbox

        model = MainModel(self._answer, system=system_of(self._specs()))
        agent: Agent[None, str] = Agent(
            model,
            toolsets=[Toolbox(self._all(), self._hands.use)],
            retries={"tools": LIBRARY_RETRIES, "output": 0},
        )
        try:
            result = await agent.run(
                user_of(self._turn), usage_limits=UsageLimits(request_limit=None), deps=None
            )
        except AgentRunError as exc:
            raise StuckError(f"the talk broke off: {exc}") from exc
        value, _ = value_of(result.output, self._turn.schema)
        return result.output.strip(), value

    def _all(self) -> list[ToolSpec]:
        """Those the library knows from the start, because it would tell the model of a new one."""
        specs = [tool.spec for tool in self._tools]
        return [*specs, self._artifacts.spec] if specs else []

    def _specs(self) -> list[ToolSpec]:
        """Those the model is shown: what was kept can be read once something was."""
        specs = [tool.spec for tool in self._tools]
        kept = any(f"{READ_ARTIFACT} name=" in str(one.get("content")) for one in self.messages)
        return [*specs, self._artifacts.spec] if specs and kept else specs

    async def _answer(self, messages: list[dict[str, Any]]) -> Said:
        """The next message: once more after silence, and in JSON where a form is asked for."""
        self.messages = list(messages)
        tools = tools_of(self._specs())
        said = await self._say(messages, tools, bound=not tools)
        if is_empty(said.message):
            said = await self._say([*messages, user(SAY_SOMETHING)], tools, bound=not tools)
        wrong = self._wrong(said)
        if wrong and tools:  # a server cannot hold an answer to a form and offer tools with it
            said = await self._say([*messages, dict(said.message), user(GIVE_JSON)], (), bound=True)
            wrong = self._wrong(said)
        if wrong:
            raise StuckError(f"the result does not have the form asked for: {wrong}")
        return said

    def _wrong(self, said: Said) -> str:
        if said.message.get("tool_calls"):
            return ""
        return value_of(text_of(said.message), self._turn.schema)[1]

    async def _say(
        self, messages: list[dict[str, Any]], tools: tuple[dict[str, Any], ...], *, bound: bool
    ) -> Said:
        schema = self._turn.schema if bound else None
        body = {"messages": messages, "tools": tools, "schema": schema}
        said = await self._talk.ask(self._turn, body, policy=self._turn.policy)
        self.messages.append(said.message)  # also what is no answer: it says what went wrong
        self._talk.course.said(said)
        return said


def both(stuck: str, error: UpstreamError | StreamBrokenError) -> TwotierError:
    """The error of the tier that was to carry on, told with what it was asked for."""
    message = f"{stuck}; the frontier tier was to carry on: {error.message}"
    if isinstance(error, StreamBrokenError):
        return StreamBrokenError(message)
    return UpstreamError(
        message,
        upstream_status=error.upstream_status,
        upstream_kind=error.upstream_kind,
        retry_after_seconds=error.retry_after_seconds,
    )


def harmless(tools: Sequence[Tool]) -> list[Tool]:
    """Those that neither send nor change anything, whatever they are given."""
    return [tool for tool in tools if not HELD_IN_QUARANTINE & tool.spec.labels]


def user(text: str) -> dict[str, Any]:
    """A line of ours in the talk."""
    return {"role": "user", "content": text}
