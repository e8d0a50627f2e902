"""`twotier replay`: what was decided, decided again under other rules. Asks no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier.cli.output import dollars, emit, show
from twotier.cli.peers import main_of
from twotier.cli.progress import working
from twotier.config.values import duration_seconds
from twotier.domain.cells import safe
from twotier.errors import UsageError

DAY_SECONDS = 86_400.0
SECONDS_MAX = 300.0  # a hundred thousand decisions


def replay(config: Path, *, since: str, rules: Path | None, as_json: bool) -> int:
    """Ask main, and print both ways beside each other. Nothing is changed."""
    wanted = {"days": days(since), "rules": "" if rules is None else text_of(rules)}
    with working("deciding what is in the ledger again"):
        found = main_of(config).post("/control/replay", wanted, seconds=SECONDS_MAX)
    if as_json:
        emit(found)
    else:
        told(found, name="the rules in force" if rules is None else str(rules))
    return 0


def days(since: str) -> float:
    """How far back: `7d`, `12h`. Raises `UsageError`."""
    try:
        seconds = duration_seconds(since)
    except ValueError as exc:
        raise UsageError(f"--since: {exc}") from exc
    if not seconds:
        raise UsageError("--since: write for example 7d or 12h")
    return seconds / DAY_SECONDS


def text_of(rules: Path) -> str:
    """The file with the rules. Raises `UsageError`."""
    try:
        return rules.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{rules} cannot be read: {exc}") from exc


def told(found: Mapping[str, Any], *, name: str) -> None:
    """The sums, the rules that decided, and what would move."""
    count, all_of_them = found["decisions"], found["in_all"]
    of = f", the newest of {all_of_them:,}" if all_of_them > count else ""
    print(f"{count:,} decisions{of}; {found['moved']:,} would go elsewhere under {name}")
    if not count:
        return
    before, after = found["before"], found["after"]
    rows: list[tuple[object, ...]] = [("", "AS IT WAS", "AS IT WOULD BE")]
    for key, label in (("local", "local tier first"), ("frontier", "frontier first")):
        rows.append((label, before[key], after[key]))
    rows.append(("refused", before["refused"], after["refused"]))
    rows.append(("cost", dollars(before["usd"]), dollars(after["usd"])))
    rows.append(("seconds in all", f"{before['seconds']:,.0f}", f"{after['seconds']:,.0f}"))
    rows.append(("deadlines missed", before["late"], after["late"]))
    show(rows)
    print("\nwhat decided")
    names = list(dict.fromkeys((*found["rules_before"], *found["rules_after"])))
    show(
        (f"  {safe(rule)}", found["rules_before"].get(rule, 0), found["rules_after"].get(rule, 0))
        for rule in names
    )
    if found["moves"]:
        print("\nwhat would move (dollars and seconds are estimates)")
        show(map(line, found["moves"]))
    for note in notes(found):
        print(note)


def line(move: Mapping[str, Any]) -> tuple[object, ...]:
    """One kind of move."""
    way = f"{move['before'] or 'refused'} -> {move['after'] or 'refused'}"
    usd = float(move["usd"])
    sign = "-" if usd < 0 else "+"
    return (
        f"  {move['count']:,} x {way}",
        f"rule {safe(move['rule'])}",
        safe(move["who"]),
        move["kind"],
        f"{sign}{dollars(f'{abs(usd):.6f}')}",
        f"{move['seconds']:+,.0f} s",
    )


def notes(found: Mapping[str, Any]) -> list[str]:
    """What the figures leave out."""
    left = []
    if found["moves_more"]:
        left.append(f"and {found['moves_more']} more kinds of moves")
    if untimed := found["after"]["untimed"]:
        left.append(f"of {untimed:,} nobody knows how long they would take; they count no seconds")
    for name, count in found["unrecorded"].items():
        left.append(
            f"{name} was not recorded with {count:,} of them, so what is asked of it did not hold"
            " there; it is, with each decision, as long as a rule in force looks at it"
        )
    return left
