"""An archive is whole or it is none; a restore that was killed goes on; nothing leads elsewhere."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import stat
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from twotier.config.paths import Paths
from twotier.copies.contents import state_files
from twotier.copies.making import Made, make
from twotier.copies.placing import note_path, place
from twotier.copies.reading import Unpacked, unpack
from twotier.errors import BackupError, ConfigError
from twotier.ledger.meta import HELD, get
from twotier.ledger.migrate import HEAD, migrate
from twotier.ledger.store import connect_reading, create_private

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
KNOWN = {"ledger.db": HEAD}


def home_of(folder: Path) -> tuple[Path, Path]:
    """A configuration and a state folder with a real ledger and what else lies there."""
    config, state = folder / "twotier.toml", folder / ".twotier"
    (state / "logs").mkdir(parents=True)
    (state / "artifacts" / "run1").mkdir(parents=True)
    config.write_text("[gateway]\nport = 0\n")
    (folder / "jobs").mkdir()
    (folder / "jobs" / "a.toml").write_text('every = "1h"\nprompt = "x"\n')
    create_private(state / "ledger.db")
    migrate(state / "ledger.db")
    for name in (
        "keys.json",
        "client.key",
        "artifacts/run1/long.txt",
        "logs/main.log",
        "main.lock",
    ):
        (state / name).write_text(name)
    return config, state


def made(folder: Path) -> Made:
    config, state = home_of(folder)
    return make(folder, config=config, state=state, version="1.2.3", now=NOW)


def test_what_somebody_laid_in_its_way_is_not_written_into(tmp_path: Path) -> None:
    """A folder for all, where a link or an open file has the name it will have for a moment."""
    other, shared = tmp_path / "other", tmp_path / "shared"
    other.write_bytes(b"theirs")
    shared.mkdir()
    config, state = home_of(tmp_path)
    (shared / "a.part").symlink_to(other)
    (shared / "b.part").touch()
    (shared / "b.part").chmod(0o666)
    for name in ("a", "b"):
        found = make(shared / name, config=config, state=state, version="1.2.3", now=NOW)
        assert not found.path.is_symlink()
        assert stat.S_IMODE(found.path.stat().st_mode) == 0o600
    assert other.read_bytes() == b"theirs"


def test_all_is_in_it_but_what_only_this_life_needs(tmp_path: Path) -> None:
    """Money last: what lies in the other databases was paid for before."""
    found = made(tmp_path)
    assert list(found.parts) == [
        "state/artifacts/run1/long.txt",
        "state/client.key",
        "state/keys.json",
        "state/ledger.db",
        "config/twotier.toml",
        "config/jobs/a.toml",
    ]
    assert found.path.name == "twotier-20260302T080000Z.tar.gz"


def test_what_is_still_in_the_log_of_a_database_is_in_it(tmp_path: Path) -> None:
    """Its last rows are not in the file itself while somebody writes to it."""
    config, state = home_of(tmp_path)
    with closing(sqlite3.connect(state / "work.db")) as open_one:
        open_one.execute("PRAGMA journal_mode=WAL")
        open_one.execute("CREATE TABLE t (a)")
        open_one.execute("INSERT INTO t VALUES (1)")
        open_one.commit()
        archive = make(tmp_path, config=config, state=state, version="1", now=NOW).path
    found = unpack(archive, tmp_path / "out", known=KNOWN)
    with closing(sqlite3.connect(found.folder / "state" / "work.db")) as copy:
        assert copy.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    """Nor is a damaged database copied as if it were one."""
    found = made(tmp_path)
    with pytest.raises(BackupError, match="exists already"):
        make(
            found.path,
            config=tmp_path / "twotier.toml",
            state=tmp_path / ".twotier",
            version="1",
            now=NOW,
        )
    with (tmp_path / ".twotier" / "ledger.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096 * 3))
    with pytest.raises(BackupError, match="no backup was made"):
        make(
            tmp_path / "b.tar.gz",
            config=tmp_path / "twotier.toml",
            state=tmp_path / ".twotier",
            version="1",
            now=NOW,
        )
    assert not list(tmp_path.glob("b.tar.gz*"))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 0.98])
def test_one_that_was_cut_off_is_none(tmp_path: Path, share: float) -> None:
    """At any place, and nothing of it is believed."""
    archive = made(tmp_path).path
    raw = archive.read_bytes()
    archive.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(BackupError):
        unpack(archive, tmp_path / "out", known=KNOWN)


def test_one_with_any_byte_changed_is_none(tmp_path: Path) -> None:
    """Every hundredth byte in turn: an error of ours, or nothing that matters was hit."""
    archive = made(tmp_path).path
    raw = archive.read_bytes()
    whole = contents(unpack(archive, tmp_path / "out", known=KNOWN))
    for place_of_it in range(0, len(raw), max(1, len(raw) // 100)):
        flipped = bytearray(raw)
        flipped[place_of_it] ^= 0x55
        archive.write_bytes(flipped)
        try:
            found = unpack(archive, tmp_path / "out", known=KNOWN)
        except BackupError:
            continue
        assert contents(found) == whole


def contents(found: Unpacked) -> dict[str, bytes]:
    """Every file by name."""
    return {name: (found.folder / name).read_bytes() for name in found.names}


@pytest.mark.parametrize(
    "name", ["state/../../x", "/etc/x", "state", "other/x", "../x", "state//x", "state/./x"]
)
def test_no_member_leads_elsewhere(tmp_path: Path, name: str) -> None:
    """It is refused by name, and no byte of it is written."""
    member = tarfile.TarInfo(name)
    member.size = 1
    refused(tmp_path, member)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_only_plain_files_are_taken(tmp_path: Path, kind: bytes) -> None:
    """A link could lead the next member anywhere."""
    member = tarfile.TarInfo("state/x")
    member.type, member.linkname = kind, "/etc/passwd"
    refused(tmp_path, member)


def refused(folder: Path, member: tarfile.TarInfo) -> None:
    archive = folder / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.addfile(member, io.BytesIO(b"x" * member.size))
    with pytest.raises(BackupError, match="which no backup of twotier does"):
        unpack(archive, folder / "out", known=KNOWN)
    assert not [path for path in folder.rglob("x") if path.is_file()]


def test_a_newer_one_and_another_form_are_refused_by_name(tmp_path: Path) -> None:
    """It says what to install."""
    archive = made(tmp_path).path
    with pytest.raises(BackupError, match="of a newer twotier"):
        unpack(archive, tmp_path / "out", known={"ledger.db": "0000"})
    with tarfile.open(archive, "w:gz") as opened:
        text = json.dumps({"format": 9, "version": "9.9"}).encode()
        member = tarfile.TarInfo("manifest.json")
        member.size = len(text)
        opened.addfile(member, io.BytesIO(text))
    with pytest.raises(BackupError, match=r"made by another twotier \(9\.9\)"):
        unpack(archive, tmp_path / "out", known=KNOWN)


def test_a_restore_that_was_killed_goes_on(tmp_path: Path) -> None:
    """Between any two files: nothing starts on the half of it; the second try ends it, and what was
    there first is what lies aside.
    """
    archive = made(tmp_path).path
    config, state = tmp_path / "twotier.toml", tmp_path / ".twotier"
    (state / "keys.json").write_text("later")
    (state / "made-later").write_text("later")
    found = unpack(archive, state / "restoring", known=KNOWN)
    (found.folder / "state" / "keys.json").chmod(0o600)
    trap = state / "artifacts" / "run1"
    # Dies on the way: a folder stands where a file must go.
    (trap / "long.txt").replace(trap / "aside")
    (trap / "long.txt").mkdir()
    with pytest.raises(BackupError, match="say the same command again"):
        place(found, state=state, config=config, keep_ledger=False, now=NOW)
    assert note_path(state).exists()
    with pytest.raises(ConfigError, match="half restored"):
        Paths(state).make()
    (trap / "long.txt").rmdir()
    found = unpack(archive, state / "restoring", known=KNOWN)
    done = place(found, state=state, config=config, keep_ledger=False, now=NOW)
    Paths(state).make()
    assert done.aside is not None
    assert (done.aside / "keys.json").read_text() == "later"
    assert (done.aside / "made-later").read_text() == "later"
    assert (state / "keys.json").read_text() == "keys.json"
    assert not (state / "made-later").exists()
    with closing(connect_reading(state / "ledger.db")) as ledger:
        assert "twotier spend confirm" in get(ledger, HELD)


def test_a_sound_ledger_can_stay(tmp_path: Path) -> None:
    """With what was spent since; then nothing has to be confirmed."""
    archive = made(tmp_path).path
    state = tmp_path / ".twotier"
    (state / "ledger.db-owner").write_text("gateway-1")
    found = unpack(archive, state / "restoring", known=KNOWN)
    place(found, state=state, config=tmp_path / "twotier.toml", keep_ledger=True, now=NOW)
    assert (state / "ledger.db-owner").exists()
    with closing(connect_reading(state / "ledger.db")) as ledger:
        assert get(ledger, HELD) == ""


def test_what_lies_aside_is_in_no_later_backup(tmp_path: Path) -> None:
    """It would double with every restore."""
    archive = made(tmp_path).path
    state = tmp_path / ".twotier"
    found = unpack(archive, state / "restoring", known=KNOWN)
    place(found, state=state, config=tmp_path / "twotier.toml", keep_ledger=False, now=NOW)
    assert not [path for path in state_files(state) if "before-restore" in str(path)]
