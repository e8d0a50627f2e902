"""How the fake counts and charges: its own tokens, its own prefix cache, its own price table.

Nothing here is shared with twotier's ledger, so that two independent sums can be compared.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Any

from tests.fakes.anthropic_rules import breakpoints, prefix
from tests.fakes.mind import tokens

LOOKBACK_BLOCKS = 20
# Micro-dollars per token: fresh input, output, cache read, 5-minute write, 1-hour write.
PRICES = {
    "claude-opus-4-5": (5, 25, Fraction("0.5"), Fraction("6.25"), 10),
    "claude-opus-4-6": (5, 25, Fraction("0.5"), Fraction("6.25"), 10),
    "claude-opus-4-7": (5, 25, Fraction("0.5"), Fraction("6.25"), 10),
    "claude-sonnet-4-6": (3, 15, Fraction("0.3"), Fraction("3.75"), 6),
    "claude-haiku-4-5": (1, 5, Fraction("0.1"), Fraction("1.25"), 2),
}


@dataclass
class Row:
    """One request on the bill. `outcome`: open, completed, or cut (the caller left or lost it)."""

    request_id: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    outcome: str = "open"
    batch: bool = False  # half of everything

    @property
    def microusd(self) -> int:
        """What it costs, rounded up."""
        fresh, output, read, write_5m, write_1h = PRICES[self.model]
        total = (
            Fraction(fresh) * self.input_tokens
            + Fraction(output) * self.output_tokens
            + Fraction(read) * self.cache_read_tokens
            + Fraction(write_5m) * self.cache_write_5m_tokens
            + Fraction(write_1h) * self.cache_write_1h_tokens
        )
        return ceil(total / 2 if self.batch else total)

    def usage(self) -> dict[str, Any]:
        """As the wire says it."""
        return {
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": self.cache_write_5m_tokens + self.cache_write_1h_tokens,
            "cache_read_input_tokens": self.cache_read_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write_5m_tokens,
                "ephemeral_1h_input_tokens": self.cache_write_1h_tokens,
            },
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"thinking_tokens": self.thinking_tokens},
            "service_tier": "batch" if self.batch else "standard",
        }


LIVES_SECONDS = {"5m": 300.0, "1h": 3_600.0}


@dataclass
class Cache:
    """Prefixes by hash, and until when each is kept: a read one lives on. `tokens_min`: shorter
    ones are not kept, and nobody is told.
    """

    tokens_min: int
    now: Callable[[], float] = time.monotonic
    known: dict[str, float] = field(default_factory=dict)

    def read(self, body: Mapping[str, Any], row: Row) -> None:
        """Count the prompt into `row`: fresh, read, written. Then remember what was written."""
        sums, hashes = _running(body)
        total = sums[-1]
        marks = [at for at in breakpoints(body) if sums[at] >= self.tokens_min]
        found, now = -1, self.now()
        for mark in marks:
            boundaries = range(mark, max(-1, mark - LOOKBACK_BLOCKS), -1)
            hit = next((at for at in boundaries if self.known.get(hashes[at], 0.0) > now), -1)
            found = max(found, hit)
        row.cache_read_tokens = sums[found] if found >= 0 else 0
        upto = row.cache_read_tokens
        blocks = prefix(body)
        for mark in marks:
            written = max(0, sums[mark] - upto)
            upto = max(upto, sums[mark])
            life = blocks[mark]["cache_control"].get("ttl", "5m")
            if life == "1h":
                row.cache_write_1h_tokens += written
            else:
                row.cache_write_5m_tokens += written
            self.known[hashes[mark]] = now + LIVES_SECONDS[life]
        row.input_tokens = total - upto


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """All tokens the model would read."""
    return _running(body)[0][-1]


def _running(body: Mapping[str, Any]) -> tuple[list[int], list[str]]:
    """Tokens up to and with each block, and the hash of everything up to there."""
    sums: list[int] = []
    hashes: list[str] = []
    digest = hashlib.sha256(body["model"].encode())
    total = 0
    for block in prefix(body):
        bare = {key: value for key, value in block.items() if key != "cache_control"}
        text = json.dumps(bare, sort_keys=True)
        total += max(1, len(tokens(_spoken(bare))))
        digest.update(text.encode())
        sums.append(total)
        hashes.append(digest.hexdigest())
    return sums, hashes


def _spoken(block: Mapping[str, Any]) -> str:
    """What of a block the model reads: an image or a document counts like a hundred words."""
    if block.get("type") in {"image", "document"}:
        return "word " * 100
    if block.get("type") == "text":
        return str(block["text"])
    return json.dumps({key: value for key, value in block.items() if key != "type"})
