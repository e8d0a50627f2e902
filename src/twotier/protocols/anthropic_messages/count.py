"""Counting tokens: the same request, and a number for an answer.

Only relayed. A server that cannot count gets an estimate written for it (`providers.counting`).
"""

from __future__ import annotations

from typing import NoReturn

import msgspec

from twotier.domain.message import Observed
from twotier.errors import RequestError
from twotier.protocols.anthropic_messages.request import read_count
from twotier.protocols.anthropic_messages.usage import estimated_input_tokens
from twotier.protocols.wire import read_upstream_json


class _Count(msgspec.Struct):
    input_tokens: int


_COUNT = msgspec.json.Decoder(_Count)


def estimated_count(body: bytes) -> bytes:
    """The answer of `count_tokens` for a server that cannot count."""
    return b'{"input_tokens":%d}' % estimated_input_tokens(read_count(body))


def observe_count(body: bytes) -> Observed:
    """Of a count nothing is kept but that it came: no tokens were spent."""
    read_upstream_json(_COUNT, body, what="a count of tokens")
    return Observed(finish="stop", closed=True, content=True)


def no_count(*_: object, **__: object) -> NoReturn:
    """Stands wherever another dialect translates. Raises `RequestError`: a count is a number."""
    raise RequestError("tokens can only be counted by a tier whose server counts them; ask another")
