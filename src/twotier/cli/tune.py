"""`twotier rules tune`: thresholds that the record speaks for. Proposes, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.cli.output import dollars, emit
from twotier.cli.peers import main_of
from twotier.cli.progress import working
from twotier.cli.replay import SECONDS_MAX, days

ABOUT = {
    "patience": "how long somebody waits for a local answer",
    "prompt_tokens_over": "how long a prompt the local tier still does well",
}


def tune(config: Path, *, since: str, as_json: bool) -> int:
    """Ask main, and print what it found."""
    with working("fitting thresholds to what is in the ledger"):
        found = main_of(config).post("/control/tune", {"days": days(since)}, seconds=SECONDS_MAX)
    if as_json:
        emit(found)
        return 0
    for name, about in ABOUT.items():
        print(f"{name}: {about}")
        for line in lines(name, found[name], needed=found["needed"]):
            print(f"  {line}")
    return 0


def lines(name: str, one: Mapping[str, Any], *, needed: int) -> list[str]:
    """What there is to say of one threshold."""
    if "because" in one:
        return [str(one["because"])]
    if "proposed" not in one:
        return [f"{one['samples']} of the {needed} answers that are needed"]
    seen = f"fitted on {one['fitted']:,} answers, held against {one['held_out']:,} newer ones"
    if not one["proposed"]:
        return [f"nothing better was found that holds ({seen})"]
    better, surely = (dollars(f"{one[key] / 1e6:.6f}") for key in ("better", "surely"))
    return [
        f"{seen}: {better} less lost an answer, in four of five resamples at least {surely}",
        *written(name, one["threshold"]),
    ]


def written(name: str, threshold: float | None) -> list[str]:
    """What to write into the configuration, to be tried with `twotier replay` first."""
    if name == "patience":
        value = "3650d" if threshold is None else f"{threshold:g}s"
        text = ["[routing]", f'patience = "{value}"']
    else:
        limit = f"prompt_tokens_over = {threshold or 0:.0f}"
        text = ["[[rules]]", 'name = "long-prompts"', 'job = "*"', limit, 'side = "frontier"']
    return ["try it with `twotier replay --rules FILE`, where FILE says:", "", *text, ""]
