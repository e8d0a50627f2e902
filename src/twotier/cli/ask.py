"""`twotier ask`: one question by the same path as every client's, the answer as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twotier.cli.client import MODEL_SECONDS_MAX, document, events
from twotier.cli.output import dollars, emit, say
from twotier.cli.peers import main_of
from twotier.errors import UsageError

if TYPE_CHECKING:
    from twotier.tools.splitting import Split

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: the prompt with its files in it, and where. `split` is what was picked of the
    files, None where all of them is in the prompt.
    """

    prompt: str
    split: Split | None = None
    model: str = "auto"

    @property
    def body(self) -> dict[str, Any]:
        """The request."""
        return {"model": self.model, "messages": [{"role": "user", "content": self.prompt}]}

    @property
    def told(self) -> dict[str, str]:
        """Its headers: what was picked for the frontier goes there."""
        return {"x-twotier-policy": "frontier"} if self.split is not None else {}


def ask(
    config: Path,
    prompt: str,
    *,
    model: str,
    files: Sequence[Path] = (),
    split: bool = False,
    as_json: bool = False,
) -> int:
    """Ask and print. Errors come as the gateway named them, with its exit code."""
    if not prompt.strip():
        raise UsageError('there is no question; for example `twotier ask "Why is the sky blue?"`')
    if split and not files:
        raise UsageError("--split is for long material: name it with --file PATH")
    wanted = Wanted(prompt, model=model)
    if files:
        from twotier.cli.ask_files import with_files

        wanted = Wanted(*with_files(config, prompt, files=files, split=split), model=model)
    return whole(config, wanted) if as_json else streamed(config, wanted)


def streamed(config: Path, wanted: Wanted) -> int:
    """Text to stdout as it arrives; then one line about it on stderr."""
    body = {**wanted.body, "stream": True, "stream_options": {"include_usage": True}}
    with asked(config, body, told=wanted.told) as response:
        said = about(response)
        finish, text = "", ""
        try:
            for choice in choices(response):
                finish = choice.get("finish_reason") or finish
                piece = choice.get("delta", {}).get("content") or ""
                text += piece
                print(piece, end="", flush=True)
        finally:
            print(flush=True)  # what is said of an answer that breaks off stands on its own line
    if finish == "length":
        say("The answer was cut off at its longest allowed length.")
    if wanted.split is not None:
        sources = wanted.split.sources(text)
        print("", *sources, sep="\n") if sources else None
        warn(wanted.split, text)
    say(summary(said))
    return 0


def warn(split: Split, text: str) -> None:
    """Say which citations lead nowhere."""
    if wrong := split.wrong(text):
        say(f"Not all of its citations are right: {wrong}.")


def choices(response: HTTPResponse) -> Iterator[Mapping[str, Any]]:
    """What is in the chunks of a stream; the last one, with the usage, holds nothing."""
    for chunk in events(response):
        yield from chunk.get("choices") or ()


def whole(config: Path, wanted: Wanted) -> int:
    """The answer as one document."""
    with asked(config, wanted.body, told=wanted.told) as response:
        said, answer = about(response), document(response)
    choice = (answer.get("choices") or [{}])[0]
    text = choice.get("message", {}).get("content") or ""
    split = wanted.split
    picked = {} if split is None else {"sources": split.sources(text), "wrong": split.wrong(text)}
    emit(
        {
            "text": text,
            "finish": choice.get("finish_reason"),
            **picked,
            **said,
            "usage": answer.get("usage"),
        }
    )
    return 0


def asked(
    config: Path, body: Mapping[str, Any], *, told: Mapping[str, str]
) -> AbstractContextManager[HTTPResponse]:
    """The question on its way."""
    main = main_of(config)
    return main.exchange("POST", PATH, body=body, seconds=MODEL_SECONDS_MAX, told=told)


def about(response: HTTPResponse) -> dict[str, str]:
    """What the answer's headers tell."""
    return {name: response.headers.get(header, "") for name, header in SAID.items()}


def summary(said: Mapping[str, str]) -> str:
    """Who answered, by which rule, for how much."""
    # Headers leave before the first word, so what they tell of a stream is the worst case.
    cost = dollars(said["cost_usd"])
    at_most = "at most " if said["cost"] == "reserved" and cost != FREE else ""
    return f"[{said['tier']}, {said['model']}, {said['rule']}, {at_most}{cost}]"
