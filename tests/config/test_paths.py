"""Where things lie, found without reading more than one setting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twotier.config import paths
from twotier.config.load import load
from twotier.errors import ConfigError


def test_the_configuration_is_looked_for_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said, then the environment, then here, then the home folder."""
    monkeypatch.delenv("TWOTIER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert paths.find() == tmp_path / "home" / "twotier" / "twotier.toml"
    (tmp_path / "twotier.toml").touch()
    assert paths.find() == tmp_path / "twotier.toml"
    monkeypatch.setenv("TWOTIER_CONFIG", str(tmp_path / "named.toml"))
    assert paths.find() == tmp_path / "named.toml"
    assert paths.find("said.toml") == tmp_path / "said.toml"
    with pytest.raises(ConfigError, match="names a user that there is not"):
        paths.find("~nobody-of-that-name/twotier.toml")


def test_the_state_folder_is_known_from_a_file_with_mistakes_elsewhere(tmp_path: Path) -> None:
    """`status` and `down` must work while a person is editing."""
    file = tmp_path / "twotier.toml"
    file.write_text('state = "elsewhere"\n[gatway]\nport = 1\n')
    assert paths.paths_of(file).state == tmp_path / "elsewhere"
    assert paths.paths_of(tmp_path / "none.toml").state == tmp_path / ".twotier"
    file.write_text("[broken")
    with pytest.raises(ConfigError):
        paths.paths_of(file)


def test_a_socket_has_a_short_path_wherever_the_state_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's limit is about a hundred bytes; two folders never share a socket, and every
    shell finds the same one.
    """
    deep = tmp_path / ("d" * 120)
    one, two = paths.Paths(deep), paths.Paths(deep / "other")
    assert len(str(one.main_socket)) <= paths.SOCKET_PATH_BYTES_MAX
    assert one.main_socket != two.main_socket
    assert one.main_socket.name == "main.sock"
    here = one.main_socket
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")  # a desktop has it, cron has not
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert one.main_socket == here
    assert paths.Paths(Path("/s")).main_socket == Path("/s/main.sock")


def test_the_state_folder_is_for_the_owner_alone(tmp_path: Path) -> None:
    """It holds the gateway's token and everything that was asked."""
    at = paths.Paths(tmp_path / "new" / "state")
    at.make()
    assert at.state.stat().st_mode & 0o777 == 0o700
    assert at.logs.is_dir()
    assert at.engines.is_dir()


def test_a_state_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    """It is ours, whoever made it with whatever mask."""
    at = paths.Paths(tmp_path / "state")
    for folder in (at.state, at.logs, at.engines):
        folder.mkdir()
        folder.chmod(0o755)
    at.make()
    modes = [folder.stat().st_mode & 0o777 for folder in (at.state, at.logs, at.engines)]
    assert modes == [0o700] * 3


def test_a_state_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Nothing of ours is put where another user decides who reads it."""
    theirs = Path("/usr")
    if os.getuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        os.chown(theirs, 4_321, -1)
    with pytest.raises(ConfigError, match=f"{theirs} belongs to another user"):
        paths.make_private(theirs)


def test_a_socket_folder_that_was_laid_out_for_us_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link, an open folder or a file in the temp folder: named, and no socket is put there."""
    monkeypatch.setattr(paths, "SHORT_FOLDER", tmp_path)
    at = paths.Paths(tmp_path / ("d" * 120))
    folder = at.main_socket.parent
    assert folder.parent == tmp_path
    at.make()
    at.make()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(ConfigError, match=str(folder)):
        at.make()
    folder.rmdir()
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    with pytest.raises(ConfigError, match=str(folder)):
        at.make()
    folder.unlink()
    folder.touch(mode=0o700)
    with pytest.raises(ConfigError, match=str(folder)):
        at.make()


def test_the_home_of_a_state_folder_is_the_users_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` and `up` must mean the same folder by `~/state`; a NUL is an error that says so."""
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "there" / "twotier.toml"
    file.parent.mkdir()
    file.write_text('state = "~/s"')
    assert paths.paths_of(file) == load(file).paths
    file.write_text('state = "a\\u0000"')
    with pytest.raises(ConfigError, match="is no path"):
        paths.paths_of(file)


def test_what_can_be_fetched_again_lies_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours by our name, else by the system's; the model hub by its own rules."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.delenv("TWOTIER_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.models() == tmp_path / ".cache" / "twotier" / "models"
    assert paths.hub() == tmp_path / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert paths.environments() == tmp_path / "x" / "twotier" / "engines"
    monkeypatch.setenv("TWOTIER_CACHE", str(tmp_path / "t"))
    assert paths.models() == tmp_path / "t" / "models"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert paths.hub() == tmp_path / "hf" / "hub"
