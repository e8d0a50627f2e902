"""What survives a kill between two steps, and files that are nobody else's."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.jobs.making import START, HandClock, job
from tests.jobs.workshop import INBOX, workshop
from twotier.agent.model import Answer
from twotier.domain.job import Item, Run, RunState
from twotier.errors import JobError
from twotier.jobs import database as database_module
from twotier.jobs.database import HEAD, Database, connect, version
from twotier.jobs.delivery import Delivery, plain
from twotier.jobs.items import ItemStore
from twotier.jobs.parts import told_short
from twotier.jobs.results import Letter, ResultStore
from twotier.jobs.store import Ended, RunStore, new_run
from twotier.jobs.tables import metadata
from twotier.watch.base import Look

ANSWER = Answer("one\ntwo\nthree", False, "local", "local/toy", "explicit", "req-1", 30, 5)
INBOX_JOB = job(watch=INBOX, answer_lines=3, every_seconds=86_400.0)


async def killed_after_the_answer(home: Path, path: str = "") -> Run:
    """The state that a kill leaves between storing an answer and delivering it."""
    database = Database.open(home / "work.db")
    try:
        clock = HandClock()
        runs, items = RunStore(database, clock), ItemStore(database, clock)
        results = ResultStore(database, clock)
        run = await runs.start((await runs.add_by_hand("inbox")).id)
        item = Item("id1", "a.txt", "text", "inbox/a.txt")
        await items.store_look("inbox", "files:inbox", look=Look((item,), {}))
        await items.take("inbox", run.id, limit=9)
        letter = Letter(run.id, item.id, "inbox", "file:outbox/a.txt", "a.txt", ANSWER.text)
        await results.count_call(run.id, ANSWER, step="id1:1")
        await results.store_answer(letter, ANSWER, step="id1:1")
        if path:
            await results.plan_path(letter, path)
        return run
    finally:
        database.close()


def test_a_stored_answer_is_delivered_by_the_next_worker_without_asking(tmp_path: Path) -> None:
    """Killed between the answer and its delivery: resumed, delivered, paid once."""

    async def scenario() -> None:
        run = await killed_after_the_answer(tmp_path)
        async with workshop(tmp_path, [INBOX_JOB]) as shop:
            ended = await shop.scheduler.ended(run.id, within_seconds=60)
            assert (ended.state, ended.tries, ended.model_calls) == (RunState.DONE, 2, 1)
            assert ended.cost_microusd == 5
            assert shop.main.bodies == []
            assert (tmp_path / "outbox" / "a.txt").read_text() == "one\ntwo\nthree\n"
            (shown,) = await shop.results.of_run(run.id)
            assert (shown["delivery"], shown["text"]) == ("delivered", ANSWER.text)

    asyncio.run(scenario())


def test_a_delivery_cut_off_in_the_middle_overwrites_its_own_file(tmp_path: Path) -> None:
    """The path was stored first, so what lies there is ours: no second file appears."""

    async def scenario() -> None:
        mine = tmp_path / "outbox" / "a.txt"
        mine.parent.mkdir()
        mine.write_text("half of")
        run = await killed_after_the_answer(tmp_path, str(mine))
        async with workshop(tmp_path, [INBOX_JOB]) as shop:
            await shop.scheduler.ended(run.id, within_seconds=60)
            assert [path.name for path in mine.parent.iterdir()] == ["a.txt"]
            assert mine.read_text() == "one\ntwo\nthree\n"

    asyncio.run(scenario())


def test_a_file_that_was_there_before_is_never_overwritten(tmp_path: Path) -> None:
    """Somebody's notes keep their name and content; the result takes the next free name."""

    async def scenario() -> None:
        (tmp_path / "outbox").mkdir()
        (tmp_path / "outbox" / "a.txt").write_text("my own notes")
        (tmp_path / "outbox" / "a-2.txt").symlink_to(tmp_path / "nowhere")
        run = await killed_after_the_answer(tmp_path)
        async with workshop(tmp_path, [INBOX_JOB]) as shop:
            ended = await shop.scheduler.ended(run.id, within_seconds=60)
            assert ended.result == "outbox/a-3.txt"
            assert (tmp_path / "outbox" / "a.txt").read_text() == "my own notes"
            assert not (tmp_path / "nowhere").exists()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("title", "target"),
    [
        ("note.txt", "file:outbox/note.md"),
        ("../../etc/passwd", "file:outbox/passwd.md"),
        ("a\\b\u2028c.txt", "file:outbox/a_b_c.md"),
        (".hidden", "file:outbox/hidden.md"),
        ("..", "file:outbox/inbox.md"),
        ("a\nb\x00.txt", "file:outbox/a_b_.md"),
        ("{run}.txt", "file:outbox/{run}.md"),
    ],
)
def test_an_items_name_cannot_leave_the_folder(tmp_path: Path, title: str, target: str) -> None:
    """Names come from outside: no folders, nothing hidden, nothing that is filled in again."""
    database = Database.open(tmp_path / "work.db")
    try:
        delivery = Delivery(tmp_path, ResultStore(database, HandClock()), channels={})
        one = job(deliver="file:outbox/{stem}.md")
        assert delivery.target_of(one, new_run("inbox", START), title=title) == target
    finally:
        database.close()
    assert len(plain("x" * 500)) == 120


def test_results_are_told_short() -> None:
    """A table has room for three."""
    assert told_short(["a", "b"]) == "a, b"
    assert told_short(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_the_database_is_private_and_has_the_schema_of_the_tables(tmp_path: Path) -> None:
    """Migrations and tables say the same, and a second opening changes nothing."""
    path = tmp_path / "work.db"
    for _ in range(2):
        Database.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    engine = connect(path)
    try:
        assert version(engine) == HEAD
        found = sa.inspect(engine)
        for table in metadata.sorted_tables:
            assert {column["name"] for column in found.get_columns(table.name)} == {
                column.name for column in table.columns
            }
            assert {index["name"] for index in found.get_indexes(table.name)} >= {
                index.name for index in table.indexes
            }
    finally:
        engine.dispose()


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """It is not guessed at, and not touched."""
    path = tmp_path / "work.db"
    Database.open(path).close()
    engine = connect(path)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(JobError, match="newer twotier"):
        Database.open(path)


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    """The sentence names the file and what to do."""
    path = tmp_path / "work.db"
    path.write_text("this is not a database, and long enough to be read as a header of one" * 20)
    with pytest.raises(JobError, match=r"work\.db cannot be opened .* set the file aside"):
        Database.open(path)


def test_slots_that_say_the_same_are_listed_in_one_line(tmp_path: Path) -> None:
    """The store keeps each row; a list of two lines tells of all that belong to them."""

    async def scenario() -> None:
        database, clock = Database.open(tmp_path / "work.db"), HandClock()
        runs = RunStore(database, clock)
        for number in range(5):
            run = await runs.start((await runs.add_by_hand("inbox")).id)
            quiet = number not in (0, 2)
            how = Ended(RunState.QUIET if quiet else RunState.DONE, "nothing new" if quiet else "")
            await runs.end(run.id, how)
            clock.turn(10)
        lines = await runs.folded(limit=2)
        assert [(line.run.state, line.slots) for line in lines] == [("quiet", 2), ("done", 1)]
        assert len(await runs.latest(job="inbox")) == 5
        assert await runs.folded(job="other") == []
        database.close()

    asyncio.run(scenario())


def test_head_is_the_newest_migration() -> None:
    """The short way at start depends on it."""
    folder = database_module.MIGRATIONS / "versions"
    newest = max(path.stem for path in folder.glob("[0-9]*.py"))
    assert newest.startswith(f"{HEAD}_")
