"""Conversations: answered once, whatever dies in between; from the command line and Telegram."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.telegram_api import TelegramApi, telegram
from tests.jobs.making import HandClock
from tests.stores import laid
from twotier.clock import SystemClock
from twotier.domain.clock import Clock
from twotier.domain.tier import TierPolicy
from twotier.errors import BudgetError, DeliveryError, NotFoundError, TwotierError, UpstreamError
from twotier.jobs.chat import Channel, Chats, Talk
from twotier.jobs.chat_answers import Manner, PlainAnswers
from twotier.jobs.chat_store import ChatStore, Message, Replied
from twotier.jobs.chat_text import Line
from twotier.jobs.database import Database
from twotier.jobs.telegram import Telegram
from twotier.tools.web import Web

ME, STRANGER = 77, 99
MANNER = Manner("Be brief.", TierPolicy.FRONTIER, "auto", 2_000, 60_000, 300.0)


@dataclass
class Model:
    """Answers with the number of lines it was told; remembers every talk."""

    talks: list[Talk] = field(default_factory=list)
    failing: list[TwotierError] = field(default_factory=list)
    gate: asyncio.Event | None = None
    text: str = ""

    async def __call__(self, talk: Talk) -> Replied:
        self.talks.append(talk)
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            raise self.failing.pop(0)
        text = self.text or f"answer {len(talk.lines)} to {talk.lines[-1].text}"
        return Replied(text, tier="frontier", model="m", tokens=7, cost_microusd=1_000)


@asynccontextmanager
async def running(
    folder: Path, model: Model, *channels: Channel, clock: Clock | None = None
) -> AsyncIterator[Chats]:
    """Conversations at work. Leaving is as a kill: nothing is finished on purpose."""
    database = Database.open(laid(folder / "work.db"))
    clock = clock or SystemClock()
    chats = Chats(ChatStore(database, clock), model, channels=channels, clock=clock)
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(chats.run())
            yield chats
            task.cancel()
    finally:
        database.close()


def bot(api: TelegramApi, *, token: str = "") -> Telegram:
    """The channel, for one chat."""
    return Telegram(Web(), url=api.url, token=lambda: token or api.token, chats=[ME])


def looped(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run it."""

    async def whole() -> None:
        await scenario()

    asyncio.run(whole())


async def asked(model: Model, count: int) -> None:
    """Wait until a model was asked so often."""
    async with asyncio.timeout(60):
        while len(model.talks) < count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def noted(chats: Chats) -> None:
    """Wait until we know that all was sent; in between a kill would have it sent again."""
    async with asyncio.timeout(60):
        while await chats.store.unsent("telegram"):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def answer(chats: Chats, message: Message) -> Message:
    """The answer to a message."""
    _, found = await chats.wait(message.id, seconds=60)
    assert found is not None
    return found


def test_a_conversation_goes_on_and_another_begins(tmp_path: Path) -> None:
    """The latest one by default, a new one if asked, any one by its id; each knows its own past."""

    async def scenario() -> None:
        model = Model()
        async with running(tmp_path, model) as chats:
            first = await chats.say("one")
            assert (await answer(chats, first)).text == "answer 1 to one"
            second = await chats.say("two")
            assert second.conversation == first.conversation
            assert (await answer(chats, second)).text == "answer 3 to two"
            other = await chats.say("three", new=True)
            assert (await answer(chats, other)).text == "answer 1 to three"
            back = await chats.say("four", conversation=first.conversation)
            assert (await answer(chats, back)).text == "answer 5 to four"
            listed = await chats.store.listed(10)
            assert [one["title"] for one in listed] == ["one", "three"]
            assert listed[0]["cost_microusd"] == 3_000
            roles = [one.role for one in await chats.store.whole(first.conversation)]
            assert roles == ["user", "assistant"] * 3
            with pytest.raises(NotFoundError, match="see `twotier chat list`"):
                await chats.say("x", conversation="gone")

    looped(scenario)


def test_a_message_that_came_before_a_kill_is_answered_once(tmp_path: Path) -> None:
    """Killed while the model is asked: asked again with the same key and words, answered once."""

    async def scenario() -> None:
        stuck, model = Model(gate=asyncio.Event()), Model()
        async with running(tmp_path, stuck) as chats:
            message = await chats.say("hello")
            await asked(stuck, 1)
        async with running(tmp_path, model) as chats:
            assert (await answer(chats, message)).text == "answer 1 to hello"
            assert model.talks == stuck.talks
        async with running(tmp_path, again := Model()) as chats:
            await answer(chats, message)
            await answer(chats, await chats.say("more"))
            assert len(again.talks) == 1
            assert len(await chats.store.whole(message.conversation)) == 4
            assert not await chats.store.answered(message, Replied("twice"))

    looped(scenario)


def test_a_passing_trouble_is_waited_for_and_a_refusal_is_said(tmp_path: Path) -> None:
    """503 and 409 are tried again by the clock; a limit that is reached is the answer."""

    async def scenario() -> None:
        clock = HandClock()
        model = Model(
            failing=[
                UpstreamError("down", upstream_status=503),
                UpstreamError("busy", upstream_status=409),
            ]
        )
        async with running(tmp_path, model, clock=clock) as chats:
            message = await chats.say("hello")
            await asked(model, 1)
            for count in (2, 3):
                while len(model.talks) < count:
                    clock.turn(4)
                    await asyncio.sleep(0.005)
            assert (await answer(chats, message)).text == "answer 1 to hello"
            model.failing = [BudgetError("the limit of the day is reached")]
            refused = await answer(chats, await chats.say("more"))
            assert refused.text == "No answer: the limit of the day is reached"
            assert refused.cost_microusd == 0

    looped(scenario)


def test_two_conversations_are_answered_side_by_side_each_in_order(tmp_path: Path) -> None:
    """One that waits for a slow answer does not hold up another."""

    async def scenario() -> None:
        model = Model(gate=asyncio.Event())
        async with running(tmp_path, model) as chats:
            one = await chats.say("one")
            await chats.say("one again", conversation=one.conversation)
            two = await chats.say("two", new=True)
            await asked(model, 2)
            assert {talk.conversation for talk in model.talks} == {
                one.conversation,
                two.conversation,
            }
            assert model.gate is not None
            model.gate.set()
            await answer(chats, two)
            assert len(await chats.store.whole(one.conversation)) in (3, 4)

    looped(scenario)


def test_what_a_model_is_told_is_the_conversation_under_a_key(tmp_path: Path) -> None:
    """System text, the lines in order, frontier, and the message's own key for main."""
    del tmp_path
    talk = Talk("c1", key="5", lines=(Line("user", "a"), Line("assistant", "b"), Line("user", "c")))

    async def nobody(_: object) -> None:
        return None

    chat = PlainAnswers(nobody, MANNER).chat_of(talk)
    assert [one["content"] for one in chat.messages] == ["Be brief.", "a", "b", "c"]
    assert (chat.run, chat.step, chat.policy) == ("chat-c1", "5", TierPolicy.FRONTIER)
    with pytest.raises(TwotierError, match="empty answer"):
        asyncio.run(PlainAnswers(nobody, MANNER)(talk))


def test_telegram_answers_the_chats_that_are_named_and_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A stranger gets no word; pictures are passed over; /new begins anew; no previews."""
    caplog.set_level(logging.INFO)

    async def scenario() -> None:
        model = Model()
        async with telegram() as api, running(tmp_path, model, bot(api)) as chats:
            await api.say(STRANGER, "let me in")
            await api.say(ME, None)
            await api.say(ME, "hello")
            assert await api.until_sent(1) == [(ME, "answer 1 to hello")]
            await api.say(ME, "more")
            assert (await api.until_sent(2))[1] == (ME, "answer 3 to more")
            await api.say(ME, "/new from the start")
            assert (await api.until_sent(3))[2] == (ME, "answer 1 to from the start")
            assert len(model.talks) == 3
            assert [one["channel"] for one in await chats.store.listed(9)] == ["telegram"] * 2
            sends = [one for one in api.bodies if one["method"] == "sendMessage"]
            assert all(one["link_preview_options"] == {"is_disabled": True} for one in sends)
            assert not any("parse_mode" in one for one in sends)

    looped(scenario)
    assert "canary" not in caplog.text
    assert "let me in" not in caplog.text


def test_a_telegram_message_is_answered_once_across_kills(tmp_path: Path) -> None:
    """Killed before the answer, after it, and between: one answer, offset kept, none read twice."""

    async def scenario() -> None:
        async with telegram() as api:
            stuck = Model(gate=asyncio.Event())
            async with running(tmp_path, stuck, bot(api)):
                number = await api.say(ME, "hello")
                await asked(stuck, 1)
            model = Model()
            async with running(tmp_path, model, bot(api)) as chats:
                await api.until_sent(1)
                await noted(chats)
            async with running(tmp_path, again := Model(), bot(api)):
                await api.say(ME, "more")
                await api.until_sent(2)
            assert [text for _, text in api.sent] == ["answer 1 to hello", "answer 3 to more"]
            assert (len(model.talks), len(again.talks)) == (1, 1)
            assert api.offsets[-1] > number

    looped(scenario)


def test_an_answer_that_could_not_be_sent_is_sent_later_from_its_next_part(tmp_path: Path) -> None:
    """A long answer in parts; 429 in the middle is waited for; a part that arrived stays."""

    async def scenario() -> None:
        clock, model = HandClock(), Model(text="word " * 1_500)
        async with telegram() as api, running(tmp_path, model, bot(api), clock=clock):
            await api.say(ME, "hello")
            api.troubles = [("sendMessage", 429, {"retry_after": 3})]
            async with asyncio.timeout(60):
                while len(api.sent) < 2:
                    clock.turn(3)
                    await asyncio.sleep(0.01)
            assert " ".join(text for _, text in api.sent).split() == ["word"] * 1_500
            assert len(api.sent) == 2

    looped(scenario)


def test_a_chat_that_has_blocked_the_bot_holds_up_no_other(tmp_path: Path) -> None:
    """What can never be taken is marked and left."""

    async def scenario() -> None:
        async with telegram() as api:
            channel = Telegram(Web(), url=api.url, token=lambda: api.token, chats=[ME, 78])
            async with running(tmp_path, Model(), channel) as chats:
                api.blocked.add(ME)
                await api.say(ME, "hello")
                await api.say(78, "hello too")
                assert await api.until_sent(1) == [(78, "answer 1 to hello too")]
                await noted(chats)

    looped(scenario)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ((401, {}), "does not know the token"),
        ((409, {}), "somebody else reads"),
        ((429, {"retry_after": 7}), "status 429"),
        ((500, {}), "status 500"),
    ],
)
def test_what_telegram_refuses_says_what_to_do(
    trouble: tuple[int, dict[str, int]], said: str
) -> None:
    """And never with the address, which holds the token."""

    async def scenario() -> None:
        async with telegram() as api:
            api.troubles = [("getUpdates", *trouble)]
            with pytest.raises(DeliveryError, match=said) as failed:
                await bot(api).receive(0)
            assert failed.value.retry_after_seconds == trouble[1].get("retry_after")
            with pytest.raises(DeliveryError, match="does not know the token"):
                await bot(api, token="other").receive(0)
        with pytest.raises(DeliveryError, match="cannot be reached") as gone:
            await bot(api).receive(0)
        assert gone.value.__cause__ is None
        assert "canary" not in str(gone.value)

    looped(scenario)
