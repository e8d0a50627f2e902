"""Dated prices: which model cost what, from which day on, and who says so. Pure.

Knows the format of the price file and how a model id finds its price. Does not know where the
file lies (`shipped.py`), nor what a missing price means: `None` is an answer here, and refusing
to spend at an unknown price is the caller's decision.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from twotier.domain.money import MICROUSD_PER_USD, Price
from twotier.errors import ConfigError

RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
NAMES = ("provider", "model", "since", "source")
# Anthropic's published multiples of the input price for cache writes of five minutes and one hour.
CACHE_WRITE_FACTOR = Decimal("1.25")
CACHE_WRITE_1H_FACTOR = Decimal(2)
_DATED_ID = re.compile(r"-\d{8}$")

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All known prices. `dated` holds each model's prices, the newest first.

    `overrides` are the owner's and win over `dated` on every day.
    """

    dated: Mapping[Key, tuple[tuple[date, Price], ...]]
    overrides: Mapping[Key, Price]

    def price(self, provider: str, model: str, *, on: date) -> Price | None:
        """The price in force on that day, or None where nobody knows one.

        The exact id comes first, then the id without its `-YYYYMMDD` ending.
        """
        found = self._exact((provider, model), on)
        if found is None and _DATED_ID.search(model):
            return self._exact((provider, _DATED_ID.sub("", model)), on)
        return found

    def with_override(
        self,
        provider: str,
        model: str,
        *,
        usd_per_mtok: Mapping[str, Decimal | str],
        since: str = "",
        source: str = "configuration",
    ) -> PriceBook:
        """A book in which the owner's price for this model wins, whatever the day.

        `usd_per_mtok` needs `input` and `output`. What it leaves out of `cache_read`,
        `cache_write` and `cache_write_1h` is filled with upper bounds, the input price and
        Anthropic's multiples of it, so that a short entry can never make a call look too cheap.
        Raises `ConfigError`.
        """
        where = f"the price of {provider}/{model}"
        given = {name: _usd(value, f"{where}, `{name}`") for name, value in usd_per_mtok.items()}
        if unknown := sorted(set(given) - set(RATES)):
            raise ConfigError(f"{where} has the unknown key `{unknown[0]}`; use {_listed(RATES)}")
        if missing := [name for name in ("input", "output") if name not in given]:
            raise ConfigError(f"{where} has no `{missing[0]}`; add it in USD per million tokens")
        full = {
            "cache_read": given["input"],
            "cache_write": given["input"] * CACHE_WRITE_FACTOR,
            "cache_write_1h": given["input"] * CACHE_WRITE_1H_FACTOR,
        } | given
        price = _price(full, since=since, source=source)
        return PriceBook(self.dated, {**self.overrides, (provider, model): price})

    def _exact(self, key: Key, on: date) -> Price | None:
        if key in self.overrides:
            return self.overrides[key]
        return next((price for since, price in self.dated.get(key, ()) if since <= on), None)


def load_prices(text: str) -> PriceBook:
    """Read a price file. Raises `ConfigError`, which names the entry and what is wrong with it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"the price file is not valid TOML: {exc}") from exc
    dated: dict[Key, list[tuple[date, Price]]] = {}
    for number, entry in enumerate(document.get("price", []), start=1):
        key, since, price = _entry(entry, number)
        prices = dated.setdefault(key, [])
        if any(other == since for other, _ in prices):
            raise ConfigError(f"the price file has {key[1]} since {since} twice; remove one entry")
        prices.append((since, price))
    newest_first = {
        key: tuple(sorted(prices, key=lambda pair: pair[0], reverse=True))
        for key, prices in dated.items()
    }
    return PriceBook(newest_first, {})


def _entry(entry: Mapping[str, Any], number: int) -> tuple[Key, date, Price]:
    where = f"entry {number} of the price file ({entry.get('model', 'no model')})"
    for name in NAMES + RATES:
        if not isinstance(entry.get(name), str):
            raise ConfigError(f"{where} needs `{name}` as a string")
    try:
        since = date.fromisoformat(entry["since"])
    except ValueError as exc:
        raise ConfigError(f"{where}: `since` must be a day like 2026-02-05") from exc
    rates = {name: _usd(entry[name], f"{where}, `{name}`") for name in RATES}
    price = _price(rates, since=entry["since"], source=entry["source"])
    return (entry["provider"], entry["model"]), since, price


def _usd(value: Decimal | str, where: str) -> Decimal:
    try:
        amount = Decimal(value)
    except InvalidOperation as exc:
        raise ConfigError(f'{where}: {value!r} is no amount; write USD like "6.25"') from exc
    if not amount.is_finite() or amount < 0:
        raise ConfigError(f'{where}: {value!r} is no price; write USD like "6.25"')
    return amount


def _price(usd_per_mtok: Mapping[str, Decimal], *, since: str, source: str) -> Price:
    # A price finer than a micro-dollar per million tokens is rounded up: bounds stay bounds.
    each = {
        name: int((usd * MICROUSD_PER_USD).to_integral_value(ROUND_CEILING))
        for name, usd in usd_per_mtok.items()
    }
    return Price(
        each["input"],
        each["output"],
        each["cache_read"],
        each["cache_write"],
        each["cache_write_1h"],
        since,
        source,
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
