"""`twotier models probe`: how well a tier does what agents need, row by row while it is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twotier.cli.client import MODEL_SECONDS_MAX, Peer, error_of, line_of
from twotier.cli.output import columns, emit, local_time, show
from twotier.cli.peers import main_of
from twotier.errors import NOT_READABLE, StreamBrokenError, UnknownModelError

Line = Mapping[str, Any]
Seen = Callable[[Line], None]
BAR = "the bar for tool work: single, parallel and agent at 90 % or more"


def probed(config: Path, order: Mapping[str, Any], *, as_json: bool) -> int:
    """Probe now. Errors come as main named them, with their exit codes."""
    main = main_of(config)
    watching = nullcontext(unseen) if as_json else watched()
    with watching as seen:
        found = ended(lines(main, order), seen)
    if as_json:
        emit(found)
    else:
        conclude(found["probe"])
        print(f"took {found['seconds']:.0f} s")
    return 0


def shown(config: Path, tier: str, *, as_json: bool) -> int:
    """The last probe of a tier with this version of its server."""
    tiers = main_of(config).get("/control/status")["tiers"]
    named = {one["name"]: one for one in tiers}
    if tier not in named:
        raise UnknownModelError(f"there is no tier {tier!r}; there are: {', '.join(named)}")
    probe = named[tier]["probe"]
    if as_json:
        emit({"probe": probe})
    elif probe is None:
        print(f"{tier} was not probed with this version of its server: twotier models probe {tier}")
    else:
        show(cells(row) for row in probe["rows"])
        conclude(probe)
    return 0


def lines(main: Peer, order: Mapping[str, Any]) -> Iterator[Line]:
    """What main tells, line by line."""
    asked = main.exchange("POST", "/control/probe", body=order, seconds=MODEL_SECONDS_MAX)
    with asked as response:
        while text := line_of(response):
            try:
                told = json.loads(text)
            except NOT_READABLE:
                return  # a line that breaks off is the end, and `ended` says that it came too soon
            yield told


def ended(told: Iterator[Line], seen: Seen) -> Line:
    """Show what comes, and give the last of it."""
    for one in told:
        if "error" in one:
            raise error_of(one, 0)
        if "probe" in one:
            return one
        seen(one)
    raise StreamBrokenError("the probe broke off; see `twotier status`, then probe again")


def watched() -> AbstractContextManager[Seen]:
    """A table that fills on a terminal, one line for each finished row elsewhere."""
    if sys.stdout.isatty():
        from twotier.cli.probe_table import Filling

        return Filling(cells)
    return nullcontext(plain)


def unseen(_: Line) -> None:
    """Nothing until the end."""


def plain(one: Line) -> None:
    """A row once it is finished."""
    if one["tries"] == one["of"]:
        print(columns([tuple(cell.ljust(12) for cell in cells(one))])[0], flush=True)


def cells(row: Line) -> tuple[str, str, str]:
    """The row's name, how often it passed, and what is to be said of it."""
    share = f"{row['passed']}/{row['tries']}"
    if row["tries"]:
        share += f" {100 * row['passed'] // row['tries']:3} %"
    return row["row"], share, ", ".join(part for part in remarks(row) if part)


def remarks(row: Line) -> Iterator[str]:
    """Rates, repairs, and what went wrong most often."""
    if row["prefill_tokens_per_second"] or row["decode_tokens_per_second"]:
        yield f"{row['tokens']} tokens deep"
    if row["prefill_tokens_per_second"]:
        yield f"reads {row['prefill_tokens_per_second']:.0f} tokens/s"
    if row["decode_tokens_per_second"]:
        yield f"writes {row['decode_tokens_per_second']:.0f} tokens/s"
    if row["row"] == "window" and row["tokens"]:
        yield f"{row['tokens']} tokens"
    if row["repaired"]:
        yield f"{row['repaired']} repaired"
    yield row["note"]


def conclude(probe: Line) -> None:
    """What it comes to."""
    at = datetime.fromtimestamp(probe["at_ms"] / 1000, tz=UTC).isoformat()
    named = " ".join(part for part in (probe["model"], probe["version"]) if part)
    print(f"\n{probe['tier']} ({named}), {local_time(at)}")
    if not probe["below"]:
        print(f"fit for tool work ({BAR})")
    elif probe["overruled"]:
        print(f"below {BAR}: {probe['below']}; `tools = true` overrules it")
    else:
        print(f"gets no requests with tools: {probe['below']} ({BAR})")
    warned = [row["row"] for row in probe["rows"] if row["passed"] < row["tries"]]
    if warned:
        print(f"did not always pass: {', '.join(warned)}; docs/probe.md says what each row means")
