"""Dated prices: which model cost what, from which day on, and who says so. Pure.

Knows the format of the price file and how a model id finds its price, in three layers: the owner's
own, then whichever is newer of our file and the public list (`seed`), ours where neither is. Does
not know where they lie (`shipped.py`), nor what a missing price means: `None` is an answer here,
and refusing to spend at an unknown price is the caller's decision.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, TypeVar

from twotier.domain.money import MICROUSD_PER_USD, Price
from twotier.domain.price import PERCENT, Ladder, Rates
from twotier.errors import NOT_READABLE, ConfigError
from twotier.ledger.seed import ALIASES, RATES, Seed

NAMES = ("provider", "model", "since", "source")
# Anthropic's published multiples of the input price for cache writes of five minutes and one hour.
CACHE_WRITE_FACTOR = Decimal("1.25")
CACHE_WRITE_1H_FACTOR = Decimal(2)
# In USD for each use, and the name of what is used.
FEES = {
    "web_search": "web_search",
    "file_search": "file_search",
    "code_execution": "code_execution",
    "code_interpreter": "code_interpreter",
    "request": "request",
}
# In per cent of the standard rates, and the name of the mode.
MODES = {
    "batch_percent": "batch",
    "flex_percent": "flex",
    "priority_percent": "priority",
    "fast_percent": "fast",
}
# A prompt of more than `long_above_tokens` costs such a part of the standard rates, all of it.
LONG = ("long_above_tokens", "long_input_percent", "long_output_percent")
TERMS = (*RATES, *FEES, *MODES, "us_percent", *LONG)
_DATED_ID = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2})$")

Key = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What one of something costs that is no token: a post that was read, a search."""

    microusd: int
    since: str
    source: str


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All known prices. `dated` holds each model's prices, the newest first, and so does `units`.

    `overrides` are the owner's and win over the others on every day. Names are in lower case.
    """

    dated: Mapping[Key, tuple[tuple[date, Price], ...]]
    overrides: Mapping[Key, Price]
    units: Mapping[Key, tuple[tuple[date, UnitPrice], ...]] = field(default_factory=dict)
    seed: Seed | None = None

    def price(self, provider: str, model: str, *, on: date) -> Price | None:
        """The price in force on that day, or None where nobody knows one.

        The exact id comes first, then the id without the date it ends with.
        """
        key = _key(provider, model)
        found = self._exact(key, on)
        if found is None and _DATED_ID.search(key[1]):
            return self._exact((key[0], _DATED_ID.sub("", key[1])), on)
        return found

    def override(self, provider: str, model: str) -> Price | None:
        """The owner's own price for this very id."""
        return self.overrides.get(_key(provider, model))

    def unit_price(self, provider: str, unit: str, *, on: date) -> UnitPrice | None:
        """What one of something costs on that day (`x`, `post_read`), None where nobody knows."""
        prices = self.units.get(_key(provider, unit), ())
        return next((price for since, price in prices if since <= on), None)

    def models(self) -> Iterator[Key]:
        """Every provider and model of every layer, once."""
        listed = self.seed.models() if self.seed else ()
        yield from sorted({*self.overrides, *self.dated, *listed})

    def with_override(
        self,
        provider: str,
        model: str,
        *,
        terms: Mapping[str, Decimal | str | int],
        since: str = "",
        source: str = "configuration",
    ) -> PriceBook:
        """A book in which the owner's price for this model wins, whatever the day.

        `terms` needs `input` and `output`, in USD per million tokens. What it leaves out of
        `cache_read`, `cache_write` and `cache_write_1h` is filled with upper bounds, the input
        price and Anthropic's multiples of it, so that a short entry can never make a call look too
        cheap. Raises `ConfigError`.
        """
        where = f"the price of {provider}/{model}"
        if unknown := sorted(set(terms) - set(TERMS)):
            raise ConfigError(f"{where} has the unknown key `{unknown[0]}`; use {_listed(TERMS)}")
        if missing := [name for name in ("input", "output") if name not in terms]:
            raise ConfigError(f"{where} has no `{missing[0]}`; add it in USD per million tokens")
        read = _usd(terms["input"], f"{where}, `input`")
        full = {
            "cache_read": read,
            "cache_write": read * CACHE_WRITE_FACTOR,
            "cache_write_1h": read * CACHE_WRITE_1H_FACTOR,
        } | dict(terms)
        price = _price(full, where=where, since=since, source=source)
        return replace(self, overrides={**self.overrides, _key(provider, model): price})

    def with_unit(self, provider: str, unit: str, *, usd: Decimal | str) -> PriceBook:
        """A book in which the owner's price for one of something wins. Raises `ConfigError`."""
        price = UnitPrice(_microusd(_usd(usd, f"{provider}/{unit}")), "", "configuration")
        return replace(self, units={**self.units, _key(provider, unit): ((date.min, price),)})

    def _exact(self, key: Key, on: date) -> Price | None:
        if key in self.overrides:
            return self.overrides[key]
        ours = next((price for since, price in self.dated.get(key, ()) if since <= on), None)
        listed = self.seed.price(*key, on=on) if self.seed else None
        if ours is None or listed is None:
            return ours or listed
        return listed if listed.since > ours.since else ours


def load_prices(text: str) -> PriceBook:
    """Read a price file. Raises `ConfigError`, which names the entry and what is wrong with it."""
    try:
        document = tomllib.loads(text)
    except NOT_READABLE as exc:
        raise ConfigError(f"the price file is not valid TOML: {exc}") from exc
    dated: dict[Key, list[tuple[date, Price]]] = {}
    for number, entry in enumerate(document.get("price", []), start=1):
        where = f"entry {number} of the price file ({entry.get('model', 'no model')})"
        since = _checked(entry, (*NAMES, *RATES), where=where)
        terms = {name: value for name, value in entry.items() if name not in NAMES}
        price = _price(terms, where=where, since=entry["since"], source=entry["source"])
        _put(dated, _key(entry["provider"], entry["model"]), one=(since, price))
    units: dict[Key, list[tuple[date, UnitPrice]]] = {}
    for number, entry in enumerate(document.get("extra", []), start=1):
        where = f"extra {number} of the price file ({entry.get('unit', 'no unit')})"
        since = _checked(entry, ("provider", "unit", "since", "source", "usd"), where=where)
        microusd = _microusd(_usd(entry["usd"], where))
        unit = UnitPrice(microusd, entry["since"], entry["source"])
        _put(units, _key(entry["provider"], entry["unit"]), one=(since, unit))
    return PriceBook(_newest_first(dated), {}, _newest_first(units))


def _key(provider: str, model: str) -> Key:
    provider = provider.lower()
    return ALIASES.get(provider, provider), model.lower()


def _checked(entry: Mapping[str, Any], names: tuple[str, ...], *, where: str) -> date:
    for name in names:
        if not isinstance(entry.get(name), str):
            raise ConfigError(f"{where} needs `{name}` as a string")
    try:
        return date.fromisoformat(entry["since"])
    except ValueError as exc:
        raise ConfigError(f"{where}: `since` must be a day like 2026-02-05") from exc


def _put(found: dict[Key, list[tuple[date, T]]], key: Key, *, one: tuple[date, T]) -> None:
    prices = found.setdefault(key, [])
    if any(other == one[0] for other, _ in prices):
        raise ConfigError(f"the price file has {key[1]} since {one[0]} twice; remove one entry")
    prices.append(one)


def _newest_first(
    found: Mapping[Key, list[tuple[date, T]]],
) -> dict[Key, tuple[tuple[date, T], ...]]:
    return {
        key: tuple(sorted(prices, key=lambda pair: pair[0], reverse=True))
        for key, prices in found.items()
    }


def _price(terms: Mapping[str, Any], *, where: str, since: str, source: str) -> Price:
    """A price of all five rates and whatever else is said."""
    usd = {name: _usd(terms[name], f"{where}, `{name}`") for name in RATES}
    fees = {
        name: _microusd(_usd(terms[key], f"{where}, `{key}`"))
        for key, name in FEES.items()
        if key in terms
    }
    longer = _long(terms, where=where)
    ladder = _ladder(usd, longer)
    modes = tuple(
        (name, _ladder(usd, longer, percent=_percent(terms[key], f"{where}, `{key}`")))
        for key, name in MODES.items()
        if key in terms
    )
    us = _percent(terms.get("us_percent", PERCENT), f"{where}, `us_percent`")
    base = ladder[0][1]
    return Price(
        base.input,
        base.output,
        base.cache_read,
        base.cache_write,
        base.cache_write_1h,
        since,
        source,
        steps=ladder[1:],
        modes=modes,
        fees=tuple(fees.items()),
        places=(("us", us),) if us != PERCENT else (),
    )


def _long(terms: Mapping[str, Any], *, where: str) -> list[tuple[int, int, int]]:
    """Where a long prompt begins, and the per cent of input and output from there on."""
    given = [name for name in LONG if name in terms]
    if not given:
        return []
    if len(given) < len(LONG):
        missing = next(name for name in LONG if name not in terms)
        raise ConfigError(f"{where} has `{given[0]}` and no `{missing}`; add it")
    above, read, written = (_percent(terms[name], f"{where}, `{name}`") for name in LONG)
    return [(above, read, written)]


def _ladder(
    usd: Mapping[str, Decimal], longer: list[tuple[int, int, int]], *, percent: int = PERCENT
) -> Ladder:
    """The rates at a part of the standard ones."""
    scaled = {name: each * percent / PERCENT for name, each in usd.items()}
    long = ((above, _rates(scaled, read=read, written=written)) for above, read, written in longer)
    return ((0, _rates(scaled)), *long)


def _rates(usd: Mapping[str, Decimal], *, read: int = PERCENT, written: int = PERCENT) -> Rates:
    """In whole micro-dollars; `read` and `written` are per cent of what input and output cost."""
    each = {
        name: _microusd(usd[name] * (written if name == "output" else read) / PERCENT)
        for name in RATES
    }
    return Rates(**each)


def _percent(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigError(f"{where}: {value!r} is no whole number of 0 or more")
    return value


def _usd(value: Decimal | str | int, where: str) -> Decimal:
    try:
        amount = Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as exc:
        raise ConfigError(f'{where}: {value!r} is no amount; write USD like "6.25"') from exc
    if not amount.is_finite() or amount < 0:
        raise ConfigError(f'{where}: {value!r} is no price; write USD like "6.25"')
    return amount


def _microusd(usd: Decimal) -> int:
    # A price finer than a micro-dollar is rounded up: bounds stay bounds.
    return int((usd * MICROUSD_PER_USD).to_integral_value(ROUND_CEILING))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
