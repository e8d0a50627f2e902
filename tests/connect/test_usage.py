"""What the subscription's work would have cost, from the logs that Claude Code leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from twotier.connect.usage import estimate
from twotier.ledger.shipped import shipped_prices

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


def line(number: int, when: str, *, output: int, model: str = "claude-opus-4-6") -> str:
    usage = {"input_tokens": 100_000, "output_tokens": output}
    message = {"id": f"msg_{number}", "model": model, "usage": usage}
    body = {"type": "assistant", "timestamp": when, "requestId": f"req_{number}"}
    return json.dumps({**body, "message": message})


def test_each_answer_counts_once_on_its_day(tmp_path: Path) -> None:
    """An answer is several lines that grow; one without a price is named and not guessed; what is
    older than thirty days is left out.
    """
    folder = tmp_path / "projects" / "-home-x"
    folder.mkdir(parents=True)
    lines = [
        line(1, "2026-03-18T10:00:00Z", output=1),
        line(1, "2026-03-18T10:00:01Z", output=20_000),
        line(2, "2026-03-19T10:00:00Z", output=20_000),
        line(3, "2026-03-19T11:00:00Z", output=1, model="nobody-knows-1"),
        line(4, "2026-01-01T10:00:00Z", output=1),
        '{"type": "user", "message": {"content": "canary"}}',
    ]
    (folder / "s.jsonl").write_text("\n".join(lines) + "\n")
    book = shipped_prices()
    found = estimate(
        tmp_path, now=NOW, price=lambda vendor, model, day: book.price(vendor, model, on=day)
    )
    assert (found.active, found.answers, found.unpriced) == (2, 3, 1)
    # 100K at $5 and 20K at $25 a million, twice
    assert found.microusd == 2 * (500_000 + 500_000)
    assert found.a_day == 1_000_000


def test_no_logs_are_no_estimate(tmp_path: Path) -> None:
    """Nothing is divided by nothing."""
    found = estimate(tmp_path, now=NOW, price=lambda *_: None)
    assert (found.answers, found.a_day) == (0, 0)
