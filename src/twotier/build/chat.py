"""From the configuration to conversations, for the worker."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from twotier.agent.delegating import local_asks, window_or_usual
from twotier.agent.fees import MainFees
from twotier.agent.guard import Rules
from twotier.agent.model import MainClient
from twotier.agent.turn import Desk, Guard
from twotier.build.tools import bench_of, microusd, secret, web_of
from twotier.config.load import Loaded
from twotier.config.work import JobConfig
from twotier.domain.clock import Clock
from twotier.jobs.chat import Answers, Channel, Chats
from twotier.jobs.chat_agent import AgentAnswers
from twotier.jobs.chat_answers import Manner, PlainAnswers
from twotier.jobs.chat_keeping import JOB
from twotier.jobs.chat_store import ChatStore
from twotier.jobs.database import Database
from twotier.jobs.engine import Engine
from twotier.jobs.telegram import Telegram
from twotier.tools.base import Tool
from twotier.tools.delegate import NAME, Delegate
from twotier.tools.kinds import make
from twotier.tools.mcp import PREFIX, Servers
from twotier.tools.web import Web


@dataclass(frozen=True, slots=True)
class Means:
    """What conversations are answered with, and the jobs too."""

    client: MainClient
    engine: Engine
    desk: Desk
    servers: Servers


def chats_of(loaded: Loaded, database: Database, *, means: Means, clock: Clock) -> Chats:
    """All conversations, and the messenger if there is one."""
    config = loaded.config.chat
    manner = Manner(
        system=config.system,
        policy=config.tier,
        model=config.model,
        output_tokens_max=config.output_tokens_max,
        characters_max=config.history_characters_max,
        seconds_max=config.deadline,
    )
    answer: Answers = PlainAnswers(means.client.chat, manner)
    if config.tools:
        rules = Rules(
            attended=True,
            hosts=frozenset(config.hosts),
            tool_microusd_max=microusd(config.tools_usd),
        )
        answer = AgentAnswers(
            means.client.chat,
            manner,
            engine=means.engine,
            tooling=partial(tools_of, loaded, means, clock=clock),
            guard=Guard(rules, means.desk),
            artifacts=loaded.paths.artifacts,
        )
    return Chats(
        ChatStore(database, clock),
        answer,
        channels=messengers(loaded),
        clock=clock,
    )


async def tools_of(loaded: Loaded, means: Means, *, clock: Clock) -> list[Tool]:
    """The tools of conversations: those that a job of these settings would have."""
    config = loaded.config.chat
    fields = config.model_dump(include={"tools", "root", "hosts", "tools_usd"})
    job = JobConfig.model_validate({"name": JOB, "prompt": JOB, "every": "1d", **fields})
    bench = bench_of(loaded, job, web=web_of(loaded), fees=MainFees(means.client))
    tools = make(job.tools, bench)
    tools += await means.servers.tools([name for name in job.tools if name.startswith(PREFIX)])
    if NAME in job.tools:
        pages = [tool for tool in tools if tool.spec.name == "fetch"]
        tools.append(
            Delegate(
                local_asks(means.client.chat),
                clock=clock,
                window=partial(window_or_usual, means.client),
                pages=pages[0] if pages else None,
            )
        )
    return tools


def messengers(loaded: Loaded) -> list[Channel]:
    """The messengers that lead to conversations. A token that is missing fails each look there."""
    config = loaded.config.chat.telegram
    if config.token is None:
        return []
    token = partial(secret, loaded, config.token)
    # Only this address: what a redirect says is somebody else's word, and the token is in the path.
    web = Web(redirects_max=0)
    return [Telegram(web, url=config.url, token=token, chats=config.chats)]
