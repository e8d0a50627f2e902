"""`twotier prices show` and `set`: what a model costs by whom, and the owner's own prices.

Reads the same files as main and asks nobody. A price is written into the configuration as a person
would write it, and only if the whole file is still right with it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from twotier.build import money
from twotier.build.tiers import shown_model
from twotier.cli.output import emit, say, show
from twotier.clock import SystemClock
from twotier.config.edit import put
from twotier.config.load import Loaded, check_text, load
from twotier.config.prices import PriceConfig
from twotier.config.write import rewrite
from twotier.domain.money import MICROUSD_PER_USD, Price
from twotier.domain.price import Ladder, Rates
from twotier.errors import NOT_READABLE, ConfigError, NotFoundError, UsageError
from twotier.ledger.prices import PriceBook

HEADS = ("MODEL", "INPUT", "OUTPUT", "CACHE READ", "WRITE", "WRITE 1H", "SINCE", "SOURCE")
LINES_MAX = 200
SOURCE_CHARS_MAX = 60

Named = tuple[str, str, Price]


def shown(config: Path, name: str, *, as_json: bool) -> int:
    """Those of the tiers, or all whose name has this in it. Raises `NotFoundError` for none."""
    loaded = load(config)
    book, today = money.prices(loaded), SystemClock().now().date()
    found = list(search(book, name, today=today) if name else of_tiers(loaded, book, today=today))
    units = [] if name and found else list(units_of(book, name, today=today))
    if name and not (found or units):
        raise NotFoundError(
            f"no price is known for {name}; `twotier prices set {name} input=... output=...`"
        )
    if as_json:
        emit({"prices": list(map(document, found)), "units": units})
        return 0
    show([HEADS, *map(row, found[:LINES_MAX])])
    if len(found) > LINES_MAX:
        say(f"{len(found) - LINES_MAX} more; name more of it")
    if len(found) == 1:
        show(more(found[0][2]))
    if units:
        show([("EACH", "USD", "SINCE", "SOURCE"), *(tuple(one.values()) for one in units)])
    return 0


def of_tiers(loaded: Loaded, book: PriceBook, *, today: date) -> Iterator[Named]:
    """What the tiers' models cost, and those that only have a price of the owner's."""
    names = [(money.vendor_of(one), shown_model(one.model)) for one in loaded.config.tiers.values()]
    named = [(provider, model) for provider, _, model in map(parted, loaded.config.prices)]
    for provider, model in dict.fromkeys([*names, *named]):
        if price := book.price(provider, model, on=today):
            yield provider, model, price


def search(book: PriceBook, name: str, *, today: date) -> Iterator[Named]:
    """The one model of this name, else every one with it in its own."""
    provider, _, model = parted(name)
    if model and (price := book.price(provider, model, on=today)):
        yield provider, model, price
        return
    for provider, model in book.models():
        if name.lower() in f"{provider}/{model}" and (
            price := book.price(provider, model, on=today)
        ):
            yield provider, model, price


def parted(name: str) -> tuple[str, str, str]:
    """A provider, a slash and a model, which may hold more of them."""
    return name.partition("/")


def units_of(book: PriceBook, name: str, *, today: date) -> Iterator[dict[str, str]]:
    """What is no token."""
    for provider, unit in sorted(book.units):
        if name.lower() in f"{provider}/{unit}" and (
            price := book.unit_price(provider, unit, on=today)
        ):
            yield {
                "name": f"{provider}/{unit}",
                "usd": usd(price.microusd),
                "since": price.since,
                "source": price.source,
            }


def usd(microusd: int) -> str:
    """Dollars as short as they can be said exactly."""
    whole, part = divmod(microusd, MICROUSD_PER_USD)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")


def row(named: Named) -> tuple[str, ...]:
    """A price on one line."""
    provider, model, price = named
    base = price.base
    each = (base.input, base.output, base.cache_read, base.cache_write, base.cache_write_1h)
    source = price.source
    if len(source) > SOURCE_CHARS_MAX:
        source = f"{source[:SOURCE_CHARS_MAX]}..."
    return (f"{provider}/{model}", *map(usd, each), price.since or "-", source)


def more(price: Price) -> Iterator[tuple[str, str]]:
    """Whatever a price says beside its rates."""
    for above, rates in price.steps:
        yield f"  above {above} tokens", said(rates)
    for mode, ladder in price.modes:
        for above, rates in ladder:
            yield f"  {mode}{f' above {above} tokens' if above else ''}", said(rates)
    for name, fee in price.fees:
        yield f"  each {name}", f"${usd(fee)}"
    for place, percent in price.places:
        yield f"  in {place}", f"{percent} % of the tokens' price"


def said(rates: Rates) -> str:
    """Rates in words."""
    return (
        f"{usd(rates.input)} in, {usd(rates.output)} out, {usd(rates.cache_read)} read,"
        f" {usd(rates.cache_write)} and {usd(rates.cache_write_1h)} written"
    )


def document(named: Named) -> dict[str, Any]:
    """A price as JSON: decimal text in USD per million tokens, fees in USD each."""
    provider, model, price = named
    return {
        "provider": provider,
        "model": model,
        "since": price.since,
        "source": price.source,
        "free": price.free,
        "rates": steps(price.ladder),
        "modes": {name: steps(ladder) for name, ladder in price.modes},
        "fees_usd": {name: usd(fee) for name, fee in price.fees},
        "place_percent": dict(price.places),
    }


def steps(ladder: Ladder) -> list[dict[str, Any]]:
    """Rates by the length of the prompt."""
    return [
        {
            "above_tokens": above,
            "input": usd(rates.input),
            "output": usd(rates.output),
            "cache_read": usd(rates.cache_read),
            "cache_write": usd(rates.cache_write),
            "cache_write_1h": usd(rates.cache_write_1h),
        }
        for above, rates in ladder
    ]


def written(config: Path, name: str, *, terms: Sequence[str], as_json: bool) -> int:
    """Put a price into the file. Raises `UsageError` for words, `ConfigError` for the file."""
    provider, _, model = parted(name)
    if not (provider and model):
        raise UsageError(f"{name!r} is no provider/model; for example `openai/gpt-9`")
    given = dict(pairs(terms))
    text = config.read_text(encoding="utf-8")
    if "each" in given:
        if len(given) > 1:
            raise UsageError("each= stands alone: it is the price of what is no token")
        text = put(text, "unit_prices", key=name, to=number(given["each"]))
    else:
        text = priced(text, name, given=given)
    checked(text, config)
    rewrite(config, text)
    if as_json:
        emit({"name": name, "set": given, "file": str(config)})
    else:
        say(f"{config}: {name} costs {', '.join(terms)}; used when twotier starts again")
    return 0


def pairs(terms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`name=value` words. Raises `UsageError`."""
    for term in terms:
        key, equals, value = term.partition("=")
        if not (key and equals and value):
            raise UsageError(f"{term!r} is no price; write for example input=2 output=8")
        yield key, value


def priced(text: str, name: str, *, given: Mapping[str, str]) -> str:
    """The file with a model's price. The settings have the unit in their names, words need not."""
    known = PriceConfig.model_fields
    settings = {f"{key}_usd" if f"{key}_usd" in known else key: one for key, one in given.items()}
    there = raw(text).get("prices", {}).get(name, {})
    if unknown := [key for key in settings if key not in known]:
        words = ", ".join(one.removesuffix("_usd") for one in known)
        raise UsageError(f"{unknown[0]}= is no part of a price; use {words}, or each")
    for wanted in ("output_usd", "input_usd"):
        if wanted not in settings and wanted not in there:
            raise UsageError(f"{wanted.removesuffix('_usd')}= is missing; a price needs both")
    # The newest line stands first, so the order is turned round.
    for key, value in reversed(settings.items()):
        text = put(text, f'prices."{name}"', key=key, to=number(value))
    return text


def number(word: str) -> object:
    """A number as it was written."""
    try:
        float(word)
    except ValueError as exc:
        raise UsageError(f"{word!r} is no number; write USD like 6.25") from exc
    return Written(word)


class Written:
    """A number that keeps its digits."""

    def __init__(self, word: str) -> None:
        self._word = word

    def __str__(self) -> str:
        return self._word


def raw(text: str) -> dict[str, Any]:
    """The file as TOML. Raises `ConfigError`."""
    try:
        return tomllib.loads(text)
    except NOT_READABLE as exc:
        raise ConfigError(f"the configuration cannot be read: {exc}") from exc


def checked(text: str, config: Path) -> None:
    """Raises `ConfigError` for a file that would not load any more."""
    check_text(text, config)
