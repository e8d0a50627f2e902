"""`twotier demo`: one day, played in seconds, offline.

Scheduler, router, watchers, ledger, notifier, agent and their rules are the program's own, in its
own two processes. Only the clock is turned, and the two models read from a script; each line says
so. At the end stands what the day would have cost, priced like any other day.
"""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from twotier.cli.demo_day import Day
from twotier.cli.demo_stage import Stage, staged
from twotier.cli.output import dollars, emit, say
from twotier.cli.savings import table

HEAD = (
    "A simulated day. The models are scripted and no AI answers here; nothing leaves this machine"
    " and nothing is paid. Scheduler, router, watchers, ledger, alerts and rules are the real ones."
)
PREFIX = "twotier-demo-"  # short, so that sockets fit into its path
COLUMNS = 80
INDENT = " " * 18


@dataclass(frozen=True, slots=True)
class Ending:
    """What comes after the day: the folder is kept, the pages stay up until Ctrl-C."""

    keep: bool = False
    stay: bool = False


def played(ending: Ending, *, as_json: bool) -> int:
    """Play it. The folder goes and every process ends, whatever happens, unless it is kept."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: tidily
    home = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    try:
        with staged(home) as stage:
            day = Day(stage, tell=(lambda _: None) if as_json else print_line)
            if not as_json:
                print(f"{fill(HEAD, COLUMNS)}\n", flush=True)
            told = day.play()
            show_total(day, told, as_json=as_json)
            if ending.stay:
                stay(stage)
    finally:
        if ending.keep:
            say(f"kept: {home}; `twotier --config {home / 'twotier.toml'} up` goes on from there")
        else:
            shutil.rmtree(home, ignore_errors=True)
    return 0


def show_total(day: Day, told: Mapping[str, Any], *, as_json: bool) -> None:
    """What the day came to."""
    if as_json:
        emit({"simulated": True, "events": [dict(one) for one in day.events], **told})
        return
    for line in summary(told):
        print(line)
    print("\nSIMULATED: prices from the list, tokens from the script. What was saved:")
    table(told["savings"])
    say("\nbegin for real: `twotier up`; look at this day's pages: `twotier demo --stay`")


def stay(stage: Stage) -> None:
    """The pages of the day, until Ctrl-C, which is how it is meant to end."""
    say(f"the pages of this day: {stage.main.post('/control/dashboard')['link']}")
    say("Ctrl-C ends it")
    with suppress(KeyboardInterrupt):
        stage.process.wait()


def print_line(text: str) -> None:
    """One thing that happened, at once."""
    print(fill(text, COLUMNS, subsequent_indent=INDENT), flush=True)


def summary(told: Mapping[str, Any]) -> Iterator[str]:
    """The day in numbers."""
    looks = told["looks"]
    yield ""
    yield (f"{looks} looks for something new; {told['quiet']} found nothing and asked no model")
    yield (
        f"the local model was asked {told['local']} times for {dollars(0)}, the frontier"
        f" {told['frontier']} times for {dollars(told['frontier_usd'])}"
    )
