"""A wrong configuration is explained: where, what, and the nearest name that would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.config.load import load
from twotier.errors import ConfigError

CANARY = "sk-canary-5d1c"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gateway]\nprot = 1", "gateway.prot: unknown key; did you mean 'port'?"),
        ("[gatway]\nport = 1", "gatway: unknown key; did you mean 'gateway'?"),
        ("[log]\nzzzzzz = 1", "log.zzzzzz: unknown key; known: level, bytes_max, files_kept"),
        (
            '[tiers.x]\nengine = "llama_cpp"\nmodle = "y"',
            "tiers.x.modle: unknown key; did you mean 'model'?",
        ),
        (
            '[[jobs]]\nname = "a"\nprompt = "p"\nevry = "1m"',
            "jobs.0.evry: unknown key; did you mean 'every'?",
        ),
        ('[[jobs]]\nname = "a"\nprompt = "p"', "jobs.0: needs either every"),
        ('[tiers.x]\nengine = "openai"\nmodel = "m"', 'engine "openai" needs base_url'),
        ('[aliases]\na = "nowhere"', "aliases.a: no tier 'nowhere'"),
        ('[[budgets]]\nzone = "Mars/Olympus"', "'Mars/Olympus' is not a time zone"),
        ("[gateway\n", "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_a_way_out(tmp_path: Path, text: str, said: str) -> None:
    """Each error is the path of the key and what to write instead."""
    path = tmp_path / "twotier.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message


def test_a_key_pasted_into_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """The place of a key is configured, never the key."""
    path = tmp_path / "twotier.toml"
    path.write_text(f'[tiers.f]\nprovider = "anthropic"\nmodel = "m"\nkey = "{CANARY}"\n')
    with pytest.raises(ConfigError, match="not the key: env:NAME") as caught:
        load(path)
    assert CANARY not in caught.value.message


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    """A folder can be moved as a whole."""
    path = tmp_path / "twotier.toml"
    path.write_text('state = "inner/state"\n')
    loaded = load(path)
    assert loaded.paths.state == tmp_path / "inner" / "state"
    assert loaded.resolve("inbox") == tmp_path / "inbox"
    assert loaded.resolve("/abs") == Path("/abs")


def test_no_file_says_what_writes_one(tmp_path: Path) -> None:
    """The first command a person types may be the wrong one."""
    with pytest.raises(ConfigError, match="`twotier up` writes one"):
        load(tmp_path / "none.toml")
