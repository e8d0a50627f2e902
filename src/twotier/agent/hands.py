"""One call of a tool: checked, judged, approved where it must be, made, and noted. Nothing else
calls a tool.

Each part that looks outside is a step, so a replayed run decides what it decided before. What goes
wrong is told to the model as the call's result; only a loop, a wait for the owner and a stop of the
worker end the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from twotier.agent.artifacts import Artifacts, artifact_name
from twotier.agent.course import Course, digest
from twotier.agent.guard import Asked, Judgement, Verdict, grown, judge, plain_arguments
from twotier.agent.talk import UNREADABLE
from twotier.agent.turn import Decision, Entry, Guard, Request, Turn
from twotier.domain.label import Labels
from twotier.domain.steps import Json, Steps
from twotier.errors import ApprovalWaitsError, ToolError
from twotier.protocols.json_schema import problems
from twotier.tools.base import Call, Tool

SOURCE_CHARACTERS_MAX = 300  # of what an approval tells of where the wish may come from


@runtime_checkable
class Priced(Protocol):
    """A tool that knows before what a call will cost."""

    def price_microusd(self, arguments: Mapping[str, Any]) -> int:
        """The price of this very call."""
        ...


class Hands:
    """The tools of a turn, behind its guard."""

    def __init__(
        self, turn: Turn, course: Course, *, tools: Sequence[Tool], steps: Steps, guard: Guard
    ) -> None:
        self._turn = turn
        self._course = course
        self._tools = {tool.spec.name: tool for tool in tools}
        self._steps = steps
        self._guard = guard

    async def use(self, name: str, arguments: Mapping[str, Any]) -> str:
        """The text for the model. Raises `StuckError` and `ApprovalWaitsError`."""
        number = self._course.before_call(name, arguments)
        tool = self._tools[name]
        if wrong := self._wrong(tool, arguments):
            judgement = Judgement(Verdict.REFUSE, "schema", wrong)
            asked = Asked(name, arguments, tool.spec.labels, tool.spec.labels)
        else:
            asked = asked_of(tool, arguments)
            judgement = self._judge(asked)
        if judgement.verdict is Verdict.ASK:
            judgement = await self._approved(asked, judgement, number=number)
        key = self._steps.key_of(f"tool:{name}")

        async def done() -> Json:
            clock = asyncio.get_running_loop().time
            began = clock()
            given = await self._do(tool, asked, judgement=judgement, number=number, key=key)
            return given | {"seconds": clock() - began}

        given = await self._steps.do(f"tool:{name}", done)
        self._course.called(name, arguments, given=given)
        return str(given["text"])

    def _wrong(self, tool: Tool, arguments: Mapping[str, Any]) -> str:
        if UNREADABLE in arguments:
            return "the arguments are not a JSON object"
        return "; ".join(problems(dict(arguments), dict(tool.spec.parameters)))

    def _judge(self, asked: Asked) -> Judgement:
        course = self._course
        return judge(
            asked,
            taint=course.taint,
            spent_microusd=course.tools_microusd,
            rules=self._guard.rules,
        )

    async def _approved(self, asked: Asked, judgement: Judgement, *, number: int) -> Judgement:
        """The owner's word for exactly these arguments. What was said is a step."""
        request = Request(
            job=self._turn.job,
            run=self._turn.run,
            key=self._turn.key,
            number=number,
            tool=asked.tool,
            arguments=asked.arguments,
            labels=asked.labels,
            taint=self._course.taint,
            because=judgement.because,
            source=source_of(self._turn, self._course),
            price_microusd=asked.price_microusd,
        )

        async def decided() -> Json:
            decision = await self._guard.desk.decision(request)
            if decision is None:
                raise ApprovalWaitsError(f"{asked.tool} waits for your yes: `twotier approve`")
            return {"granted": decision.granted, "because": decision.because}

        said = Decision(**await self._steps.do(f"approve:{asked.tool}", decided))
        verdict = Verdict.ALLOW if said.granted else Verdict.REFUSE
        return Judgement(verdict, "approval", said.because)

    async def _do(
        self, tool: Tool, asked: Asked, *, judgement: Judgement, number: int, key: str
    ) -> Json:
        """Note the verdict, act on it, note what came of it."""
        noted = (asked, judgement, number)
        await self._note(noted, "judged")
        if not judgement.allowed:
            wrong = judgement.rule == "schema"
            text = f"{'wrong arguments' if wrong else 'refused'}: {judgement.because}"
            return given(text, failed=True, refused=not wrong)
        arguments = plain_arguments(asked.arguments) if judgement.plain else asked.arguments
        call = Call(
            job=self._turn.job,
            run=self._turn.run,
            key=key,
            taint=self._course.taint,
            deadline_seconds=self._turn.limits.seconds_max,
        )
        try:
            result = await tool.call(arguments, call)
        except ToolError as exc:
            await self._note(noted, "ended", failed=exc.message)
            return given(f"error: {exc.message}", labels=asked.labels, failed=True)
        await self._note(noted, "ended", cost=result.cost_microusd)
        artifacts = Artifacts.of(self._turn.artifacts)
        text = await artifacts.fit(result.text, artifact_name(asked.tool, number))
        labels = asked.labels | result.labels
        return given(text, labels=labels, cost_microusd=result.cost_microusd)

    async def _note(
        self, call: tuple[Asked, Judgement, int], event: str, *, failed: str = "", cost: int = 0
    ) -> None:
        asked, judgement, number = call
        await self._guard.desk.note(
            Entry(
                job=self._turn.job,
                run=self._turn.run,
                key=self._turn.key,
                number=number,
                event=event,
                tool=asked.tool,
                arguments_sha256=digest(asked.arguments),
                labels=asked.labels,
                taint=self._course.taint,
                verdict="failed" if failed else judgement.verdict.value,
                rule=judgement.rule,
                because=failed or judgement.because,
                cost_microusd=cost,
            )
        )


def asked_of(tool: Tool, arguments: Mapping[str, Any]) -> Asked:
    """What a call asks for, with its labels and price."""
    price = tool.price_microusd(arguments) if isinstance(tool, Priced) else 0
    spec = tool.spec
    return Asked(spec.name, arguments, tool.needs(arguments), spec.labels, price)


def given(
    text: str,
    *,
    labels: Labels = frozenset(),
    cost_microusd: int = 0,
    failed: bool = False,
    refused: bool = False,
) -> dict[str, Any]:
    """What a call gave, as its step keeps it. Labels that taint a run stay with it."""
    tainting = sorted(label.value for label in grown(frozenset(), labels))
    return {
        "text": text,
        "labels": tainting,
        "cost_microusd": cost_microusd,
        "failed": failed,
        "refused": refused,
    }


def source_of(turn: Turn, course: Course) -> str:
    """Where the wish may come from: what was found, and what was called since."""
    read = [line.partition(":")[0] for line in course.story]
    found = ["what the watcher found"] if turn.material else []
    taint = ", ".join(sorted(label.value for label in course.taint)) or "nothing of others"
    return f"the run holds {taint}; it read {', '.join(found + read) or 'its prompt'}"[
        :SOURCE_CHARACTERS_MAX
    ]
