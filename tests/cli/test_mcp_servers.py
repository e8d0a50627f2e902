"""`twotier mcp-servers`: what is configured, and what a server has."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.cli.standin import Done
from tests.tools.mcp_servers import TOY
from twotier import cli
from twotier.config.load import load
from twotier.config.mcp import server_specs
from twotier.domain.label import Label
from twotier.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    """A configuration with it."""
    path = folder / "twotier.toml"
    path.write_text(text, encoding="utf-8")
    return path


def toy(folder: Path, *more: str) -> Path:
    """A configuration with the toy server."""
    lines = ("[tools.mcp.toy]", f"command = {json.dumps(list(TOY))}", *more)
    return written(folder, "\n".join(lines))


def run(config: Path, *words: str) -> Done:
    """One command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["--config", str(config), "mcp-servers", *words])
    return Done(code, out.getvalue(), err.getvalue())


def test_a_server_is_listed_without_a_start_and_tested_with_one(tmp_path: Path) -> None:
    """Which tools are allowed, how they are labelled, and which are allowed but not there."""
    config = toy(tmp_path, 'tools = ["echo", "gone"]', 'labels = { echo = ["private"] }')
    assert "echo, gone" in run(config, "list").out
    assert run(config, "list", "--json").document["servers"][0]["tools"] == ["echo", "gone"]
    tested = run(config, "test", "toy")
    assert tested.code == 0, tested.err
    lines = tested.out.splitlines()
    assert lines[1].split() == ["echo", "yes", "private", "Says", "it", "again."]
    assert "crash" in tested.out
    assert "nobody has labelled it" in tested.out
    assert tested.err == "allowed, and not there: gone\n"
    told = run(config, "test", "toy", "--json").document["tools"]
    assert told[0]["labels"] == ["private"]


def test_what_cannot_be_tested_says_why(tmp_path: Path) -> None:
    """A name that is not there, a program that is not there, a secret that is not there."""
    missing = run(toy(tmp_path), "test", "other")
    assert "there is no [tools.mcp.other]; there are: toy" in missing.err
    gone = written(tmp_path, '[tools.mcp.toy]\ncommand = ["/nowhere/program"]')
    assert "No such file" in run(gone, "test", "toy").err
    bare = toy(tmp_path, 'secrets = { TOKEN = "env:NOT_SET_ANYWHERE" }')
    assert "nothing lies at env:NOT_SET_ANYWHERE" in run(bare, "test", "toy").err
    assert run(written(tmp_path, ""), "list").out.startswith("no MCP servers")


def test_secrets_are_resolved_by_their_places_and_shown_nowhere(tmp_path: Path) -> None:
    """Into the child's environment or the headers, and only under the names that are said."""
    text = (
        '[tools.mcp.a]\ncommand = ["x"]\nenv = ["HOME", "NOT_THERE"]\n'
        'secrets = { TOKEN = "env:T" }\nfolder = "sub"\n'
        '[tools.mcp.b]\nurl = "https://host.example/mcp?key=canary"\ntoken = "env:B"\n'
        'headers = { X-Key = "env:H" }\ntools = ["t"]\nlabels = { t = ["sends"] }\n'
    )
    loaded = load(written(tmp_path, text))
    one, two = server_specs(
        loaded.config.tools.mcp,
        home=tmp_path,
        secret=lambda place: f"secret of {place}",
        environment={"HOME": "/h", "OTHER": "no"},
    )
    assert one.env == {"HOME": "/h", "TOKEN": "secret of env:T"}
    assert one.folder == tmp_path / "sub"
    assert two.headers == {"X-Key": "secret of env:H", "Authorization": "Bearer secret of env:B"}
    assert two.labels == {"t": {Label.SENDS}}
    assert "secret of" not in f"{one}{two}"
    assert "canary" not in run(loaded.path, "list").out


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "needs either command"),
        ('command = ["x"]\nurl = "https://h/"', "needs either command"),
        ('url = "http://10.0.0.1/mcp"', "must be on this machine"),
        ('url = "https://h/"\nenv = ["A"]', "an address takes token and headers"),
        ('command = ["x"]\ntoken = "env:T"', "a command takes secrets"),
        ('command = ["x"]\nenv = ["T"]\nsecrets = { T = "env:T" }', "T is in env and in secrets"),
        ('command = ["x"]\nlabels = { a = ["private"] }', "labels names 'a', which is not in"),
        ('command = ["x"]\ntools = ["a"]\nlabels = { a = ["secret"] }', "labels.a.0"),
        ('command = ["x"]\nsecrets = { T = "the-key-itself" }', "must say where the key lies"),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path: Path, lines: str, said: str) -> None:
    """Each with its path and a way out."""
    with pytest.raises(ConfigError, match=r"tools\.mcp\.one") as failed:
        load(written(tmp_path, f"[tools.mcp.one]\n{lines}\n"))
    assert said in str(failed.value)
    assert "the-key-itself" not in str(failed.value)
