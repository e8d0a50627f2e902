"""`twotier connect` as a person types it: what is printed, written, listed and taken back."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from twotier.cli import run
from twotier.cli.connect_given import given_of
from twotier.connect.clients import CLIENTS
from twotier.connect.files import Keeping
from twotier.errors import NotRunningError
from twotier.keys import KeyFile

CONFIG = """
[gateway]
port = {port}

[tiers.local]
engine = "openai"
model = "toy"
base_url = "http://127.0.0.1:1/v1"
window_tokens = 100_000

[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
key = "env:FRONTIER_KEY"

[aliases]
quick = "local"
other = "anthropic/claude-opus-4-5"
"""
OF_CLIENTS = ("CLAUDE", "ANTHROPIC", "CODEX", "OPENAI", "OPENCODE", "LLM_", "XDG_")


class Person:
    """Somebody with an empty home and a configuration."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.config = folder / "twotier.toml"
        self.config.write_text(CONFIG.format(port=8484))
        self.state = folder / ".twotier"
        self._capsys = capsys
        self.err = ""

    def types(self, *words: str, code: int = 0) -> str:
        """A command; its stdout."""
        found = run(["--config", str(self.config), "connect", *words])
        out, self.err = self._capsys.readouterr()
        assert found == code, (found, out, self.err)
        return out

    def told(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The same as a document."""
        document: dict[str, Any] = json.loads(self.types(*words, "--json", code=code))
        assert document["schema_version"] == 1
        return document

    def key(self, *words: str) -> None:
        """A command of `twotier key`."""
        assert run(["--config", str(self.config), "key", *words]) == 0
        self._capsys.readouterr()

    @property
    def keys(self) -> list[str]:
        """The names of the gateway's keys."""
        return list(KeyFile(self.state / "keys.json").read())


@pytest.fixture
def person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Person:
    for name in [name for name in os.environ if name.startswith(OF_CLIENTS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "")
    return Person(tmp_path, capsys)


def test_printing_changes_nothing(person: Person) -> None:
    """Settings on stdout, the next command on stderr; no key is made, and no file."""
    out = person.types("codex")
    assert out.startswith("# ~/.codex/twotier.config.toml (a new file)\n")
    assert 'base_url = "http://127.0.0.1:8484/v1"' in out
    assert "twotier connect codex --write" in person.err
    assert list(person.home.iterdir()) == []
    assert not person.state.exists()
    assert all(len(line) <= 80 for line in person.err.splitlines())
    person.types("codex", "--all")
    assert "connect codex --all --write" in person.err


def test_a_key_is_shown_only_when_it_is_asked_for(person: Person) -> None:
    """Then it is a key that works, the one that is written later."""
    masked = person.types("aider")
    assert "the key; written by --write" in masked
    shown = person.told("aider", "--show-key")["settings"][0]["text"]
    key = next(line for line in shown.splitlines() if "api-key" in line).split('"')[1]
    assert key.startswith("tt-")
    assert key not in person.types("aider", "--write") + person.err
    assert key in (person.home / ".aider.twotier.yml").read_text()
    assert key not in person.types("aider", "--write") + person.err
    assert person.keys == ["aider"]


def test_connecting_twice_and_back(person: Person) -> None:
    """One key, one record; a list of what is connected; then all is as it was."""
    assert person.told("opencode", "--write")["files"][0]["done"] == "written"
    again = person.told("opencode", "--write")
    assert again["files"][0]["done"] == "unchanged"
    assert person.keys == ["opencode"] == [again["key"]]
    rows = [line.split() for line in person.types().splitlines()]
    assert rows[1] == ["opencode", "~/.config/opencode", "yes"]
    assert "claude-code" in person.err
    path = person.home / ".config" / "opencode" / "opencode.json"
    path.write_text(path.read_text().replace("8484", "9999"))
    listed = person.told()["clients"]
    (one,) = [one for one in listed if one["connected"]]
    assert one["files"] == [{"path": str(path), "state": "changed since"}]
    assert len(listed) == len(CLIENTS)
    out = person.types("opencode", "--undo", code=1)
    assert out.startswith("left alone  ~/.config/opencode/opencode.json")
    assert "provider.twotier" in out
    assert person.keys == []


def test_undo_brings_back_and_says_so(person: Person) -> None:
    """Exit code 0, and what is not connected cannot be undone."""
    mine = person.home / ".cursor" / "mcp.json"
    mine.parent.mkdir()
    mine.write_text('{"mcpServers": {}}')
    person.types("cursor", "--write")
    assert "twotier" in mine.read_text()
    assert person.types("cursor", "--undo") == "restored  ~/.cursor/mcp.json\n"
    assert mine.read_text() == '{"mcpServers": {}}'
    assert person.keys == []
    person.types("cursor", "--undo", code=1)
    assert "not connected" in person.err


def test_a_name_that_is_taken_is_left_to_its_owner(person: Person) -> None:
    """Somebody has made a key of that name by hand; ours has another, and goes alone."""
    person.key("add", "llm")
    assert person.told("llm", "--write")["key"] == "llm-2"
    assert person.keys == ["llm", "llm-2"]
    person.types("llm", "--undo")
    assert person.keys == ["llm"]


def test_a_key_that_was_ended_by_hand_is_made_anew(person: Person) -> None:
    """And put where the client reads it."""
    person.types("llm", "--write")
    keys = person.home / ".config" / "io.datasette.llm" / "keys.json"
    before = keys.read_text()
    person.key("remove", "llm")
    person.types("llm", "--write")
    assert keys.read_text() != before
    assert person.keys == ["llm"]


def test_a_file_that_cannot_be_changed_makes_no_key(person: Person) -> None:
    """Nothing is left of the try."""
    path = person.home / ".openclaw" / "openclaw.json"
    path.parent.mkdir()
    path.write_text("{ models: ")
    person.types("openclaw", "--write", code=2)
    assert "nothing was written" in person.err
    assert person.keys == []
    assert not (path.parent / ".env").exists()
    assert [one for one in person.told()["clients"] if one["connected"]] == []


def subscribe(person: Person) -> None:
    """A login, and two answers of today in the log."""
    folder = person.home / ".claude" / "projects" / "-x"
    folder.mkdir(parents=True)
    login = {"claudeAiOauth": {"accessToken": "canary-1", "subscriptionType": "max"}}
    (person.home / ".claude" / ".credentials.json").write_text(json.dumps(login))
    message = {"model": "claude-opus-4-6", "usage": {"input_tokens": 1_000_000}}
    lines = [
        {
            "type": "assistant",
            "timestamp": datetime.now(UTC).isoformat(),
            "requestId": f"req_{number}",
            "message": {**message, "id": f"msg_{number}"},
        }
        for number in (1, 2)
    ]
    (folder / "s.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_a_flat_plan_is_not_turned_into_a_bill_unasked(person: Person) -> None:
    """Its login is told, what a key would cost is estimated from its own logs, and writing needs a
    yes; by default its own way to its models is not touched at all.
    """
    subscribe(person)
    told = person.told("claude-code", "--write")
    assert told["login"] == {
        "kind": "subscription",
        "plan": "max",
        "because": "its login in .credentials.json",
        "estimated_usd_a_day": "10.00",
        "estimate_days": 30,
    }
    assert "WARNING" not in person.err
    assert not (person.home / ".claude" / "settings.json").exists()
    person.types("claude-code", "--all", "--write", code=2)
    said = " ".join(person.err.split())
    assert "Estimate from its own logs, by today's price list: $10.00 a day on 1 day with" in said
    assert "add --yes" in said
    assert not (person.home / ".claude" / "settings.json").exists()
    told = person.told("claude-code", "--all", "--write", "--yes")
    assert "canary" not in json.dumps(told) + person.err
    env = json.loads((person.home / ".claude" / "settings.json").read_text())["env"]
    assert env["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "local"
    # Its login is still what it was: the key in its settings is ours.
    assert person.told("claude-code")["login"]["kind"] == "subscription"
    assert person.told()["clients"][0]["all"] is True
    # Without --all again: that part is taken back.
    files = person.told("claude-code", "--write")["files"]
    assert [one["done"] for one in files if "settings" in one["path"]] == ["removed"]


def test_the_model_it_begins_with(person: Person) -> None:
    """A tier, an alias, or auto; another word is refused with the names there are."""
    assert 'model = "auto"' in person.types("codex")
    assert "model_context_window = 100000" in person.types("codex", "--model", "quick")
    assert 'model = "other"' in person.types("codex", "--model", "other")
    person.types("codex", "--model", "nobody", code=2)
    assert "auto, local, frontier, quick, other" in person.err


def test_words_that_do_not_go_together(person: Person) -> None:
    """Each is refused with the command that would do."""
    person.types("codex", "--undo", "--write", code=2)
    assert "connect codex --undo" in person.err
    person.types("codex", "--test", code=2)
    assert "connect codex --write" in person.err
    person.types("codex", "--write")
    person.types("codex", "--test", code=3)
    assert "twotier up" in person.err


def test_a_port_that_nobody_knows_yet(person: Person) -> None:
    """With port 0 it is known only while twotier runs."""
    person.config.write_text(CONFIG.format(port=0))
    keeping = Keeping(person.state / "connect")
    with pytest.raises(NotRunningError, match="known only while"):
        given_of(person.config, CLIENTS["codex"], keeping=keeping, model="", everything=False)
