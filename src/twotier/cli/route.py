"""`twotier route`: the decision and its reasons, without asking any model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.cli.client import error_of
from twotier.cli.output import dollars, emit, show
from twotier.cli.peers import main_of


def route(config: Path, wanted: Mapping[str, str], *, as_json: bool) -> int:
    """Ask main to decide and print why. A refusal ends with the refused request's exit code."""
    told = main_of(config).post("/control/route", wanted)
    if as_json:
        emit(told)
    else:
        explain(told)
    if told["options"]:
        return 0
    return error_of({"error": {"code": told["refusal_code"]}}, 0).exit_code


def explain(told: Mapping[str, Any]) -> None:
    """The choice in one line, then each rule that spoke, then what was seen."""
    names = [f"{o['tier']} ({o['model']})" if o["model"] else o["tier"] for o in told["options"]]
    if names:
        worst = dollars(told["worst_case_usd"])
        print(f"{', else '.join(names)}: rule {told['rule']}, at most {worst}")
    else:
        print(f"refused ({told['refusal_code']}): {told['refusal']}")
    show((f"  {why['rule']}", why["effect"], why["text"]) for why in told["because"])
    show((f"  {tier}", "takes", takes(seen)) for tier, seen in told.get("predicted", {}).items())
    task = told.get("task") or {}
    seen = ", ".join(f"{key} {value}" for key, value in task.items() if value not in ("", None))
    print(f"  seen: {seen}")


def takes(seen: Mapping[str, float] | None) -> str:
    """How long a tier would take, and what that is made of."""
    if seen is None:
        return "not known yet: it has not answered often enough"
    wait = f"{seen['wait_seconds']:.1f} s wait, " if seen["wait_seconds"] >= 0.1 else ""
    return (
        f"about {seen['seconds']:.1f} s ({wait}{seen['prompt_seconds']:.1f} s to read,"
        f" {seen['output_seconds']:.1f} s to write)"
    )
