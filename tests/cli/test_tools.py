"""`twotier tools`: what is there, who has it, and one call by hand."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.cli.standin import Done
from tests.toys.receiver import Taker
from twotier import cli

JOBS = """
[[jobs]]
name = "reader"
prompt = "Read."
every = "1h"
tools = ["files", "send", "api:home"]
[[jobs]]
name = "writer"
prompt = "Write."
every = "1h"
tools = ["write_file:a.md", "send:team", "command:words"]
"""


def tools_toml(folder: Path, there: Taker) -> Path:
    """A configuration with one of everything."""
    path = folder / "twotier.toml"
    path.write_text(
        f'[tools.api.home]\nurl = "{there.url}"\nmethods = ["GET", "POST"]\n'
        f'[tools.send.team]\nto = "webhook:{there.url}/hook"\ndescription = "The team."\n'
        '[tools.command.words]\nargv = ["wc", "-w", "{file}"]\nchanges = false\nsandbox = "off"\n'
        '[tools.search]\nbackend = "brave"\nkey = "env:NO_SUCH_KEY"\n'
        f'[tools.mcp.toy]\ncommand = ["toy"]\n{JOBS}'
    )
    return path


def run(config: Path, *words: str) -> Done:
    """One command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["--config", str(config), "tools", *words])
    return Done(code, out.getvalue(), err.getvalue())


def test_tools_are_listed_with_labels_and_jobs(tmp_path: Path) -> None:
    """Those that are built in, and each that the owner declared; nothing is made by looking."""
    with Taker() as there:
        config = tools_toml(tmp_path, there)
        done = run(config, "list", "--json")
        assert done.code == 0, done.err
        told = {one["name"]: one for one in json.loads(done.out)["tools"]}
        assert told["read_file"]["jobs"] == ["reader"]
        assert told["write_file"]["jobs"] == ["writer"]
        assert told["send:team"]["jobs"] == ["reader", "writer"]
        assert told["send:team"]["does"] == "The team."
        assert told["api:home"]["labels"] == ["private", "untrusted", "sends", "changes"]
        assert told["command:words"]["labels"] == ["private", "untrusted"]
        assert told["fetch"]["labels"] == ["untrusted", "sends"]
        assert {"api", "command"}.isdisjoint(told)
        shown = run(config, "list")
        assert "reads a web page as text" in shown.out
        assert "mcp:toy" in shown.err
        assert [one.name for one in tmp_path.iterdir()] == ["twotier.toml"]


def test_one_tool_is_called_by_hand(tmp_path: Path) -> None:
    """A message, an API, a file in the folder of the job that has the tool, a program."""
    with Taker() as there:
        config = tools_toml(tmp_path, there)
        done = run(config, "test", "send:team")
        assert (done.code, there.titles) == (0, ["twotier"]), done.err
        assert done.out.startswith("sent to team:")
        done = run(config, "test", "api:home", '{"path": "states"}', "--json")
        assert json.loads(done.out) == {
            "schema_version": 1,
            "tool": "api:home",
            "text": "",
            "labels": ["private", "untrusted"],
            "cost_usd": "0.000000",
        }
        assert run(config, "test", "list_files").out == "[nothing there]\n"
        (tmp_path / "jobs-files" / "writer").mkdir(parents=True)
        (tmp_path / "jobs-files" / "writer" / "b.txt").write_text("one two")
        done = run(config, "test", "command:words", '{"file": "b.txt"}')
        assert done.out == "2 b.txt\n"
        assert "brings along: private, untrusted" in done.err
        done = run(config, "test", "read_file", '{"path": "b.txt"}', "--job", "writer")
        assert done.out == "one two\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fecth",), "did you mean 'fetch'"),
        (("api:house",), "did you mean 'home'"),
        (("mcp:toy",), "see `twotier mcp-servers test NAME`"),
        (("files",), "files stands for read_file, list_files, search_files"),
        (("write_file", '{"path": "b.md", "text": "x"}'), "would change something"),
        (("api:home", '{"path": "x", "method": "POST"}'), "would change something"),
        (("fetch", '{"uri": "x"}'), "cannot be called so"),
        (("fetch", "url"), "the arguments are no JSON"),
        (("fetch", "[]"), "cannot be called so"),
        (("fetch", "--job", "nobody"), "there is no job 'nobody'"),
        (("search",), "twotier up"),
        (("fetch", '{"url": "http://127.0.0.1:1/"}'), "this machine"),
        (("git",), "no git repository"),
    ],
)
def test_what_cannot_be_called_says_why(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    """And what would help; nothing is changed."""
    with Taker() as there:
        done = run(tools_toml(tmp_path, there), "test", *words)
        assert done.code in (1, 2, 3)
        assert says in done.err
        assert not there.asked
