"""A price list made from the public data of `genai-prices`: its form, and how it is made. Pure.

The public data says by rules which names a model has; only whole names are kept, because a prefix
also fits what costs more (`...-fast`). What cannot be priced by tokens of text is left out, so that
it is refused and not charged wrongly. A price by the time of day counts as the dearest of the day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

import msgspec

from twotier.domain.price import Ladder, Price, Rates
from twotier.errors import ConfigError

FORMAT = 1
# An update that says more than this is broken: no model ever cost a hundredth of it.
USD_PER_MTOK_MAX = 100_000
RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
# A vendor by another name.
ALIASES = {"xai": "x-ai", "gemini": "google", "moonshot": "moonshotai", "togetherai": "together"}
# Prices of a thousand uses, and what is used.
_FEES = {
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "code_executions_kcount": "code_execution",
    "requests_kcount": "request",
}
_TOKENS = {
    "input_mtok",
    "output_mtok",
    "output_reasoning_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_5m_mtok",
    "cache_write_1h_mtok",
}
# Of no concern to a request in text; Google counts speech it is given as dearer input.
_IGNORED = {"social_searches_kcount", "input_audio_mtok", "cache_audio_read_mtok"}
_IGNORED |= {"input_image_mtok", "cache_image_read_mtok", "input_video_mtok"}
_MODES = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("speed", "fast"): "fast",
}
# Older models of Anthropic's run wherever they like at one price
# (platform.claude.com/docs/en/manage-claude/data-residency: 1.1 times from Opus 4.6 on).
_ANYWHERE = re.compile(r"claude-(v1|2|3|instant)|claude-(opus|sonnet|haiku)-4(-[015])?$")
_US_PERCENT = 110

Standard = dict[str, Any]


class Entry(msgspec.Struct, omit_defaults=True):
    """A model's price from a day on. Each step is where it begins and the five rates, as integers
    in micro-dollars per million tokens; fees are micro-dollars for each use.
    """

    since: str
    steps: list[tuple[int, int, int, int, int, int]]
    modes: dict[str, list[tuple[int, int, int, int, int, int]]] = {}
    fees: dict[str, int] = {}
    places: dict[str, int] = {}

    def price(self, source: str) -> Price:
        """As the ledger has it."""
        ladder = _ladder(self.steps)
        rates = ladder[0][1]
        return Price(
            rates.input,
            rates.output,
            rates.cache_read,
            rates.cache_write,
            rates.cache_write_1h,
            self.since,
            source,
            steps=ladder[1:],
            modes=tuple((name, _ladder(steps)) for name, steps in self.modes.items()),
            fees=tuple(self.fees.items()),
            places=tuple(self.places.items()),
        )


class Vendor(msgspec.Struct, omit_defaults=True):
    """One vendor's models, each with its prices from the newest on; `names` are other names."""

    source: str
    models: dict[str, msgspec.Raw]
    names: dict[str, str] = {}


class Document(msgspec.Struct):
    """A list as it lies on disk. `origin` says what it was made from, `day` when it was fetched."""

    format: int
    origin: str
    day: str
    sha256: str
    vendors: dict[str, Vendor]


_DOCUMENT = msgspec.json.Decoder(Document)
_ENTRIES = msgspec.json.Decoder(list[Entry])
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Seed:
    """The prices of a list. They are read when they are asked for: there are thousands."""

    document: Document

    def price(self, provider: str, model: str, *, on: date) -> Price | None:
        """The price in force on that day. Names are compared in lower case."""
        vendor = self.document.vendors.get(ALIASES.get(provider, provider))
        if vendor is None:
            return None
        raw = vendor.models.get(vendor.names.get(model, model))
        entries = _ENTRIES.decode(raw) if raw is not None else []
        found = next((one for one in entries if one.since <= on.isoformat()), None)
        return None if found is None else found.price(f"{self.document.origin}, {vendor.source}")

    def models(self) -> Iterator[tuple[str, str]]:
        """Every vendor and model, without their other names."""
        for provider, vendor in self.document.vendors.items():
            for model in vendor.models:
                yield provider, model


def read(text: bytes) -> Seed:
    """A list as it lies on disk. Raises `ConfigError`."""
    try:
        document = _DOCUMENT.decode(text)
    except msgspec.MsgspecError as exc:
        raise ConfigError(f"the price list cannot be read: {exc}; `twotier prices update`") from exc
    if document.format != FORMAT:
        raise ConfigError(
            f"the price list has format {document.format}, this program knows {FORMAT};"
            " `twotier prices update` fetches it anew"
        )
    return Seed(document)


def write(document: Document) -> bytes:
    """As `read` takes it: the same list gives the same bytes."""
    return _encode(document)


def made(raw: object, *, origin: str, day: str, sha256: str, only: Iterable[str] = ()) -> Document:
    """A list from the public data, of these vendors or of all. Raises `ConfigError`."""
    providers: Any = raw.get("providers") if isinstance(raw, Mapping) else raw
    wanted = set(only)
    vendors: dict[str, Vendor] = {}
    try:
        for provider in providers or ():
            if (name := provider["id"]) in wanted or not wanted:
                vendors[name] = _vendor(provider)
    except (AttributeError, KeyError, TypeError, ValueError, InvalidOperation) as exc:
        raise ConfigError(
            f"this is not the data of genai-prices: {type(exc).__name__} {exc}; give another --from"
        ) from exc
    if not any(vendor.models for vendor in vendors.values()):
        raise ConfigError("this data has no price in it; give another --from")
    return Document(FORMAT, origin, day, sha256, vendors)


def _vendor(provider: Mapping[str, Any]) -> Vendor:
    models: dict[str, msgspec.Raw] = {}
    names: dict[str, str] = {}
    for model in provider["models"]:
        entries = _entries(model, vendor=provider["id"])
        if not entries:
            continue
        id_ = model["id"].lower()
        models.setdefault(id_, msgspec.Raw(_encode(entries)))
        for name in _names(model["match"]):
            names.setdefault(name.lower(), id_)
    others = {name: id_ for name, id_ in names.items() if name not in models}
    pages = provider.get("pricing_urls") or [provider.get("name", "")]
    return Vendor(pages[0], models, others)


def _names(match: Mapping[str, Any]) -> Iterator[str]:
    """The names that a rule says in full; where a name only begins so, that beginning."""
    for rule in match.get("or", ()):
        yield from _names(rule)
    for kind in ("equals", "starts_with"):
        if kind in match:
            yield match[kind]


def _entries(model: Mapping[str, Any], *, vendor: str) -> list[Entry]:
    """Its prices, the newest first; none where tokens do not say what it costs."""
    given = model["prices"]
    conditions = given if isinstance(given, list) else [{"prices": given}]
    variants = _by_mode(model.get("price_variants") or [])
    days = {_day(one) for one in conditions} | {""}
    for several in variants.values():
        days |= {_day(one) for one in several[1:]}
    entries: list[Entry] = []
    for day in sorted(days, reverse=True):
        standard = _standard(conditions, day)
        if standard is None:
            continue
        if not _in_text(standard, vendor=vendor):
            return []
        entry = Entry(day, _steps(standard, id_=model["id"]))
        for mode, several in variants.items():
            prices = _in_force(several, day)
            entry.modes[mode] = _steps({**standard, **prices}, id_=model["id"])
        entry.fees = {
            name: _microusd(standard[key], per=1_000)
            for key, name in _FEES.items()
            if standard.get(key)
        }
        if vendor == "anthropic" and not _ANYWHERE.match(model["id"]):
            entry.places = {"us": _US_PERCENT}
        entries.append(entry)
    # A day on which nothing changed is none.
    return [
        one
        for one, older in zip(entries, [*entries[1:], None], strict=True)
        if older is None or msgspec.structs.replace(one, since=older.since) != older
    ]


def _by_mode(variants: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The prices of each mode, the oldest first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for variant in sorted(variants, key=_day):
        if mode := _mode(variant["when"]):
            found.setdefault(mode, []).append(variant)
    return found


def _in_force(variants: Iterable[Mapping[str, Any]], day: str) -> Standard:
    """The prices of a mode on a day. The oldest hold before their own day: somebody looked then."""
    oldest, *later = variants
    begun = [one for one in later if _day(one) <= day]
    return dict([oldest, *begun][-1]["prices"])


def _day(condition: Mapping[str, Any]) -> str:
    constraint = condition.get("constraint") or {}
    return str(constraint.get("start_date", ""))


def _standard(conditions: Iterable[Mapping[str, Any]], day: str) -> Standard | None:
    """The standard prices of a day: the last that has begun, or the dearest of its hours."""
    begun: Standard | None = None
    hours: list[Standard] = []
    for condition in conditions:
        if "start_time" in (condition.get("constraint") or {}):
            hours.append(condition["prices"])
        elif _day(condition) <= day:
            begun = condition["prices"]
    if begun is None:
        return None
    for prices in hours:
        begun = {**prices, **begun, **_dearer(begun, prices)}
    return begun


def _dearer(one: Standard, other: Standard) -> Standard:
    """Of the plain prices that both name, the higher."""
    both = [key for key in one.keys() & other.keys() if not isinstance(one[key], dict)]
    plain = [key for key in both if not isinstance(other[key], dict)]
    return {key: max(_decimal(one[key]), _decimal(other[key])) for key in plain}


def _in_text(prices: Standard, *, vendor: str) -> bool:
    """Whether tokens of text are all it is paid for."""
    known = _TOKENS | _FEES.keys() | (_IGNORED if vendor == "google" else set())
    said = {key for key, value in prices.items() if value is not None}
    return "input_mtok" in said and said <= known


def _steps(prices: Standard, *, id_: str) -> list[tuple[int, int, int, int, int, int]]:
    starts = {0}
    for key in _TOKENS:
        if isinstance(price := prices.get(key), dict):
            starts |= {int(tier["start"]) for tier in price["tiers"]}
    return [(start, *_rates(prices, start, id_=id_)) for start in sorted(starts)]


def _rates(prices: Standard, start: int, *, id_: str) -> tuple[int, int, int, int, int]:
    """Where a cache has no price, what is read or written costs as much as fresh input; an hour's
    is twice that with Anthropic's models, whoever sells them.
    """

    def of(*keys: str) -> int:
        key = next((one for one in keys if prices.get(one) is not None), "")
        return _at(prices[key], start) if key else 0

    thinking = of("output_reasoning_mtok")
    written = of("cache_write_mtok", "cache_write_5m_mtok", "input_mtok")
    hour = of("cache_write_1h_mtok")
    if not hour:
        hour = max(written, 2 * of("input_mtok")) if "claude" in id_ else written
    return (
        of("input_mtok"),
        max(of("output_mtok"), thinking),
        of("cache_read_mtok", "input_mtok"),
        written,
        hour,
    )


def _at(price: object, start: int) -> int:
    """The price of a prompt longer than `start`."""
    if not isinstance(price, dict):
        return _microusd(price)
    found = price["base"]
    for tier in price["tiers"]:
        if start >= tier["start"]:
            found = tier["price"]
    return _microusd(found)


def _mode(when: Mapping[str, str]) -> str:
    """What the ledger calls it, empty for what it does not know."""
    return next((_MODES.get(pair, "") for pair in when.items()), "") if len(when) == 1 else ""


def _decimal(price: object) -> Decimal:
    return Decimal(str(price))


def _microusd(price: object, *, per: int = 1) -> int:
    usd = _decimal(price)
    if not 0 <= usd <= USD_PER_MTOK_MAX:
        raise ValueError(f"the price {price} cannot be")
    # A price finer than a micro-dollar is rounded up: bounds stay bounds.
    return int((usd * 1_000_000 / per).to_integral_value(ROUND_CEILING))


def _ladder(steps: Iterable[tuple[int, int, int, int, int, int]]) -> Ladder:
    return tuple((above, Rates(*rates)) for above, *rates in steps)
