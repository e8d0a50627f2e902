"""How fast each tier is, learned from its own answers and kept in the book.

A listener of `Ground.told`: a request is on its way while it runs, so it looks up its tier and
updates five means at most, about 2 us. What changed goes to the book every ten seconds, and at the
end; killed with -9, we lose the last few. Kept by model and version of its server: another one is
another speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from twotier.domain.clock import Clock
from twotier.domain.money import Attempt, Outcome, Settled, Settlement
from twotier.domain.tier import TierSpec
from twotier.domain.timing import Timing
from twotier.ledger.book import Book
from twotier.ledger.findings import Found, SpeedRow
from twotier.router.speed import (
    OUTPUT_TOKENS_MIN,
    READ_TOKENS_MIN,
    Did,
    Mean,
    Prediction,
    Speed,
    depth_of,
    nearest,
)
from twotier.supervisor.policy import Signal, State
from twotier.supervisor.spec import Change

SAVE_SECONDS = 10.0
# Without the server's own word the first token's time is all we have, and in a short prompt it is
# mostly the way there and back.
MEASURED_TOKENS_MIN = 512
# An answer that comes in one lump was written before we saw the first of it.
WRITTEN_SECONDS_MIN = 0.05
# A first token may take so many times what it should before it counts as late.
PATIENCE = 3.0


@dataclass(slots=True)
class Pace:
    """One tier's speed now, and whose it is. `dirty`: the book does not know all of it."""

    spec: TierSpec
    version: str = ""
    speed: Speed = field(default_factory=Speed)
    dirty: bool = False
    began: float | None = None  # when its server began to load, monotonic


class Speeds:
    """The paces of all tiers. `follow` each; until `open` nothing is kept on disk."""

    def __init__(self, clock: Clock) -> None:
        self.paces: dict[str, Pace] = {}
        self.clock = clock
        self._book: Book | None = None
        self._known: dict[tuple[str, str], list[SpeedRow]] = {}
        self._save_at = 0.0

    def follow(self, spec: TierSpec) -> None:
        """Learn about this tier from now on."""
        self.paces[spec.name] = Pace(spec)

    async def open(self, book: Book) -> None:
        """Read what earlier lives have learned. Raises `LedgerError`."""
        self._book = book
        self._known.clear()
        for row in await book.speeds():
            self._known.setdefault((row.model, row.version), []).append(row)

    def settle_on(self, tier: str, version: str) -> None:
        """This is the version of the tier's server; what was learned with it counts again."""
        self.save()
        pace = self.paces[tier]
        if version == pace.version and any(True for _ in pace.speed.means()):
            return
        pace.version, pace.speed, pace.dirty = version, Speed(), False
        for row in self._known.get((pace.spec.ref, version), ()):
            pace.speed.put(row.measure, row.depth, mean=Mean(row.value, row.count))

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Learn from one attempt that ended well."""
        pace = self.paces.get(attempt.tier)
        if pace is None or end.outcome is not Outcome.OK or attempt.model != pace.spec.model:
            return
        did = did_of(end)
        if did is None:
            return
        pace.speed.note(did)
        pace.dirty = True
        if self.clock.monotonic() >= self._save_at:
            self.save()

    def changed(self, change: Change) -> None:
        """Hears of each step in the life of a kept server, to learn how long loading takes."""
        pace = self.paces.get(change.name)
        if pace is None:
            return
        if change.signal is Signal.SPAWNED and not change.adopted:
            pace.began = self.clock.monotonic()
        elif change.before is State.LOADING and change.signal is Signal.ANSWERED:
            if pace.began is not None:
                pace.speed.load.note(self.clock.monotonic() - pace.began)
                pace.dirty = True
            pace.began = None
        elif change.signal is Signal.EXITED:
            pace.began = None

    def save(self) -> None:
        """Hand what the book does not know to it."""
        now = self.clock.monotonic()
        self._save_at = now + SAVE_SECONDS
        if self._book is None:
            return
        at = int(self.clock.now().timestamp() * 1000)
        for pace in self.paces.values():
            if not pace.dirty:
                continue
            pace.dirty = False
            rows = tuple(rows_of(pace, at))
            if rows:
                self._known[pace.spec.ref, pace.version] = list(rows)
                self._book.keep(Found(rows))

    def pace(self, tier: str, prompt_tokens: int) -> float:
        """The tokens a second it reads of a prompt of that length; 0 where nobody has seen it."""
        pace = self.paces.get(tier)
        return nearest(pace.speed.prefill, depth_of(prompt_tokens)) if pace else 0.0

    def patience(self, spec: TierSpec) -> Callable[[int], float]:
        """The seconds to wait for a first token, by the tokens of the prompt: never fewer than
        configured, more where this machine needs them to read so much.
        """
        pace, least = self.paces[spec.name], spec.first_token_seconds

        def seconds(prompt_tokens: int) -> float:
            rate = nearest(pace.speed.prefill, depth_of(prompt_tokens))
            needed = PATIENCE * prompt_tokens / rate if rate else 0.0
            return max(least, needed)

        return seconds

    def predict(
        self,
        tier: str,
        prompt_tokens: int,
        *,
        output_tokens: int,
        up: bool,
        line_seconds: float = 0.0,
    ) -> Prediction | None:
        """How long this would take there, with the usual share of the prompt in its cache; None
        while that is not known. `up`: its server runs, so there is no load to wait for.
        `line_seconds` is the wait for a slot of ours.
        """
        pace = self.paces.get(tier)
        if pace is None:
            return None
        speed = pace.speed
        wait = line_seconds + speed.queue.value + (0.0 if up else speed.load.value)
        return speed.predict(
            prompt_tokens, output_tokens, cached=speed.cached.value, wait_seconds=wait
        )


def did_of(end: Settlement) -> Did | None:
    """What an answer says about speed; None where it says nothing.

    The wait for a slot of ours is no slowness of its server, and what it is now is known.
    """
    usage, timing, waited = end.usage, end.timing, end.waited_seconds
    first = None if end.first_token_seconds is None else end.first_token_seconds - waited
    prompt = usage.prompt_tokens
    short = prompt < READ_TOKENS_MIN and usage.output_tokens < OUTPUT_TOKENS_MIN
    if short or end.settled is not Settled.SETTLED or not prompt:
        return None
    written = end.total_seconds - waited - first if first is not None else 0.0
    if written < WRITTEN_SECONDS_MIN:
        written = 0.0
        # A call is held until it is whole, as is what was ordered in words: nobody saw the first
        # token come, and a pace that was told up to then includes the writing.
        if end.held or end.finish == "tool_calls":
            first = None
            if timing is not None and not timing.output_seconds:
                timing = Timing(timing.prompt_tokens, 0.0)
    known = timing or Timing(prompt - usage.cache_read_tokens, 0.0)
    # Some servers count what they read and do not tell what they had: mlx-lm 0.30.7.
    cached = usage.cache_read_tokens or max(0, prompt - known.prompt_tokens)
    seconds = known.prompt_seconds
    queue: float | None = None
    if first is not None and seconds:
        queue = max(0.0, first - seconds)
    elif first is not None and known.prompt_tokens >= MEASURED_TOKENS_MIN:
        seconds = first
    return Did(
        prompt,
        cached,
        known.prompt_tokens,
        seconds,
        known.output_tokens or usage.output_tokens,
        known.output_seconds or written,
        queue,
    )


def rows_of(pace: Pace, at_ms: int) -> Iterable[SpeedRow]:
    """All that is known of a tier's speed, as rows."""
    for measure, depth, mean in pace.speed.means():
        yield SpeedRow(pace.spec.ref, pace.version, measure, depth, mean.value, mean.count, at_ms)
