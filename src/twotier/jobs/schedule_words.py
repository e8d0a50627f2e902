"""When a job runs, in the words of the configuration. Pure."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from twotier.domain.job import Job

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def schedule_text(job: Job) -> str:
    """When a job runs, for people, and to notice that it was changed."""
    spread = f", spread over {duration(job.jitter_seconds)}" if job.jitter_seconds else ""
    if job.every_seconds is not None:
        return f"every {duration(job.every_seconds)}{spread}"
    if job.cron:
        return f"cron {job.cron} {job.zone}{spread}"
    if job.at is not None:
        return f"at {job.at.astimezone(ZoneInfo(job.zone)).isoformat()}"
    return f"after {job.after}" if job.after else "webhook"


def duration(seconds: float) -> str:
    """Seconds as people write them: 90s is 1m30s."""
    text = ""
    left = seconds
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        count, left = divmod(left, size)
        text += f"{count:.0f}{unit}" if count else ""
    return f"{text}{left:g}s" if left or not text else text


def spoken(job: Job) -> str:
    """When a job runs, in words; a cron line that says more than times of some days stays one."""
    spread = f", moved by up to {long(job.jitter_seconds)}" if job.jitter_seconds else ""
    if job.every_seconds is not None:
        return f"every {long(job.every_seconds)}{spread}"
    if job.cron:
        return f"{cron_spoken(job.cron)}, {job.zone}{spread}"
    if job.at is not None:
        return f"once, on {job.at.astimezone(ZoneInfo(job.zone)):%d %B %Y at %H:%M}, {job.zone}"
    return f"after each good run of {job.after}" if job.after else "when something is posted to it"


def long(seconds: float) -> str:
    """A duration in words: `hour`, `30 minutes`, `1 hour 30 minutes`."""
    parts, left = [], seconds
    for unit, size in UNITS:
        count, left = divmod(left, size)
        parts += [f"{count:.0f} {unit}{'s' if count != 1 else ''}"] if count else []
    if left or not parts:
        return f"{seconds:g} seconds"
    return parts[0].removeprefix("1 ") if len(parts) == 1 else " ".join(parts)


def cron_spoken(line: str) -> str:
    """A cron line in words, as far as they are shorter than the line."""
    *_, minute, hour, day, month, weekday = line.split()
    plain = day == month == "*" and len(line.split()) == 5
    when = times(minute, hour) if plain else ""
    days = days_spoken(weekday)
    return f"{when}{days}" if when and days is not None else f"cron {line}"


def times(minute: str, hour: str) -> str:
    """The times of a day; empty where they are no list."""
    if hour == "*" and minute.isdigit():
        return f"at minute {int(minute)} of each hour"
    if hour == "*" and minute.startswith("*/") and minute[2:].isdigit():
        return f"every {int(minute[2:])} minutes"
    hours = hour.split(",")
    if not minute.isdigit() or not all(one.isdigit() for one in hours):
        return ""
    return "at " + ", ".join(f"{int(one):02d}:{int(minute):02d}" for one in hours)


def days_spoken(weekday: str) -> str | None:
    """The days of a week, after the times; None where they are no list and no range."""
    if weekday == "*":
        return ""
    first, dash, last = weekday.partition("-")
    numbers = [number_of(one) for one in ([first, last] if dash else weekday.split(","))]
    if None in numbers:
        return None
    names = [DAYS[one] for one in numbers if one is not None]
    return f" from {names[0]} to {names[1]}" if dash else f" on {', '.join(names)}"


def number_of(day: str) -> int | None:
    """The number of a weekday in a cron line, which may be a name."""
    if day.lower() in DAY_NAMES:
        return DAY_NAMES.index(day.lower())
    return int(day) if day.isdigit() and int(day) < len(DAYS) else None
