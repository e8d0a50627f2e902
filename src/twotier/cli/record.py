"""`twotier record`: what came of work on each tier, and the owner's own word on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.models import agreed
from twotier.cli.output import emit, local_time, say, show
from twotier.cli.peers import main_of, worker_of
from twotier.errors import NotFoundError

HEADS = ("WORK", "TIER", "RUNS", "GOOD", "BAD", "SHARE", "LAST FIVE", "TOKENS", "SECONDS", "STEPS")
MORE = ("COST", "NOW")
JUDGED_HEADS = ("AT", "TIER", "VERDICT", "BY", "TOKENS", "SECONDS", "STEPS", "COST", "PIECE")
MICROUSD = 1_000_000
NONE = "no record yet; verified runs of jobs make one"


def shown(config: Path, key: str, *, as_json: bool) -> int:
    """All records, or one with its judgements."""
    told = main_of(config).get("/control/records", {"key": key})
    if as_json:
        emit(told)
        return 0
    if not told["records"]:
        print(NONE)
        return 0
    show([(*HEADS, *MORE), *(row for one in told["records"] for row in rows(one))])
    for one in told["records"] if key else ():
        say(f"{one['key']}: {one['because']}")
        print()
        show([JUDGED_HEADS, *map(judged, one["judgements"])])
    return 0


def rows(record: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """One line for each tier."""
    for number, tier in enumerate(record["tiers"]):
        yield (
            "" if number else record["key"],
            tier["tier"],
            tier["runs"],
            f"{tier['good']:.1f}",
            f"{tier['bad']:.1f}",
            f"{tier['mean']:.0%} ({tier['low']:.0%}-{tier['high']:.0%})",
            " ".join(tier["lately"]) or "-",
            spread(tier["output_tokens"]),
            spread(tier["seconds"], digits=1),
            spread(tier["steps"]),
            spread(tier["cost_microusd"], money=True),
            "" if number else record["says"] or "abstains",
        )


def spread(values: Mapping[str, float] | None, *, digits: int = 0, money: bool = False) -> str:
    """What half of them and nine tenths of them are at most."""
    if values is None:
        return "-"
    ends = (values["p50"], values["p90"])
    return "-".join(dollars(one) if money else f"{one:.{digits}f}" for one in ends)


def dollars(microusd: float) -> str:
    """A sum, short."""
    return f"${microusd / MICROUSD:.4f}" if microusd else "$0"


def judged(one: Mapping[str, Any]) -> tuple[object, ...]:
    """A judgement as one line."""
    return (
        local_time(one["at"]),
        one["tier"],
        one["verdict"],
        one["by"],
        one["output_tokens"] or "-",
        f"{one['seconds']:.1f}" if one["seconds"] else "-",
        one["steps"] or "-",
        dollars(one["cost_microusd"]),
        one["piece"],
    )


def forgotten(config: Path, key: str, *, yes: bool, as_json: bool) -> int:
    """Forget one record, after a yes."""
    main = main_of(config)
    (record,) = main.get("/control/records", {"key": key})["records"]
    count = sum(tier["runs"] for tier in record["tiers"])
    say(f"{key}: {count} judgements on {', '.join(tier['tier'] for tier in record['tiers'])}")
    agreed("forget them?", yes)
    told = main.post("/control/records/forget", {"key": key})
    if as_json:
        emit(told)
    else:
        print(f"forgotten: {told['forgotten']} judgements of {key}")
    return 0


def marked(config: Path, run: str, *, good: bool, as_json: bool) -> int:
    """The owner's word on all answers of a run."""
    if not run or "/" in run:
        raise NotFoundError(f"there is no run {run!r}; `twotier runs` lists them")
    told = worker_of(config).post(f"/runs/{quote(run, safe='')}/mark", {"good": good})
    if as_json:
        emit(told)
        return 0
    for one in told["marked"]:
        print(f"{one['part']} ({one['tier']}): {'good' if good else 'bad'}")
    return 0
