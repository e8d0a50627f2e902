"""`twotier security audit`: each finding is there when it should be, and only then."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from twotier.cli.audit import CHECKS, audited
from twotier.cli.finding import Level
from twotier.config.load import load

QUIET = """
[tiers.local]
engine = "openai"
model = "m"
base_url = "http://127.0.0.1:1/v1"
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
key = "file:key"
[[budgets]]
period = "day"
limit_usd = 5
[[jobs]]
name = "a"
every = "1h"
prompt = "x"
"""
FEED = """
[jobs.watch]
kind = "feed"
url = "https://x.example/feed"
"""


def found(folder: Path, text: str) -> dict[str, tuple[Level, str]]:
    """The findings that are not well, by name; the files are as the program makes them."""
    config = folder / "twotier.toml"
    config.write_text(text)
    config.chmod(0o600)
    (folder / ".twotier").mkdir(mode=0o700, exist_ok=True)
    return named(config)


def named(config: Path) -> dict[str, tuple[Level, str]]:
    loaded = load(config)
    every = [finding for check in CHECKS for finding in check(loaded)]
    assert all(f.mend for f in every if f.level is not Level.OK), "a finding without a way out"
    return {f.name: (f.level, f.text) for f in every if f.level is not Level.OK}


def test_a_careful_one_has_nothing_to_say(tmp_path: Path) -> None:
    """Nor anything that is bad."""
    assert found(tmp_path, QUIET) == {}
    assert audited(tmp_path / "twotier.toml", as_json=False) == 0


@pytest.mark.parametrize(
    ("change", "name", "level", "said"),
    [
        (("limit_usd = 5", "alert_usd = 5"), "budget", Level.BAD, "nothing limits it"),
        (("127.0.0.1:1", "10.1.2.3:1"), "local address", Level.WARN, "in clear"),
        (("127.0.0.1:1", "me:word@127.0.0.1:1"), "address", Level.WARN, "tiers.local.base_url"),
        (
            ("[tiers.local]", '[gateway]\nhost = "0.0.0.0"\nallowed_hosts = ["n"]\n[tiers.local]'),
            "gateway",
            Level.WARN,
            "without encryption",
        ),
        (
            ('prompt = "x"', f'prompt = "x"\ntools = ["send:log"]\nquarantine = false{FEED}'),
            "job a",
            Level.BAD,
            "strangers' text is read by a model that has send:log",
        ),
        (
            (
                'prompt = "x"',
                'prompt = "x"\n[jobs.watch]\nkind = "files"\npath = "i"\ntrusted = true',
            ),
            "job a",
            Level.WARN,
            "for your own words",
        ),
        (
            ("[[jobs]]", '[tools.mcp.m]\ncommand = ["npx", "-y", "@a/b"]\ntools = ["t"]\n[[jobs]]'),
            "mcp m",
            Level.WARN,
            "no labels",
        ),
    ],
)
def test_what_is_open_is_named(
    tmp_path: Path, change: tuple[str, str], name: str, level: Level, said: str
) -> None:
    """One change each to the careful one."""
    if "send:log" in change[1]:
        change = (change[0], change[1].replace("send:log", "send:p"))
        said = said.replace("send:log", "send:p")
        text = QUIET.replace(*change) + '[tools.send.p]\nto = "ntfy:topic"\n'
    else:
        text = QUIET.replace(*change)
    seen = found(tmp_path, text)
    assert name in seen, seen
    assert seen[name][0] is level
    assert said in seen[name][1]


def test_files_that_others_reach_are_named(tmp_path: Path) -> None:
    """Modes, links, and what git keeps for ever."""
    assert found(tmp_path, QUIET) == {}
    config = tmp_path / "twotier.toml"
    config.chmod(0o666)
    key = tmp_path / "key"
    key.write_text("sk-1")
    key.chmod(0o644)
    (tmp_path / ".twotier" / "ledger.db").symlink_to("/tmp/x")
    git = ("git", "-C", str(tmp_path))
    subprocess.run((*git, "init", "-q"), check=True)
    subprocess.run((*git, "add", "key"), check=True)
    seen = named(config)
    assert seen["configuration"][0] is seen["link"][0] is seen["secret file"][0] is Level.BAD
    assert "tracked by git" in seen["secret file"][1]
    assert audited(config, as_json=True) == 1
