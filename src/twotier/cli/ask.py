"""`twotier ask`: one question by the same path as every client's, the answer as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from twotier.cli.client import MODEL_SECONDS_MAX, document, events
from twotier.cli.output import dollars, emit, say
from twotier.cli.peers import main_of
from twotier.errors import UsageError

FREE = dollars(0)
PATH = "/v1/chat/completions"
# The answer's headers and what they are called in the document.
SAID = {
    "tier": "x-twotier-tier",
    "model": "x-twotier-model",
    "rule": "x-twotier-rule",
    "cost_usd": "x-twotier-cost-usd",
    "cost": "x-twotier-cost",
}


def ask(config: Path, prompt: str, *, model: str, as_json: bool) -> int:
    """Ask and print. Errors come as the gateway named them, with its exit code."""
    if not prompt.strip():
        raise UsageError('there is no question; for example `twotier ask "Why is the sky blue?"`')
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    return whole(config, body) if as_json else streamed(config, body)


def streamed(config: Path, body: Mapping[str, Any]) -> int:
    """Text to stdout as it arrives; then one line about it on stderr."""
    wanted = {**body, "stream": True, "stream_options": {"include_usage": True}}
    with asked(config, wanted) as response:
        said = about(response)
        finish = ""
        try:
            for choice in choices(response):
                finish = choice.get("finish_reason") or finish
                print(choice.get("delta", {}).get("content") or "", end="", flush=True)
        finally:
            print(flush=True)  # what is said of an answer that breaks off stands on its own line
    if finish == "length":
        say("The answer was cut off at its longest allowed length.")
    say(summary(said))
    return 0


def choices(response: HTTPResponse) -> Iterator[Mapping[str, Any]]:
    """What is in the chunks of a stream; the last one, with the usage, holds nothing."""
    for chunk in events(response):
        yield from chunk.get("choices") or ()


def whole(config: Path, body: Mapping[str, Any]) -> int:
    """The answer as one document."""
    with asked(config, body) as response:
        said, answer = about(response), document(response)
    choice = (answer.get("choices") or [{}])[0]
    emit(
        {
            "text": choice.get("message", {}).get("content") or "",
            "finish": choice.get("finish_reason"),
            **said,
            "usage": answer.get("usage"),
        }
    )
    return 0


def asked(config: Path, body: Mapping[str, Any]) -> AbstractContextManager[HTTPResponse]:
    """The question on its way."""
    return main_of(config).exchange("POST", PATH, body=body, seconds=MODEL_SECONDS_MAX)


def about(response: HTTPResponse) -> dict[str, str]:
    """What the answer's headers tell."""
    return {name: response.headers.get(header, "") for name, header in SAID.items()}


def summary(said: Mapping[str, str]) -> str:
    """Who answered, by which rule, for how much."""
    # Headers leave before the first word, so what they tell of a stream is the worst case.
    cost = dollars(said["cost_usd"])
    at_most = "at most " if said["cost"] == "reserved" and cost != FREE else ""
    return f"[{said['tier']}, {said['model']}, {said['rule']}, {at_most}{cost}]"
