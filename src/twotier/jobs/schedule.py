"""Which slots of a job are due, and what becomes of those that were missed. Pure.

A slot is an instant in UTC. `every` is aligned to the Unix epoch, so that every machine computes
the same slots. `cron` names wall times, and follows Debian's cron in daylight saving: a wall time
that is skipped runs once right after the gap, one that is repeated runs once; a job of every hour
(`*/30 * * * *`) simply follows real time. `at` is one instant. A job that comes after another one,
or by webhook, has no slots of its own: it is due when something happened. The zone is a real IANA
name here: what `local` means is the caller's knowledge.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

from twotier.domain.job import Job

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# A slot this old was not slept through, it was only waited for: it is on time.
GRACE_SECONDS = 30.0

# After a long time away only the newest missed slots get a row of their own.
SLOTS_MAX = 100

# How far back to look for slots, in growing windows: a job each second fills the first, a job each
# year needs the last, and neither has to walk through years of minutes.
WINDOWS = (
    timedelta(minutes=10),
    timedelta(days=1),
    timedelta(days=40),
    timedelta(days=400),
    timedelta(days=36_500),
)

# No zone repeats more of a day than this when its clocks are set back.
REPEATED_MAX = timedelta(hours=3)

# Where the slot before an instant is looked for, nearest first.
LOOKED_BACK_SECONDS = (60, 3_600)


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
    slots = list(islice(plain_after(job, at), 2))
    return (slots[1] - slots[0]).total_seconds() if len(slots) == 2 else None


def slots_after(job: Job, after: datetime) -> Iterator[datetime]:
    """All slots later than `after`; without end where the job comes back by itself."""
    return staggered_after(job, after) if job.jitter_seconds >= 1 else plain_after(job, after)


def staggered_after(job: Job, after: datetime) -> Iterator[datetime]:
    """Slots moved by the job's share of its jitter, the same one on every machine.

    None is moved as far as the next one, so that they stay in order and none is lost.
    """
    window_seconds = int(job.jitter_seconds)
    slots = plain_after(job, before_last(job, after, window_seconds=window_seconds))
    for slot, following in pairwise(slots):  # pragma: no branch - they have no end
        room_seconds = min(window_seconds, int((following - slot).total_seconds()))
        moved = slot + timedelta(seconds=share(job.name, slot) % room_seconds)
        if moved > after:
            yield moved


def before_last(job: Job, after: datetime, *, window_seconds: int) -> datetime:
    """An instant before the last slot that is not later than `after`: where it is further away
    than the window, it has been moved to before `after`, and the window is enough.
    """
    for seconds in LOOKED_BACK_SECONDS:
        start = after - timedelta(seconds=min(seconds, window_seconds))
        if next(plain_after(job, start)) <= after:
            return start
    return after - timedelta(seconds=window_seconds)


def share(name: str, slot: datetime) -> int:
    """A number that depends on nothing but the job's name and its slot."""
    digest = sha256(f"{name} {slot.astimezone(UTC).isoformat()}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def plain_after(job: Job, after: datetime) -> Iterator[datetime]:
    """Slots later than `after`, where the configuration says they are."""
    if job.every_seconds is not None:
        return every_after(job.every_seconds, after)
    if job.cron:
        return cron_after(job.cron, job.zone, after=after)
    return iter([job.at] if job.at is not None and job.at > after else [])


def every_after(every_seconds: float, after: datetime) -> Iterator[datetime]:
    """Multiples of the period since the epoch, in whole microseconds: no drift over the years."""
    period = timedelta(seconds=every_seconds)
    slot = EPOCH + ((after - EPOCH) // period + 1) * period
    while True:
        yield slot
        slot += period


def cron_after(expression: str, zone: str, *, after: datetime) -> Iterator[datetime]:
    """Cron slots in UTC, each once and rising.

    cronsim is asked for wall times only, and what becomes of them in daylight saving is decided
    here: what it does by itself depends on where the expression has a `*`, and on seconds.
    """
    place = ZoneInfo(zone)
    hourly = expression.split()[-4] in ("*", "*/1")
    start = after.astimezone(place).replace(tzinfo=None)
    if hourly and len(shown(start, place)) == 2:
        start -= REPEATED_MAX  # the second time of what came before may be still to come
    walls = CronSim(expression, start)
    last = after
    slots = real_times(walls, place) if hourly else fixed_times(walls, place)
    for slot in slots:  # pragma: no branch - neither has an end
        if slot > last:
            yield slot
            last = slot


def fixed_times(walls: Iterator[datetime], place: ZoneInfo) -> Iterator[datetime]:
    """Each wall time once: the first time it comes, or right after the gap that it fell into."""
    for wall in walls:  # pragma: no branch - it refuses what never comes, so it has no end
        real = wall
        while not (instants := shown(real, place)):
            real = real.replace(second=0) + MINUTE
        yield instants[0]


def real_times(walls: Iterator[datetime], place: ZoneInfo) -> Iterator[datetime]:
    """Every instant at which the clock on the wall shows such a time, twice if it does so twice."""
    again: deque[datetime] = deque()
    for wall in walls:  # pragma: no branch - it refuses what never comes, so it has no end
        instants = shown(wall, place)
        while again and instants and again[0] < instants[0]:
            yield again.popleft()
        yield from instants[:1]
        again.extend(instants[1:])


def at_of(when: datetime, zone: str) -> datetime:
    """The instant that is meant, which without a zone of its own is a wall time of this one."""
    return when.astimezone(UTC) if when.tzinfo else next(fixed_times(iter([when]), ZoneInfo(zone)))


def shown(wall: datetime, place: ZoneInfo) -> tuple[datetime, ...]:
    """When the clocks of a place show this: once, twice where they are set back, or never."""
    first, second = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return (first,)
    return (first, second) if first < second else ()


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
