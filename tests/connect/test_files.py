"""Files are written whole, and come back byte for byte; what somebody changed since is theirs."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from twotier.connect.edits import BlockEdit, Edit, JsonEdit, TomlEdit, WholeEdit
from twotier.connect.files import Fate, Keeping, Record
from twotier.connect.plan import FileChange
from twotier.errors import ConfigError, NotFoundError

OURS = JsonEdit([(["provider", "twotier"], {"a": 1})])
ODD = b'{ "k": "v",   // odd\r\n "theme" : "dark" }'


def record(client: str = "codex") -> Record:
    return Record(client=client, at="2026-01-01T00:00:00+00:00", everything=False, key="", files=[])


def done(fates: list[Fate]) -> list[str]:
    return [one.done for one in fates]


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    return Keeping(tmp_path / "state" / "connect")


def test_bytes_rights_and_links_come_back(keeping: Keeping, tmp_path: Path) -> None:
    """A file that is a link stays one; its rights come back though a key made them narrower."""
    real = tmp_path / "dotfiles.json"
    real.write_bytes(ODD)
    real.chmod(0o644)
    link = tmp_path / "settings.json"
    link.symlink_to(real)
    assert done(keeping.write(record(), [FileChange(link, OURS, secret=True)])) == ["written"]
    assert link.is_symlink()
    assert b'"twotier"' in real.read_bytes()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert done(keeping.undo("codex")[1]) == ["restored"]
    assert link.is_symlink()
    assert real.read_bytes() == ODD
    assert stat.S_IMODE(real.stat().st_mode) == 0o644
    assert list(keeping.folder.iterdir()) == []


def test_a_new_file_goes_with_its_folders(keeping: Keeping, tmp_path: Path) -> None:
    """Only those that were made for it, and only if nothing else is in them by now."""
    path, other = tmp_path / "a" / "b" / "x.json", tmp_path / "a" / "theirs"
    keeping.write(record(), [FileChange(path, OURS)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other.touch()
    assert done(keeping.undo("codex")[1]) == ["removed"]
    assert other.exists()
    assert not path.parent.exists()


def test_writing_twice_is_writing_once(keeping: Keeping, tmp_path: Path) -> None:
    """Nothing is touched, and what comes back is from before the first time."""
    path = tmp_path / "x.json"
    path.write_bytes(ODD)
    keeping.write(record(), [FileChange(path, OURS)])
    before = path.stat()
    assert done(keeping.write(record(), [FileChange(path, OURS)])) == ["unchanged"]
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    newer = JsonEdit([(["provider", "twotier"], {"a": 2})])
    assert done(keeping.write(record(), [FileChange(path, newer)])) == ["written"]
    assert b'"a": 2' in path.read_bytes()
    keeping.undo("codex")
    assert path.read_bytes() == ODD


def test_writing_less_takes_the_rest_back(keeping: Keeping, tmp_path: Path) -> None:
    """From `--all` to the default: what is not written any more is as it was."""
    kept, dropped = tmp_path / "kept.json", tmp_path / "dropped.json"
    dropped.write_bytes(ODD)
    keeping.write(record(), [FileChange(kept, OURS), FileChange(dropped, OURS)])
    assert done(keeping.write(record(), [FileChange(kept, OURS)])) == ["restored", "unchanged"]
    assert dropped.read_bytes() == ODD


def test_a_file_changed_since_keeps_the_change(keeping: Keeping, tmp_path: Path) -> None:
    """Clients write into their own files; ours alone goes out, and nothing comes back from old."""
    path = tmp_path / "x.json"
    path.write_text('{\n  "theme": "dark"\n}\n')
    keeping.write(record(), [FileChange(path, OURS)])
    path.write_text(path.read_text().replace("dark", "light"))
    assert [state for _, state in keeping.states(record_of(keeping))] == ["changed since"]
    assert done(keeping.undo("codex")[1]) == ["cleaned"]
    assert path.read_text() == '{\n  "theme": "light"\n}\n'


def record_of(keeping: Keeping) -> Record:
    found = keeping.read("codex")
    assert found is not None
    return found


def test_written_again_after_a_change_it_is_clean_all_the_same(
    keeping: Keeping, tmp_path: Path
) -> None:
    """The bytes from before are then those of the changed file without ours."""
    path = tmp_path / "x.json"
    path.write_text('{\n  "theme": "dark"\n}\n')
    keeping.write(record(), [FileChange(path, OURS)])
    path.write_text(path.read_text().replace("dark", "light"))
    newer = JsonEdit([(["provider", "twotier"], {"a": 2})])
    keeping.write(record(), [FileChange(path, newer)])
    assert done(keeping.undo("codex")[1]) == ["restored"]
    assert path.read_text() == '{\n  "theme": "light"\n}\n'


def test_what_somebody_changed_of_ours_is_left_alone(keeping: Keeping, tmp_path: Path) -> None:
    """It is named, and the old bytes stay where the sentence says."""
    path = tmp_path / "config.toml"
    path.write_text('model = "gpt"\n')
    keeping.write(record(), [FileChange(path, TomlEdit({"model": "local"}, {}))])
    path.write_text('model = "mine"\n')
    _, (fate,) = keeping.undo("codex")
    assert fate.done == "left alone"
    assert "model" in fate.because
    kept = Path(fate.because.rpartition(" ")[2])
    assert kept.read_text() == 'model = "gpt"\n'
    assert path.read_text() == 'model = "mine"\n'


def test_what_cannot_be_read_any_more_is_left_alone(keeping: Keeping, tmp_path: Path) -> None:
    """Not JSON, not text, or ours alone and then changed."""
    paths = [tmp_path / name for name in ("a.json", "b.json", "c.md")]
    paths[0].write_text("{}")
    edits: tuple[Edit, ...] = (OURS, OURS, WholeEdit("x"))
    changes = [FileChange(path, edit) for path, edit in zip(paths, edits, strict=True)]
    keeping.write(record(), changes)
    for path, text in zip(paths, (b"{", b"\xff", b"mine"), strict=True):
        path.write_bytes(text)
    _, fates = keeping.undo("codex")
    assert done(fates) == ["left alone"] * 3
    assert "no JSON" in fates[2].because
    assert "not UTF-8" in fates[1].because
    assert [path.read_bytes() for path in paths] == [b"{", b"\xff", b"mine"]


def test_what_is_gone_or_as_before_needs_nothing(keeping: Keeping, tmp_path: Path) -> None:
    """Somebody has taken it out by hand."""
    gone, back = tmp_path / "gone.json", tmp_path / "back.json"
    back.write_bytes(ODD)
    keeping.write(record(), [FileChange(gone, OURS), FileChange(back, OURS)])
    gone.unlink()
    back.write_bytes(ODD)
    assert [state for _, state in keeping.states(record_of(keeping))] == ["gone", "as before"]
    assert done(keeping.undo("codex")[1]) == ["as it was", "gone"]


def test_one_file_that_cannot_be_changed_stops_them_all(keeping: Keeping, tmp_path: Path) -> None:
    """Nothing is half connected."""
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    bad.write_text("{]")
    with pytest.raises(ConfigError, match=r"bad\.json: .*nothing was written"):
        keeping.write(record(), [FileChange(good, OURS), FileChange(bad, OURS)])
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        keeping.write(record(), [FileChange(good, OURS), FileChange(bad, OURS)])
    assert not good.exists()
    assert keeping.read("codex") is None


def test_a_kill_between_two_files_can_be_undone(keeping: Keeping, tmp_path: Path) -> None:
    """The record is on disk before the first file, so that each is either old or new."""
    first, second = tmp_path / "first.env", tmp_path / "second" / "x.json"
    first.write_text("A=1\n")
    # A folder where the new bytes would be written beside: the second write fails.
    (second.parent / ".x.json.new").mkdir(parents=True)
    with pytest.raises(OSError, match=r"\.x\.json\.new"):
        keeping.write(record(), [FileChange(first, BlockEdit("B=2\n")), FileChange(second, OURS)])
    assert "B=2" in first.read_text()
    keeping.undo("codex")
    assert first.read_text() == "A=1\n"


def test_a_record_that_cannot_be_read_is_said(keeping: Keeping) -> None:
    """And what is not connected cannot be undone."""
    with pytest.raises(NotFoundError, match="not connected"):
        keeping.undo("codex")
    keeping.folder.mkdir(parents=True)
    (keeping.folder / "codex.json").write_text(json.dumps({"client": 1}))
    with pytest.raises(ConfigError, match="cannot be used"):
        keeping.read("codex")
    assert [one.name for one in keeping.folder.iterdir()] == ["codex.json"]
