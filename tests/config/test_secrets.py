"""A secret is found where the configuration says it lies, and never repeated."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import Field

from twotier.config.secrets import Named, how_to_set, resolve
from twotier.config.section import Section
from twotier.config.values import SecretPlace
from twotier.errors import ConfigError

CANARY = "canary-5d1c-not-to-be-seen"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_an_environment_variable_is_read_without_its_white_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line end that came with `$(cat key)` is no part of a key; an empty variable is no key."""
    monkeypatch.setenv("TWOTIER_TEST_KEY", f" {CANARY}\n")
    assert resolve("env:TWOTIER_TEST_KEY", home=tmp_path) == CANARY
    monkeypatch.setenv("TWOTIER_TEST_KEY", " ")
    assert resolve("env:TWOTIER_TEST_KEY", home=tmp_path) is None
    monkeypatch.delenv("TWOTIER_TEST_KEY")
    assert resolve("env:TWOTIER_TEST_KEY", home=tmp_path) is None


def test_a_key_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    """A folder can be moved as a whole; a file that is not there yet is no error."""
    assert resolve("file:my.key", home=tmp_path) is None
    write(tmp_path / "my.key", f"{CANARY}\n")
    assert resolve("file:my.key", home=tmp_path) == CANARY
    assert resolve(f"file:{tmp_path}/my.key", home=Path("/nowhere")) == CANARY


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The error is the command that mends it, and not the key."""
    path = write(tmp_path / "my.key", CANARY, mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}") as caught:
        resolve("file:my.key", home=tmp_path)
    assert CANARY not in str(caught.value)
    path.chmod(0o400)
    assert resolve("file:my.key", home=tmp_path) == CANARY


def test_no_error_holds_what_a_file_held(tmp_path: Path) -> None:
    """A binary file and a folder are refused without a byte of them."""
    path = tmp_path / "my.key"
    path.write_bytes(CANARY.encode() + b"\xff\xfe")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        resolve("file:my.key", home=tmp_path)
    error: BaseException | None = caught.value
    assert CANARY not in repr(error)
    assert error is not None
    assert error.__cause__ is None
    (tmp_path / "folder").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve("file:folder", home=tmp_path)


def test_a_missing_keyring_names_what_to_install(tmp_path: Path) -> None:
    """The keyring is an extra; without it the error says how to get it."""
    if "keyring" in sys.modules:
        pytest.skip("the keyring is installed here")
    with pytest.raises(ConfigError, match=r"pip install 'twotier\[keyring\]'"):
        resolve("keyring:anthropic", home=tmp_path)


def test_a_file_in_the_home_of_nobody_is_an_error_that_says_so(tmp_path: Path) -> None:
    """And not the end of the program."""
    with pytest.raises(ConfigError, match="names a user that there is not"):
        resolve("file:~nobody-of-that-name/my.key", home=tmp_path)


def test_an_unknown_place_is_refused_without_being_repeated(tmp_path: Path) -> None:
    """It may be the key itself, pasted where the place belongs."""
    with pytest.raises(ConfigError) as caught:
        resolve(CANARY, home=tmp_path)
    assert CANARY not in str(caught.value)


def test_every_place_has_a_command_that_fills_it() -> None:
    """Said by `up` and `doctor`; with a place for the key and never with one."""
    home = Path("/my conf")
    assert how_to_set("env:ANTHROPIC_API_KEY", home=home) == "export ANTHROPIC_API_KEY=..."
    assert how_to_set("file:a.key", home=home) == "(umask 077; cat > '/my conf/a.key')"
    assert how_to_set("keyring:anthropic", home=home) == "keyring set anthropic twotier"


class Inner(Section):
    """A section with places in all the shapes there are."""

    one: SecretPlace = "env:TT_ONE"
    maybe: SecretPlace | None = None
    by_name: dict[str, SecretPlace] = Field({})
    text: str = "env:TT_TEXT"


class Outer(Section):
    """A section in a section, and in a list."""

    inner: Inner | None = None
    many: tuple[Inner, ...] = ()


def test_every_named_secret_is_found_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log hides them all; what only looks like a place is text."""
    for name in ("ONE", "TWO", "THREE", "TEXT"):
        monkeypatch.setenv(f"TT_{name}", f"secret-{name}")
    inner = Inner(maybe="env:TT_TWO", by_name={"a": "env:TT_THREE"})
    named = Named([Outer(inner=inner), Outer(many=(inner,))], home=tmp_path)
    assert named.all() == ["secret-ONE", "secret-TWO", "secret-THREE"]
    assert named.get("env:TT_TWO") == "secret-TWO"
    with pytest.raises(ConfigError, match="env:TT_TEXT is not in the configuration"):
        named.get("env:TT_TEXT")


def test_a_missing_secret_is_an_error_for_who_asks(tmp_path: Path) -> None:
    """One job without its token does not stop the others, and the sentence names the place."""
    open_file = write(tmp_path / "key", "secret", mode=0o644)
    sections = [Inner(one="env:TT_NOT_SET", maybe=f"file:{open_file.name}")]
    named = Named(sections, home=tmp_path)
    assert named.all() == []
    with pytest.raises(ConfigError, match="nothing lies at env:TT_NOT_SET; set it and start"):
        named.get("env:TT_NOT_SET")
    with pytest.raises(ConfigError, match="can be read by others"):
        named.get("file:key")
