"""The file of kept answers: its bounds, its mode, its end, and what it survives."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.ledger.toys import HandClock
from twotier.answers import Answers, Bounds, Stored

DAY = 86_400.0
BOUNDS = Bounds(DAY, 1_000, 1_000_000)
Story = Callable[[Answers, HandClock], Awaitable[None]]


def stored(text: str = "fine", *, request: bytes = b"digest") -> Stored:
    """An answer with a header that is no ASCII."""
    return Stored(request, 200, [(b"content-type", b"a/b"), (b"x", b"\xe4")], text.encode())


def play(path: Path, story: Story, *, bounds: Bounds = BOUNDS) -> None:
    """One life of the file."""

    async def run() -> None:
        clock = HandClock()
        answers = Answers(path, bounds, clock=clock)
        try:
            await story(answers, clock)
        finally:
            answers.close()

    asyncio.run(run())


def test_without_an_answer_there_is_no_file(tmp_path: Path) -> None:
    """Looking makes none."""

    async def story(answers: Answers, _: HandClock) -> None:
        assert await answers.find(b"a") is None

    play(tmp_path / "answers.db", story)
    assert not list(tmp_path.iterdir())


def test_an_answer_is_found_again_also_in_another_life(tmp_path: Path) -> None:
    """Every byte of it; for its owner alone."""
    path = tmp_path / "answers.db"

    async def first(answers: Answers, _: HandClock) -> None:
        await answers.keep(b"a", stored())
        assert await answers.find(b"a") == stored()
        assert await answers.find(b"b") is None
        assert files(tmp_path)
        assert all(file.stat().st_mode & 0o077 == 0 for file in files(tmp_path))

    async def second(answers: Answers, _: HandClock) -> None:
        assert await answers.find(b"a") == stored()

    play(path, first)
    play(path, second)


def test_an_answer_goes_after_its_time(tmp_path: Path) -> None:
    """Not found from then on, and gone from the file with the next change."""
    path = tmp_path / "answers.db"

    async def story(answers: Answers, clock: HandClock) -> None:
        await answers.keep(b"a", stored("the old secret"))
        clock.turn(DAY - 1)
        assert await answers.find(b"a") is not None
        clock.turn(2)
        assert await answers.find(b"a") is None
        await answers.keep(b"b", stored("new"))
        assert rows(path) == 1
        assert not [file for file in files(tmp_path) if b"the old secret" in file.read_bytes()]

    play(path, story)


def files(folder: Path) -> list[Path]:
    """The database and what SQLite puts beside it."""
    return list(folder.iterdir())


def rows(path: Path) -> int:
    """How many there are on disk."""
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute("SELECT count(*) FROM answers").fetchone()[0])


def test_old_answers_go_by_themselves(tmp_path: Path) -> None:
    """Nobody asks any more, and still nothing is kept longer than promised."""
    path = tmp_path / "answers.db"

    async def story(answers: Answers, clock: HandClock) -> None:
        await answers.keep(b"a", stored())
        clock.turn(1)
        async with asyncio.timeout(60):
            while await asyncio.to_thread(rows, path):  # noqa: ASYNC110 - another thread does it
                await asyncio.sleep(0.02)

    play(path, story, bounds=Bounds(0.05, 10, 1_000))


def test_what_an_earlier_life_kept_too_long_goes_at_the_start(tmp_path: Path) -> None:
    """Its time goes on while nobody runs."""
    path = tmp_path / "answers.db"

    async def first(answers: Answers, _: HandClock) -> None:
        await answers.keep(b"a", stored())

    async def second(answers: Answers, clock: HandClock) -> None:
        del answers, clock

    play(path, first)
    play(path, second)
    assert rows(path) == 1
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE answers SET at_ms = at_ms - 86400001")
        file.commit()
    play(path, second)
    assert rows(path) == 0


@pytest.mark.parametrize(
    ("bounds", "left"),
    [
        (Bounds(DAY, 3, 10_000), {b"\x07", b"\x08", b"\x09"}),
        (Bounds(DAY, 1_000, 260), {b"\x08", b"\x09"}),
        (Bounds(DAY, 1_000, 10), set()),
        (Bounds(DAY, 0, 10_000), set()),
    ],
)
def test_the_oldest_go_when_there_is_too_much(
    tmp_path: Path, bounds: Bounds, left: set[bytes]
) -> None:
    """By number, and by bytes: each of these takes about 120."""

    async def story(answers: Answers, clock: HandClock) -> None:
        for at in range(10):
            clock.turn(1)
            await answers.keep(bytes([at]), stored("x" * 100))
        slots = [bytes([at]) for at in range(10)]
        assert {slot for slot in slots if await answers.find(slot)} == left

    play(tmp_path / "answers.db", story, bounds=bounds)


@pytest.mark.parametrize("broken", [b"no database at all" * 100, b""])
def test_a_file_that_cannot_be_read_is_replaced(tmp_path: Path, broken: bytes) -> None:
    """What is in it is only worth a second payment; a start is worth more."""
    path = tmp_path / "answers.db"
    path.write_bytes(broken)

    async def story(answers: Answers, _: HandClock) -> None:
        assert await answers.find(b"a") is None
        await answers.keep(b"a", stored())
        assert await answers.find(b"a") == stored()

    play(path, story)


def test_a_file_of_another_version_is_replaced(tmp_path: Path) -> None:
    """Its tables are not ours."""
    path = tmp_path / "answers.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript("PRAGMA user_version = 99; CREATE TABLE answers (x)")

    async def story(answers: Answers, _: HandClock) -> None:
        await answers.keep(b"a", stored())
        assert await answers.find(b"a") == stored()

    play(path, story)


def test_a_file_that_breaks_while_it_is_used_is_replaced(tmp_path: Path) -> None:
    """Overwritten under our hands: the next answer is kept again."""
    path = tmp_path / "answers.db"

    async def story(answers: Answers, _: HandClock) -> None:
        await answers.keep(b"a", stored("x" * 100_000))
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 200_000)
        await answers.find(b"a")
        await answers.keep(b"b", stored())
        assert await answers.find(b"b") == stored()

    play(path, story)


def test_a_folder_that_cannot_be_written_fails_no_request(tmp_path: Path) -> None:
    """Not kept, not found, and no error."""

    async def story(answers: Answers, _: HandClock) -> None:
        await answers.keep(b"a", stored())
        assert await answers.find(b"a") is None

    play(tmp_path / "nowhere" / "answers.db", story)


FULL = """
import resource, sys
from pathlib import Path
from tests.test_answers import play, stored

def files_bytes_max(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

async def story(answers, clock):
    files_bytes_max(5_000)
    await answers.keep(b"a", stored())
    files_bytes_max(resource.RLIM_INFINITY)
    assert await answers.find(b"a") is None
    await answers.keep(b"b", stored())
    assert await answers.find(b"b") == stored()

play(Path(sys.argv[1]), story)
"""


def test_a_disk_that_was_full_at_first_is_used_when_it_has_room(tmp_path: Path) -> None:
    """The file was half made then, and stood in the way of every answer after it."""
    subprocess.run(
        (sys.executable, "-c", FULL, str(tmp_path / "answers.db")),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.ledger.toys import HandClock
from tests.test_answers import stored
from twotier.answers import Answers, Bounds

async def main():
    answers = Answers(Path(sys.argv[1]), Bounds(86400.0, 10, 10**6), clock=HandClock())
    await answers.keep(b"a", stored())
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_kept_answer_survives_the_death_of_its_process(tmp_path: Path) -> None:
    """SIGKILL right after it was kept."""
    path = tmp_path / "answers.db"
    done = subprocess.run(
        (sys.executable, "-c", CHILD, str(path)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL

    async def story(answers: Answers, _: HandClock) -> None:
        assert await answers.find(b"a") == stored()

    play(path, story)
