"""The texts that systemd and launchd are given, and what may never stand in them."""

from __future__ import annotations

import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.errors import ServiceError
from twotier.service.definition import from_plist, from_unit, settings
from twotier.service.plist_text import plist_text
from twotier.service.program import Program, carried
from twotier.service.unit_text import unit_text

ARGV = ("/usr/bin/env", "-P", "-m", "twotier", "up", "--service", "--config", "/home/a/t.toml")
RELOAD = ("/usr/bin/env", "job", "reload")
WORD = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1
).filter(lambda text: text.strip() == text)


def asked(**more: Any) -> Program:
    """One to write down."""
    usual: dict[str, Any] = {
        "name": "twotier",
        "argv": ARGV,
        "folder": "/tmp",
        "log": "/home/a/.twotier/logs/service.log",
        "env": {"PATH": "/usr/bin:/bin"},
    }
    return Program(**(usual | more))


# launchd.plist(5): every key we write, with the type it is documented to have. Those that are there
# and not here make the test fail: look them up first.
DOCUMENTED: dict[str, type] = {
    "Label": str,
    "ProgramArguments": list,
    "WorkingDirectory": str,
    "EnvironmentVariables": dict,
    "RunAtLoad": bool,
    "KeepAlive": dict,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
    "AbandonProcessGroup": bool,
    "StandardOutPath": str,
    "StandardErrorPath": str,
    "Umask": int,
    "UserName": str,
}
PROCESS_TYPES = {"Background", "Standard", "Adaptive", "Interactive"}
KEEP_ALIVE = {"SuccessfulExit", "PathState", "OtherJobEnabled", "Crashed"}


def test_a_plist_holds_documented_keys_of_their_documented_types() -> None:
    """As plistlib reads it; `UserName` is a daemon's alone."""
    agent = plistlib.loads(plist_text(asked()).encode())
    daemon = plistlib.loads(plist_text(asked(user="ann")).encode())
    for found in (agent, daemon):
        assert set(found) <= set(DOCUMENTED)
        wrong = {key for key, value in found.items() if type(value) is not DOCUMENTED[key]}
        assert wrong == set()
        assert found["ProcessType"] in PROCESS_TYPES
        assert set(found["KeepAlive"]) <= KEEP_ALIVE
        assert (found["ThrottleInterval"], found["ExitTimeOut"]) == (30, 120)
        assert (found["AbandonProcessGroup"], found["RunAtLoad"]) == (True, True)
        assert found["StandardOutPath"].startswith("/")
    assert "UserName" not in agent
    assert daemon["UserName"] == "ann"
    assert from_plist(plist_text(asked()).encode()).argv == ARGV


def test_a_folder_that_would_go_on_in_the_next_line_is_refused() -> None:
    """There a folder stands without quotes, and a backslash at the end joins two lines."""
    with pytest.raises(ServiceError, match="rename it"):
        unit_text(asked(folder="/a\\"), reload=RELOAD)


@given(st.lists(WORD, min_size=1), WORD, WORD.filter(lambda text: not text.endswith("\\")))
def test_a_unit_says_the_words_it_was_given(words: list[str], value: str, folder: str) -> None:
    """Blanks, quotes, percent signs, dollars, semicolons: what is read back is what was written."""
    given_ = asked(argv=("/bin/x", *words), folder=f"/{folder}", env={"A": value})
    read = from_unit(unit_text(given_, reload=RELOAD), home="/home/a")
    assert (read.argv, read.folder, read.env) == (given_.argv, given_.folder, given_.env)
    plist = from_plist(plist_text(given_).encode())
    assert (plist.argv, plist.folder, plist.env) == (given_.argv, given_.folder, given_.env)


def test_what_keeps_the_model_servers_alive_is_in_the_unit() -> None:
    """Ended by its manager, or by the kernel for its memory, main alone goes."""
    found = settings(unit_text(asked(), reload=RELOAD))
    assert found["KillMode"] == ("process",)
    assert found["OOMPolicy"] == ("continue",)
    assert found["Type"] == ("notify",)
    assert (found["Restart"], found["RestartForceExitStatus"]) == (("on-failure",), ("143",))
    assert found["MemoryHigh"] == ("90%",)
    assert found["WatchdogSec"] == ("60",)


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"argv": (ARGV[0], "a b", 'q"q', "back\\slash", "%h", "$HOME", "semi;colon", "'")},
        {"env": {"PATH": "/usr/bin", "HF_HOME": '/m/a b "c" 100%'}},
    ],
)
def test_systemd_itself_finds_nothing_wrong(tmp_path: Path, more: dict[str, Any]) -> None:
    """`systemd-analyze verify` is silent and content, whatever stands in the words."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("missing: systemd-analyze; install your system's package systemd")
    file = tmp_path / "twotier.service"
    file.write_text(unit_text(asked(**more), reload=RELOAD))
    done = subprocess.run(
        (program, "verify", "--man=no", "--recursive-errors=no", str(file)),
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "twotier.service" in line]
    assert (ours, done.returncode) == ([], 0), done.stderr


def test_nothing_secret_is_carried() -> None:
    """Not what the configuration names, nor what sounds so, nor a proxy's password; and of the rest
    of an environment nothing at all.
    """
    environment = {
        "PATH": "/bin",
        "ANTHROPIC_API_KEY": "s3cret",
        "HF_HOME": "/models",
        "HTTPS_PROXY": "http://ann:s3cret@proxy:3128",
        "HTTP_PROXY": "http://proxy:3128",
        "https_proxy": "http://[broken",
        "TZ": "named-as-a-key",
        "EDITOR": "vi",
    }
    found = carried(environment, never=["TZ"])
    assert found == {
        "PATH": "/bin",
        "HF_HOME": "/models",
        "HTTP_PROXY": "http://proxy:3128",
        "https_proxy": "http://[broken",
    }
    text = unit_text(asked(env=found), reload=RELOAD) + plist_text(asked(env=found))
    assert not re.search(r"s3cret|ANTHROPIC", text)
