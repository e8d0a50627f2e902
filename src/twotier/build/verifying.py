"""What a job's answers are looked at with: its program, the desk that counts, what was usual."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twotier.build.tools import bench_of, web_of
from twotier.config.load import Loaded
from twotier.domain.job import Job
from twotier.errors import ToolError
from twotier.jobs.desk import JobDesk
from twotier.jobs.results import ResultStore
from twotier.jobs.verifying import Verifier

SAID_CHARACTERS_MAX = 300


def verifier_of(loaded: Callable[[], Loaded], desk: JobDesk, *, results: ResultStore) -> Verifier:
    """Who looks at answers. `loaded` gives the configuration as it is now."""
    tiers = loaded().config.tiers.items()
    local = frozenset(name for name, tier in tiers if tier.is_local)
    return Verifier(
        desk,
        command=lambda job, answer: commanded(loaded, job, answer=answer),
        local_tiers=local,
        usual=partial(results.usual, tiers=local),
    )


async def commanded(loaded: Callable[[], Loaded], job: Job, *, answer: str) -> tuple[bool, str]:
    """Whether the job's program ended with 0, and what it said if not; the answer is its input.

    It runs as the tool `command` runs it: in the job's folder, with a bare environment, in the
    system's sandbox. Raises `ToolError`.
    """
    from twotier.tools.command import Program

    now = loaded()
    found = [one for one in now.config.jobs if one.name == job.name]
    if not found:
        raise ToolError(f"the job {job.name} is not in the configuration any more")
    bench = bench_of(now, found[0], web=web_of(now))
    program = bench.commands.get(job.verify.command)
    if program is None:
        raise ToolError(f"there is no [tools.command.{job.verify.command}] any more")
    ended = await Program(bench, program).ended({}, program.seconds_max, fed=answer.encode())
    said = " ".join((ended.complaint or ended.output).split())[-SAID_CHARACTERS_MAX:]
    return not ended.code, f"it ended with {ended.code}: {said or 'it printed nothing'}"
