"""Thinking as chat clients keep it: `reasoning_content`, and `reasoning_details` for the sealed.

A client that replays its assistant messages must give Anthropic its thinking back with the
signature, or a turn with tools is refused. OpenRouter's clients replay a list of entries for that:
`reasoning.text` with a `signature`, `reasoning.encrypted` with `data`, each with the `format` of
the provider that sealed it. What another provider sealed means nothing to Anthropic, so its seal is
dropped and only its text stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from twotier.domain.message import Reasoning

FORMAT = "anthropic-claude-v1"


class DetailIn(msgspec.Struct):
    """One entry, or in a stream a piece of one."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    index: int | None = None

    @property
    def sealed_here(self) -> bool:
        """Whether Anthropic sealed it, as far as it is told."""
        return not self.format or self.format.startswith("anthropic")

    @property
    def foreign(self) -> bool:
        """Whether there is a seal that nobody here can use."""
        return bool(self.signature or self.data) and not self.sealed_here

    @property
    def words(self) -> str:
        """What can be read of it."""
        return self.text or self.summary or ""

    def part(self) -> Reasoning:
        """It in neutral form, empty where nothing of it can be used."""
        signature, hidden = (
            (self.signature or "", self.data or "") if self.sealed_here else ("", "")
        )
        return Reasoning(self.words, signature, hidden)


def read_details(details: Sequence[DetailIn] | None, plain: str) -> tuple[Reasoning, ...]:
    """The thinking of a message that came whole. `plain` is its `reasoning_content`, which says the
    text of the entries once more, or is all there is.
    """
    parts = [part for part in map(DetailIn.part, _merged(details or ())) if part != Reasoning("")]
    if plain and not any(part.text for part in parts):
        parts.insert(0, Reasoning(plain))
    return tuple(parts)


def _merged(details: Iterable[DetailIn]) -> list[DetailIn]:
    """Entries whole again: some clients collect the pieces of a stream without joining them."""
    merged: list[DetailIn] = []
    for piece in details:
        last = merged[-1] if merged else None
        joins = last is not None and not last.signature and last.index == piece.index is not None
        if last is None or not joins or last.data or piece.data:
            merged.append(piece)
            continue
        merged[-1] = msgspec.structs.replace(
            last,
            text=last.words + piece.words,
            summary=None,
            signature=piece.signature,
            format=last.format or piece.format,
        )
    return merged


def write_details(parts: Iterable[Reasoning]) -> list[dict[str, Any]]:
    """The entries of a message; none where nothing is sealed, because then the text says it all."""
    thoughts = list(parts)
    if not any(part.signature or part.hidden for part in thoughts):
        return []
    return [entry(part, index) for index, part in enumerate(thoughts)]


def entry(part: Reasoning, index: int) -> dict[str, Any]:
    """One entry, whole."""
    if part.hidden:
        said: dict[str, Any] = {"type": "reasoning.encrypted", "data": part.hidden}
    else:
        said = {"type": "reasoning.text", "text": part.text}
    if part.signature:
        said["signature"] = part.signature
    if part.signature or part.hidden:
        said["format"] = FORMAT
    return {**said, "index": index}
