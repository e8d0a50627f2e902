"""Writes a step of a run into DBOS's own table, by a statement that is made once.

DBOS makes its statements anew for each step, which costs a millisecond of CPU. What is written here
is what it would write, under the same condition: the run is still ours. Only into SQLite, and only
while the tables have the columns that are known here: else DBOS has to do it itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

STEP = frozenset(
    {
        *("workflow_uuid", "function_id", "function_name", "output", "error", "serialization"),
        *("started_at_epoch_ms", "completed_at_epoch_ms", "child_workflow_id"),
        *("application_name", "retention_timestamp"),
    }
)
RUN = frozenset({"workflow_uuid", "owner_xid"})
WRITTEN = tuple(sorted(STEP - {"error", "child_workflow_id"}))


class Notes:
    """The statement, for the tables of steps and of runs of one database."""

    def __init__(self, steps: sa.Table, run: sa.Table, *, engine: sa.Engine) -> None:
        this: sa.BindParameter[str] = sa.bindparam("of_run")
        us: sa.BindParameter[str] = sa.bindparam("us")
        values = [sa.bindparam(name, type_=steps.c[name].type) for name in WRITTEN]
        row = (
            sa.select(*values)
            .select_from(run)
            .where(run.c.workflow_uuid == this, run.c.owner_xid == us)
        )
        self._engine = engine
        self._insert = sa.insert(steps).from_select(WRITTEN, row)

    @classmethod
    def of(cls, steps: sa.Table, run: sa.Table, *, engine: sa.Engine) -> Notes | None:
        """None where DBOS has to do it itself."""
        known = set(steps.c.keys()) == STEP and set(run.c.keys()) >= RUN
        return cls(steps, run, engine=engine) if known and engine.name == "sqlite" else None

    def write(self, values: Mapping[str, Any], *, owner: str) -> bool:
        """Write it if the run is still that owner's; whether it was."""
        told = {name: values[name] for name in WRITTEN}
        told |= {"of_run": values["workflow_uuid"], "us": owner}
        with self._engine.begin() as connection:
            return bool(connection.execute(self._insert, told).rowcount)
