"""`docs/json.md`: the documents are as the page says. And tables fit a narrow terminal."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.standin import RUN, STATUS, standin
from twotier.cli import run
from twotier.cli.output import SCHEMA_VERSION

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "json.md"
TYPED = {  # what is typed where the page's words alone are not enough
    "init": "init --yes --mode none",
    "ask": "ask Hello",
    "route": "route Hello",
    "job show": "job show inbox",
    "job run": "job run inbox",
    "job add": "job add blog-post --untested",
    "runs RUN": "runs r1",
    "prices show": "prices show opus",
    "key add": "key add phone",
    "service install": "service install --dry-run",
    "import openclaw": "import openclaw {home}/openclaw",
    "key set": "key set default --policy local-only",
}
TABLES = (
    *("status", "runs", "runs r1", "job list", "job show inbox", "job templates", "spend"),
    *("budget list", "prices show opus", "doctor", "models list", "tools list", "key list"),
    *("notify list", "mcp-servers list", "route Hello", "security audit"),
)
LONG = "a reason that goes on for longer than any terminal is wide, as reasons do, and then some"


def shapes(*, running: bool = False) -> dict[str, set[str]]:
    """The fields that the page promises, by command; `running`: of those that need a real main."""
    text = PAGE.read_text().partition("Asked of a twotier that runs:")[2 if running else 0]
    rows = re.findall(r"^\| `twotier ([^`]+)` \| (.*) \|$", text, re.MULTILINE)
    return {command: set(re.findall(r"`([^`]+)`", fields)) for command, fields in rows}


def test_the_page_names_the_version() -> None:
    assert f"`schema_version` is in every document, now {SCHEMA_VERSION}." in PAGE.read_text()
    assert len(shapes()) > 20


def told(
    tmp_path: Path,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    *,
    answers: Mapping[str, Any] | None = None,
) -> str:
    """What a command prints, in this process: a cold start for each would take minutes."""

    async def scenario() -> None:
        async with standin(tmp_path) as stand:
            stand.answers |= {key: (200, body) for key, body in (answers or {}).items()}
            if words[0] == "init":
                stand.config.unlink()
            code = await asyncio.to_thread(run, ["--config", str(stand.config), *words])
            assert code == 0, capsys.readouterr().err

    asyncio.run(scenario())
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _nobodys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home where nothing lies."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TWOTIER_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("command", sorted(shapes()))
def test_a_document_has_the_fields_of_the_page(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them; what main or the worker say beside is theirs to add."""
    (tmp_path / "openclaw").mkdir()
    (tmp_path / "openclaw" / "openclaw.json").write_text("{}")
    typed = TYPED.get(command, command).format(home=tmp_path)
    document = json.loads(told(tmp_path, [*typed.split(), "--json"], capsys))
    assert document["schema_version"] == SCHEMA_VERSION
    assert shapes()[command] <= set(document)


@pytest.mark.parametrize("words", TABLES)
def test_a_table_fits_eighty_columns(
    tmp_path: Path,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the ids, names and reasons that there are in life; a path alone may be longer."""
    one = {**RUN, "id": "market-brief-20261201T100534Z", "job": "market-brief"}
    one |= {"tier": "frontier", "because": LONG, "tokens": 123_456, "cost_usd": "12.345678"}
    tiers = [{**tier, "because": LONG} for tier in STATUS["tiers"]]
    answers = {
        "GET /runs": {"runs": [one, RUN]},
        "GET /control/status": {**STATUS, "tiers": tiers},
    }
    monkeypatch.setenv("COLUMNS", "80")
    narrow = told(tmp_path, words.split(), capsys, answers=answers).splitlines()
    assert [line for line in narrow if len(line) > 80 and str(tmp_path) not in line] == []
    monkeypatch.setenv("COLUMNS", "400")
    assert len(told(tmp_path, words.split(), capsys, answers=answers).splitlines()) <= len(narrow)
