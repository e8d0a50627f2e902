"""`twotier route`: what is asked of main, for a prompt, a job, a client, a whole request."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.standin import JOB_SETTINGS, standin, twotier
from twotier.cli.route import Asked, parted, path_by_shape, period_of
from twotier.errors import UsageError


def asked(folder: Path, *words: str, **about: Any) -> dict[str, Any]:
    """What main was asked; `about` changes the job `inbox`."""

    async def scenario() -> dict[str, Any]:
        async with standin(folder) as stand:
            job = {**JOB_SETTINGS, "tier": "auto", "next": [], **about}
            stand.answers["GET /jobs/inbox"] = (200, job)
            done = await twotier("--config", str(stand.config), "route", *words)
            assert done.code == 0, done.err
            return stand.asked[-1][3]

    return asyncio.run(scenario())


def test_as_a_job_it_is_asked_what_its_worker_would_ask(tmp_path: Path) -> None:
    """Its trigger is its kind; what is said on the command line goes before what the job says."""
    slots = ["2026-02-03T08:00:00+00:00", "2026-02-03T08:30:00+00:00"]
    about = {"kind": "polling", "tools": ["fetch"], "next": slots}
    told = asked(tmp_path, "--job", "inbox", "--policy", "local-only", **about)
    assert told == {
        "job": "inbox",
        "prompt": "Summarise",
        "model": "auto",
        "policy": "local-only",
        "kind": "polling",
        "tools": 1,
        "output_tokens_max": 400,
        "deadline_seconds": 600.0,
        "period_seconds": 1_800.0,
    }


def test_client_headers_and_a_body_go_along(tmp_path: Path) -> None:
    """The file is read here: main never opens one that it is told of."""
    file = tmp_path / "body.json"
    file.write_text('{"system": "s", "messages": []}')
    words = ["--client", "phone", "--header", "X-Team: ops", "--file", str(file)]
    told = asked(tmp_path, *words)
    assert told["body"] == {"system": "s", "messages": []}
    assert (told["path"], told["client"]) == ("/v1/messages", "phone")
    assert told["headers"] == {"X-Team": "ops"}
    assert "prompt" not in told


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"messages": []}, ""),
        ({"input": "x"}, "/v1/responses"),
        ({"messages": [], "system": "s"}, "/v1/messages"),
        ({"messages": [], "tools": [{"name": "t", "input_schema": {}}]}, "/v1/messages"),
        ({"messages": [], "tools": [{"type": "function"}]}, ""),
        ({"messages": [], "tools": "odd"}, ""),
        ({"messages": [], "tools": ["odd"]}, ""),
    ],
)
def test_a_body_is_known_by_what_one_dialect_alone_has(body: dict[str, Any], path: str) -> None:
    """Where nothing tells, it is a chat completion; --path says better."""
    assert path_by_shape(body) == path


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1]", "must be a JSON object"), ("{", "must be a JSON object"), (None, "cannot be read")],
)
def test_a_file_that_holds_no_request_is_refused(
    tmp_path: Path, text: str | None, said: str
) -> None:
    """With its name."""
    file = tmp_path / "body.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=said):
        Asked(file=file).wanted()


def test_a_body_may_come_from_stdin_and_has_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `curl -d @-` has it."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"messages": []})))
    told = Asked(file=Path("-"), path="/v1/messages").wanted()
    assert (told["body"], told["path"]) == ({"messages": []}, "/v1/messages")
    assert Asked("x", path="/v1/responses").wanted()["path"] == "/v1/responses"


def test_a_prompt_and_a_file_are_two_questions() -> None:
    """One of them would be dropped in silence."""
    with pytest.raises(UsageError, match="exclude one another"):
        Asked("x", file=Path("-")).wanted()


def test_without_any_question_it_says_how_to_ask_one(tmp_path: Path) -> None:
    """Before anybody is asked."""

    async def scenario() -> None:
        done = await twotier("--config", str(tmp_path / "none.toml"), "route")
        assert done.code == 2
        assert 'twotier route "Summarise this"' in done.err

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("header", "pair"), [("a: b", ("a", "b")), ("a:", ("a", "")), ("a:b:c", ("a", "b:c"))]
)
def test_a_header_has_a_name_and_a_value(header: str, pair: tuple[str, str]) -> None:
    """As it is written on the wire."""
    assert parted(header) == pair


@pytest.mark.parametrize("header", ["a", ": b", ""])
def test_what_is_no_header_is_refused(header: str) -> None:
    """With how to write one."""
    with pytest.raises(UsageError, match="x-team: ops"):
        parted(header)


def test_one_slot_makes_no_period() -> None:
    """Of a job that runs once, or not at all."""
    assert period_of(["2026-02-03T08:00:00+00:00"]) is None
