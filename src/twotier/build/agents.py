"""What agents of jobs are made of: their tools, from all the places these come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from twotier.agent.delegating import Chats, local_asks, window_or_usual
from twotier.agent.fees import MainFees
from twotier.agent.model import MainClient
from twotier.build.owner import Owner
from twotier.build.tools import bench_of, toolbox, web_of
from twotier.config.load import Loaded
from twotier.config.work import JobConfig
from twotier.domain.clock import Clock
from twotier.domain.job import Job
from twotier.domain.label import Labels
from twotier.domain.money import MICROUSD_PER_USD
from twotier.domain.terms import Terms
from twotier.domain.tier import TierPolicy
from twotier.jobs.agents import JobAgents
from twotier.jobs.elsewhere import step_seconds
from twotier.jobs.verifying import Verifier
from twotier.tools.base import Call, Result, Tool, ToolSpec

if TYPE_CHECKING:
    from twotier.tools.mcp import Servers

DELEGATE, FETCH, MCP = "delegate", "fetch", "mcp:"


class Tooling:
    """Tools of a job: those of the program, those of MCP servers, and the way to the local tier.

    `loaded` gives the configuration as it is now: it may be read again while we run.
    """

    def __init__(
        self,
        loaded: Callable[[], Loaded],
        client: MainClient,
        *,
        servers: Servers,
        clock: Clock,
    ) -> None:
        self._loaded = loaded
        self.client = client
        self._servers = servers
        self._clock = clock
        self._seen: Loaded | None = None
        self._web = web_of(loaded())
        self._fees = MainFees(client)
        self._box = toolbox(loaded(), self._web, fees=self._fees)

    async def tools(self, job: Job, chat: Chats | None = None) -> Sequence[Tool]:
        """All that the job names. Raises `ToolError` and `ConfigError`."""
        self._renew()
        tools: list[Tool] = list(self._box(job.name))
        wanted = [name for name in job.terms.tools if name.startswith(MCP)]
        if wanted:
            theirs = await self._servers.tools(wanted)
            tools += theirs if job.tier is TierPolicy.FRONTIER else map(Brief, theirs)
        if DELEGATE in job.terms.tools:
            pages = next((tool for tool in tools if tool.spec.name == FETCH), None)
            tools.append(self._delegate(job, chat or self.client.chat, pages=pages))
        return tools

    def _renew(self) -> None:
        loaded = self._loaded()
        if loaded is not self._seen:
            self._seen, self._web = loaded, web_of(loaded)
            self._box = toolbox(loaded, self._web, fees=self._fees)

    def _delegate(self, job: Job, chat: Chats, *, pages: Tool | None) -> Tool:
        """The local tier as a reader, with the files and pages the job may read itself."""
        from twotier.tools.delegate import Delegate, Files
        from twotier.tools.files import labels_of, whole_text

        loaded = self._loaded()
        (config,) = [one for one in loaded.config.jobs if one.name == job.name]
        bench = bench_of(loaded, config, web=self._web)
        files = Files(read=partial(whole_text, bench), labels=labels_of(bench))
        return Delegate(
            local_asks(chat),
            clock=self._clock,
            files=files if "read_file" in bench.names else None,
            window=partial(window_or_usual, self.client),
            pages=pages,
        )


@dataclass(frozen=True, slots=True)
class Brief:
    """A tool of others, told of in few words: a small model reads everything it is told."""

    tool: Tool

    @property
    def spec(self) -> ToolSpec:
        """The same, shorter."""
        from twotier.tools.mcp_text import brief

        return brief(self.tool.spec)

    def needs(self, arguments: Mapping[str, Any]) -> Labels:
        """Those of the tool itself."""
        return self.tool.needs(arguments)

    async def call(self, arguments: Mapping[str, Any], call: Call) -> Result:
        """The tool itself."""
        return await self.tool.call(arguments, call)


def agents_of(
    loaded: Loaded, owner: Owner, *, tooling: Tooling, verifier: Verifier, clock: Clock
) -> JobAgents:
    """Who works on jobs with tools, and looks at what local tiers answer."""
    agents = JobAgents(
        owner.desk,
        owner.transcripts,
        tooling=tooling.tools,
        artifacts=loaded.paths.artifacts,
        verifier=verifier,
        clock=clock,
    )
    agents.elsewhere = partial(step_seconds, tooling.client)
    return agents


def terms_of(config: JobConfig) -> Terms:
    """How far the job's agent may go, and where its owner is asked."""
    return Terms(
        tools=config.tools,
        hosts=frozenset(config.hosts),
        tools_microusd_max=int(config.tools_usd * MICROUSD_PER_USD),
        steps_max=config.steps_max,
        tokens_max=config.tokens_max,
        schema=config.answer_schema,
        quarantine=config.quarantine,
        escalate=config.escalate,
        escalations_max=config.escalations_max,
        approve=config.approve,
    )
