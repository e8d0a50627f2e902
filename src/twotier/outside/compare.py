"""Ours against the provider's, day by day and model by model. Pure.

Days are of UTC, as the provider's are. A cost it states wins over one computed from its counts; a
count whose price nobody knows has no cost, and is said. What the provider charged and neither the
ledger nor a log knows is money that did not come through twotier.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from operator import add

from twotier.domain.bill import COST, USAGE, WEB_SEARCH, BillRow
from twotier.domain.message import Usage
from twotier.domain.price import Ladder, Price, Rates
from twotier.ledger.cost import bill

CENT_MICROUSD = 10_000
NOTHING = (0,) * 7
_DATED = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2})$")
PriceOn = Callable[[str, str, date], Price | None]


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two has of a day and model, as `BillRow.sums`.

    `counted`: its tokens are known. `priced`: its cost is; else what is there is too little.
    """

    sums: tuple[int, ...] = NOTHING
    counted: bool = True
    priced: bool = True

    @property
    def tokens(self) -> tuple[int, ...]:
        """Input, output, cache read, written, written for an hour."""
        return self.sums[:5]

    @property
    def cost_microusd(self) -> int:
        """In micro-dollars."""
        return self.sums[6]

    def plus(self, other: Side) -> Side:
        """Both."""
        return Side(
            tuple(map(add, self.sums, other.sums)),
            self.counted and other.counted,
            self.priced and other.priced,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One day and model. A side that has nothing of it is None: the row is only on the other."""

    day: str
    model: str
    ours: Side | None
    theirs: Side | None

    @property
    def difference_microusd(self) -> int:
        """Theirs less ours."""
        return cost_of(self.theirs) - cost_of(self.ours)

    @property
    def difference_tokens(self) -> int | None:
        """Theirs less ours, all kinds together; None where one did not count."""
        sides = [side for side in (self.ours, self.theirs) if side is not None]
        if not all(side.counted for side in sides):
            return None
        return sum(tokens_of(self.theirs)) - sum(tokens_of(self.ours))


@dataclass(frozen=True, slots=True)
class Day:
    """A day's lines, and what logs of other programs have of it, in micro-dollars."""

    day: str
    lines: tuple[Line, ...]
    logs_microusd: int = 0

    @property
    def ours(self) -> Side:
        """All of ours."""
        return total(line.ours for line in self.lines)

    @property
    def theirs(self) -> Side:
        """All of theirs."""
        return total(line.theirs for line in self.lines)

    @property
    def known(self) -> bool:
        """Whether the provider has said anything of this day."""
        return any(line.theirs is not None for line in self.lines)

    @property
    def agrees(self) -> bool:
        """Within a cent, nothing unknown."""
        near = abs(self.theirs.cost_microusd - self.ours.cost_microusd) <= CENT_MICROUSD
        return self.known and self.theirs.priced and near

    @property
    def excess_microusd(self) -> int:
        """What the provider charged and neither the ledger nor a log knows; 0 within a cent."""
        left = self.theirs.cost_microusd - self.ours.cost_microusd - self.logs_microusd
        return left if self.known and left > CENT_MICROUSD else 0

    @property
    def outside_microusd(self) -> int:
        """What did not come through twotier: in a log, or in the provider's sum alone."""
        return self.logs_microusd + self.excess_microusd


def total(sides: Iterable[Side | None]) -> Side:
    """All of them."""
    found = Side()
    for side in sides:
        if side is not None:
            found = found.plus(side)
    return found


def cost_of(side: Side | None) -> int:
    """Nothing costs nothing."""
    return 0 if side is None else side.cost_microusd


def tokens_of(side: Side | None) -> tuple[int, ...]:
    """Nothing has no tokens."""
    return NOTHING[:5] if side is None else side.tokens


def model_key(name: str) -> str:
    """A model whatever its id says of its date."""
    return _DATED.sub("", name.lower())


def compare(
    ours: Iterable[BillRow],
    theirs: Iterable[BillRow],
    *,
    logs: Mapping[str, int],
    price: PriceOn,
) -> list[Day]:
    """Every day that any of them knows, in order."""
    mine, said = _sides(ours), _theirs(list(theirs), price)
    keys = sorted({*mine, *said})
    days = sorted({*(day for day, _ in keys), *logs})
    return [
        Day(
            day,
            tuple(Line(day, key[1], mine.get(key), said.get(key)) for key in keys if key[0] == day),
            logs.get(day, 0),
        )
        for day in days
    ]


Key = tuple[str, str]


def _sides(rows: Iterable[BillRow]) -> dict[Key, Side]:
    found: dict[Key, Side] = {}
    for row in rows:
        _put(found, (row.day, model_key(row.model)), side=Side(row.sums))
    return found


def _theirs(rows: list[BillRow], price: PriceOn) -> dict[Key, Side]:
    costed = {row.day for row in rows if row.kind == COST}
    counted = {row.day for row in rows if row.kind == USAGE}
    found: dict[Key, Side] = {}
    for row in rows:
        key = (row.day, model_key(row.model))
        if row.kind == COST:
            _put(found, key, side=Side(row.sums, counted=row.day in counted))
            continue
        tokens, fees = (0, 0) if row.day in costed else count_cost(row, price)
        _put(found, key, side=Side((*row.sums[:5], 0, tokens or 0), priced=tokens is not None))
        if row.web_searches:
            searched = Side((0, 0, 0, 0, 0, row.web_searches, fees))
            _put(found, (row.day, WEB_SEARCH), side=searched)
    return found


def _put(found: dict[Key, Side], key: Key, *, side: Side) -> None:
    found[key] = found[key].plus(side) if key in found else side


def count_cost(row: BillRow, price: PriceOn) -> tuple[int | None, int]:
    """What the tokens of a row of counts come to, and its searches; None where nobody knows the
    price.

    A row is a sum over many requests, so its length says nothing of how long each prompt was: the
    row itself says whether they were long ones.
    """
    day = date.fromisoformat(row.day)
    found = price(row.provider, row.model, day) or price(row.provider, model_key(row.model), day)
    if found is None:
        return (None if any(row.sums[:6]) else 0), 0
    mode, place, long = row.item.split("|")
    usage = Usage(
        row.input_tokens,
        row.output_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.cache_write_1h_tokens,
        mode=mode,
        place=place,
    )
    tokens = bill(usage, flat(found, long=bool(long))).microusd
    return tokens, dict(found.fees).get(WEB_SEARCH, 0) * row.web_searches


def flat(price: Price, *, long: bool) -> Price:
    """The price of short prompts, or of the longest ones, whatever the number of tokens."""
    rates = _step(price.ladder, long=long)
    modes = tuple((name, ((0, _step(ladder, long=long)),)) for name, ladder in price.modes)
    return replace(
        price,
        input_microusd_per_mtok=rates.input,
        output_microusd_per_mtok=rates.output,
        cache_read_microusd_per_mtok=rates.cache_read,
        cache_write_microusd_per_mtok=rates.cache_write,
        cache_write_1h_microusd_per_mtok=rates.cache_write_1h,
        steps=(),
        modes=modes,
        fees=tuple(fee for fee in price.fees if fee[0] != "request"),
    )


def _step(ladder: Ladder, *, long: bool) -> Rates:
    return ladder[-1 if long else 0][1]
