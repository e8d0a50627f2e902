"""Watches prices at a source of the owner's: HTTP, JSON, and a path to the number of each symbol.

Numbers are compared here and handed to the model as data; it is never asked whether a price is
high. A price that is not there, or is no number above zero, is could not look: a source that fails
for one symbol must not look like a calm market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from twotier.domain.job import Item
from twotier.domain.json_path import MISSING, at, parts_of
from twotier.domain.urls import shown_url
from twotier.errors import WatchError
from twotier.tools.page import Page
from twotier.watch import ask
from twotier.watch.base import Around, Look
from twotier.watch.cut import mark, one_line
from twotier.watch.json_list import values_of
from twotier.watch.thresholds import Known, News, Rules, decide

SYMBOL = "{symbol}"


@dataclass(frozen=True, slots=True)
class PricesWatcher:
    """Where prices are asked, and what is worth telling of each symbol."""

    url: str
    path: str
    secret: str
    secret_header: str
    rules: Mapping[str, Rules]
    around: Around

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> PricesWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            url=str(settings["url"]),
            path=str(settings["path"]),
            secret=str(settings["secret"] or ""),
            secret_header=str(settings["secret_header"]),
            rules={symbol: rules_of(symbol, settings) for symbol in settings["symbols"]},
            around=around,
        )

    @property
    def place(self) -> str:
        """The source. A symbol that is added begins with a baseline of its own."""
        return f"{ask.place('prices', self.url)} {self.path}"

    async def look(self, cursor: Any) -> Look:
        """The prices that are worth telling. Raises `WatchError`."""
        known = cursor if isinstance(cursor, dict) else {}
        now = self.around.clock.now()
        pages: dict[str, Page] = {}
        items: list[Item] = []
        following: dict[str, Any] = {}
        for symbol, rules in self.rules.items():
            url = self.url.replace(SYMBOL, ask.quoted(symbol))
            if url not in pages:
                pages[url] = await self._page(url)
            answer = values_of(pages[url].body, shown_url(url), parse_float=Decimal)
            price = price_of(answer, path=self.path, symbol=symbol)
            after, news = decide(price, rules, known=remembered(known.get(symbol)), now=now)
            following[symbol] = kept(after)
            items += [self._item(symbol, price, news=one, now=now) for one in news]
        return Look(tuple(items), following)

    async def _page(self, url: str) -> Page:
        headers = ask.secret_header(self.around, place=self.secret, pattern=self.secret_header)
        return await ask.fetched(
            self.around.web, url, headers={"accept": "application/json"} | headers
        )

    def _item(self, symbol: str, price: Decimal, *, news: News, now: datetime) -> Item:
        made = now.isoformat(timespec="seconds")
        text = f"{symbol}: {price}\nbefore: {news.before}\nwhy: {news.because}\nat: {made}"
        return Item(
            id=mark(symbol, news.because, made),
            title=f"{symbol} {price}: {news.because}",
            text=text,
            source=shown_url(self.url),
            at=made,
        )


def rules_of(symbol: str, settings: Mapping[str, Any]) -> Rules:
    """What the settings say of one symbol."""

    def number(value: Any) -> Decimal | None:
        return None if value is None else Decimal(str(value))

    return Rules(
        above=number(settings["above"].get(symbol)),
        below=number(settings["below"].get(symbol)),
        change_percent=number(settings["change_percent"]),
        window_seconds=float(settings["window"] or 0.0),
        hysteresis_percent=Decimal(str(settings["hysteresis_percent"])),
    )


def price_of(answer: Any, *, path: str, symbol: str) -> Decimal:
    """The number at the symbol's path. Raises `WatchError`."""
    place = path.replace(SYMBOL, symbol)
    parts = tuple(
        part.replace(SYMBOL, symbol) if isinstance(part, str) else part for part in parts_of(path)
    )
    found = at(answer, parts)
    if found is MISSING or found is None or isinstance(found, bool | dict | list):
        raise WatchError(f"there is no price of {symbol} at {place}")
    try:
        price = Decimal(str(found).strip())
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or price <= 0:
        raise WatchError(f"the price of {symbol} is {one_line(str(found))[:40]!r}, no number")
    return price


def remembered(value: Any) -> Known | None:
    """What the cursor holds of a symbol."""
    if not isinstance(value, dict):
        return None
    points = ((datetime.fromisoformat(when), Decimal(price)) for when, price in value["points"])
    return Known(
        Decimal(value["last"]), Decimal(value["told"]), tuple(points), value["high"], value["low"]
    )


def kept(after: Known) -> dict[str, Any]:
    """The same as values of JSON."""
    return {
        "last": str(after.last),
        "told": str(after.told),
        "points": [[when.isoformat(), str(price)] for when, price in after.points],
        "high": after.high,
        "low": after.low,
    }
