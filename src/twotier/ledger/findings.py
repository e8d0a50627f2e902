"""What was found out about tiers, as rows: how fast they are, and how they did when probed.

Written behind like finished attempts; a later row of the same key takes the place of the earlier
one. No prompt, no answer: figures, names of the configuration, and fixed words.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from twotier.ledger.schema import probes, speeds

_DIALECT = sqlite.dialect(paramstyle="qmark")


class SpeedRow(msgspec.Struct, frozen=True):
    """One mean; `depth` is 0 where the measure has none."""

    model: str
    version: str
    measure: str
    depth: int
    value: float
    count: int
    updated_ms: int


class ProbeRow(msgspec.Struct, frozen=True):
    """One row of a matrix, the `number`-th of it: how often it was asked and how often it passed.

    `repaired` calls were written as text and made whole by us. `tokens` is the depth of a row that
    measures rates, else the longest prompt; rates are tokens a second, 0 where none was measured.
    """

    probe_id: str
    row: str
    created_ms: int
    tier: str
    model: str
    engine: str
    version: str
    number: int
    passed: int
    tries: int
    repaired: int = 0
    tokens: int = 0
    prefill: float = 0.0
    decode: float = 0.0
    note: str = ""


class Found(msgspec.Struct, frozen=True):
    """Rows of one table, on their way to it."""

    rows: tuple[SpeedRow, ...] | tuple[ProbeRow, ...]

    @property
    def sql(self) -> str:
        """The statement that takes each of `tuples`."""
        return KEEP_SPEED if isinstance(self.rows[0], SpeedRow) else KEEP_PROBE

    @property
    def tuples(self) -> Sequence[tuple[object, ...]]:
        """In the order of the statement's columns."""
        return [msgspec.structs.astuple(row) for row in self.rows]


def keep_sql(table: sa.Table, kind: type[msgspec.Struct]) -> str:
    """SQL that inserts tuples of this kind, or replaces the row that has their key."""
    names = kind.__struct_fields__
    statement = sqlite.insert(table).values({name: sa.bindparam(name) for name in names})
    keys = [column.name for column in table.primary_key]
    compiled = statement.on_conflict_do_update(
        index_elements=keys,
        set_={name: statement.excluded[name] for name in names if name not in keys},
    ).compile(dialect=_DIALECT)
    if tuple(compiled.positiontup or ()) != names:
        raise AssertionError(f"the tuples do not fit the statement: {compiled}")
    return str(compiled)


KEEP_SPEED = keep_sql(speeds, SpeedRow)
KEEP_PROBE = keep_sql(probes, ProbeRow)


def speed_rows(connection: sa.Connection) -> list[SpeedRow]:
    """All that was learned."""
    found = connection.execute(sa.select(speeds)).mappings()
    return [SpeedRow(**row) for row in found]


def probe_rows(connection: sa.Connection) -> list[ProbeRow]:
    """The last probe of each model on each version of its server, in the order of its rows."""
    last = sa.select(probes.c.model, probes.c.version, sa.func.max(probes.c.created_ms).label("at"))
    last_of = last.group_by(probes.c.model, probes.c.version).subquery()
    same = sa.and_(
        probes.c.model == last_of.c.model,
        probes.c.version == last_of.c.version,
        probes.c.created_ms == last_of.c.at,
    )
    statement = sa.select(probes).join(last_of, same).order_by(probes.c.number)
    return [ProbeRow(**row) for row in connection.execute(statement).mappings()]
