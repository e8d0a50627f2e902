"""What was said in the turns of agents: kept for a while, so that an owner can see why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.jobs.database import Database, insert_of
from twotier.jobs.store import ms
from twotier.jobs.tables import transcripts


class TranscriptStore:
    """The table `transcripts`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, job: str, run: str, *, part: str, messages: Sequence[Any]) -> None:
        """Keep a turn's messages; again, they replace those of a try before."""
        row = {
            "run": run,
            "part": part,
            "job": job,
            "text": json.dumps(list(messages), ensure_ascii=False),
            "made_ms": ms(self._clock.now()),
        }

        def work(connection: sa.Connection) -> None:
            query = insert_of(connection, transcripts).values(**row)
            again = query.on_conflict_do_update(index_elements=["run", "part"], set_=row)
            connection.execute(again)

        await self._database.do(work)

    async def of_run(self, run: str) -> list[dict[str, Any]]:
        """The turns of a run: each part with its messages."""
        query = sa.select(transcripts).where(transcripts.c.run == run).order_by(transcripts.c.part)
        return await self._database.do(
            lambda connection: [
                {"part": row.part, "messages": json.loads(row.text)}
                for row in connection.execute(query)
            ]
        )
