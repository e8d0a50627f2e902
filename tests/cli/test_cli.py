"""The frame of all commands: exit codes, errors, `--config`, and how little is loaded."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.standin import SECONDS_MAX, environment, standin, twotier
from twotier.cli import take_config
from twotier.errors import UsageError

NEEDS_MAIN = ["status", "ask x", "route x", "spend", "job list", "runs", "down"]
HEAVY = {"aiohttp", "alembic", "pydantic", "rich", "sqlalchemy", "starlette", "uvicorn", "asyncio"}


@pytest.mark.parametrize("words", NEEDS_MAIN)
def test_not_running_is_exit_code_3_and_says_what_starts_it(tmp_path: Path, words: str) -> None:
    """Without a socket, and with one that a killed main has left behind."""

    async def scenario() -> None:
        await refused()
        (tmp_path / ".twotier").mkdir()
        for name in ("main.sock", "worker.sock"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(str(tmp_path / ".twotier" / name))
        await refused()

    async def refused() -> None:
        config = str(tmp_path / "twotier.toml")
        done = await twotier("--config", config, *words.split(), "--json")
        assert done.code == 3
        assert done.document["error"]["code"] == "not_running"
        assert "not running" in done.err
        assert len(done.err.splitlines()) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("statsu", 'Did you mean "status"?'),
        ("job lst", 'Did you mean "list"?'),
        ("ask", "requires an argument"),
        ("route x --policy cheap", '"local-only"'),
        ("spend --by colour", '"tier"'),
        ("status --jsno", "--jsno"),
        ("status --config", "--config needs a path"),
    ],
)
def test_a_word_it_does_not_know_is_exit_code_2_in_one_line(words: str, said: str) -> None:
    """The nearest right word is named; no box, no traceback."""
    done = asyncio.run(twotier(*words.split()))
    assert done.code == 2
    assert done.out == ""
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_config_may_stand_anywhere_before_a_double_dash() -> None:
    """Before the command, after it, with `=`; after `--` all words are the command's own."""
    assert take_config(["--config", "a", "status"]) == (["status"], "a")
    assert take_config(["status", "--config=a", "--json"]) == (["status", "--json"], "a")
    assert take_config(["ask", "--", "--config", "a"]) == (["ask", "--", "--config", "a"], None)
    with pytest.raises(UsageError):
        take_config(["status", "--config"])


def test_a_configuration_with_a_mistake_names_it_with_exit_code_2(tmp_path: Path) -> None:
    """The unknown key with its path and the nearest known one, in the command's own error."""
    config = tmp_path / "twotier.toml"
    config.write_text("[gateway]\nprot = 1\n")
    done = asyncio.run(twotier("--config", str(config), "config", "check", "--json"))
    assert done.code == 2
    assert "gateway.prot: unknown key; did you mean 'port'?" in done.err
    assert done.document["error"]["code"] == "config_error"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """The state folder lies below a file: said with its path, no traceback; for scripts as JSON."""
    config = tmp_path / "twotier.toml"
    config.write_text('state = "file/state"\n')
    (tmp_path / "file").touch()
    for words in ("up", "key add x --json"):
        done = asyncio.run(twotier("--config", str(config), *words.split()))
        assert done.code == 1
        assert str(tmp_path / "file") in done.err
        assert len(done.err.splitlines()) == 1
    assert str(tmp_path / "file") in done.document["error"]["message"]


@pytest.mark.parametrize(
    ("words", "code", "lines"), [("config schema", 141, 0), ("config check --json", 2, 1)]
)
def test_a_reader_that_leaves_is_not_an_error_message(
    tmp_path: Path, words: str, code: int, lines: int
) -> None:
    """`twotier config schema | head -1` ends quietly, as any filter does; an error has its line."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "twotier.cli", *words.split()],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=environment({"TWOTIER_CONFIG": str(tmp_path / "none.toml")}),
            timeout=SECONDS_MAX,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, lines), done.stderr


def test_a_closed_stdout_is_said(tmp_path: Path) -> None:
    """`twotier status >&-`: one line, no traceback."""
    done = subprocess.run(
        ["sh", "-c", '"$0" -m twotier.cli status >&-', sys.executable],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"twotier: there is no stdout")
    assert len(done.stderr.splitlines()) == 1


def test_a_defect_is_one_line_with_the_way_to_more(tmp_path: Path) -> None:
    """Main answers what no main answers: what happened, whose fault, and where the log is."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            stand.answers["GET /control/status"] = (200, {"odd": True})
            at = ("--config", str(stand.config), "status")
            done = await twotier(*at)
            assert done.code == 1
            assert len(done.err.splitlines()) == 1
            assert "KeyError: 'tiers'; this is a defect of twotier" in done.err
            assert str(tmp_path / ".twotier" / "logs") in done.err
            traced = await twotier(*at, env={"TWOTIER_TRACE": "1"})
            assert "Traceback" in traced.err

    asyncio.run(scenario())


@pytest.mark.parametrize("words", ["status", "ask hello --json", "route hello", "runs", "spend"])
def test_what_is_called_all_day_loads_nothing_heavy(tmp_path: Path, words: str) -> None:
    """No web framework, no database, no validation library: they cost more than the answer."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            arguments = ["--config", str(stand.config), *words.split()]
            code = (
                "import sys; from twotier.cli import run;"
                f"code = run({arguments!r});"
                f"print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
            )
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", code),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment(),
            )
            _, err = await process.communicate()
            assert process.returncode == 0
            assert err.decode().split("\n")[-2] == ""

    asyncio.run(scenario())


def test_the_cpu_of_status_is_reported(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A figure for whoever reads the run (`-s`), not a claim: machines differ."""

    async def scenario() -> float:
        async with standin(tmp_path) as stand:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            for _ in range(3):
                assert (await twotier("--config", str(stand.config), "status")).code == 0
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return used / 3 * 1_000

    milliseconds = asyncio.run(scenario())
    record_property("status_cpu_milliseconds", round(milliseconds))
    sys.stdout.write(f"twotier status: {milliseconds:.0f} ms CPU\n")
