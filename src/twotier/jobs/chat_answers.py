"""Who answers a conversation: a model that is asked through main, frontier unless set otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from twotier.agent.said import Chat, Said
from twotier.domain.tier import TierPolicy
from twotier.errors import StreamBrokenError
from twotier.jobs.chat import Talk
from twotier.jobs.chat_store import Replied
from twotier.jobs.chat_text import recent

KIND = "chat"


@dataclass(frozen=True, slots=True)
class Manner:
    """How conversations are answered. `characters_max` is how much of one a model is told."""

    system: str
    policy: TierPolicy
    model: str
    output_tokens_max: int
    characters_max: int
    seconds_max: float


class PlainAnswers:
    """Answers with what a model says, without tools. A person waits, so it is no job's work."""

    def __init__(self, ask: Callable[[Chat], Awaitable[Said | None]], manner: Manner) -> None:
        self._ask = ask
        self._manner = manner

    async def __call__(self, talk: Talk) -> Replied:
        """Raises what `MainClient.chat` raises."""
        said = await self._ask(self.chat_of(talk))
        text = "" if said is None else said.message.get("content")
        if said is None or not isinstance(text, str) or not text.strip():
            raise StreamBrokenError("the model gave an empty answer")
        cut = "\n\n(cut at its longest length; say: go on)" if said.finish == "length" else ""
        return Replied(
            text=text.strip() + cut,
            tier=said.tier,
            model=said.model,
            tokens=said.tokens,
            cost_microusd=said.cost_microusd,
        )

    def chat_of(self, talk: Talk) -> Chat:
        """The question: the same words and the same key whenever it is asked."""
        manner = self._manner
        lines = recent(talk.lines, characters_max=manner.characters_max)
        return Chat(
            messages=(
                {"role": "system", "content": manner.system},
                *({"role": line.role, "content": line.text} for line in lines),
            ),
            job="",
            run=f"chat-{talk.conversation}",
            step=talk.key,
            kind=KIND,
            policy=manner.policy,
            model=manner.model,
            output_tokens_max=manner.output_tokens_max,
            deadline_seconds=manner.seconds_max,
        )
