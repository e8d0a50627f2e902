"""A ledger that is not whole is found, kept aside and replaced, and no limit opens by it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.ledger.test_rollups import life, wrong_days
from tests.ledger.toys import NOON, HandClock, daily, free, paid, settled
from twotier.errors import BudgetError, LedgerError
from twotier.ledger.backup import back_up, backups, made_at
from twotier.ledger.book import Book
from twotier.ledger.check import examine
from twotier.ledger.mend import suspect_path
from twotier.ledger.meta import ROWS_FROM, put
from twotier.ledger.store import connect
from twotier.ledger.upkeep import Keeping, Upkeep
from twotier.ledger.witness import witnessed

SEEDS = 500 if os.environ.get("SOAK") else 20
OWNER = "gateway"
LIMIT = 10**9
END = NOON + timedelta(days=60)


@dataclass(frozen=True)
class Template:
    """A ledger as a kill leaves it: some rows only in its log, one open, one backup behind it."""

    folder: Path
    whole_microusd: int
    backup_microusd: int


def spent(path: Path) -> int:
    """With what is open at its bound."""
    sql = "SELECT sum(iif(settled = 'open', reserved_microusd, cost_microusd)) FROM usage"
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(sql).fetchone()[0] or 0)


def copied(template: Template, folder: Path) -> Path:
    shutil.copytree(template.folder, folder)
    return folder / "ledger.db"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template")
    live, dead = folder / "live", folder / "dead"
    live.mkdir()
    path, clock = live / "ledger.db", HandClock()

    async def lived() -> int:
        book = await Book.open(path, clock=clock, owner=OWNER)
        await life(book, clock, seed=1)
        await book.close()
        backup = back_up(path, now=clock.now(), keep=3)
        before = spent(backup)
        book = await Book.open(path, clock=clock, owner=OWNER)
        for number in range(40):
            clock.turn(400)
            await book.reserve(paid(f"late{number}", 1000))
            await book.settle(f"late{number}", settled(900))
        await book.reserve(paid("open", 5000))
        shutil.copytree(live, dead)  # as it is at this moment: a kill
        await book.close()
        return before

    before = asyncio.run(lived())
    path = copied(Template(dead, 0, 0), folder / "reopened")

    async def reopened() -> None:
        book = await Book.open(path, clock=clock, owner=OWNER)
        assert not book.held
        await book.close()

    asyncio.run(reopened())
    assert (dead / "ledger.db-wal").stat().st_size > 50_000
    return Template(dead, spent(path), before)


def flipped(path: Path, chance: random.Random, *, start: int = 0) -> None:
    """Some bits, somewhere behind `start`."""
    content = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(start, len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def overwritten(path: Path, chance: random.Random, *, filling: bytes) -> None:
    """A page, or the beginning of one."""
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content) // 4096) * 4096
    length = chance.choice((100, 4096))
    content[at : at + length] = filling * length
    path.write_bytes(content)


def shortened(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def damage(path: Path, chance: random.Random) -> str:
    """One of many ways to lose a file, or a part of it."""
    log = path.with_name(f"{path.name}-wal")
    ways: dict[str, Callable[[], object]] = {
        "bits of the file": lambda: flipped(path, chance),
        "bits of the log": lambda: flipped(log, chance),
        "bits of the log's end": lambda: flipped(log, chance, start=log.stat().st_size // 2),
        "no header": lambda: path.write_bytes(bytes(100) + path.read_bytes()[100:]),
        "a page of zeros": lambda: overwritten(path, chance, filling=b"\0"),
        "a page of ones": lambda: overwritten(path, chance, filling=b"\xff"),
        "a shorter file": lambda: shortened(path, chance),
        "a shorter log": lambda: shortened(log, chance),
        "an empty file": lambda: os.truncate(path, 0),
        "no log": log.unlink,
        "no file": path.unlink,
        "another file": lambda: path.write_bytes(b"this was a ledger once " * 500),
    }
    way = chance.choice(sorted(ways))
    ways[way]()
    return way


async def opened_after(path: Path, template: Template, way: str) -> None:
    """Either nothing was lost, or it is found, kept, replaced and held."""
    clock = HandClock(END)
    budgets = (daily(LIMIT), daily(LIMIT, at_limit="local-only"))
    book = await Book.open(path, clock=clock, owner=OWNER)
    try:
        sums = await book.spend(by="tier", since=NOON, until=END)
        assert sum(row.cost_microusd for row in sums) == spent(path), way
        if not book.held:
            assert spent(path) == template.whole_microusd, way
            assert wrong_days(path) == []
            return
        assert spent(path) >= template.backup_microusd or "no backup" in book.held, way
        assert list(path.parent.glob("ledger.db.broken-*")) or way == "no file", way
        for state in await book.budgets(budgets):
            assert state.spent_microusd >= LIMIT
        for outlook in await book.outlooks(budgets):
            assert outlook.state.spent_microusd >= LIMIT
        with pytest.raises(BudgetError, match="`twotier spend confirm`"):
            await book.reserve(paid("after", 1), budgets)
        with pytest.raises(BudgetError, match="`twotier spend confirm`"):
            await book.check(free("after"), budgets)
        assert wrong_days(path) == []
    finally:
        await book.close()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_damaged_is_found_or_lost_nothing(
    tmp_path: Path, template: Template, seed: int
) -> None:
    """And a second start says the same as the first: a hold ends by the owner's word alone."""
    path = copied(template, tmp_path / "state")
    way = damage(path, random.Random(seed))
    asyncio.run(opened_after(path, template, way))
    if list(path.parent.glob("ledger.db.broken-*")):
        asyncio.run(opened_after(path, template, way))


def test_the_owners_word_ends_the_hold(tmp_path: Path, template: Template) -> None:
    """Not a restart; from then on limits count what the ledger knows."""
    path = copied(template, tmp_path / "state")
    path.write_bytes(b"x" * 9000)
    path.with_name("ledger.db-wal").unlink()

    async def lives() -> None:
        for life_number in range(2):
            book = await Book.open(path, clock=HandClock(END), owner=OWNER)
            assert "it was damaged: file is not a database" in book.held
            assert "Its backup of 2026-03-1" in book.held
            if life_number == 1:
                assert "damaged" in await book.confirm()
                await book.reserve(paid("a", LIMIT), (daily(LIMIT),))
            await book.close()
        book = await Book.open(path, clock=HandClock(END), owner=OWNER)
        assert not book.held
        await book.close()

    asyncio.run(lives())
    (aside,) = path.parent.glob("ledger.db.broken-*Z")
    assert aside.read_bytes() == b"x" * 9000
    for file in path.parent.iterdir():
        if file.is_file():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_backup_that_is_damaged_too_is_passed_over(tmp_path: Path, template: Template) -> None:
    """The one before it is taken; without any, an empty ledger, and never a silent zero."""
    path = copied(template, tmp_path / "state")
    (good,) = backups(path)
    bad = good.with_name("ledger-20991231T000000Z.db")
    bad.write_bytes(b"no backup at all" * 500)
    path.unlink()

    async def opened() -> str:
        book = await Book.open(path, clock=HandClock(END), owner=OWNER)
        await book.close()
        return book.held

    assert "it was gone" in asyncio.run(opened())
    assert spent(path) == template.backup_microusd
    for backup in backups(path):
        backup.unlink()
    path.unlink()
    assert "There is no backup, so an empty one is in its place" in asyncio.run(opened())
    assert spent(path) == 0


def test_a_new_ledger_is_held_by_nobody(tmp_path: Path) -> None:
    async def opened() -> None:
        book = await Book.open(tmp_path / "ledger.db", clock=HandClock())
        assert not book.held
        await book.reserve(paid("a", LIMIT), (daily(LIMIT),))
        await book.close()

    asyncio.run(opened())
    assert witnessed(tmp_path / "ledger.db") == 1


def test_a_backup_is_whole_while_rows_are_written(tmp_path: Path) -> None:
    """One moment's view, the owner's alone; the oldest go; without room there is none."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def lived() -> None:
        book = await Book.open(path, clock=clock, owner=OWNER)
        upkeep = Upkeep(book, Keeping(backups_kept=2, keep_days=0), clock=clock)

        async def writes() -> None:
            for number in range(60):
                await book.reserve(paid(f"a{number}", 10))
                await book.settle(f"a{number}", settled(7))

        async with asyncio.TaskGroup() as group:
            writing = group.create_task(writes())
            for _ in range(4):
                await upkeep.back_up()
                await upkeep.back_up()  # the last one is young enough
                clock.turn(6 * 3600)
            await writing
        await book.close()

    asyncio.run(lived())
    kept = backups(path)
    assert [made_at(one) for one in kept] == [NOON + timedelta(hours=h) for h in (18, 12)]
    for backup in kept:
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        assert examine(backup, seconds=9).well
    assert {one.suffix for one in (tmp_path / "backups").iterdir()} == {".db"}


def test_what_is_found_in_the_background_holds_at_once(tmp_path: Path) -> None:
    """A start has a second: the rest is looked at later, and mended at the next start."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def lived() -> None:
        book = await Book.open(path, clock=clock, owner=OWNER)
        await book.reserve(paid("a", 10))
        upkeep = Upkeep(book, Keeping(), clock=clock)
        await upkeep.look()
        assert not book.held
        with closing(connect(path)) as other:
            other.execute("UPDATE usage SET reserved_microusd = 1")
        await upkeep.look()
        assert "the sums of 1 days are not those of their rows" in book.held
        with pytest.raises(BudgetError, match="Start twotier again"):
            await book.reserve(paid("b", 1), (daily(LIMIT),))
        await upkeep.back_up()
        assert not backups(path)  # a damaged ledger pushes no good backup out
        await book.close()
        assert suspect_path(path).exists()
        again = await Book.open(path, clock=clock, owner=OWNER)
        assert "the sums of 1 days were not" in again.held
        assert not suspect_path(path).exists()
        await again.close()

    asyncio.run(lived())
    assert wrong_days(path) == []


def test_a_check_that_runs_out_of_time_says_so(tmp_path: Path, template: Template) -> None:
    path = copied(template, tmp_path / "state")
    with closing(connect(path)) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            " INSERT INTO decisions SELECT NULL, 'r' || i, 0, '', '', '', '', '', '', '', '' FROM n"
        )
    assert examine(path, seconds=60).whole
    ticks = iter(range(10**6))
    found = examine(path, seconds=0, clock=lambda: next(ticks))
    assert (found.well, found.whole) == (True, False)


def test_old_rows_go_and_their_sums_stay(tmp_path: Path) -> None:
    """A few at a time; what is still open stays, and a span that cuts an old quarter takes it."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def lived() -> None:
        book = await Book.open(path, clock=clock, owner=OWNER)
        await book.reserve(paid("open", 10))
        for number in range(700):
            clock.turn(10)
            book.record(free(f"f{number}"), settled())
        await book.flush()
        before = await book.spend(by="tier", since=NOON, until=END)
        clock.turn(40 * 86_400)
        book.record(free("young"), settled())
        await Upkeep(book, Keeping(keep_days=30), clock=clock).prune()
        one, other = await book.spend(by="tier", since=NOON, until=NOON + timedelta(days=1))
        assert one.plus(other).requests == sum(one.requests for one in before)
        cut = await book.spend(by="model", since=NOON + timedelta(minutes=7), until=END)
        assert sum(one.requests for one in cut) == 702
        await book.close()

    asyncio.run(lived())
    with closing(sqlite3.connect(path)) as connection:
        left = {name for (name,) in connection.execute("SELECT attempt_id FROM usage")}
    assert left == {"open", "young"}
    assert examine(path, seconds=9).well
    with closing(connect(path)) as connection:
        put(connection, ROWS_FROM, value="")
    assert examine(path, seconds=9).days


def test_a_file_that_is_replaced_while_it_is_open_takes_no_more_rows(tmp_path: Path) -> None:
    """They would go nowhere: nothing that costs money is asked until the next start."""
    path, clock = tmp_path / "ledger.db", HandClock()

    async def lived() -> None:
        book = await Book.open(path, clock=clock, owner=OWNER)
        await book.reserve(paid("a", 10))
        other = tmp_path / "other.db"
        shutil.copyfile(path, other)
        other.replace(path)
        with pytest.raises(LedgerError, match="taken away or replaced while twotier ran"):
            await book.reserve(paid("b", 10))
        path.unlink()
        with pytest.raises(LedgerError, match="taken away or replaced while twotier ran"):
            await book.reserve(paid("c", 10))
        with pytest.raises(LedgerError):
            await book.close()
        again = await Book.open(path, clock=clock, owner=OWNER)
        assert "it was gone" in again.held
        await again.close()

    asyncio.run(lived())
