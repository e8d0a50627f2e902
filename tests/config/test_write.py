"""A file is replaced whole or not at all, and stays what it was beside its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.config.write import put_file, rewrite


def test_a_link_stays_a_link_and_a_file_keeps_its_rights(tmp_path: Path) -> None:
    """Of people who keep their configurations elsewhere; what lies between them is not written."""
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "real.toml", tmp_path / "twotier.toml"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    rewrite(link, "new ü")
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "new ü"
    assert real.stat().st_mode & 0o777 == 0o640
    assert not [one for folder in (tmp_path, real.parent) for one in folder.glob(".*.new")]


def test_what_a_kill_left_beside_is_in_nobodys_way(tmp_path: Path) -> None:
    """Nor are its rights taken over: a secret file is closed from its first byte."""
    (tmp_path / ".a.new").write_text("half")
    (tmp_path / ".a.new").chmod(0o666)
    put_file(tmp_path / "a", b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_where_it_cannot_be_put_nothing_is_left_over(tmp_path: Path) -> None:
    """Here a folder is in the way."""
    (tmp_path / "a" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="a"):
        put_file(tmp_path / "a", b"x")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
