"""What became of each job's work at each tier: the record that the rule of that name looks at.

Whoever verifies work tells its verdict here: the worker at the end of a job's part, a trial, a
person, the gateway's own checks. What a part took is summed up from the ends of its attempts, which
are heard as they come. Rows go to the book behind; in memory is what the book has of the last keys.
Main only; never waits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from twotier.domain.clock import Clock
from twotier.domain.known import Record
from twotier.domain.money import Attempt, Outcome, Settlement
from twotier.domain.tier import TierSpec
from twotier.domain.verdict import BAD, GOOD, UNSAID, Judgement, Took, Verdict, overrules
from twotier.ledger.book import Book
from twotier.ledger.judgements import DAYS_MAX, ROWS_MAX, Forgotten, Judged
from twotier.router import recheck
from twotier.router.drift import Drift, drift
from twotier.router.recheck import Hours
from twotier.router.weighing import Present, record_of

KEYS_MAX = 2_000
PIECES_MAX = 2_000  # parts of runs under way, or that ended without a verdict
FRESH_SECONDS = 60.0  # a record ages in days
RECHECK_SECONDS = 7_200.0  # a run that had one and has not ended has most likely died
DAY_MS = 86_400_000
PREFIX = "prompt:"
FRONTIER_STEP = ":frontier"  # how a step is called that went there because the local tier was down


@dataclass(frozen=True, slots=True)
class Recheck:
    """A tier that is being tried again, by this part of a run; until a moment, monotonic."""

    tier: str
    piece: tuple[str, str]
    until: float


@dataclass(slots=True)
class Kept:
    """What is kept under one key, by tier, the oldest first; and what was made of it."""

    past: dict[str, list[Judgement]] = field(default_factory=dict)
    records: Mapping[str, Record] | None = None
    until: float = 0.0
    rechecking: Recheck | None = None

    @property
    def prompt(self) -> str:
        """The prompt of the newest work that names one."""
        named = [one for rows in self.past.values() for one in rows if one.prompt]
        return max(named, key=lambda one: one.at_ms).prompt if named else ""


@dataclass(slots=True)
class Place:
    """A tier, and the version of its server now."""

    spec: TierSpec
    version: str = ""


class Records:
    """The records of all work. `follow` each tier; until `open` nothing is kept on disk.

    `hours` are those in which a tier that lost a job is tried again, None for all day; `rechecks`:
    whether it ever is.
    """

    def __init__(self, clock: Clock) -> None:
        self.places: dict[str, Place] = {}
        self.hours: Hours | None = None
        self.rechecks = True
        self._clock = clock
        self._book: Book | None = None
        self._known: OrderedDict[str, Kept] = OrderedDict()
        self._took: OrderedDict[tuple[str, str, str], Took] = OrderedDict()

    def follow(self, spec: TierSpec) -> None:
        """A tier whose work is judged."""
        self.places[spec.name] = Place(spec)

    async def open(self, book: Book) -> None:
        """Read what earlier lives have kept, and forget what is very old. Raises `LedgerError`."""
        self._book = book
        self._known.clear()
        oldest = int(self._clock.now().timestamp() * 1000 - DAYS_MAX * DAY_MS)
        book.keep(Forgotten(before_ms=oldest))
        for row in await book.judgements():
            if row.at_ms >= oldest:
                self._put(row)
        self._bounded()

    def settle_on(self, tier: str, version: str) -> None:
        """This is the version of the tier's server; what was done with another one counts less."""
        self.places[tier].version = version
        for known in self._known.values():
            known.records = None

    # -- what is told

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Hears of each attempt's end: what a part of a job's run took is summed up."""
        if not attempt.run or end.outcome is not Outcome.OK:
            return
        piece = (attempt.run, part_of(attempt.step), attempt.tier)
        before = self._took.get(piece, Took())
        self._took[piece] = Took(
            before.output_tokens + end.usage.output_tokens,
            before.seconds + end.total_seconds,
            before.steps + 1,
            before.cost_microusd + end.cost_microusd,
        )
        if len(self._took) > PIECES_MAX:
            self._took.popitem(last=False)

    def tell(self, verdict: Verdict) -> bool:
        """Take a verdict; False where it changes nothing: somebody who knows better, or the same,
        has spoken of this piece already, or its tier is not one of ours.
        """
        place = self.places.get(verdict.tier)
        if place is None or not verdict.key:
            return False
        row = self._row(verdict, place)
        known = self._known.get(verdict.key, Kept())
        rows = known.past.get(verdict.tier, [])
        same = next((one for one in rows if one.id == row.id), None)
        if same is not None:
            if not overrules(row, same):
                return False
            row = replaced(same, row)
        self._put(row)
        self._bounded()
        if self._book is not None:
            self._book.keep(Judged((row,)))
        return True

    def forget(self, key: str) -> int:
        """What is known under this key is forgotten; how many judgements that were."""
        known = self._known.pop(key, Kept())
        if self._book is not None:
            self._book.keep(Forgotten(key))
        return sum(map(len, known.past.values()))

    # -- what is known

    def keys(self) -> Sequence[str]:
        """Everything there is a record of, the latest first."""
        return tuple(reversed(self._known))

    def of(self, key: str) -> Mapping[str, Record]:
        """What is known of this work on each tier that has done it; empty for none."""
        known = self._known.get(key)
        if known is None:
            return {}
        now = self._clock.monotonic()
        if known.records is None or now >= known.until:
            prompt = known.prompt
            known.records = {tier: self._record(tier, known, prompt=prompt) for tier in known.past}
            known.until = now + FRESH_SECONDS
        return known.records

    def recheck(self, key: str, piece: tuple[str, str]) -> str:
        """The local tier that should be tried again with this part of a run; empty for none. What
        was given to one part is not given to another before there is a verdict, or hours later.
        """
        known = self._known.get(key)
        if known is None or not self.rechecks or not piece[0]:
            return ""
        now = self._clock.monotonic()
        if known.rechecking is not None and now < known.rechecking.until:
            mine = known.rechecking.piece == piece
            return known.rechecking.tier if mine else ""
        tier = self._due(key, known)
        known.rechecking = Recheck(tier, piece, now + RECHECK_SECONDS) if tier else None
        return tier

    def _due(self, key: str, known: Kept) -> str:
        records = self.of(key)
        for tier, rows in known.past.items():
            place = self.places.get(tier)
            if place is None or not place.spec.local:
                continue
            last_ms = max((one.at_ms for one in rows if one.verified), default=0)
            others = (one for name, past in known.past.items() if name != tier for one in past)
            since = sum(one.at_ms > last_ms for one in others)
            at = self._clock.now()
            if recheck.due(rows, records[tier], runs_since=since, now=at, hours=self.hours):
                return tier
        return ""

    def drifts(self) -> Sequence[Drift]:
        """Local tiers that do worse of late than before."""
        found = []
        for tier, place in self.places.items():
            if place.spec.local:
                past = sorted(
                    (one for known in self._known.values() for one in known.past.get(tier, ())),
                    key=lambda one: one.at_ms,
                )
                seen = drift(tier, past)
                found += [] if seen is None else [seen]
        return found

    def past(self, key: str) -> Mapping[str, Sequence[Judgement]]:
        """The judgements themselves, by tier, the oldest first."""
        known = self._known.get(key)
        return {} if known is None else known.past

    def _record(self, tier: str, known: Kept, *, prompt: str) -> Record:
        place, now_ms = self.places.get(tier), int(self._clock.now().timestamp() * 1000)
        model, version = ("", "") if place is None else (place.spec.ref, place.version)
        return record_of(known.past[tier], Present(tier, model, version, prompt, now_ms))

    def _row(self, verdict: Verdict, place: Place) -> Judgement:
        heard = self._took.pop((verdict.run, verdict.part, verdict.tier), None)
        took = verdict.took or heard or Took()
        return Judgement(
            id=verdict.id,
            key=verdict.key,
            tier=verdict.tier,
            model=place.spec.ref,
            version=place.version,
            prompt=verdict.prompt,
            at_ms=int(self._clock.now().timestamp() * 1000),
            good=UNSAID if verdict.good is None else GOOD if verdict.good else BAD,
            by=verdict.by,
            output_tokens=took.output_tokens,
            seconds=took.seconds,
            steps=took.steps,
            cost_microusd=took.cost_microusd,
            redone=verdict.redone,
        )

    def _put(self, row: Judgement) -> None:
        known = self._known.setdefault(row.key, Kept())
        rows = [one for one in known.past.get(row.tier, ()) if one.id != row.id]
        rows.append(row)
        rows.sort(key=lambda one: one.at_ms)
        known.past[row.tier] = rows[-ROWS_MAX:]
        known.records = None
        if known.rechecking is not None and known.rechecking.tier == row.tier:
            known.rechecking = None
        self._known.move_to_end(row.key)

    def _bounded(self) -> None:
        while len(self._known) > KEYS_MAX:
            self.forget(next(iter(self._known)))


def template_key(template: str) -> str:
    """What the record of work is kept under that is no job's: the name of its instructions and
    tools, from which nobody can read them. Empty where it has none.
    """
    return f"{PREFIX}{template}" if template else ""


def part_of(step: str) -> str:
    """The part of a run that a step belongs to: `all` of `all:2`."""
    return step.removesuffix(FRONTIER_STEP).rpartition(":")[0]


def replaced(before: Judgement, now: Judgement) -> Judgement:
    """A later word about the same piece: when it was, and by which model, stays as it was."""
    took = (before.output_tokens, before.seconds, before.steps, before.cost_microusd)
    output_tokens, seconds, steps, cost_microusd = took
    if now.steps:
        output_tokens, seconds = now.output_tokens, now.seconds
        steps, cost_microusd = now.steps, now.cost_microusd
    return replace(
        now,
        model=before.model,
        version=before.version,
        prompt=now.prompt or before.prompt,
        at_ms=before.at_ms,
        output_tokens=output_tokens,
        seconds=seconds,
        steps=steps,
        cost_microusd=cost_microusd,
    )
