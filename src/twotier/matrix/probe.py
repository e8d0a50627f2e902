"""A probe of one tier: every row as often as was asked, one question after another.

It says how far it is after every question, and keeps the rows at the end: one that was left half
way counts for nothing. Questions go by the same path as those of clients, so they are routed,
reserved, paid for and seen; their rows in the ledger are of kind `probe`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from twotier import errors
from twotier.learned.speeds import did_of
from twotier.ledger.findings import ProbeRow
from twotier.matrix.ask import Asked, Asker
from twotier.matrix.depths import (
    ANSWER_TOKENS,
    SHALLOW_TOKENS_MIN,
    Depths,
    between,
    depths,
    judge_memory,
    remember,
    shallow_tokens,
    story,
)
from twotier.matrix.heard import Heard, broken
from twotier.matrix.rows import BYTES_PER_TOKEN, TALK_CHARS_MAX, Row, rows

WINDOW_TRIES_MAX = 3


class Order(msgspec.Struct, frozen=True):
    """What to do. `full` fills the whole window, and gives each question much time."""

    tier: str
    repeat: int = 3
    full: bool = False


@dataclass(slots=True)
class Tally:
    """A row while it is asked, `of` so many tries."""

    name: str
    number: int
    of: int
    passed: int = 0
    tries: int = 0
    repaired: int = 0
    tokens: int = 0
    prefill: float = 0.0
    decode: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def note(self, heard: Heard, why: str) -> None:
        """One answer, and why it does not pass."""
        self.tries += 1
        self.passed += not why
        self.repaired += heard.repairs
        self.tokens = max(self.tokens, heard.usage.prompt_tokens if heard.usage else 0)
        if why:
            self.reasons[why] += 1

    @property
    def reason(self) -> str:
        """What went wrong most often."""
        return self.reasons.most_common(1)[0][0] if self.reasons else ""


@dataclass(slots=True)
class Probe:
    """One probe. `base` is a row without figures: whose probe it is. `seed` makes its texts new.

    `some` are the rows to ask, None for those of the matrix.
    """

    asker: Asker
    order: Order
    base: ProbeRow
    window_tokens: int
    seed: int
    some: tuple[Row, ...] | None = None
    tallies: list[Tally] = field(default_factory=list)
    _bytes_per_token: float = float(BYTES_PER_TOKEN)

    async def run(self) -> AsyncGenerator[Tally]:
        """Ask everything; the row that is under way after each question.

        Raises `TierUnavailableError` when the tier does not answer the first one at all.
        """
        shallow = await self._shallow()
        yield shallow
        for row in rows(self.window_tokens) if self.some is None else self.some:
            tally = self._begin(row.name, self.order.repeat)
            for number in range(self.order.repeat):
                asked = await self.asker.ask(row.body(number), talk_chars_max=row.talk_chars_max)
                tally.note(asked.heard, row.judge(asked.heard, number))
                yield tally
        found = depths(self.window_tokens, shallow.prefill, full=self.order.full)
        yield await self._measured("middle", found.middle, seed=self.seed + 1)
        yield await self._measured("deep", found.deep, seed=self.seed + 2)
        tally = self._begin("window", min(self.order.repeat, WINDOW_TRIES_MAX))
        for number in range(tally.of):
            yield await self._remembers(tally, found, number=number)

    def rows(self) -> tuple[ProbeRow, ...]:
        """What it found, for the book."""
        return tuple(map(self.row, self.tallies))

    def row(self, tally: Tally) -> ProbeRow:
        """What it has found for one row."""
        return replace(
            self.base,
            row=tally.name,
            number=tally.number,
            passed=tally.passed,
            tries=tally.tries,
            repaired=tally.repaired,
            tokens=tally.tokens,
            prefill=tally.prefill,
            decode=tally.decode,
            note=tally.reason,
        )

    def _begin(self, name: str, of: int) -> Tally:
        self.tallies.append(Tally(name, len(self.tallies), of))
        return self.tallies[-1]

    async def _shallow(self) -> Tally:
        """The first question shows that it answers, how fast it reads, and how long a token is."""
        tokens = shallow_tokens(self.window_tokens)
        tally = await self._measured("shallow", tokens, seed=self.seed)
        if tally.reasons:
            raise errors.TierUnavailableError(
                f"{self.order.tier} did not answer the first question ({tally.reason});"
                " see `twotier status`"
            )
        if tally.tokens:
            self._bytes_per_token *= tokens / tally.tokens
        return tally

    async def _measured(self, name: str, tokens: int, *, seed: int) -> Tally:
        """A prompt that no server has seen, and a story about it."""
        tally = self._begin(name, 1)
        asked = await self.asker.ask(story(self._prompt(tokens, seed)))
        tally.note(asked.heard, broken(asked.heard))
        did = did_of(asked.end) if asked.end is not None else None
        if did is not None and did.read_seconds > 0.0:
            tally.prefill = did.read_tokens / did.read_seconds
        if did is not None and did.output_seconds > 0.0 and did.output_tokens > 1:
            tally.decode = did.output_tokens / did.output_seconds
        return tally

    async def _remembers(self, tally: Tally, found: Depths, *, number: int) -> Tally:
        """The longest prompt again, so that a server with a cache need not read it twice."""
        body = remember(self._prompt(found.deep, self.seed + 2), number)
        asked: Asked = await self.asker.ask(body, talk_chars_max=TALK_CHARS_MAX)
        tally.note(asked.heard, judge_memory(asked.heard, number))
        return tally

    def _prompt(self, tokens: int, seed: int) -> str:
        """As long as wanted, or as the router lets through: it counts four bytes a token."""
        bytes_max = BYTES_PER_TOKEN * max(SHALLOW_TOKENS_MIN, self.window_tokens - ANSWER_TOKENS)
        return between(min(bytes_max, int(tokens * self._bytes_per_token)), seed=seed)
