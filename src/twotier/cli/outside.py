"""What did not come through twotier, as lines; `twotier spend import` and `reconcile`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from twotier.cli.output import dollars, emit, say, show
from twotier.cli.peers import main_of
from twotier.clock import SystemClock
from twotier.errors import UsageError

NAMES = {"claude_code": "Claude Code", "openclaw": "OpenClaw", "admin": "the provider"}
FILE_BYTES_MAX = 32_000_000
IMPORT_SECONDS_MAX = 60.0
HEADS = ("DAY", "MODEL", "OUR TOKENS", "THEIR TOKENS", "OURS", "THEIRS", "DIFFERENCE", "")


def outside_lines(told: Mapping[str, Any] | None) -> Iterator[str]:
    """What was found, in a sentence; nothing where nothing was."""
    if not told:
        return
    logs = told["logs"]
    parts = [
        f"{NAMES.get(one['source'], one['source'])} {dollars(one['cost_usd'])},"
        f" {one['answers']} answers"
        for one in logs
    ]
    if Decimal(told["provider_only_usd"]):
        parts.append(f"{dollars(told['provider_only_usd'])} that only the provider's sum knows")
    if parts:
        text = "; ".join(parts)
        yield f"not through twotier: {dollars(told['outside_usd'])} ({text}); for alerts, no limit"
    if models := told["unpriced_models"]:
        count = sum(one["unpriced"] for one in logs)
        yield (
            f"  {count} of these answers have no known price and are not in the sum:"
            f" {', '.join(models)}; `twotier prices set {models[0]} input=... output=...`"
        )
    for name, because in told["because"].items():
        yield f"  {NAMES.get(name, name)}: {because}"


def imported(config: Path, file: Path, *, as_json: bool) -> int:
    """Read the file here, hand its rows to main."""
    import msgspec

    from twotier.outside.bills import read

    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as exc:
        raise UsageError(f"{file} cannot be read: {exc.strerror}; name the exported file") from exc
    if len(content) > FILE_BYTES_MAX:
        raise UsageError(f"{file} is larger than {FILE_BYTES_MAX:,} bytes; export a shorter span")
    rows = msgspec.to_builtins(read(content))
    if not rows:
        raise UsageError(f"{file} has no rows; export the days you want to compare")
    told = main_of(config).post("/control/bills", {"rows": rows}, seconds=IMPORT_SECONDS_MAX)
    if as_json:
        emit({"file": str(file), **told})
        return 0
    days = told["days"]
    say(f"{told['rows']} rows of {len(days)} days, {days[0]} to {days[-1]}")
    say("compare them: `twotier spend reconcile --month`, or --day YYYY-MM-DD")
    return 0


def reconciled(config: Path, *, day: str, month: bool, of: str, as_json: bool) -> int:
    """Ask main; 0 if both agree within a cent on every day that the provider told of."""
    if month and not of:
        of = SystemClock().now().strftime("%Y-%m")
    told = main_of(config).get("/control/reconcile", {"day": day, "month": of})
    if as_json:
        emit(told)
        return int(not told["agree"])
    show([HEADS, *map(line, told["rows"]), *(total_line(one) for one in told["by_day"])])
    total = told["total"]
    print(f"not through twotier: {dollars(total['outside_usd'])}; days are of UTC")
    if told["known_days"]:
        differ = f"they differ by {dollars(total['difference_usd'])}"
        print("they agree" if told["agree"] else differ)
    else:
        print("nothing to compare with: the provider has said nothing of these days")
        say(
            "`twotier spend import FILE` takes an export of its console, or set [outside] admin_key"
        )
    return int(not told["agree"])


def line(row: Mapping[str, Any]) -> tuple[object, ...]:
    """One day and model."""
    ours, theirs = row["ours"], row["theirs"]
    only = {"ours": "only ours", "theirs": "only theirs"}.get(row["only"], "")
    unpriced = "" if theirs is None or theirs["priced"] else "no known price"
    return (
        row["day"],
        row["model"],
        tokens(ours),
        tokens(theirs),
        "-" if ours is None else dollars(ours["cost_usd"]),
        "-" if theirs is None else dollars(theirs["cost_usd"]),
        dollars(row["difference_usd"]),
        ", ".join(part for part in (only, unpriced) if part),
    )


def tokens(side: Mapping[str, Any] | None) -> str:
    """All kinds together, `?` where they were not counted."""
    if side is None:
        return "-"
    return "?" if side["tokens"] is None else f"{sum(side['tokens'].values()):,}"


def total_line(one: Mapping[str, Any]) -> tuple[object, ...]:
    """A day's sums; what logs and nobody know of it."""
    logs, alone = Decimal(one["in_logs_usd"]), Decimal(one["provider_only_usd"])
    words = [
        "" if one["known"] else "the provider has not said",
        f"{dollars(logs)} in logs" if logs else "",
        f"{dollars(alone)} nobody knows of" if alone else "",
    ]
    text = ", ".join(word for word in words if word)
    known = one["known"]
    theirs = dollars(one["theirs_usd"]) if known else "-"
    difference = dollars(one["difference_usd"]) if known else "-"
    return (one["day"], "total", "", "", dollars(one["ours_usd"]), theirs, difference, text)
