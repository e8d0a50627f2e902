"""A conversation with tools: durable steps, approvals, and a taint that stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.agent.stage import KeptDesk, Toy
from tests.stores import laid
from twotier.agent.guard import Rules
from twotier.agent.said import Chat, Said
from twotier.agent.turn import Decision, Guard
from twotier.clock import SystemClock
from twotier.domain.label import Label
from twotier.domain.tier import TierPolicy
from twotier.errors import ApprovalWaitsError, PausedError, UpstreamError
from twotier.jobs.chat import Talk, passing
from twotier.jobs.chat_agent import AgentAnswers
from twotier.jobs.chat_answers import Manner
from twotier.jobs.chat_store import ChatStore, Replied
from twotier.jobs.chat_text import Line
from twotier.jobs.database import Database
from twotier.jobs.engine import Engine
from twotier.jobs.runner import LEAVE

MANNER = Manner("Be brief.", TierPolicy.FRONTIER, "auto", 2_000, 60_000, 60.0)
TALK = Talk("c1", key="7", lines=(Line("user", "What colour?"),))
CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "one",
            "type": "function",
            "function": {"name": "look_up", "arguments": '{"text": "colour"}'},
        }
    ],
}
WORDS = {"role": "assistant", "content": "It is blue."}


class Model:
    """Answers with messages, one after another; an error in their place is raised."""

    def __init__(self, *script: dict[str, Any] | UpstreamError) -> None:
        self.script = list(script)
        self.chats: list[Chat] = []

    async def __call__(self, chat: Chat) -> Said:
        self.chats.append(chat)
        said = self.script.pop(0)
        if isinstance(said, UpstreamError):
            raise said
        finish = "tool_calls" if "tool_calls" in said else "stop"
        return Said(said, finish, "frontier", "m", "policy", "r", 20, 10, 1_000)


@asynccontextmanager
async def engine_at(folder: Path) -> AsyncIterator[Engine]:
    """The durable engine on a file."""
    engine = Engine.on(laid(folder / "engine.db"), leave=LEAVE)
    try:
        yield engine
    finally:
        await engine.close()


def answers(
    engine: Engine, model: Model, tools: Sequence[Toy], *, desk: KeptDesk, folder: Path
) -> AgentAnswers:
    """What is tested."""

    async def tooling() -> Sequence[Toy]:
        return tools

    guard = Guard(Rules(attended=True), desk)
    return AgentAnswers(
        model, MANNER, engine=engine, tooling=tooling, guard=guard, artifacts=folder / "artifacts"
    )


@pytest.mark.slow
def test_a_message_is_a_durable_turn_with_tools_and_approvals(tmp_path: Path) -> None:
    """A passing error and a wait for a yes leave the run; what was done is not done again."""
    toy = Toy(labels=frozenset({Label.CHANGES}), brings=frozenset({Label.UNTRUSTED}))
    model = Model(UpstreamError("down", upstream_status=503), CALLS, WORDS)
    desk = KeptDesk()

    async def scenario() -> Replied:
        async with engine_at(tmp_path) as engine:
            first = answers(engine, model, [toy], desk=desk, folder=tmp_path)
            with pytest.raises(PausedError) as paused:
                await first(TALK)
            assert passing(paused.value)
            with pytest.raises(ApprovalWaitsError):
                await first(TALK)
            assert not toy.calls
        desk.says = {"look_up": Decision(True, "the owner said yes")}
        async with engine_at(tmp_path) as engine:  # another life of the worker
            again = answers(engine, model, [toy], desk=desk, folder=tmp_path)
            replied = await again(TALK)
            assert await again(TALK) == replied
            return replied

    replied = asyncio.run(scenario())
    assert replied.text == "It is blue."
    assert replied.taint == {Label.UNTRUSTED}
    assert (len(toy.calls), len(model.chats)) == (1, 3)
    assert model.chats[1].run == "chat-c1-7"


def test_what_was_read_stays_with_the_conversation(tmp_path: Path) -> None:
    """The next message's turn begins with it, and is told what was said before."""

    async def scenario() -> None:
        database = Database.open(laid(tmp_path / "work.db"))
        try:
            store = ChatStore(database, SystemClock())
            message = await store.say("What colour?")
            assert not await store.taint(message.conversation)
            replied = Replied("blue", taint=frozenset({Label.PRIVATE, Label.UNTRUSTED}))
            assert await store.answered(message, replied)
            found = await store.taint(message.conversation)
            assert found == {Label.PRIVATE, Label.UNTRUSTED}
        finally:
            database.close()
        engine = Engine.on(laid(tmp_path / "engine.db"))
        agent = answers(engine, Model(), [], desk=KeptDesk(), folder=tmp_path)
        lines = (*TALK.lines, Line("assistant", "blue"), Line("user", "Sure?"))
        turn = agent.turn_of(replace(TALK, lines=lines, taint=found))
        assert turn.taint == found
        assert turn.prompt == (
            "Be brief.\n\nThe conversation so far:\n\nuser: What colour?\n\nassistant: blue\n\n"
            "Answer this:\n\nSure?"
        )
        assert agent.turn_of(TALK).prompt == "Be brief.\n\nWhat colour?"

    asyncio.run(scenario())
