"""Which slots of a job are due, and what becomes of those that were missed. Pure.

A slot is an instant in UTC. `every` is aligned to the Unix epoch, so that every machine computes
the same slots. `cron` follows Debian's cron in daylight saving: a wall time that is skipped runs
once right after the gap, one that is repeated runs once; a job of every hour (`*/30 * * * *`)
simply follows real time. The zone is a real IANA name here: what
`local` means is the caller's knowledge.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

from twotier.domain.job import Job

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# A slot this old was not slept through, it was only waited for: it is on time.
GRACE_SECONDS = 30.0

# After a long time away only the newest missed slots get a row of their own.
SLOTS_MAX = 100

# How far back to look for cron slots, in growing windows: a job each minute fills the first, a job
# each year needs the last, and neither has to walk through years of minutes.
WINDOWS = (timedelta(days=1), timedelta(days=40), timedelta(days=400), timedelta(days=36_500))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with due slots: run at most one, mark the others missed.

    `run` is None where there is nothing to run. `late`: the slot to run was missed, and is run
    after all. `because` is the sentence for the rows of `missed`.
    """

    run: datetime | None
    late: bool = False
    missed: tuple[datetime, ...] = ()
    because: str = ""


def due_slots(
    job: Job, *, after: datetime, now: datetime, limit: int = SLOTS_MAX
) -> list[datetime]:
    """The slots with `after` < slot <= `now`, oldest first; the newest `limit` of them."""
    for window in WINDOWS:
        start = max(after, now - window) if now - EPOCH > window else after
        slots = deque(takewhile(lambda slot: slot <= now, slots_after(job, start)), maxlen=limit)
        if len(slots) == limit or start == after:
            break
    return list(slots)


def next_slots(job: Job, *, after: datetime, count: int = 1) -> list[datetime]:
    """The next `count` slots later than `after`."""
    return list(islice(slots_after(job, after), count))


def period_seconds(job: Job, *, at: datetime) -> float | None:
    """What lies between the next two runs; None for a job that asks only when something is new."""
    if job.watch is not None:
        return None
    slots = next_slots(job, after=at, count=2)
    return (slots[1] - slots[0]).total_seconds() if len(slots) == 2 else None


def slots_after(job: Job, after: datetime) -> Iterator[datetime]:
    """All slots later than `after`, without end."""
    if job.every_seconds is not None:
        return every_after(job.every_seconds, after)
    return cron_after(job.cron, job.zone, after=after)


def every_after(every_seconds: float, after: datetime) -> Iterator[datetime]:
    """Multiples of the period since the epoch, in whole microseconds: no drift over the years."""
    period = timedelta(seconds=every_seconds)
    slot = EPOCH + ((after - EPOCH) // period + 1) * period
    while True:
        yield slot
        slot += period


def cron_after(expression: str, zone: str, *, after: datetime) -> Iterator[datetime]:
    """Cron slots in UTC, each once and rising.

    cronsim walks wall times. Started inside a repeated hour it may give an instant that is already
    past, and two wall times of one gap both become the instant after it: neither is a new slot.
    """
    last = after
    walls = CronSim(wall_times(expression), after.astimezone(ZoneInfo(zone)))
    for wall in walls:  # pragma: no branch - it refuses what never comes, so it has no end
        slot = wall.astimezone(UTC)
        if slot > last:
            yield slot
            last = slot


def wall_times(expression: str) -> str:
    """The expression with `*` written out as a range, where it names certain hours.

    cronsim takes any field that begins with `*` as "follow real time", so that `*/15 2 * * *` would
    not run at all in the night that has no such hour, and eight times in the one that has two.
    """
    minutes, hours, *rest = expression.split()
    if len(rest) != 3 or hours in ("*", "*/1"):
        return expression
    return " ".join([minutes.replace("*", "0-59"), hours.replace("*", "0-23"), *rest])


def plan(slots: list[datetime], *, now: datetime, missed: str) -> Plan:
    """Decide on due slots (oldest first) by the job's policy for missed ones.

    The newest slot is on time if it is not older than `GRACE_SECONDS`. All others were missed
    while the program was down or the machine slept. `once` runs the newest of them, late; `skip`
    runs none; `within:SECONDS` runs the newest if it is not older than that. There is never more
    than one run for a pile of missed slots.
    """
    if not slots:
        return Plan(run=None)
    *older, newest = slots
    age_seconds = (now - newest).total_seconds()
    if age_seconds <= GRACE_SECONDS:
        return Plan(newest, missed=tuple(older), because=missed_because(missed, newest))
    if age_seconds <= late_seconds_max(missed):
        return Plan(newest, late=True, missed=tuple(older), because=missed_because(missed, newest))
    why = "twotier was not running"
    if missed != "skip":
        why += f"; older than the {late_seconds_max(missed):g} s this job may be late"
    return Plan(run=None, missed=tuple(slots), because=why)


def late_seconds_max(missed: str) -> float:
    """How late a missed slot may still run, in seconds."""
    kind, _, seconds = missed.partition(":")
    if kind == "within":
        return float(seconds)
    return float("inf") if kind == "once" else 0.0


def missed_because(missed: str, newest: datetime) -> str:
    """Why older slots have no run of their own."""
    if missed == "skip":
        return "twotier was not running"
    return f"twotier was not running; the run of {newest:%Y-%m-%d %H:%M:%S} UTC stands for it"
