"""The table of a probe while it fills, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from rich.live import Live
from rich.table import Table

Line = Mapping[str, Any]


class Filling:
    """A context that gives what takes each step; the finished table stays on the screen."""

    def __init__(self, cells: Callable[[Line], tuple[str, str, str]]) -> None:
        self._cells = cells
        self._rows: dict[str, Line] = {}
        self._live = Live(self._table(), refresh_per_second=8)

    def __enter__(self) -> Callable[[Line], None]:
        self._live.__enter__()
        return self._take

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def _take(self, one: Line) -> None:
        self._rows[one["row"]] = one
        self._live.update(self._table())

    def _table(self) -> Table:
        table = Table("row", "passed", "")
        for row in self._rows.values():
            under_way = row["tries"] < row["of"]
            table.add_row(*self._cells(row), style="dim" if under_way else None)
        return table
