"""Something a person should hear of now, because the program cannot mend it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alert:
    """`about` is the tier or process, `kind` one word, `text` the sentence with the reason."""

    about: str
    kind: str
    text: str
