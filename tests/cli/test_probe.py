"""How a probe looks while it runs, and what it comes to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_client import peer
from twotier.cli.client import Peer
from twotier.cli.probe import cells, conclude, ended, lines, plain
from twotier.cli.probe_table import Filling
from twotier.errors import StreamBrokenError

ROW = {
    "row": "single",
    "of": 3,
    "tries": 3,
    "passed": 2,
    "repaired": 0,
    "tokens": 120,
    "prefill_tokens_per_second": None,
    "decode_tokens_per_second": None,
    "note": "talked instead of calling",
}
DEEP = {
    **ROW,
    "row": "deep",
    "of": 1,
    "tries": 1,
    "passed": 1,
    "tokens": 3600,
    "prefill_tokens_per_second": 240.4,
    "decode_tokens_per_second": 97.6,
    "note": "",
}
PROBE: dict[str, Any] = {
    "tier": "local",
    "model": "mlx-local/m",
    "version": "mlx-lm 1",
    "at_ms": 0,
    "rows": [ROW, DEEP],
    "below": "its probe passed single 66 % of 90 %",
    "overruled": False,
}


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        (ROW, ("single", "2/3  66 %", "talked instead of calling")),
        (
            DEEP,
            ("deep", "1/1 100 %", "3600 tokens deep, reads 240 tokens/s, writes 98 tokens/s"),
        ),
        ({**ROW, "tries": 0, "passed": 0, "note": ""}, ("single", "0/0", "")),
        ({**ROW, "note": "", "repaired": 2}, ("single", "2/3  66 %", "2 repaired")),
        (
            {**ROW, "row": "window", "tokens": 3500, "note": ""},
            ("window", "2/3  66 %", "3500 tokens"),
        ),
    ],
)
def test_a_row_says_its_share_its_rates_and_what_went_wrong(
    row: dict[str, Any], seen: tuple[str, str, str]
) -> None:
    assert cells(row) == seen


def test_without_a_terminal_a_row_is_a_line_once_it_is_finished(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A log of a pipeline should not grow with every question."""
    plain({**ROW, "tries": 1})
    assert capsys.readouterr().out == ""
    plain(ROW)
    assert capsys.readouterr().out.split() == [
        *("single", "2/3", "66", "%"),
        *("talked", "instead", "of", "calling"),
    ]


def test_a_probe_that_breaks_off_in_a_line_says_so(tmp_path: Path) -> None:
    """Main went away; half a line is no defect of the command."""
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(ROW).encode() + b'\n{"probe": {"ti'

    def told(there: Peer) -> None:
        ended(lines(there, {}), lambda _: None)

    async def scenario() -> None:
        async with peer(tmp_path / "s", answer) as there:
            await asyncio.to_thread(told, there)

    with pytest.raises(StreamBrokenError, match="the probe broke off"):
        asyncio.run(scenario())


def test_on_a_terminal_a_table_fills(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row stands once, as it is now."""
    with Filling(cells) as seen:
        seen({**ROW, "tries": 1, "passed": 0})
        seen(ROW)
        seen(DEEP)
    out = capsys.readouterr().out
    assert "2/3" in out
    assert "0/1" not in out
    assert "reads 240 tokens/s" in out


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        (PROBE, "gets no requests with tools: its probe passed single 66 % of 90 %"),
        ({**PROBE, "overruled": True}, "`tools = true` overrules it"),
        ({**PROBE, "below": "", "rows": [DEEP]}, "fit for tool work"),
    ],
)
def test_at_the_end_stands_what_it_comes_to(
    probe: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And which rows warn, where any did."""
    conclude(probe)
    out = capsys.readouterr().out
    assert said in out
    assert ("did not always pass: single" in out) == (ROW in probe["rows"])
