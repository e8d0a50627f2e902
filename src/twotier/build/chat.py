"""From the configuration to conversations, for the worker."""

from __future__ import annotations

from functools import partial

from twotier.agent.model import MainClient
from twotier.build.tools import secret
from twotier.config.load import Loaded
from twotier.domain.clock import Clock
from twotier.jobs.chat import Channel, Chats
from twotier.jobs.chat_answers import Manner, PlainAnswers
from twotier.jobs.chat_store import ChatStore
from twotier.jobs.database import Database
from twotier.jobs.telegram import Telegram
from twotier.tools.web import Web


def chats_of(loaded: Loaded, database: Database, *, client: MainClient, clock: Clock) -> Chats:
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
    return Chats(
        ChatStore(database, clock),
        PlainAnswers(client.chat, manner),
        channels=messengers(loaded),
        clock=clock,
    )


def messengers(loaded: Loaded) -> list[Channel]:
    """The messengers that lead to conversations. A token that is missing fails each look there."""
    config = loaded.config.chat.telegram
    if config.token is None:
        return []
    token = partial(secret, loaded, config.token)
    # Only this address: what a redirect says is somebody else's word, and the token is in the path.
    web = Web(redirects_max=0)
    return [Telegram(web, url=config.url, token=token, chats=config.chats)]
