"""The file by which the next main finds a living child."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.domain.launch import Launch
from twotier.supervisor import record
from twotier.supervisor.record import Record

RECORD = Record(pid=4711, created=1.5, port=8123, fingerprint="abc", level=2)


def test_what_was_written_is_read_and_only_its_owner_may(tmp_path: Path) -> None:
    path = tmp_path / "state" / "engine.json"
    record.write(path, RECORD)
    assert record.read(path) == RECORD
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    record.remove(path)
    record.remove(path)
    assert record.read(path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x"}', "null"])
def test_a_foreign_file_means_nothing_to_adopt(tmp_path: Path, text: str) -> None:
    path = tmp_path / "engine.json"
    path.write_text(text)
    assert record.read(path) is None


def test_the_fingerprint_tells_command_settings_and_model_apart() -> None:
    """And not the order of variables."""
    first = Launch(("python", "serve"), {"A": "1", "B": "2"})
    same = Launch(("python", "serve"), {"B": "2", "A": "1"})
    print_of = record.fingerprint(first, identity="model")
    assert record.fingerprint(same, identity="model") == print_of
    others = [
        record.fingerprint(first, identity="other model"),
        record.fingerprint(Launch(("python", "serve", "--x"), first.env), identity="model"),
        record.fingerprint(Launch(first.argv, {"A": "1"}), identity="model"),
        record.fingerprint(Launch(first.argv, first.env, Path("/tmp")), identity="model"),
    ]
    assert len({print_of, *others}) == 5
