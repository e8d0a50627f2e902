"""`twotier ask`: one question by the same path as every client's, the answer as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.cli.client import MODEL_SECONDS_MAX, document, events
from twotier.cli.output import emit, say
from twotier.cli.peers import main_of

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
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    return whole(config, body) if as_json else streamed(config, body)


def streamed(config: Path, body: Mapping[str, Any]) -> int:
    """Text to stdout as it arrives; then one line about it on stderr."""
    wanted = {**body, "stream": True, "stream_options": {"include_usage": True}}
    with main_of(config).exchange("POST", PATH, wanted, MODEL_SECONDS_MAX) as response:
        said = {name: response.headers.get(header, "") for name, header in SAID.items()}
        ending = ""
        finish = ""
        for chunk in events(response):
            for choice in chunk.get("choices") or ():
                text = choice.get("delta", {}).get("content") or ""
                finish = choice.get("finish_reason") or finish
                if text:
                    print(text, end="", flush=True)
                    ending = text[-1]
    if ending != "\n":
        print(flush=True)
    if finish == "length":
        say("The answer was cut off at its longest allowed length.")
    say(summary(said))
    return 0


def whole(config: Path, body: Mapping[str, Any]) -> int:
    """The answer as one document."""
    with main_of(config).exchange("POST", PATH, body, MODEL_SECONDS_MAX) as response:
        said = {name: response.headers.get(header, "") for name, header in SAID.items()}
        answer = document(response)
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


def summary(said: Mapping[str, str]) -> str:
    """Who answered, by which rule, for how much."""
    # Headers leave before the first word, so what they tell of a stream is the worst case.
    at_most = "at most " if said["cost"] == "reserved" and said["cost_usd"].strip("0.") else ""
    return f"[{said['tier']}, {said['model']}, {said['rule']}, {at_most}${said['cost_usd']}]"
