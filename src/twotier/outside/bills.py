"""A provider's own reports as rows: Anthropic's Admin API and the exports of its console. Pure.

Sources: https://platform.claude.com/docs/en/api/admin/usage_report/retrieve_messages and
.../cost_report/retrieve; the columns of the console's CSV files as they are exported in 2026. The
API tells amounts in cents, as decimal text; the console in dollars, each row rounded to the cent.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from operator import add

import msgspec

from twotier.domain.bill import COST, USAGE, BillRow
from twotier.errors import UsageError
from twotier.outside.lines import COUNT_MAX, a_model

PROVIDER = "anthropic"
MICROUSD_PER_CENT = 10_000
MICROUSD_PER_USD = 1_000_000
OTHER = "other"
SHAPES = (
    "an export of usage or cost of Anthropic's console (CSV), or what its Admin API answers to"
    " usage_report/messages or cost_report (JSON)"
)


class _Written(msgspec.Struct):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _Tools(msgspec.Struct):
    web_search_requests: int = 0


class _Result(msgspec.Struct):
    model: str | None = None
    # of a cost
    amount: str | None = None
    currency: str | None = None
    cost_type: str | None = None
    token_type: str | None = None
    # of a usage
    uncached_input_tokens: int | None = None
    cache_creation: _Written | None = None
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    server_tool_use: _Tools | None = None
    # of both
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    context_window: str | None = None


class _Bucket(msgspec.Struct):
    starting_at: str
    results: list[_Result]


class Page(msgspec.Struct):
    """One answer of the Admin API."""

    data: list[_Bucket]
    has_more: bool = False
    next_page: str | None = None


_PAGE = msgspec.json.Decoder(Page)
_PAGES = msgspec.json.Decoder(list[Page] | Page)


def read_page(body: bytes) -> Page:
    """One answer of the Admin API. Raises `UsageError`."""
    try:
        return _PAGE.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise UsageError(f"this is no report of the Admin API: {exc}") from exc


def read(content: bytes) -> list[BillRow]:
    """The rows of a file, one for each day, model and item. Raises `UsageError`, which says what
    is expected.
    """
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            found = _PAGES.decode(content)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            raise UsageError(f"the file cannot be read ({exc}); it must be {SHAPES}") from exc
        pages = found if isinstance(found, list) else [found]
        return summed(row for page in pages for row in rows_of(page))
    try:
        text = content.decode("utf-8-sig")
        return summed(_csv_rows(text))
    except (UnicodeError, csv.Error) as exc:
        raise UsageError(f"the file cannot be read ({exc}); it must be {SHAPES}") from exc


def summed(rows: Iterable[BillRow]) -> list[BillRow]:
    """Rows of the same key together (several keys, workspaces, hours), in order."""
    found: dict[tuple[str, ...], BillRow] = {}
    for row in rows:
        known = found.get(row.key)
        sums = row.sums if known is None else tuple(map(add, known.sums, row.sums))
        found[row.key] = BillRow(*row.key, *sums)
    return [found[key] for key in sorted(found)]


def rows_of(page: Page) -> Iterator[BillRow]:
    """The rows of one answer. Raises `UsageError` for a day, an amount or a currency that is none.

    A bucket shorter than a day belongs to its day.
    """
    for bucket in page.data:
        day = a_day(bucket.starting_at)
        for one in bucket.results:
            if one.amount is not None:
                yield _cost(one, day)
            elif one.uncached_input_tokens is not None:
                yield _usage(one, day)


def _cost(one: _Result, day: str) -> BillRow:
    if (one.currency or "USD") != "USD":
        raise UsageError(f"{day}: an amount in {a_model(one.currency) or 'no currency'}, not USD")
    # A search names no model, or the one that searched; it is a fee either way.
    token = one.cost_type in (None, "tokens")
    model = a_model(one.model) if token else a_model(one.cost_type)
    item = a_model(one.token_type) or a_model(one.cost_type)
    served = _served(
        one.service_tier, one.speed, place=one.inference_geo, window=one.context_window
    )
    cost = amount(one.amount or "", f"{day}: amount", each=MICROUSD_PER_CENT)
    return BillRow(PROVIDER, COST, day, model or OTHER, f"{item}|{served}", cost_microusd=cost)


def _usage(one: _Result, day: str) -> BillRow:
    written = one.cache_creation or _Written()
    served = _served(
        one.service_tier, one.speed, place=one.inference_geo, window=one.context_window
    )
    counts = (
        one.uncached_input_tokens or 0,
        one.output_tokens,
        one.cache_read_input_tokens,
        written.ephemeral_5m_input_tokens,
        written.ephemeral_1h_input_tokens,
        (one.server_tool_use or _Tools()).web_search_requests,
    )
    return BillRow(PROVIDER, USAGE, day, a_model(one.model) or OTHER, served, *map(_whole, counts))


def _whole(count: int) -> int:
    if not 0 <= count <= COUNT_MAX:
        raise UsageError(f"{count} is no number of tokens")
    return count


def _served(tier: str | None, speed: str | None, *, place: str | None, window: str | None) -> str:
    """How it was served, as `mode|place|long`. Priority is capacity bought ahead."""
    mode = "batch" if tier == "batch" else "fast" if speed == "fast" else ""
    where = place if place in ("us", "global") else ""
    long = "long" if window and ("1M" in window or ">" in window) else ""
    return f"{mode}|{where}|{long}"


def a_day(text: str) -> str:
    """The day an instant or a day begins with. Raises `UsageError`."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError as exc:
        raise UsageError("a row has no day such as 2026-03-22") from exc


def amount(text: str, where: str, *, each: int) -> int:
    """Decimal text as micro-dollars, to the nearest. Raises `UsageError`."""
    try:
        found = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite() or abs(found) * each > COUNT_MAX:
        raise UsageError(f"{where} is no amount of money")
    return int((found * each).to_integral_value())


def _csv_rows(text: str) -> Iterator[BillRow]:
    table = csv.DictReader(text.splitlines())
    heads = set(table.fieldnames or ())
    if not {"usage_date_utc"} <= heads or not heads & {"cost_usd", "usage_output_tokens"}:
        raise UsageError(f"the file has none of the columns that are known; it must be {SHAPES}")
    make = _cost_line if "cost_usd" in heads else _usage_line
    for row in table:
        yield make({name: value or "" for name, value in row.items() if name}, table.line_num)


def _cost_line(row: Mapping[str, str], number: int) -> BillRow:
    """`token_type` has words of its own: `input_no_cache`, `input_cache_read`, `output`."""
    token = row.get("cost_type", "") in ("", "token", "tokens")
    model = a_model(_id_of(row.get("model", ""))) if token else a_model(row.get("cost_type"))
    item = f"{a_model(row.get('token_type'))}|{_served_line(row)}"
    cost = amount(row["cost_usd"], f"line {number}: cost_usd", each=MICROUSD_PER_USD)
    day = a_day(row["usage_date_utc"])
    return BillRow(PROVIDER, COST, day, model or OTHER, item, cost_microusd=cost)


_TOKENS = (
    "usage_input_tokens_no_cache",
    "usage_output_tokens",
    "usage_input_tokens_cache_read",
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
    "web_search_count",
)


def _usage_line(row: Mapping[str, str], number: int) -> BillRow:
    try:
        counts = [_whole(int(row.get(name) or "0")) for name in _TOKENS]
    except ValueError as exc:
        raise UsageError(f"line {number}: a count is no number") from exc
    model = a_model(_id_of(row.get("model_version", ""))) or OTHER
    return BillRow(PROVIDER, USAGE, a_day(row["usage_date_utc"]), model, _served_line(row), *counts)


def _served_line(row: Mapping[str, str]) -> str:
    return _served(
        row.get("usage_type"),
        row.get("speed"),
        place=row.get("inference_geo"),
        window=row.get("context_window"),
    )


def _id_of(name: str) -> str:
    """The console writes `Claude Opus 4.6` where the API says `claude-opus-4-6`."""
    return name.strip().lower().replace(" ", "-").replace(".", "-") if " " in name else name.strip()
