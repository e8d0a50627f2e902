"""What earlier imports wrote, and which originals were switched off since: one file of ours.

It lies in the state folder, readable by its owner alone, and is replaced as a whole. Without it an
import still hurts nothing: a job that is there is never overwritten, its twin gets another name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from twotier.config.openclaw.plan import Kept, Plan, sum_of
from twotier.config.write import put_file
from twotier.errors import ConfigError

VERSION = 1
FILE = Path("import") / "openclaw.json"


@dataclass(frozen=True, slots=True)
class Job:
    """One twin. `handed_over` is when its original was switched off, empty while it runs; `by` is
    how: `command`, `file` or `database`.
    """

    kept: Kept
    since: str
    handed_over: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """All of it. `folder` is the one that was imported last."""

    folder: str = ""
    tiers: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)

    def with_plan(self, plan: Plan, *, folder: str, at: datetime) -> Memory:
        """What is remembered once a plan is written."""
        jobs = dict(self.jobs)
        for step in plan.steps:
            before = jobs.get(step.twin.original.id)
            if before and not step.writes and step.state != "same":
                continue
            kept = Kept(
                step.twin.name,
                sum_of(step.text),
                step.twin.original.digest,
                watched=step.twin.watched,
            )
            since = before.since if before and not step.writes else at.isoformat()
            handed = (before.handed_over, before.by) if before else ("", "")
            jobs[step.twin.original.id] = Job(kept, since, *handed)
        tiers = {str(tier.ref): tier.name for tier in plan.made.tiers}
        return Memory(folder, {**self.tiers, **tiers}, jobs)

    def marked(self, id_: str, *, handed_over: str, by: str) -> Memory:
        """With one original switched off, or on again."""
        job = replace(self.jobs[id_], handed_over=handed_over, by=by)
        return replace(self, jobs={**self.jobs, id_: job})


def remembered(state: Path) -> Memory:
    """What is remembered; nothing where nothing was imported. Raises `ConfigError`."""
    path = state / FILE
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        if raw["version"] != VERSION:
            raise ConfigError(f"{path} was written by a newer twotier; use that one")
        jobs = {
            id_: Job(Kept(**job["kept"]), job["since"], job["handed_over"], job["by"])
            for id_, job in raw["jobs"].items()
        }
        return Memory(raw["folder"], raw["tiers"], jobs)
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(f"{path} cannot be read; move it away to import anew") from exc


def remember(state: Path, memory: Memory) -> None:
    """Keep it."""
    path = state / FILE
    for folder in (state, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps({"version": VERSION, **asdict(memory)}, indent=2)
    put_file(path, f"{text}\n".encode())
