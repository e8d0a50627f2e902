"""Every error ends with the next command to type; `--config` may stand anywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twotier.cli import explain, run
from twotier.errors import BudgetError, ConfigError, NotFoundError, TwotierError, UsageError

CASES: list[tuple[TwotierError, str, str]] = [
    (UsageError("two words too many"), "job list x y", "`twotier job --help`"),
    (UsageError("no word"), "", "`twotier --help`"),
    (NotFoundError("there is no job 'x'"), "job show x", "`twotier job list`"),
    (NotFoundError("there is no such thing"), "savings", "`twotier doctor`"),
    (ConfigError("jobs.0.name: is needed"), "job list", "`twotier config check`"),
    (BudgetError("the limit is reached"), "ask x", "`twotier budget list`"),
    (TwotierError("odd"), "--config x status", "`twotier doctor`"),
    (TwotierError("odd; try `twotier up`"), "status", "`twotier up`"),
]


@pytest.mark.parametrize(("error", "words", "way"), CASES, ids=[way for _, _, way in CASES])
def test_an_error_ends_with_the_next_command(
    error: TwotierError, words: str, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line; a sentence that names one itself stays as it is."""
    assert explain(error, words.split()) == error.exit_code
    said = capsys.readouterr().err
    assert said.rstrip().endswith(way)
    assert said.count("`twotier") == 1


@pytest.mark.parametrize(
    "words",
    ["frobnicate", "status --frob", "job", "job frob", "spend --days x", "runs --limit 0", "ask"],
)
def test_wrong_words_end_with_help(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever was typed."""
    code = run(words.split())
    said = capsys.readouterr()
    assert code == (0 if words == "job" else 2)
    assert "`twotier" in said.err or "Examples:" in said.out


@pytest.mark.parametrize(
    "words", ["--config {} {}", "{1} --config {0}", "--config={} {}", "{1} --config={0}"]
)
def test_the_configuration_is_named_before_or_after_a_command(
    tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For every command, as the fast way of `status` and the parser's both take it."""
    path = tmp_path / "mine.toml"
    assert run(words.format(path, "config path").split()) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert run(words.format(path, "status").split()) == 3
    assert re.search("`twotier up`", capsys.readouterr().err)
