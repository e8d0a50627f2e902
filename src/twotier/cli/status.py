"""`twotier status`: what runs, what each tier can do now, and what today has cost.

A ledger that cannot be read takes nothing but the money from it, and the exit code is 1 then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twotier.cli.budgets import budget_lines
from twotier.cli.output import columns, dollars, emit, local_time, prose
from twotier.cli.outside import outside_lines
from twotier.cli.peers import main_of
from twotier.cli.repairs import repair_lines
from twotier.domain.urls import without_secrets
from twotier.errors import LedgerError

ALERTS_SHOWN = 10
NO_TIER = (
    "no model: what needs one is parked; add a tier to the file that `twotier config path` names"
)


def status(config: Path, *, as_json: bool) -> int:
    """Ask main, print; 1 where the money is not known. Raises `NotRunningError`."""
    told = without_secrets(main_of(config).get("/control/status"))
    code = LedgerError.exit_code if unreadable(told) else 0
    if as_json:
        emit(told)
        return code
    for line in lines(told):
        print(line)
    return code


def unreadable(told: Mapping[str, Any]) -> str:
    """Why the ledger cannot be read, and the command that says more; empty if it can."""
    return str(told.get("ledger", {}).get("unreadable", ""))


def lines(told: Mapping[str, Any]) -> list[str]:
    """The whole page, as wide as the terminal."""
    tiers = told["tiers"]
    place = told.get("public_url") or told["address"]
    after = [*found_lines(tiers), *memory_lines(tiers), *repair_lines(told.get("repairs") or ())]
    money = [*alert_lines(told), request_line(told), *batch_lines(told), *money_lines(told)]
    return [
        *prose(f"twotier {told['version']}, pid {told['pid']}, {place}"),
        *(part for line in also_lines(told) for part in prose(line)),
        f"since {local_time(told['started_at'])}",
        "",
        *columns([*(tier_row(tier) for tier in tiers), worker_row(told["worker"])]),
        *([] if tiers else prose(NO_TIER)),
        *(part for line in after for part in prose(line)),
        "",
        *(part for line in money for part in prose(line)),
    ]


def also_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The ports of an older server, and which of them somebody else has."""
    for one in told.get("also", ()):
        yield (
            f"NOT on {one['address']}: {one['because']}"
            if one["because"]
            else f"also on {one['address']}"
        )


def tier_row(tier: Mapping[str, Any]) -> tuple[str, ...]:
    """Name, state, model, and why or where."""
    return (tier["name"], tier["state"], tier["ref"], where(tier))


def where(tier: Mapping[str, Any]) -> str:
    """The reason of a state, or where the tier answers; and how busy it is."""
    return "; ".join(part for part in (answers(tier), busy(tier.get("slots"))) if part)


def busy(load: Mapping[str, Any] | None) -> str:
    """The slots of a tier that is asked now."""
    if not load or not (load["in_use"] or load["waiting"]):
        return ""
    waiting = f", {load['waiting']} waiting" if load["waiting"] else ""
    return f"{load['in_use']} of {load['slots']} slots taken{waiting}"


def answers(tier: Mapping[str, Any]) -> str:
    """The reason of a state, or where the tier answers."""
    if tier.get("because"):
        return str(tier["because"])
    pid = f"pid {tier['pid']}" if tier.get("pid") else ""
    return " at ".join(part for part in (pid, tier.get("address")) if part)


def memory_lines(tiers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How large each kept server may become, with the settings that decide it."""
    for tier in tiers:
        if memory := tier.get("memory"):
            yield f"  {tier['name']}: {memory['text']}"
        if because := tier.get("window_because"):
            yield f"  {tier['name']}: its window is {tier['window_tokens']:,} tokens now: {because}"


def found_lines(tiers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What was learned of each local tier and found by its probe; `models speed` has the rest."""
    for tier in tiers:
        if tier.get("local") or tier.get("probe"):
            said = ", ".join(
                part for part in (pace(tier.get("speed") or {}), verdict(tier)) if part
            )
            yield f"  {tier['name']}: {said}"


def pace(speed: Mapping[str, Any]) -> str:
    """Its rates where most is known, and how long its server takes to come up."""
    depths = speed.get("depths") or ()
    seen = max(depths, key=lambda one: one["decode_count"], default=None)
    load = speed.get("load_seconds")
    parts = [f"loads in {load:.1f} s" if load is not None else ""]
    if seen is not None:
        for verb, name in (("reads", "prefill"), ("writes", "decode")):
            rate = seen[f"{name}_tokens_per_second"]
            parts.append(f"{verb} {rate:.0f} tokens/s" if rate is not None else "")
    return ", ".join(part for part in parts if part)


def verdict(tier: Mapping[str, Any]) -> str:
    """What the last probe says of tool work."""
    probe = tier.get("probe")
    if probe is None:
        return "not probed"
    if not probe["below"]:
        return "probed: fit for tool work"
    kept = "overruled by `tools`" if probe["overruled"] else "gets no requests with tools"
    return f"{kept}: {probe['below']}"


def worker_row(worker: Mapping[str, Any]) -> tuple[str, ...]:
    """The worker in the same columns."""
    return ("worker", worker["state"], "", where(worker))


def alert_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What a person has to know and is not over, in capitals; and channels that do not answer."""
    alerts = told.get("alerts", [])
    if len(alerts) > ALERTS_SHOWN:
        yield f"{len(alerts)} incidents are open, the last {ALERTS_SHOWN}:"
    for alert in alerts[-ALERTS_SHOWN:]:
        word = "URGENT" if alert.get("severity") == "urgent" else "ALERT"
        text = " ".join(alert["text"].split())
        yield f"{word} since {local_time(alert['at'])} {alert['about']}: {text}"
    for channel in told.get("channels", ()):
        if channel["because"]:
            yield (
                f"channel {channel['name']}: {channel['waiting']} messages wait;"
                f" {channel['because']}; `twotier notify test {channel['name']}`"
            )


def request_line(told: Mapping[str, Any]) -> str:
    """How much is asked of it."""
    requests = told["requests"]
    return f"{requests['since_start']} requests since start, {requests['in_flight']} in flight"


def batch_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What waits for a batch, and for whom."""
    if batches := told.get("batches", ()):
        count = len(batches)
        said = "1 request waits" if count == 1 else f"{count} requests wait"
        jobs = ", ".join(sorted({one["job"] for one in batches}))
        yield f"{said} for a batch: {jobs}"


def money_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Today, then every budget."""
    if told.get("ledger", {}).get("held"):  # the alert says why
        yield "LEDGER HELD: every limit counts as reached until you say `twotier spend confirm`"
    if because := unreadable(told):
        yield f"MONEY NOT KNOWN: {because}"
        return
    yield f"today {dollars(told['spend_today_usd'])}"
    yield from outside_lines(told.get("outside_today"))
    yield from budget_lines(told["budgets"])
