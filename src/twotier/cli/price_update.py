"""`twotier prices update`: the public list, fetched when a person says so and never by itself.

Nothing is used that was not shown: what would change is listed first, and models that would cost
nothing are named. The list before it is kept for `--undo`.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from twotier.build import money
from twotier.build.tiers import shown_model
from twotier.cli.models import agreed
from twotier.cli.output import emit, say, show
from twotier.cli.prices import usd
from twotier.clock import SystemClock
from twotier.config.load import Loaded, load
from twotier.config.paths import paths_of
from twotier.config.write import put_file
from twotier.domain.money import Price
from twotier.errors import NOT_READABLE, ConfigError, NotFoundError, UsageError
from twotier.ledger.prices import PriceBook
from twotier.ledger.seed import FORMAT, Document, Seed, made, read, write
from twotier.ledger.shipped import shipped_prices, shipped_seed

URL = (
    "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main"
    "/prices/new_data/v2/data.json"
)
ANSWER_SECONDS_MAX = 30.0
LIST_BYTES_MAX = 32 * 1024 * 1024
LINES_MAX = 40
BEFORE = ".before"


def updated(config: Path, source: str, *, yes: bool, as_json: bool) -> int:
    """Fetch, compare, ask, keep. Raises `ConfigError` for what is no list of prices."""
    loaded, today = load(config), SystemClock().now().date()
    book = in_force(loaded)
    data = fetched(source or URL)
    new = taken(data, origin=source or URL, today=today)
    old = book.seed or shipped_seed()
    changes = list(differences(old, new, today=today))
    mine = list(of_tiers(loaded, book, new=new, today=today))
    if not as_json:
        told(changes, mine)
    if not changes:
        say("nothing is different")
    elif not as_json or not yes:
        agreed(f"use these prices ({len(changes)} are different)?", yes)
    path = loaded.paths.prices
    loaded.paths.make()
    if path.exists():
        put_file(path.with_name(path.name + BEFORE), path.read_bytes())
    put_file(path, write(new.document))
    if as_json:
        emit({"changed": [list(one) for one in changes], "tiers": mine, "file": str(path)})
    else:
        say(f"kept in {path} (sha256 {new.document.sha256}); used when twotier starts again")
    return 0


def in_force(loaded: Loaded) -> PriceBook:
    """What is charged now; without the list that was fetched where that cannot be read."""
    try:
        return money.prices(loaded)
    except ConfigError as exc:
        say(f"{exc.message}; compared with the prices of the release")
        return money.with_owners(shipped_prices(), loaded)


def undone(config: Path, *, as_json: bool) -> int:
    """The list before the last update, or the one of the release. Raises `NotFoundError`."""
    path = paths_of(config).prices
    before = path.with_name(path.name + BEFORE)
    if not path.exists():
        raise NotFoundError("no prices were fetched; those of the release are in force")
    if before.exists():
        before.replace(path)
        what = read(path.read_bytes()).document.day
    else:
        path.unlink()
        what = "the release"
    if as_json:
        emit({"in_force": what})
    else:
        say(f"the prices of {what} are in force again, when twotier starts again")
    return 0


def fetched(source: str) -> bytes:
    """A file's bytes, or an address's. Raises `UsageError` and `ConfigError`."""
    scheme = urlsplit(source).scheme
    if scheme in ("", "file") or len(scheme) == 1:
        path = Path(source.removeprefix("file://")).expanduser()
        if not path.is_file():
            raise UsageError(f"there is no file {path}; give --from a file or an https address")
        return path.read_bytes()
    if scheme != "https":
        raise UsageError(f"{source}: only https is asked for prices, or a file")
    try:
        with urllib.request.urlopen(source, timeout=ANSWER_SECONDS_MAX) as answer:  # noqa: S310 - https alone
            return bytes(answer.read(LIST_BYTES_MAX))
    except (OSError, http.client.HTTPException, urllib.error.URLError) as exc:
        why = getattr(exc, "reason", exc)
        raise ConfigError(
            f"{source} cannot be fetched ({why}); look at the network, or give `--from FILE`"
        ) from exc


def taken(data: bytes, *, origin: str, today: date) -> Seed:
    """The list in these bytes: the public data, or a list of ours."""
    try:
        raw = json.loads(data, parse_float=str)
    except NOT_READABLE as exc:
        raise ConfigError(f"{origin} is no JSON ({exc}); give another --from") from exc
    if isinstance(raw, dict) and raw.get("format") == FORMAT:
        return read(data)
    name = urlsplit(origin).path.rpartition("/")[2]
    digest = hashlib.sha256(data).hexdigest()
    day = today.isoformat()
    document: Document = made(raw, origin=f"genai-prices, {name} of {day}", day=day, sha256=digest)
    return Seed(document)


def differences(old: Seed, new: Seed, *, today: date) -> Iterator[tuple[str, str, str]]:
    """Each model that costs something else now: its name, what it cost, what it will."""
    for provider, model in sorted({*old.models(), *new.models()}):
        before = old.price(provider, model, on=today)
        after = new.price(provider, model, on=today)
        if terms(before) != terms(after):
            yield f"{provider}/{model}", short(before), short(after)


def terms(price: Price | None) -> object:
    """All of a price but who says so."""
    if price is None:
        return None
    return price.ladder, price.modes, price.fees, price.places


def short(price: Price | None) -> str:
    """A price in a few words. One of nothing is shouted: it may be a mistake that costs."""
    if price is None:
        return "unknown"
    if price.free:
        return "FREE"
    return f"{usd(price.base.input)} in, {usd(price.base.output)} out"


def of_tiers(
    loaded: Loaded, book: PriceBook, *, new: Seed, today: date
) -> Iterator[tuple[str, str, str]]:
    """What the tiers' models cost, before and after."""
    from dataclasses import replace

    later = replace(book, seed=new)
    for config in loaded.config.tiers.values():
        provider, model = money.vendor_of(config), shown_model(config.model)
        before = book.price(provider, model, on=today)
        after = later.price(provider, model, on=today)
        if terms(before) != terms(after):
            yield f"{provider}/{model}", short(before), short(after)


def told(changes: list[tuple[str, str, str]], mine: list[tuple[str, str, str]]) -> None:
    """What is different, the tiers' own first."""
    for name, before, after in mine:
        print(f"your tier's model {name}: {before} -> {after}")
    if changes:
        show([("MODEL", "NOW", "THEN"), *changes[:LINES_MAX]])
    if len(changes) > LINES_MAX:
        print(f"and {len(changes) - LINES_MAX} more")
    free = [name for name, before, after in changes if after == "FREE" != before]
    if free:
        print(f"these would cost nothing, look twice: {', '.join(free[:LINES_MAX])}")
