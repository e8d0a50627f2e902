"""How many tokens prompts and answers are, learned from what each tier counted, kept in the book.

A listener of `Ground.told`: some look-ups, about 3 us. The rows stand among those of speeds, by
model: another version of its server has the same tokenizer. What changed goes to the book every ten
seconds and at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

from twotier.domain.clock import Clock
from twotier.domain.known import Spread
from twotier.domain.money import Attempt, Outcome, Settled, Settlement
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.ledger.book import Book
from twotier.ledger.findings import Found, SpeedRow
from twotier.router.answers import Answers
from twotier.router.sketch import Sketch
from twotier.router.speed import Mean
from twotier.router.tokens import SCRIPTS, SIZES_BYTES, Scale, Scales

SAVE_SECONDS = 10.0
RATE, ERROR, ANSWER = "tokens/byte ", "tokens off", "answer "


class Sizes:
    """Those of all tiers. `follow` each; until `open` nothing is kept on disk."""

    def __init__(self, clock: Clock) -> None:
        self.scales = Scales()
        self.answers = Answers()
        self._specs: dict[str, TierSpec] = {}
        self._clock = clock
        self._book: Book | None = None
        self._dirty: set[str] = set()
        self._save_at = 0.0

    def follow(self, spec: TierSpec) -> None:
        """Learn about this tier from now on."""
        self._specs[spec.name] = spec
        self.scales[spec.name] = Scale()

    async def open(self, book: Book) -> None:
        """Read what earlier lives have learned. Raises `LedgerError`."""
        self._book = book
        tiers = {spec.ref: name for name, spec in self._specs.items()}
        for row in await book.speeds():
            if row.model in tiers:
                self._put(row, self.scales[tiers[row.model]])

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Learn from one attempt that ended well, of the tier's own model."""
        spec = self._specs.get(attempt.tier)
        if spec is None or attempt.model != spec.model or attempt.kind != "request":
            return
        if end.outcome is not Outcome.OK or end.settled is not Settled.SETTLED:
            return
        self.scales[spec.name].note(attempt.work, end.usage.prompt_tokens)
        if end.usage.output_tokens:
            self.answers.note(spec.ref, attempt.work, tokens=end.usage.output_tokens)
        self._dirty.add(spec.name)
        if self._clock.monotonic() >= self._save_at:
            self.save()

    def output(self, task: Task, record: Spread | None = None) -> Spread:
        """How long the answer will be, with what the job's record says."""
        return self.answers.spread(task.work, limit=task.output_tokens_asked, record=record)

    def save(self) -> None:
        """Hand what the book does not know to it."""
        self._save_at = self._clock.monotonic() + SAVE_SECONDS
        if self._book is None:
            return
        at_ms = int(self._clock.now().timestamp() * 1000)
        for tier in self._dirty:
            rows = tuple(self._rows(tier, at_ms))
            if rows:
                self._book.keep(Found(rows))
        self._dirty.clear()

    def _rows(self, tier: str, at_ms: int) -> Iterator[SpeedRow]:
        """All that is known of a tier's model."""
        ref, scale = self._specs[tier].ref, self.scales[tier]
        for script, size, mean in scale.known():
            yield SpeedRow(ref, "", f"{RATE}{script}", size, mean.value, mean.count, at_ms)
        yield from boxes(ref, ERROR, sketch=scale.errors, at_ms=at_ms)
        for (model, about), sketch in self.answers.sketches.items():
            if model == ref:
                yield from boxes(ref, f"{ANSWER}{about}", sketch=sketch, at_ms=at_ms)

    def _put(self, row: SpeedRow, scale: Scale) -> None:
        """What was known in an earlier life; rows of speeds are none of ours."""
        if row.measure == ERROR:
            scale.errors.put(row.depth, row.value, seen=row.count)
        elif row.measure.startswith(ANSWER):
            key = (row.model, row.measure.removeprefix(ANSWER))
            sketch = self.answers.sketches.setdefault(key, Sketch())
            sketch.put(row.depth, row.value, seen=row.count)
        elif row.measure.startswith(RATE):
            script = row.measure.removeprefix(RATE)
            if script in SCRIPTS and 0 <= row.depth <= len(SIZES_BYTES):
                scale.rates[script, row.depth] = Mean(row.value, row.count)


def boxes(ref: str, measure: str, *, sketch: Sketch, at_ms: int) -> Iterator[SpeedRow]:
    """A sketch as rows: one for each box."""
    for box, count in sketch.boxes():
        yield SpeedRow(ref, "", measure, box, count, sketch.seen, at_ms)
