"""`twotier job run NAME --dry`: what a run would ask, of whom and why, and what it would cost.

The worker looks and writes the prompts, main decides where they would go; nobody is asked and
nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.cli.job import path_of
from twotier.cli.output import dollars, emit
from twotier.cli.peers import main_of, worker_of
from twotier.cli.route import explain

LOOK_SECONDS_MAX = 120.0


def dry_run(config: Path, name: str, *, as_json: bool) -> int:
    """Show it, the first prompt word for word."""
    worker = worker_of(config)
    told = worker.get(f"{path_of(worker, name)}/dry", seconds=LOOK_SECONDS_MAX)
    route: dict[str, Any] = {}
    if told["prompts"]:
        wanted = {key: told[key] for key in ("model", "policy", "kind", "output_tokens_max")}
        wanted |= {"job": name, "tools": len(told["tools"])}
        asked = {"prompt": told["prompts"][0], "system": told["system"], **wanted}
        route = main_of(config).post("/control/route", asked)
    if as_json:
        emit(told | {"route": route})
    else:
        tell(name, told, route=route)
    return 0


def tell(name: str, told: Mapping[str, Any], *, route: Mapping[str, Any]) -> None:
    """In words."""
    if told["not_looked"]:
        print(f"the watcher was not asked: {told['not_looked']}")
    for item in told["items"]:
        print(f"new: {item['title']} ({item['source']})")
    if told["items_more"]:
        print(f"and {told['items_more']} more, which wait for the next run")
    for sentence in told["unreadable"]:
        print(f"left out: {sentence}")
    print(f"tools: {', '.join(told['tools']) or 'none'}")
    count = told["questions"]
    if not count:
        print(f"nothing new: {name} would end quiet, and no model would be asked")
        return
    print(f"\n--- system\n{told['system']}\n--- prompt 1 of {count}\n{told['prompts'][0]}\n---\n")
    explain(route)
    if count > 1 and route["options"]:
        print(f"  in all: {count} such questions, at most {dollars(route['worst_case_usd'])} each")
    print("nothing was asked, stored or spent")
