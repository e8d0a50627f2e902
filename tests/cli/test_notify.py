"""`twotier notify` as a person types it: the file stays theirs, and nothing secret is shown."""

from __future__ import annotations

import asyncio
import io
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.cli.standin import STATUS, Done, standin, twotier
from tests.toys.receiver import Taker
from twotier import cli

MINE = """\
# mine
[gateway]
port = 8484   # the port

[alerts]
quiet = "22:00-07:00"
terminal = false
"""
SECRET = "T0-B0-canary"


def run(folder: Path, *words: str) -> Done:
    """One `twotier notify` while nothing runs."""
    config = folder / "twotier.toml"
    if not config.exists():
        config.write_text(MINE, encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(["--config", str(config), "notify", *words])
    return Done(code, out.getvalue(), err.getvalue())


def channels(folder: Path) -> dict[str, Any]:
    text = (folder / "twotier.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text)["alerts"].get("channels", {})
    return found


def test_a_channel_is_added_listed_and_removed_and_comments_stay(tmp_path: Path) -> None:
    with Taker() as taker:
        added = run(tmp_path, "add", "hook", f"webhook:{taker.url}/{SECRET}", "--least", "warning")
        assert added.code == 0, added.err
        assert added.out == f"hook: webhook:{taker.url}/***, hears of warnings and urgent ones\n"
        assert run(tmp_path, "add", "phone", "ntfy:long-canary-topic").code == 0
        assert channels(tmp_path) == {
            "hook": {"to": f"webhook:{taker.url}/{SECRET}", "least": "warning"},
            "phone": {"to": "ntfy:long-canary-topic"},
        }
        listed = run(tmp_path, "list")
        assert "canary" not in listed.out + added.out
        assert listed.out.splitlines()[1].split()[:2] == ["hook", f"webhook:{taker.url}/***"]
        assert run(tmp_path, "list", "--json").document["channels"][1]["to"] == "ntfy:***"
        tested = run(tmp_path, "test", "hook")
        assert tested.out == "hook: delivered; 127.0.0.1 answered with status 200\n"
        assert taker.titles == ["twotier: test"]
    away = run(tmp_path, "test", "hook", "--json")
    assert away.code == 1
    assert away.document["results"] == [
        {
            "name": "hook",
            "delivered": False,
            "said": "127.0.0.1 cannot be reached (ClientConnectorError)",
        }
    ]
    assert run(tmp_path, "remove", "hook").out == "removed hook\n"
    assert run(tmp_path, "remove", "phone").code == 0
    assert (tmp_path / "twotier.toml").read_text(encoding="utf-8") == MINE


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "Bad Name", "desktop"), 2, "a channel's name is 1 to 64"),
        (("add", "terminal", "desktop"), 2, "are taken"),
        (("add", "x", "fax:12345-canary"), 2, "must be ntfy:TOPIC, webhook:URL"),
        (("add", "x", "webhook:canary"), 2, "webhook: needs an address such as"),
        (("add", "x", "mail:canary"), 2, "mail: needs one address"),
        (("add", "x", "mail:me@example.org"), 2, "mail needs a server; set host and sender"),
        (("remove", "x"), 1, "there is no channel 'x'; there are: none"),
        (("remove", "terminal"), 2, "write alerts.terminal = false"),
        (("test", "x"), 1, "there is no channel 'x'"),
    ],
)
def test_what_could_never_work_is_refused_and_changes_nothing(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """The sentence never repeats a target: it may be a secret in the wrong place."""
    done = run(tmp_path, *words)
    assert done.code == code, done.err
    assert said in done.err
    assert "canary" not in done.err
    assert (tmp_path / "twotier.toml").read_text(encoding="utf-8") == MINE


def test_a_name_is_taken_once_and_a_missing_secret_says_how_to_set_it(tmp_path: Path) -> None:
    assert run(tmp_path, "add", "slack", "webhook:file:slack.url").code == 0
    again = run(tmp_path, "add", "slack", "desktop")
    assert (again.code, "there is a channel slack already" in again.err) == (2, True)
    tested = run(tmp_path, "test")
    assert tested.code == 1
    assert "its secret is missing; set it: `(umask 077; cat > " in tested.out


def test_a_running_main_takes_a_change_in_and_sends_the_test(tmp_path: Path) -> None:
    """It says what waits, too; one that cannot take it in is not passed over."""
    waits = {"name": "phone", "waiting": 3, "held": 0, "because": "ntfy.sh did not answer"}

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            stand.answers["POST /control/alerts/reload"] = (200, {"channels": []})
            stand.answers["GET /control/status"] = (200, {**STATUS, "channels": [waits]})
            stand.answers["POST /control/alerts/test"] = (200, {"said": "ntfy.sh answered"})
            at = ("--config", str(stand.config), "notify")
            assert (await twotier(*at, "add", "phone", "ntfy:t")).code == 0
            assert stand.asked[-1][:2] == ("POST", "/control/alerts/reload")
            listed = await twotier(*at, "list")
            assert "ntfy.sh did not answer" in listed.out
            tested = await twotier(*at, "test", "phone")
            assert tested.out == "phone: delivered; ntfy.sh answered\n"
            assert stand.asked[-1][3] == {"name": "phone"}
            status = await twotier("--config", str(stand.config), "status")
            assert "channel phone: 3 messages wait; ntfy.sh did not answer" in status.out
            error = {"error": {"message": "key file open", "code": "config_error"}}
            stand.answers["POST /control/alerts/reload"] = (500, error)
            failed = await twotier(*at, "remove", "phone")
            assert failed.code == 2
            assert "written, but not yet in force: key file open" in failed.err

    asyncio.run(scenario())
