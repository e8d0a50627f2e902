"""What was saved, against what the same work would have cost otherwise. Pure.

The same recorded work is priced five ways. A: all of it at the frontier, nothing cached. B, the
fair one: at the frontier with prompt caching, as cheap as it could have been made, and with the
batch price where the work could wait. C: as B, but what was done here is done by a cheap model of
a provider. D: as B, without the looks that found nothing. P: what was really paid. Everything is
integer micro-dollars; what this machine itself costs is beside it, because it is an estimate.

What counts against us: failed attempts, answers that another tier had to give again, probes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from twotier.domain.message import Usage
from twotier.domain.money import Price
from twotier.ledger.cost import cost

SECONDS_5M, SECONDS_1H = 300.0, 3_600.0
LIVES: Mapping[str, float] = {"5m": SECONDS_5M, "1h": SECONDS_1H}
HOURS_OF_YEAR = 8_766.0
MICRO = 1_000_000


class Done(msgspec.Struct, frozen=True):
    """One request that was answered, or one look that needed none (`look`).

    `at` in Unix seconds; `who` is the job or client. `prompt_tokens` are all that had to be read,
    `same_tokens` those of them that an earlier request of the same caller began with (what a cache
    found). `paid_microusd` for the answer, `wasted_microusd` for its other attempts. `local`: a
    tier of this machine answered. `waits`: it could have gone by batch; `batch`: it did.
    `estimated`: the tokens are a guess.
    """

    at: float
    who: str
    prompt_tokens: int
    output_tokens: int
    same_tokens: int = 0
    paid_microusd: int = 0
    wasted_microusd: int = 0
    seconds: float = 0.0
    local: bool = False
    waits: bool = False
    batch: bool = False
    look: bool = False
    estimated: bool = False


class Column(msgspec.Struct, frozen=True):
    """One way to do the work: dollars in micro, model calls, tokens read and written."""

    microusd: int
    calls: int
    tokens: int


class Savings(msgspec.Struct, frozen=True):
    """The columns, and where the difference between B and P comes from.

    `fair` (B) less `paid` (P) is `no_model`, `local`, `caching` and `batch` less `against`.
    `caching` and `batch` may be negative: B assumes them to be perfect. `estimated` counts what
    rests on a guess. `cheap` is None where no cheap model was named.
    """

    plain: Column
    fair: Column
    cheap: Column | None
    checks: Column
    paid: Column
    no_model: int
    local: int
    caching: int
    batch: int
    against: int
    estimated: int

    @property
    def saved(self) -> int:
        """Micro-dollars less than the fair way; negative where it cost more."""
        return self.fair.microusd - self.paid.microusd

    @property
    def percent(self) -> float:
        """The same of the fair way."""
        return 100 * self.saved / self.fair.microusd if self.fair.microusd else 0.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What the own machine costs, as its owner says; nothing of it is known by itself."""

    watts: float = 0.0
    usd_per_kwh: float = 0.0
    price_usd: float = 0.0
    years: float = 0.0

    def microusd(self, *, busy_seconds: float, span_seconds: float) -> int:
        """For the power of so many busy seconds, and its share of the price over the span."""
        hours = busy_seconds / 3_600
        power = self.watts / 1_000 * hours * self.usd_per_kwh
        share = span_seconds / 3_600 / (self.years * HOURS_OF_YEAR) if self.years else 0.0
        return round((power + self.price_usd * share) * MICRO)


def savings(
    done: Sequence[Done], *, frontier: Price, cheap: Price | None = None, probes_microusd: int = 0
) -> Savings:
    """The five columns for this work, which is in the order of time. `frontier` is the price of the
    model that would have done all of it; `probes_microusd` were paid to look at tiers.
    """
    asked = [one for one in done if not one.look]
    fair, checks = _kept(done, frontier), _kept(asked, frontier)
    here = {number for number, one in enumerate(done) if one.local or one.look}
    wasted = sum(one.wasted_microusd for one in asked) + probes_microusd
    paid = sum(one.paid_microusd for one in asked) + wasted
    saved: dict[str, int] = defaultdict(int)
    for one, would in zip(asked, checks, strict=True):
        kind = "local" if one.local else "batch" if one.batch or one.waits else "caching"
        saved[kind] += would - one.paid_microusd
    return Savings(
        plain=_column(
            done, [cost(Usage(one.prompt_tokens, one.output_tokens), frontier) for one in done]
        ),
        fair=_column(done, fair),
        cheap=None if cheap is None else _column(done, _mixed(done, fair, cheap=cheap, here=here)),
        checks=_column(asked, checks),
        paid=Column(paid, len(asked), _tokens(asked)),
        no_model=sum(fair) - sum(checks),
        local=saved["local"],
        caching=saved["caching"],
        batch=saved["batch"],
        against=wasted,
        estimated=sum(one.estimated for one in done),
    )


def _mixed(done: Sequence[Done], fair: Sequence[int], *, cheap: Price, here: set[int]) -> list[int]:
    """As the fair way, but with the cheap model for what was done here."""
    small = dict(zip(sorted(here), _kept([done[at] for at in sorted(here)], cheap), strict=True))
    return [small.get(number, would) for number, would in enumerate(fair)]


def _kept(done: Sequence[Done], price: Price) -> list[int]:
    """What each costs with caching: for each caller in the way that is cheapest over all it did."""
    by_who: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(done):
        by_who[one.who].append(number)
    costs = [0] * len(done)
    for numbers in by_who.values():
        cheapest = min(_ways([done[at] for at in numbers], price), key=sum)
        for at, microusd in zip(numbers, cheapest, strict=True):
            costs[at] = microusd
    return costs


def _ways(done: Sequence[Done], price: Price) -> Iterator[list[int]]:
    """What the work of one caller costs without a cache; with one of either life for all that it
    says, as a talk needs it; and with one for what its prompts have in common, the rest fresh.
    """
    yield [cost(_usage(one, read=0, kept=0, life="5m"), price) for one in done]
    common = min((one.same_tokens for one in done if one.same_tokens), default=0)
    for life, seconds in LIVES.items():
        warm = [False, *(later.at - one.at <= seconds for one, later in pairwise(done))]
        for whole in (True, False):
            parts = [
                (one.same_tokens, one.prompt_tokens) if whole else _shared(one, common)
                for one in done
            ]
            yield [
                cost(_usage(one, read=same if hit else 0, kept=kept, life=life), price)
                for one, hit, (same, kept) in zip(done, warm, parts, strict=True)
            ]


def _shared(one: Done, common: int) -> tuple[int, int]:
    """What it reads of what prompts have in common, and keeps: all, or nothing if it is shorter."""
    return (common, common) if one.prompt_tokens >= common else (0, 0)


def _usage(one: Done, *, read: int, kept: int, life: str) -> Usage:
    """Its tokens by what they cost: `read` from the cache, up to `kept` in it after, the rest
    fresh.
    """
    kept = min(kept, one.prompt_tokens)
    return Usage(
        input_tokens=one.prompt_tokens - max(read, kept),
        output_tokens=one.output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=kept - read if life == "5m" else 0,
        cache_write_1h_tokens=kept - read if life == "1h" else 0,
        mode="batch" if one.waits else "",
    )


def _column(done: Sequence[Done], costs: Sequence[int]) -> Column:
    return Column(sum(costs), len(done), _tokens(done))


def _tokens(done: Iterable[Done]) -> int:
    return sum(one.prompt_tokens + one.output_tokens for one in done)
