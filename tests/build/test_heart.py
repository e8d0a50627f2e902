"""Whether we live is told to who keeps us, and only where it is true."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from twotier.build.heart import ALONE, Heart, Kept
from twotier.clock import SystemClock
from twotier.ledger.book import Book
from twotier.service.notify import Notifier


def heard(folder: Path, lives: Callable[[], Awaitable[bool]], *, words: int) -> list[str]:
    """The first words of a heart whose watchdog is impatient."""
    told = folder / "n.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listens:
        listens.bind(str(told))
        listens.settimeout(20)
        heart = Heart(Notifier(str(told), 0.4), lives, lambda: "local ready", SystemClock())

        async def scenario() -> list[str]:
            task = asyncio.ensure_future(heart.run())
            got = [await asyncio.to_thread(listens.recv, 4096) for _ in range(words)]
            task.cancel()
            return [one.decode() for one in got]

        return asyncio.run(scenario())


def test_it_beats_while_the_ledger_answers(tmp_path: Path) -> None:
    """Twice at least in the time that it has, with how we are."""

    async def well() -> bool:
        return True

    assert heard(tmp_path, well, words=4) == ["WATCHDOG=1", "STATUS=local ready"] * 2


@pytest.mark.parametrize("hangs", [True, False])
def test_a_ledger_that_does_not_write_stops_it(tmp_path: Path, *, hangs: bool) -> None:
    """The loop runs all the same: who only looked at that would say that all is well."""

    async def ill() -> bool:
        if hangs:
            await asyncio.Event().wait()
        return False

    assert heard(tmp_path, ill, words=3) == ["STATUS=local ready"] * 3


def test_without_a_manager_there_is_nothing_to_do() -> None:
    """And the ledger is not asked."""

    async def never() -> bool:
        raise AssertionError

    asyncio.run(Heart(Notifier(), never, str, SystemClock()).run())
    with ALONE.renewing(SystemClock()):
        pass
    assert Kept().notifier.address == ""


def test_a_book_lives_as_long_as_its_writer(tmp_path: Path) -> None:
    """A file that cannot be written is an answer; no writer is none."""

    async def scenario() -> list[bool]:
        book = await Book.open(tmp_path / "ledger.db", clock=SystemClock())
        found = [await book.lives()]
        (tmp_path / "ledger.db").rename(tmp_path / "elsewhere.db")
        found.append(await book.lives())
        (tmp_path / "elsewhere.db").rename(tmp_path / "ledger.db")
        await book.close()
        return [*found, await book.lives()]

    assert asyncio.run(scenario()) == [True, True, False]
