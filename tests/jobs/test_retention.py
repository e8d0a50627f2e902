"""What is kept of jobs, for how long, and that a forgotten job is gone from the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.making import HandClock
from tests.stores import laid
from twotier.agent.model import Answer
from twotier.agent.turn import Entry
from twotier.domain.job import Item, Run, RunState
from twotier.domain.label import NO_LABELS, Label
from twotier.errors import JobError, NotFoundError
from twotier.jobs.audit import AuditStore
from twotier.jobs.chat_store import ChatStore, Incoming, Message, Replied, run_of
from twotier.jobs.database import Database
from twotier.jobs.items import ItemStore
from twotier.jobs.results import Letter, ResultStore
from twotier.jobs.retention import Elsewhere, Keep, Retention
from twotier.jobs.store import Ended, RunStore
from twotier.jobs.tables import items, metadata, runs
from twotier.watch.base import Look

DAY_SECONDS = 86_400.0
SECRET = "the-text-that-nobody-must-find"
ANSWER = Answer(SECRET, False, "local", "local/toy", "explicit", "req-1", 30, 5)


@dataclass
class House:
    """A database with its stores, on a clock turned by hand."""

    database: Database
    clock: HandClock
    retention: Retention
    artifacts: Path
    told: list[str] = field(default_factory=list)

    async def done(self, job: str, *, delivered: bool = True) -> Run:
        """A run that worked on one item and is over."""
        stores = ItemStore(self.database, self.clock), ResultStore(self.database, self.clock)
        runs_of = RunStore(self.database, self.clock)
        run = await runs_of.start((await runs_of.add_by_hand(job)).id)
        item = Item(f"id-{run.id}", "a.txt", SECRET, "inbox/a.txt", author="me", link="https://x")
        await stores[0].store_look(job, "files:inbox", look=Look((item,), {"seen": SECRET}))
        await stores[0].take(job, run.id, limit=9)
        letter = Letter(run.id, item.id, job, "log", item.title, SECRET)
        await stores[1].count_call(run.id, ANSWER, step="1")
        await stores[1].store_answer(letter, ANSWER, step="1")
        if delivered:
            await stores[1].delivered(letter, [item.id])
        await runs_of.end(run.id, Ended(RunState.DONE, "1 new item", SECRET))
        folder = self.artifacts / run.id
        folder.mkdir(parents=True)
        (folder / "page.txt").write_text(SECRET)
        return run

    async def count(self, table: str) -> int:
        query = sa.select(sa.func.count()).select_from(metadata.tables[table])
        return await self.database.do(lambda connection: connection.scalar(query) or 0)

    async def item_texts(self) -> list[str]:
        query = sa.select(items.c.title + items.c.text + items.c.author + items.c.link)
        return list(await self.database.do(lambda connection: list(connection.scalars(query))))


@asynccontextmanager
async def house(home: Path, keep: Keep) -> AsyncIterator[House]:
    """Open it, and close it."""
    database, clock, told = Database.open(laid(home / "work.db")), HandClock(), list[str]()

    async def forget(run_ids: Sequence[str]) -> None:
        told.extend(run_ids)

    elsewhere = Elsewhere(forget, home / "artifacts")
    try:
        retention = Retention(database, clock, keep=keep, elsewhere=elsewhere)
        yield House(database, clock, retention, home / "artifacts", told)
    finally:
        database.close()


def files_with(text: str, folder: Path) -> list[str]:
    """The files that hold it, by a look at their bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if text.encode() in path.read_bytes()]


def test_a_finished_item_keeps_its_text_for_its_days(tmp_path: Path) -> None:
    """So that it can be worked on again; then only its id is left, and it is not done twice."""

    async def scenario() -> None:
        async with house(tmp_path, Keep(items_days=3)) as home:
            await home.done("mail")
            home.clock.turn(2.9 * DAY_SECONDS)
            await home.retention.expire()
            assert SECRET in (await home.item_texts())[0]
            home.clock.turn(0.2 * DAY_SECONDS)
            await home.retention.expire()
            assert await home.item_texts() == [""]
            assert await home.count("items") == 1

    asyncio.run(scenario())


def test_what_is_not_done_does_not_expire(tmp_path: Path) -> None:
    """A tier that is down for a month costs nobody his mail."""

    async def scenario() -> None:
        async with house(tmp_path, Keep(items_days=3, transcripts_days=3)) as home:
            look = Look((Item("id", "a.txt", SECRET, "inbox/a.txt"),), {})
            store = ItemStore(home.database, home.clock)
            await store.store_look("mail", "files:inbox", look=look)
            await home.done("mail", delivered=False)
            home.clock.turn(10 * DAY_SECONDS)
            await home.retention.expire()
            assert SECRET in (await home.item_texts())[0]
            assert await home.count("outbox") == 1
            assert await home.count("answers") == 1

    asyncio.run(scenario())


def test_a_run_loses_its_texts_first_and_its_row_later(tmp_path: Path) -> None:
    """The row says what was done and paid; the engine and the folder of the run are told too."""

    async def scenario() -> None:
        async with house(tmp_path, Keep(transcripts_days=3, runs_days=9)) as home:
            run = await home.done("mail")
            home.clock.turn(4 * DAY_SECONDS)
            assert await home.retention.expire() == 1
            assert (await home.count("answers"), await home.count("outbox")) == (0, 0)
            (row,) = await RunStore(home.database, home.clock).latest()
            assert (row.because, row.result, row.tokens) == ("", "", 30)
            assert home.told == [run.id]
            assert not (home.artifacts / run.id).exists()
            assert await home.retention.expire() == 0  # it has none any more
            home.clock.turn(6 * DAY_SECONDS)
            await home.retention.expire()
            assert await home.count("runs") == 0

    asyncio.run(scenario())


def test_what_was_never_delivered_goes_with_its_row(tmp_path: Path) -> None:
    """It was tried for as long as that."""

    async def scenario() -> None:
        async with house(tmp_path, Keep(transcripts_days=3, runs_days=9)) as home:
            await home.done("mail", delivered=False)
            home.clock.turn(10 * DAY_SECONDS)
            await home.retention.expire()
            assert (await home.count("runs"), await home.count("outbox")) == (0, 0)
            assert await home.count("answers") == 0

    asyncio.run(scenario())


def test_quiet_runs_go_first_and_nothing_is_for_ever(tmp_path: Path) -> None:
    """With 0 days everything stays."""

    async def scenario(keep: Keep, left: int) -> None:
        folder = tmp_path / str(left)
        folder.mkdir()
        async with house(folder, keep) as home:
            store = RunStore(home.database, home.clock)
            quiet = await store.start((await store.add_by_hand("mail")).id)
            await store.end(quiet.id, Ended(RunState.QUIET, "nothing new"))
            await home.done("mail")
            home.clock.turn(8 * DAY_SECONDS)
            await home.retention.expire()
            assert await home.count("runs") == left
            assert (await home.item_texts())[0] != ""

    asyncio.run(scenario(Keep(), 1))
    asyncio.run(scenario(Keep(0, 0, 0, 0), 2))


def test_a_forgotten_job_is_in_no_table_and_in_no_byte_of_the_file(tmp_path: Path) -> None:
    """Deleted rows are overwritten, and the file is written anew; another job keeps its own."""

    async def scenario() -> None:
        async with house(tmp_path, Keep()) as home:
            run = await home.done("mail")
            assert files_with(SECRET, tmp_path)
            found = sorted((await home.retention.forget("mail")).items())
            tables = ["answers", "calls", "cursors", "items", "outbox", "runs"]
            assert [name for name, _ in found] == tables
            assert home.told == [run.id]
            assert files_with(SECRET, tmp_path) == []
            await home.done("other")
            with pytest.raises(NotFoundError, match="nothing is known of a job 'mail'"):
                await home.retention.forget("mail")
            assert await home.count("runs") == 1

    asyncio.run(scenario())


def test_a_job_with_a_run_on_its_way_is_not_forgotten(tmp_path: Path) -> None:
    """It would write on; nothing is deleted, and the sentence says what to do."""

    async def scenario() -> None:
        async with house(tmp_path, Keep()) as home:
            await home.done("mail")
            await RunStore(home.database, home.clock).add_by_hand("mail")
            with pytest.raises(JobError, match="is on its way; cancel it"):
                await home.retention.forget("mail")
            assert await home.count("answers") == 1

    asyncio.run(scenario())


@dataclass
class Talked:
    """A conversation with an answer that was made with tools, and the run of that."""

    chats: ChatStore
    message: Message
    run: str

    @classmethod
    async def at(cls, home: House, *, peer: str = "", answered: bool = True) -> Talked:
        """Something is said, by a messenger where there is a `peer`, and answered."""
        chats = ChatStore(home.database, home.clock)
        if peer:
            await chats.took("telegram", [Incoming(peer, peer, SECRET)], cursor=1)
            message = await chats.next_new(())
            assert message is not None
        else:
            message = await chats.say(SECRET)
        if answered:
            taint = frozenset({Label.PRIVATE})
            await chats.answered(message, Replied(SECRET, tokens=7, taint=taint))
        run = run_of(message.conversation, message.id)
        folder = home.artifacts / run
        folder.mkdir(parents=True)
        (folder / "page.txt").write_text(SECRET)
        entry = Entry(
            job="chat",
            run=run,
            key="1",
            number=1,
            event="judged",
            tool="fetch",
            arguments_sha256="0",
            labels=NO_LABELS,
            taint=NO_LABELS,
            verdict="allow",
            rule="labels",
            because="nothing speaks against it",
        )
        await AuditStore(home.database, home.clock).note(entry)
        return cls(chats, message, run)


def test_what_was_said_goes_like_the_texts_of_runs(tmp_path: Path) -> None:
    """With its title, the engine's steps and the folder of its run; what was read still taints.
    Later the conversation goes too.
    """

    async def scenario() -> None:
        async with house(tmp_path, Keep(transcripts_days=3, runs_days=9)) as home:
            old = await Talked.at(home)
            home.clock.turn(2 * DAY_SECONDS)
            new = await old.chats.say("And now?")
            assert new.conversation == old.message.conversation
            await old.chats.answered(new, Replied("Now too."))
            home.clock.turn(2 * DAY_SECONDS)
            await home.retention.expire()
            lines = await old.chats.lines(new)
            assert [line.text for line in lines] == ["And now?", "Now too."]
            assert await old.chats.taint(new.conversation) == {Label.PRIVATE}
            (listed,) = await old.chats.listed(9)
            assert (listed["title"], listed["messages"]) == ("And now?", 4)
            assert home.told == [old.run]
            assert files_with(SECRET, home.artifacts) == []
            await home.retention.expire()
            assert home.told == [old.run]
            home.clock.turn(8 * DAY_SECONDS)
            await home.retention.expire()
            assert (await home.count("messages"), await home.count("conversations")) == (0, 0)
            assert await home.count("audit") == 1  # it holds no text, and has a time of its own

    asyncio.run(scenario())


def test_what_has_no_answer_yet_or_was_not_sent_stays(tmp_path: Path) -> None:
    """And with 0 days all of it."""

    async def scenario() -> None:
        async with house(tmp_path, Keep(transcripts_days=3, runs_days=9)) as home:
            unsent = await Talked.at(home, peer="7")
            await Talked.at(home, answered=False)
            home.clock.turn(10 * DAY_SECONDS)
            await home.retention.expire()
            (_, answer), *_ = await unsent.chats.unsent("telegram")
            assert answer.text == SECRET
            assert await home.count("messages") == 3
            question = await unsent.chats.next_new(())
            assert question is not None
            assert question.text == SECRET
        (tmp_path / "other").mkdir()
        async with house(tmp_path / "other", Keep(0, 0, 0, 0)) as home:
            await Talked.at(home)
            home.clock.turn(999 * DAY_SECONDS)
            await home.retention.expire()
            assert await home.count("messages") == 2

    asyncio.run(scenario())


def test_a_forgotten_conversation_is_in_no_byte_of_the_file(tmp_path: Path) -> None:
    """One by its id, or all of them as `chat`; not while one waits for its answer."""

    async def scenario() -> None:
        async with house(tmp_path, Keep()) as home:
            first = await Talked.at(home)
            second = await Talked.at(home, peer="7")
            rows = await home.retention.forget_chat(first.message.conversation)
            assert rows == {"audit": 1, "messages": 2, "conversations": 1}
            assert home.told == [first.run]
            assert await home.count("messages") == 2
            with pytest.raises(NotFoundError, match="there is no conversation"):
                await home.retention.forget_chat(first.message.conversation)
            waiting = await second.chats.say(SECRET)
            with pytest.raises(JobError, match="is being answered; wait for its answer"):
                await home.retention.forget("chat")
            await second.chats.answered(waiting, Replied(SECRET))
            rows = await home.retention.forget("chat")
            assert rows == {"audit": 1, "messages": 4, "conversations": 2}
            assert files_with(SECRET, tmp_path) == []
            assert await home.count("channel_cursors") == 1  # or old messages would come again

    asyncio.run(scenario())


def test_every_table_says_whose_its_rows_are(tmp_path: Path) -> None:
    """By a column `job` or `run`; a new table without one would be forgotten by nobody."""
    del tmp_path
    # Of the machine and of people who talk, not of a job.
    ours = {"workers", "conversations", "messages", "channel_cursors"}
    whose = [
        table.name for table in metadata.sorted_tables if not {"job", "run"} & {*table.c.keys()}
    ]
    assert set(whose) <= ours
    assert "job" in runs.c
