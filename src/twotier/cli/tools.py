"""`twotier tools`: what tools there are, and what one says. Asks no other process of ours."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from twotier.build.tools import bench_of, web_of
from twotier.cli.output import emit, say, show
from twotier.cli.peers import main_of
from twotier.config.load import Loaded, load
from twotier.config.tools import name_problem, target_problem
from twotier.config.work import JobConfig
from twotier.domain.fee import Fees, Use
from twotier.domain.label import NO_LABELS, Label
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import NOT_READABLE, NotFoundError, ToolError, UsageError
from twotier.protocols.json_schema import problems
from twotier.tools.base import Call, Result, Tool
from twotier.tools.kinds import ELSEWHERE, KINDS, labels_shown, make, named

HEADS = ("TOOL", "LABELS", "JOBS", "WHAT IT DOES")
SECTIONS = ("api", "send", "command")  # tools of which there are as many as the owner declares
BY_HAND = "by-hand"
SECONDS = 120.0
# What a tool is given where nobody says more.
USUAL: Mapping[str, Mapping[str, Any]] = {
    "fetch": {"url": "https://example.org/"},
    "search": {"query": "twotier"},
    "git": {"action": "status"},
    "list_files": {},
}


def listed(config: Path, *, as_json: bool) -> int:
    """All of them."""
    loaded = load(config)
    told = [
        {"name": name, "labels": labels, "jobs": jobs_with(loaded, name), "does": does}
        for name, labels, does in every(loaded)
    ]
    if as_json:
        emit({"tools": told})
        return 0
    show([HEADS, *(row(one) for one in told)])
    if servers := ", ".join(f"mcp:{name}" for name in loaded.config.tools.mcp):
        say(f"and those of MCP servers: {servers}; see `twotier mcp-servers list`")
    return 0


def row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """A tool as a line."""
    jobs = ", ".join(one["jobs"]) or "-"
    return (one["name"], ", ".join(one["labels"]) or "none", jobs, one["does"])


def every(loaded: Loaded) -> Iterator[tuple[str, list[str], str]]:
    """Names, labels and what they do; one line for each that the owner declared."""
    for name, kind in KINDS.items():
        declared = getattr(loaded.config.tools, name) if name in SECTIONS else {}
        labels = [one.value for one in Label if one in kind.labels]
        if not kind.needed:
            yield name, labels, kind.does
        for target, section in declared.items():
            (tool,) = made(loaded, by_hand(f"{name}:{target}"), folder=False)
            yield (
                f"{name}:{target}",
                [one.value for one in Label if one in tool.spec.labels],
                section.description or kind.does,
            )


def jobs_with(loaded: Loaded, name: str) -> list[str]:
    """The jobs that name a tool, alone, in a group or for all targets."""
    kind, _, target = name.partition(":")
    return [
        job.name
        for job in loaded.config.jobs
        if (found := named(job.tools).get(kind)) is not None
        and (not target or target in found or (kind == "send" and not found))
    ]


def tested(config: Path, name: str, *, arguments: str, job: str, as_json: bool) -> int:
    """Call one. Raises `ToolError` with what it says where it fails."""
    loaded = load(config)
    kind = name.partition(":")[0]
    if problem := name_problem(name) or target_problem(name, loaded.config.tools):
        raise UsageError(problem)
    if kind in ELSEWHERE:
        raise UsageError(f"{kind} is not tested here; see `twotier mcp-servers test NAME`")
    tools = made(loaded, whose(loaded, name, job=job), fees=ByHand(config))
    if len(tools) > 1:
        names = ", ".join(tool.spec.name for tool in tools)
        raise UsageError(f"{name} stands for {names}; test one of them")
    tool = tools[0]
    given = arguments_of(tool, arguments, name=name)
    if Label.CHANGES in tool.needs(given):
        raise UsageError(f"{name} would change something; a test calls only what does not")
    result = asyncio.run(called(tool, given))
    tell(name, result, as_json=as_json)
    return 0


@dataclass(frozen=True, slots=True)
class ByHand:
    """The ledger of a main that runs; a call that costs is not made without it."""

    config: Path

    async def hold(self, use: Use) -> None:
        """Hold the worst case."""
        await self._order({**asdict(use), "used": None})

    async def settle(self, use: Use, count: int) -> None:
        """It came to so many."""
        await self._order({**asdict(use), "used": count})

    async def _order(self, body: Mapping[str, Any]) -> None:
        await asyncio.to_thread(main_of(self.config).post, "/control/fees", body)


def made(
    loaded: Loaded, job: JobConfig, *, folder: bool = True, fees: Fees | None = None
) -> list[Tool]:
    """The tools of a job."""
    return make(job.tools, bench_of(loaded, job, web=web_of(loaded), folder=folder, fees=fees))


def by_hand(name: str) -> JobConfig:
    """A job that is none, with one tool."""
    return JobConfig(name=BY_HAND, prompt="by hand", every=3_600.0, tools=(name,))


def whose(loaded: Loaded, name: str, *, job: str) -> JobConfig:
    """The job in whose place the tool is called: the one that is named, else the first that has it,
    else none.
    """
    jobs = {one.name: one for one in loaded.config.jobs}
    if job and job not in jobs:
        raise NotFoundError(f"there is no job {job!r}; there are: {', '.join(jobs) or 'none'}")
    chosen = job or next(iter(jobs_with(loaded, next(iter(named([name]))))), "")
    return jobs[chosen].model_copy(update={"tools": (name,)}) if chosen else by_hand(name)


def arguments_of(tool: Tool, text: str, *, name: str) -> dict[str, Any]:
    """What the tool is given. Raises `UsageError` where it does not fit."""
    kind, _, target = name.partition(":")
    usual = dict(USUAL.get(kind, {}))
    if kind == "send" and target:
        usual = {"to": target, "title": "twotier", "text": f"A test of the destination {target}."}
    try:
        given = json.loads(text) if text else usual
    except NOT_READABLE as exc:
        raise UsageError(f"the arguments are no JSON: {exc}") from exc
    if wrong := problems(given, dict(tool.spec.parameters)):
        wanted = json.dumps(tool.spec.parameters["properties"])
        raise UsageError(f"{name} cannot be called so ({wrong[0]}); it takes {wanted}")
    return dict(given)


async def called(tool: Tool, arguments: Mapping[str, Any]) -> Result:
    """One call, by nobody's run."""
    key = f"{BY_HAND}-{secrets.token_hex(8)}"
    call = Call(job=BY_HAND, run=key, key=key, taint=NO_LABELS, deadline_seconds=SECONDS)
    try:
        async with asyncio.timeout(SECONDS):
            return await tool.call(arguments, call)
    except TimeoutError as exc:
        raise ToolError(f"it took longer than {SECONDS:.0f} s") from exc


def tell(name: str, result: Result, *, as_json: bool) -> None:
    """The result; what it brings along and what it cost beside it."""
    if as_json:
        labels = [one.value for one in Label if one in result.labels]
        cost = result.cost_microusd / MICROUSD_PER_USD
        emit({"tool": name, "text": result.text, "labels": labels, "cost_usd": f"{cost:.6f}"})
        return
    print(result.text)
    usd = result.cost_microusd / MICROUSD_PER_USD
    say(f"brings along: {labels_shown(result.labels)}" + (f"; it cost ${usd:.4f}" if usd else ""))
