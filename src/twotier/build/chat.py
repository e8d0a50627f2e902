"""From the configuration to conversations, for the worker."""

from __future__ import annotations

from functools import partial

from twotier.agent.delegating import local_asks
from twotier.agent.guard import Rules
from twotier.agent.model import MainClient
from twotier.agent.turn import Desk, Guard
from twotier.build.tools import bench_of, microusd, secret, web_of
from twotier.config.load import Loaded
from twotier.config.work import JobConfig
from twotier.domain.clock import Clock
from twotier.errors import ToolError
from twotier.jobs.chat import Answers, Channel, Chats
from twotier.jobs.chat_agent import JOB, AgentAnswers
from twotier.jobs.chat_answers import Manner, PlainAnswers
from twotier.jobs.chat_store import ChatStore
from twotier.jobs.database import Database
from twotier.jobs.engine import Engine
from twotier.jobs.telegram import Telegram
from twotier.tools.base import Tool
from twotier.tools.delegate import Delegate
from twotier.tools.kinds import make
from twotier.tools.web import Web


def chats_of(
    loaded: Loaded,
    database: Database,
    *,
    client: MainClient,
    engine: Engine,
    desk: Desk,
    clock: Clock,
) -> Chats:
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
    answer: Answers = PlainAnswers(client.chat, manner)
    if config.tools:
        rules = Rules(
            attended=True,
            hosts=frozenset(config.hosts),
            tool_microusd_max=microusd(config.tools_usd),
        )
        answer = AgentAnswers(
            client.chat,
            manner,
            engine=engine,
            tooling=partial(tools_of, loaded, client, clock=clock),
            guard=Guard(rules, desk),
            artifacts=loaded.paths.artifacts,
        )
    return Chats(
        ChatStore(database, clock),
        answer,
        channels=messengers(loaded),
        clock=clock,
    )


async def tools_of(loaded: Loaded, client: MainClient, *, clock: Clock) -> list[Tool]:
    """The tools of conversations: those that a job of these settings would have."""
    config = loaded.config.chat
    fields = config.model_dump(include={"tools", "root", "hosts", "tools_usd"})
    job = JobConfig.model_validate({"name": JOB, "prompt": JOB, "every": "1d", **fields})
    bench = bench_of(loaded, job, web=web_of(loaded))
    if any(name.startswith("mcp:") for name in job.tools):
        raise ToolError("conversations have no tools of MCP servers yet; take them from chat.tools")
    tools = make(job.tools, bench)
    if "delegate" in job.tools:
        tools.append(Delegate(local_asks(client.chat), clock=clock))
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
