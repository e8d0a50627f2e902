"""How `delegate` asks: through main like any call of a run, always of the local tier alone; and how
much that reads at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twotier.agent.model import MainClient
from twotier.agent.said import Chat, Said
from twotier.domain.tier import TierPolicy
from twotier.errors import NotRunningError, StreamBrokenError
from twotier.tools.base import Call
from twotier.tools.delegate import KIND
from twotier.tools.reading import Ask, Limits, Told

Chats = Callable[[Chat], Awaitable[Said | None]]


def local_asks(chat: Chats) -> Callable[[Ask, Call], Awaitable[Told]]:
    """What `Delegate` asks with. `chat` is `MainClient.chat`, or what counts in front of it.

    It should not wait for a tier that is down: the model that delegates hears of it, and decides.
    """

    async def ask(asked: Ask, call: Call) -> Told:
        return told_of(await chat(chat_of(asked, call)))

    return ask


def chat_of(asked: Ask, call: Call) -> Chat:
    """The call of a model, in the name of the run that delegates."""
    return Chat(
        messages=(
            {"role": "system", "content": asked.system},
            {"role": "user", "content": asked.prompt},
        ),
        job=call.job,
        run=call.run,
        step=asked.step,
        kind=KIND,
        policy=TierPolicy.LOCAL_ONLY,
        model="auto",
        output_tokens_max=asked.output_tokens_max,
        deadline_seconds=asked.deadline_seconds,
        schema=asked.schema,
    )


def told_of(said: Said | None) -> Told:
    """What came back. An answer without a word is none."""
    text = "" if said is None else said.message.get("content")
    if said is None or not isinstance(text, str) or not text.strip():
        raise StreamBrokenError("the model gave an empty answer")
    return Told(
        text=text,
        tokens=said.tokens,
        cost_microusd=said.cost_microusd,
        tier=said.tier,
        model=said.model,
        cut=said.finish == "length",
    )


async def window_or_usual(client: MainClient) -> int:
    """The window that the local tier has now. Where main does not say it, the usual one: if it has
    gone, the question will tell.
    """
    try:
        return await client.local_window()
    except NotRunningError:
        return Limits().window_tokens
