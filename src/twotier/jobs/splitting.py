"""A part of a run in two steps: the local tier picks from its items, the frontier writes from that.

What was picked is one remembered step, so a run that was killed does not read again. It is asked
for as everything else is: through main, counted, waiting for a tier that comes up.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Protocol

from twotier.agent.model import Answer, Question
from twotier.domain.clock import Clock
from twotier.domain.steps import Json
from twotier.domain.tier import TierPolicy
from twotier.errors import JobError, ToolError, TwotierError
from twotier.jobs.asking import Asker
from twotier.jobs.parts import Part
from twotier.jobs.prompt import checked, prompt_of
from twotier.tools.reading import Ask, Limits, Reading, Told
from twotier.tools.splitting import Extract, Split, split, worth

KIND = "split"


class Main(Protocol):
    """What is asked: `MainClient`."""

    async def ask(self, question: Question) -> Answer | None:
        """One question."""
        ...

    async def local_window(self) -> int:
        """How much the local tier can read at once."""
        ...


async def picked(part: Part, name: str, *, asker: Asker, main: Main, clock: Clock) -> Json:
    """What the local tier picks of the part's items, None where they are short. `name` is that of
    its steps. Raises what `Asker.ask` raises, and `ToolError`.
    """
    texts = texts_of(part)
    if not worth(part.job.prompt, texts):
        return None

    async def ask(asked: Ask) -> Told:
        answer = await asker.ask(question(part, asked), main.ask)
        return Told(answer.text, answer.tokens, answer.cost_microusd, cut=answer.cut)

    limits = Limits(window_tokens=await main.local_window(), seconds_max=asker.left_seconds)
    reading = Reading(ask, limits, key=f"{name}:read", now=clock.monotonic)
    try:
        found = await split(part.job.prompt, texts, reading=reading)
    except ToolError as exc:
        cause = exc.__cause__
        if isinstance(cause, TwotierError):  # whoever waits for tiers knows it by its class
            raise cause from None
        raise
    return asdict(found)


def split_of(told: Json) -> Split | None:
    """What `picked` gave."""
    if told is None:
        return None
    extracts = tuple(Extract(**one) for one in told["extracts"])
    return Split(extracts, told["pieces"], told["left_out"])


def texts_of(part: Part) -> dict[str, str]:
    """The items' texts by what an extract is cited as."""
    texts: dict[str, str] = {}
    for number, item in enumerate(part.items, 1):
        name = " ".join((item.title or item.id).split())
        texts[f"{name} ({number})" if name in texts else name] = item.text
    return texts


def question(part: Part, asked: Ask) -> Question:
    """One look of the local tier."""
    return Question(
        system=asked.system,
        prompt=asked.prompt,
        job=part.job.name,
        run=part.run.id,
        step=asked.step,
        kind=KIND,
        policy=TierPolicy.LOCAL_ONLY,
        model="auto",
        output_tokens_max=asked.output_tokens_max,
        deadline_seconds=asked.deadline_seconds,
        schema=asked.schema,
    )


def prompt_for(part: Part) -> str:
    """What is asked for the part."""
    if part.split is not None:
        return part.split.prompt(part.job.prompt.strip())
    return prompt_of(part.job, part.items)


def policy_for(part: Part) -> TierPolicy:
    """Where it is asked: what was picked is for the frontier."""
    return TierPolicy.FRONTIER if part.split is not None else part.job.tier


def kind_for(part: Part) -> str:
    """A word for the router; what is written from extracts is no poll."""
    return part.job.kind if part.split is None else ""


def text_for(part: Part, text: str, *, cut: bool) -> str:
    """The text to deliver. Raises `JobError` with the reason when the form is wrong."""
    good = checked(part.job, text, cut=cut)
    if part.split is None:
        return good
    if wrong := part.split.wrong(good):
        raise JobError(wrong)
    return part.split.with_sources(good)
