"""When a job runs, in the words of the configuration. Pure."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from twotier.domain.job import Job


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
