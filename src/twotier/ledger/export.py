"""Every attempt as a row of a file that other programs read: CSV, and Parquet with an extra.

Works on the ledger's file alone, beside main or without it. The columns are those of the table
`usage`, with `created` (ISO, UTC) in front; money is whole micro-dollars. The file appears when it
is whole, for its owner alone.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from twotier.errors import LedgerError, UsageError
from twotier.ledger.rows import milliseconds, moment
from twotier.ledger.schema import usage
from twotier.ledger.store import FILE_MODE, reading_engine

ROWS_AT_ONCE = 10_000
COLUMNS = ("created", *(column.name for column in usage.c))
INSTALL = "pip install 'twotier[parquet]'"
Row = tuple[Any, ...]
# What a spreadsheet would take for a formula; names of models and jobs come from clients.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(ledger: Path, file: Path, *, since: datetime, until: datetime) -> int:
    """The rows that began in the span, the oldest first; how many.

    Raises `LedgerError` where the ledger cannot be read or the file not written.
    """

    def fill(out: IO[bytes]) -> int:
        count = 0
        text = io.TextIOWrapper(out, encoding="utf-8", newline="")
        table = csv.writer(text)
        table.writerow(COLUMNS)
        for rows in _rows(ledger, since=since, until=until):
            table.writerows(map(_safe, rows))
            count += len(rows)
        text.detach()
        return count

    return _whole(file, fill)


def write_parquet(ledger: Path, file: Path, *, since: datetime, until: datetime) -> int:
    """As `write_csv`. Raises `UsageError` without the extra."""
    try:
        pa, pq = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as exc:
        raise UsageError(f"Parquet needs pyarrow, which is not installed: {INSTALL}") from exc
    kinds = {sa.BigInteger: pa.int64(), sa.Boolean: pa.bool_(), sa.Text: pa.string()}
    fields = [(column.name, kinds[type(column.type)]) for column in usage.c]
    schema = pa.schema([("created", pa.timestamp("ms", tz="UTC")), *fields])

    def fill(out: IO[bytes]) -> int:
        count = 0
        with pq.ParquetWriter(out, schema) as table:
            for rows in _rows(ledger, since=since, until=until):
                columns = list(zip(*rows, strict=True))
                arrays = [
                    pa.array(values, type=field.type)
                    for values, field in zip(columns, schema, strict=True)
                ]
                table.write_table(pa.Table.from_arrays(arrays, schema=schema))
                count += len(rows)
        return count

    return _whole(file, fill)


def _rows(ledger: Path, *, since: datetime, until: datetime) -> Iterator[list[Row]]:
    statement = (
        sa.select(usage)
        .where(usage.c.created_ms >= milliseconds(since))
        .where(usage.c.created_ms < milliseconds(until))
        .order_by(usage.c.created_ms)
    )
    at = list(usage.c).index(usage.c.created_ms)
    try:
        with closing(reading_engine(ledger).connect()) as connection:
            for part in (
                connection.execution_options(yield_per=ROWS_AT_ONCE).execute(statement).partitions()
            ):
                yield [(moment(row[at]).astimezone(UTC), *row) for row in part]
    except sa.exc.DBAPIError as exc:
        raise LedgerError(
            f"the ledger {ledger} cannot be read ({exc.orig}); see `twotier doctor`"
        ) from exc


def _safe(row: Row) -> Row:
    return tuple(
        f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
        for value in (row[0].isoformat(timespec="milliseconds"), *row[1:])
    )


def _whole(file: Path, fill: Callable[[IO[bytes]], int]) -> int:
    part = file.with_name(f".{file.name}.part")
    try:
        part.unlink(missing_ok=True)  # its folder may be one in which others can write, too
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as out:
            count = fill(out)
            os.fsync(out.fileno())
        part.replace(file)
    except OSError as exc:
        raise LedgerError(f"{file} cannot be written: {exc.strerror}") from exc
    finally:
        part.unlink(missing_ok=True)
    return count
