"""Batches: requests that a provider answers later, at a lower price.

One batch here holds one request, under a name of ours. What it came to is told once the batch has
ended, by that name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

# What becomes of the request in a batch; only the first is paid for.
Kind = Literal["succeeded", "errored", "canceled", "expired"]


class Batch(msgspec.Struct, frozen=True):
    """A batch as its provider tells of it. `requests` is how many it holds."""

    id: str
    ended: bool
    requests: int
    created_at: datetime


class Page(msgspec.Struct, frozen=True):
    """Some of the batches of an account, the newest first; `after` names the next page, or none."""

    batches: tuple[Batch, ...]
    after: str = ""


class Result(msgspec.Struct, frozen=True):
    """What became of one request. `body` is the answer or the error, as JSON, else empty; `status`
    the HTTP status it would have had by itself.
    """

    kind: Kind
    status: int = 0
    body: bytes = b""
