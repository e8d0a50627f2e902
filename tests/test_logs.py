"""The log: JSON lines without secrets, whole, bounded, and never in the way of a request."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twotier.logs import LINES_WAITING_MAX, JsonLines, Lines, start_logging


@pytest.fixture
def quiet_root() -> Iterator[None]:
    """The root logger as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [one for one in root.handlers if one not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


@pytest.mark.usefixtures("quiet_root")
def test_the_log_is_json_lines_without_secrets(tmp_path: Path) -> None:
    """Fields stay fields, a known secret is cut out wherever it came from, 0600."""
    path = tmp_path / "main.log"
    start_logging(path, level="info", bytes_max=10**6, files_kept=1, secrets=["canary-123456"])
    log = logging.getLogger("twotier.test")
    log.info("asked", extra={"tier": "local", "error": "bad key canary-123456"})
    try:
        int("canary-123456")
    except ValueError:
        log.exception("defect")
    text = path.read_text(encoding="utf-8")
    assert "canary" not in text
    first, second = (json.loads(line) for line in text.splitlines())
    assert (first["event"], first["tier"], first["error"]) == ("asked", "local", "bad key [secret]")
    assert "ValueError" in second["traceback"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_short_words_are_not_taken_for_secrets() -> None:
    """A secret of a few characters would blank half the log."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "no key", None, None)
    assert "no key" in JsonLines(["key"]).format(record)


def lines_of(*paths: Path) -> list[dict[str, Any]]:
    """Every line of these files, each of them whole."""
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    """A log in a small file."""
    made = Lines(tmp_path / "main.log", bytes_max=10_000, files_kept=3, form=JsonLines())
    yield made
    made.close()


def test_a_note_looks_like_a_record(tmp_path: Path, lines: Lines) -> None:
    """The quick way for what happens with every request writes the same format."""
    lines.note("twotier.x", "asked", fields={"tier": "local"})
    record = logging.LogRecord("twotier.x", logging.INFO, "", 0, "asked", None, None)
    record.tier = "local"
    lines.handle(record)
    lines.flush()
    note, other = lines_of(tmp_path / "main.log")
    assert list(note) == list(other) == ["at", "level", "logger", "event", "tier"]
    assert note | {"at": ""} == other | {"at": ""}


def test_half_a_surrogate_pair_does_not_cost_the_line(tmp_path: Path, lines: Lines) -> None:
    """A model's name comes from outside; figures beside it stay figures."""
    lines.note("twotier.x", "asked", fields={"model": "a\ud83d", "cost": 3, "first": None})
    lines.flush()
    (line,) = lines_of(tmp_path / "main.log")
    assert (line["model"], line["cost"], line["first"]) == ("a?", 3, None)


def test_a_record_is_in_the_file_before_its_caller_goes_on(tmp_path: Path, lines: Lines) -> None:
    """A job's answer that goes to the log counts as delivered then. Lines stay in order."""
    lines.note("twotier.x", "first", fields={})
    lines.handle(logging.LogRecord("x", logging.INFO, "", 0, "second", None, None))
    assert [line["event"] for line in lines_of(tmp_path / "main.log")] == ["first", "second"]


def test_files_are_set_aside_whole_and_the_oldest_goes(tmp_path: Path, lines: Lines) -> None:
    """No line is cut in two or lost between files; all are the owner's alone."""
    for number in range(1_000):
        lines.note("twotier.x", "asked", fields={"number": number})
        if number % 7 == 0:
            lines.flush()
    lines.flush()
    names = ["main.log.3", "main.log.2", "main.log.1", "main.log"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    paths = [tmp_path / name for name in names]
    assert all(path.stat().st_size <= 10_000 for path in paths)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths)
    numbers = [line["number"] for line in lines_of(*paths)]
    assert numbers == list(range(numbers[0], 1_000))


MANY = """
import sys; from pathlib import Path; from twotier.logs import start_logging
lines = start_logging(Path(sys.argv[1]), level="info", bytes_max=10**8, files_kept=1)
for number in range(5_000): lines.note("twotier.x", "asked", fields={"number": number})
raise SystemExit(3)
"""


def test_a_process_that_ends_by_itself_loses_nothing(tmp_path: Path) -> None:
    """The last line is there too, written while the interpreter ends."""
    path = tmp_path / "main.log"
    done = subprocess.run([sys.executable, "-c", MANY, path], check=False, timeout=60)
    assert done.returncode == 3
    assert [line["number"] for line in lines_of(path)] == list(range(5_000))


FULL = """
import resource, sys; from pathlib import Path; from twotier.logs import start_logging
lines = start_logging(Path(sys.argv[1]), level="info", bytes_max=10**8, files_kept=1)
most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (250, most[1]))
for number in range(3):
    lines.note("twotier.x", "asked", fields={"number": number, "text": "x" * 100}); lines.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, most)
lines.note("twotier.x", "asked", fields={"number": 3}); lines.flush()
print(lines.lost)
"""


def test_a_full_disk_costs_lines_and_says_so_later(tmp_path: Path) -> None:
    """It raises nothing; when there is room again, the next line is whole and the loss is told."""
    path = tmp_path / "main.log"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=60, check=True
    )
    first, torn, *rest = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["number"] == 0
    with pytest.raises(json.JSONDecodeError):
        json.loads(torn)
    asked, told = (json.loads(line) for line in rest)
    assert (asked["number"], told["event"], told["count"]) == (3, "log lines lost", 2)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_a_disk_that_hangs_never_holds_up_a_request(tmp_path: Path) -> None:
    """The writer hangs in a full pipe; lines are taken up to a limit, then lost and counted."""
    path = tmp_path / "main.log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR)  # it keeps the pipe, and reads nothing for now
    lines = Lines(path, bytes_max=10**9, files_kept=1, form=JsonLines())
    for _ in range(3 * LINES_WAITING_MAX):
        lines.note("twotier.x", "asked", fields={"text": "x" * 100})
    assert lines.lost > 0
    drain = threading.Thread(target=read_until_idle, args=(reader,))
    drain.start()
    lines.close()
    drain.join()
    os.close(reader)


def read_until_idle(reader: int) -> None:
    """Take everything out of a pipe until nothing comes for a second."""
    while select.select([reader], [], [], 1.0)[0]:
        os.read(reader, 1 << 20)
