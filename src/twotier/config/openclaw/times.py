"""When a job of OpenClaw's runs, in our words, and where that is not quite the same. Pure.

OpenClaw's cron is croner's: day of month and day of week are OR-ed whenever both are set, so its
`*/2` is written out here, which makes ours do the same. What croner knows and we do not (`15W`,
`+`, a field for years) is said, never guessed. An `at` without a zone is UTC. A window in which
OpenClaw moves a job by a fixed share becomes our jitter, which moves it by another share.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from twotier.config.openclaw.notes import number, text
from twotier.config.values import SECONDS_MAX, check_cron
from twotier.config.zones import exists
from twotier.jobs.schedule import cron_after

TOP_OF_HOUR_SECONDS = 300.0  # since 2026.2.17, where nobody said otherwise
DAY_SECONDS = 86_400.0
SLOTS_COUNTED = 100
NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}  # fmt: skip
HOURS = re.compile(r"(\d+|\d+-\d+)(/\d+)?|[*?](/\d+)?")
SKIPPED_HOURS = frozenset(("0", "1", "2", "3"))
YEAR = timedelta(days=366)

STAGGERED = "OpenClaw moves it by a fixed share of {}, we move each slot by a share of its own"
SKIPPED = (
    "in the night when clocks go forward OpenClaw leaves out an hour that is skipped; we run right"
    " after it"
)
REPEATED = (
    "in the night when clocks go back OpenClaw runs once in the hour that comes twice; we run each"
    " time"
)
PHASE = "OpenClaw counts from when the job was made, we from the full period since 1970"


@dataclass(frozen=True, slots=True)
class When:
    """The settings of our trigger. `differs` names what is not quite the same; `problem` says why
    there is no trigger at all. `runs_a_day` is an average.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    differs: tuple[str, ...] = ()
    problem: str = ""
    runs_a_day: float = 0.0
    zone: str = "local"


def when(schedule: Mapping[str, Any], *, now: datetime, local: str) -> When:
    """The trigger of a schedule. `local` is the IANA name of this machine's zone."""
    match schedule.get("kind"):
        case "every":
            return every(schedule)
        case "cron":
            return cron(schedule, now=now, local=local)
        case "at":
            return at(schedule, now=now)
        case "on-exit" | "stream" as kind:
            return When(
                problem=f"it starts when a program says so ({kind}), which no job of ours does"
            )
    return When(problem="it has no schedule that can be read")


def every(schedule: Mapping[str, Any]) -> When:
    """A period."""
    period_ms = number(schedule.get("everyMs"))
    seconds = int(period_ms // 1_000) if period_ms is not None else 0
    if period_ms is None or period_ms < 1_000:
        return When(problem="its period is shorter than a second, or cannot be read")
    if seconds > SECONDS_MAX:
        return When(problem="its period is longer than ten years")
    anchor_ms = number(schedule.get("anchorMs")) or 0.0
    differs = [PHASE] if anchor_ms % period_ms else []
    if period_ms % 1_000:
        differs.append(f"its {period_ms:g} ms became {seconds} s")
    return When({"every": duration_text(seconds)}, tuple(differs), runs_a_day=DAY_SECONDS / seconds)


def at(schedule: Mapping[str, Any], *, now: datetime) -> When:
    """One instant."""
    instant = instant_of(schedule)
    if instant is None:
        return When(problem="its instant cannot be read")
    if instant <= now:
        return When(problem=f"its time was {instant:%Y-%m-%d %H:%M} UTC, which is over")
    return When({"at": instant.isoformat(timespec="seconds").replace("+00:00", "Z")})


def instant_of(schedule: Mapping[str, Any]) -> datetime | None:
    """The instant of an `at`: ISO text, which without a zone is UTC, or milliseconds."""
    said = schedule.get("at", schedule.get("atMs"))
    try:
        if (millis := number(said)) is not None:
            return datetime.fromtimestamp(millis / 1_000, UTC)
        found = datetime.fromisoformat(text(said))
    except (ValueError, OverflowError, OSError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def cron(schedule: Mapping[str, Any], *, now: datetime, local: str) -> When:
    """A cron expression, its zone, and its window of shares."""
    expression = plain_cron(text(schedule.get("expr")))
    named = text(schedule.get("tz"))
    zone = named or "local"
    if named and not exists(named):
        return When(problem=f"there is no time zone {named!r} on this machine")
    if wrong := (check_cron(expression) if expression else "it is empty"):
        return When(problem=f"its cron {text(schedule.get('expr'))!r} cannot be said: {wrong}")
    place = local if zone == "local" else zone
    settings = {"cron": expression, "zone": zone}
    differs: list[str] = []
    if window := stagger_seconds(schedule):
        settings["jitter"] = duration_text(int(window))
        differs.append(STAGGERED.format(duration_text(int(window))))
    differs.extend(at_changes(expression, changes(place, now.year)))
    return When(
        settings, tuple(differs), runs_a_day=runs_a_day(expression, place, now=now), zone=place
    )


def plain_cron(expression: str) -> str:
    """The same expression without what only croner writes: nicknames, and the `?` and `*/n` of
    days, which count as set there, and in Debian's cron, so ours, as not set.
    """
    fields = NICKNAMES.get(expression.lower(), expression).split()
    if len(fields) not in (5, 6):
        return " ".join(fields)
    for place, span in ((-3, "1-31"), (-1, "0-6")):
        if fields[place] != "*" and fields[place][0] in "*?":
            fields[place] = span + fields[place][1:]
    return " ".join(fields)


def stagger_seconds(schedule: Mapping[str, Any]) -> float:
    """The window in which OpenClaw moves a job; under a second it moves nothing."""
    said = number(schedule.get("staggerMs"))
    if said is not None:
        return said / 1_000 if said >= 1_000 else 0.0
    fields = text(schedule.get("expr")).split()
    if len(fields) not in (5, 6) or any(one != "0" for one in fields[:-4]):
        return 0.0
    parts = fields[-4].split(",")
    wild = any(part[:1] in ("*", "?") for part in parts)
    return TOP_OF_HOUR_SECONDS if wild and all(map(HOURS.fullmatch, parts)) else 0.0


def at_changes(expression: str, changed: frozenset[str]) -> list[str]:
    """What differs in the nights when clocks are set; `changed` is `forward` and `back`."""
    hour = expression.split()[-4]
    found = []
    wild = hour.startswith("*")
    if "forward" in changed and not wild and SKIPPED_HOURS & set(hours(hour)):
        found.append(SKIPPED)
    if "back" in changed and hour in ("*", "*/1"):
        found.append(REPEATED)
    return found


def hours(field_: str) -> list[str]:
    """The hours that a field names, as far as they are the first ones of the day."""
    found = []
    for part in field_.split(","):
        span, _, _ = part.partition("/")
        first, dash, last = span.partition("-")
        if first.isdigit() and (last.isdigit() if dash else True):
            found += [str(hour) for hour in range(int(first), int(last or first) + 1)]
    return found


@lru_cache(maxsize=64)
def changes(zone: str, year: int) -> frozenset[str]:
    """Whether the clocks of a zone are set forward and back within a year."""
    place, first = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    days = (first + timedelta(days=day) for day in range(YEAR.days))
    offsets = [day.astimezone(place).utcoffset() for day in days]
    found = set()
    for before, after in pairwise(offsets):
        if before is not None and after is not None and before != after:
            found.add("forward" if after > before else "back")
    return frozenset(found)


def runs_a_day(expression: str, zone: str, *, now: datetime) -> float:
    """How often a day, counted over the next slots, at most a year of them."""
    ahead = takewhile(lambda slot: slot < now + YEAR, cron_after(expression, zone, after=now))
    slots = list(islice(ahead, SLOTS_COUNTED + 1))
    if len(slots) <= SLOTS_COUNTED:
        return len(slots) / YEAR.days
    return SLOTS_COUNTED * DAY_SECONDS / (slots[-1] - slots[0]).total_seconds()


def duration_text(seconds: int) -> str:
    """`1800` as `30m`, `5400` as `1h30m`."""
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
