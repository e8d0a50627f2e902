"""The harness sees what it is there to see: each of its alarms has gone off once."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.anthropic_bill import Row
from tests.fakes.openai_server import FakeOpenAI
from tests.faults.crowd import Ask, Crowd, Seen, judged
from tests.faults.invariant import every_request_has_its_row, nothing_lost, paid_rows
from tests.faults.proxy import ChaosProxy, Plan
from twotier.ledger.migrate import migrate
from twotier.ledger.store import create_private

ASK = Ask(40, dialect="chat")


def seen_through(plan: Plan) -> Seen:
    """What a client of the naked fake sees through the proxy."""
    with FakeOpenAI() as fake, ChaosProxy(fake.base_url) as proxy:
        proxy.queue(plan)
        crowd = Crowd(proxy.base_url, "k")
        return asyncio.run(crowd.all([ASK]))[0].seen


def test_the_proxy_does_what_its_plans_say() -> None:
    """Cut in the head, in the body, and not at all."""
    assert seen_through(Plan()) is Seen.WHOLE
    assert seen_through(Plan(piece=7)) is Seen.WHOLE
    assert seen_through(Plan(cut_down=40)) is Seen.BROKEN
    assert seen_through(Plan(cut_down=900, reset=True)) is Seen.BROKEN
    assert seen_through(Plan(cut_up=10)) is Seen.BROKEN


@pytest.mark.parametrize("dialect", ["messages", "chat", "responses"])
def test_half_an_answer_that_ends_properly_is_a_lie(dialect: str) -> None:
    """What the SDKs would take for an answer."""
    assert judged(Ask(9, dialect=dialect), 200, text="data: {}\n\n" if dialect == "chat" else "")[
        0
    ] is (Seen.LIE)
    stopped = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert judged(Ask(9), 200, text=stopped)[0] is Seen.LIE, "the end without the words"
    said = 'data: {"error": {"message": "it ended without [DONE]"}}\n\n'
    assert judged(Ask(9, dialect="chat"), 200, text=said)[0] is Seen.ERROR


def ledger_with(folder: Path, rows: list[tuple[str, int]]) -> None:
    """A real ledger with these rows: how each was settled, and its cost."""
    path = folder / "ledger.db"
    create_private(path)
    migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = connection.execute("PRAGMA table_info(usage)").fetchall()
        for number, (settled, cost) in enumerate(rows):
            known = {"attempt_id": f"a{number}", "provider": "anthropic", "settled": settled}
            known |= {"cost_microusd": str(cost)}
            values = [known.get(c[1], "" if c[2] == "TEXT" else "0") for c in columns]
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO usage VALUES ({marks})", values)


def billed(*tokens: int) -> list[Row]:
    """A bill of requests with so many tokens read, 5 micro-dollars each."""
    return [Row(f"r{n}", "claude-opus-4-6", input_tokens=n, outcome="completed") for n in tokens]


@pytest.mark.parametrize(
    ("rows", "bill", "said"),
    [
        ([("settled", 500)], billed(100), ""),
        ([("settled", 500), ("unknown", 900)], billed(100, 150), ""),
        ([("settled", 500)], billed(100, 150), "have no row"),
        ([("settled", 500), ("estimated", 700)], billed(100, 150), "cost less"),
        ([("settled", 505)], billed(100), "not on the bill"),
        ([("settled", 500), ("settled", 500)], billed(100), "not on the bill"),
        ([("open", 500)], billed(100), "open for ever"),
    ],
)
def test_what_is_lost_is_found(
    tmp_path: Path, rows: list[tuple[str, int]], bill: list[Row], said: str
) -> None:
    """Lost, doubled, too cheap, left open."""
    ledger_with(tmp_path, rows)
    if not said:
        nothing_lost(tmp_path, bill, told=[])
        every_request_has_its_row(paid_rows(tmp_path / "ledger.db"), bill)
        return
    with pytest.raises(AssertionError, match=said):
        nothing_lost(tmp_path, bill, told=[])
