"""The clients' keys on disk: by digest alone, whole or not at all, whoever else writes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from twotier.domain.tier import TierPolicy
from twotier.errors import ConfigError, LockedError, NotFoundError, UsageError
from twotier.keys import PREFIX, ClientKey, KeyFile, client_key, digest, new_key, replace
from twotier.lock import one_at_a_time, only_one

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MANY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from twotier.keys import ClientKey, KeyFile, digest, new_key
for number in range(10):
    name = f"{sys.argv[2]}-{number}"
    entry = ClientKey(name=name, digest=digest(new_key()).hex(), created=datetime.now(UTC))
    KeyFile(Path(sys.argv[1])).add(entry)
"""


def entry(name: str, key: str = "", **rights: Any) -> ClientKey:
    """A client as `twotier key add` makes it."""
    return ClientKey(name=name, digest=digest(key or new_key()).hex(), created=NOW, **rights)


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    """A key file that is not there yet."""
    return KeyFile(tmp_path / "keys.json")


def test_what_is_written_is_read_and_holds_no_key(file: KeyFile) -> None:
    """Every field; the file is its owner's alone, and the key itself is nowhere."""
    key = new_key()
    phone = entry("phone", key, policy=TierPolicy.LOCAL_ONLY, limit_microusd=5, period="week")
    file.add(phone)
    file.add(entry("laptop"))
    assert file.read()["phone"] == phone
    assert list(file.read()) == ["phone", "laptop"]
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert key not in file.path.read_text()
    file.remove("phone")
    assert list(file.read()) == ["laptop"]


def test_a_change_keeps_the_key_and_the_default_one_can_be_changed_too(file: KeyFile) -> None:
    """What is not named stays as it was."""
    file.add(entry("phone", limit_microusd=5))
    before = file.read()["phone"]
    after = file.change("phone", {"policy": TierPolicy.FRONTIER}, now=NOW)
    assert (after.digest, after.limit_microusd) == (before.digest, 5)
    assert after.policy is TierPolicy.FRONTIER
    file.change("default", {"limit_microusd": 7}, now=NOW)
    assert (file.read()["default"].digest, file.read()["default"].limit_microusd) == ("", 7)


def test_several_writers_never_lose_one_anothers_key(file: KeyFile) -> None:
    """Four processes with ten keys each: forty keys."""
    writers = [
        subprocess.Popen((sys.executable, "-c", MANY, str(file.path), name)) for name in "abcd"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    assert len(file.read()) == 40
    assert sorted(one.name for one in file.path.parent.iterdir()) == ["keys.json", "keys.lock"]


@pytest.mark.parametrize("name", ["default", "cli", "worker", "", "Phone", "a b", "-a", "a" * 65])
def test_a_name_fits_the_ledger_and_is_nobody_elses(file: KeyFile, name: str) -> None:
    """`cli` and `worker` are what the ledger calls our own processes."""
    with pytest.raises(UsageError, match="name"):
        file.add(entry(name))
    assert not file.path.exists()


def test_a_name_is_used_once_and_an_unknown_one_is_said(file: KeyFile) -> None:
    """With what to type in its place."""
    file.add(entry("phone"))
    with pytest.raises(UsageError, match="`twotier key set phone` changes"):
        file.add(entry("phone"))
    for refused in (
        lambda: file.remove("fone"),
        lambda: file.change("fone", {"period": "week"}, now=NOW),
    ):
        with pytest.raises(NotFoundError, match="no key 'fone'; there are: phone"):
            refused()


def of(*keys: dict[str, object], **more: object) -> str:
    """A key file with these entries."""
    plain = {"created": "2026-03-10T12:00:00Z", "digest": "a" * 64, "name": "a"}
    return json.dumps({"version": 1, "keys": [{**plain, **key} for key in keys], **more})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "truncated"),
        ('{"version": 1, "keys": [', "truncated"),
        ("\x00" * 40, "malformed"),
        (of(version=2), "version"),
        (of({"digest": "short"}), "digest"),
        (of({"policy": "everything"}), "policy"),
        (of({"limit_microusd": -1}), "limit_microusd"),
        (of({"period": "year"}), "period"),
        (of({"created": "2026-03-10T12:00:00"}), "timezone"),
        (of({"role": "admin"}), "role"),
        (of({}, {"digest": "b" * 64}), "twice"),
        (of({}, {"name": "b"}), "twice"),
        (of({"name": "A"}), "'A' is not one of ours"),
        (of({"digest": ""}), "'a' is not one of ours"),
        (of({"name": "default"}), "'default' is not one of ours"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_and_stays(
    file: KeyFile, text: str, why: str
) -> None:
    """Never taken for a file without keys, and never written over."""
    file.path.write_text(text)
    with pytest.raises(ConfigError, match=rf"keys\.json cannot be used: .*{why}.*; restore it"):
        file.read()
    with pytest.raises(ConfigError):
        file.add(entry("phone"))
    assert file.path.read_text() == text


def test_a_lock_is_waited_for_and_not_for_ever(tmp_path: Path) -> None:
    """Whoever comes second goes on when the first has ended, or says what holds it up."""
    path, order = tmp_path / "x.lock", []
    with only_one(path):
        with pytest.raises(LockedError, match="lsof"), one_at_a_time(path, seconds_max=0.05):
            pass

        def second() -> None:
            with one_at_a_time(path):
                order.append("second")

        waiting = threading.Thread(target=second)
        waiting.start()
        order.append("first")
    waiting.join(60)
    assert order == ["first", "second"]


def test_a_link_in_its_way_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Neither in the file's place nor in the one it is written in; what it led to stays."""
    other = tmp_path / "other"
    other.write_text("theirs")
    keys, fresh = tmp_path / "keys.json", tmp_path / "keys.json.new"
    fresh.symlink_to(other)
    replace(keys, "one")
    assert (keys.is_symlink(), keys.read_text()) == (False, "one")
    keys.unlink()
    keys.symlink_to(other)
    replace(keys, "two")
    assert (keys.is_symlink(), keys.read_text()) == (False, "two")
    (tmp_path / "client.key").symlink_to(tmp_path / "not-there")
    assert client_key(tmp_path / "client.key").startswith(PREFIX)
    assert not (tmp_path / "not-there").exists()
    assert other.read_text() == "theirs"
