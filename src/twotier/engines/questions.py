"""What a server that somebody else runs can be asked about itself: where, and how its answer reads.

Only descriptions; who asks is `asked`. An answer that reads otherwise than documented raises
`ValueError`, which means that nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """A model that a server holds in memory now. None where the server does not tell: `bytes` of
    memory, tokens of the window it was loaded with.
    """

    model: str
    bytes: int | None = None
    window_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """A GET below the server's root, and the reading of its answer."""

    path: str
    read: Callable[[bytes], T]


@dataclass(frozen=True, slots=True)
class Release:
    """A POST below the server's root that has it drop a model from memory, when nobody's request is
    in it. `body` makes it for the model's name.
    """

    path: str
    body: Callable[[str], bytes]


class _Version(msgspec.Struct):
    version: str = ""


_VERSION = msgspec.json.Decoder(_Version)


def read_version(body: bytes) -> str:
    """`{"version": "0.40.1"}`, as Ollama and vLLM have it."""
    return _VERSION.decode(body).version
