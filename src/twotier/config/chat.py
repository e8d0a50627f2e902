"""The settings of conversations: who answers them, and the messenger that leads to them."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field, model_validator

from twotier.config.section import Section, raise_all
from twotier.config.tools import ToolUseConfig
from twotier.config.values import HttpUrl, Limit, SecretPlace
from twotier.domain.tier import TierPolicy


class TelegramConfig(Section):
    """A bot of yours on Telegram, made with @BotFather. It answers the chats you name."""

    token: SecretPlace | None = Field(
        None, description="Where the bot's token lies; with it, the bot is read."
    )
    chats: tuple[int, ...] = Field(
        (), description="Ids of the chats that are answered; everybody else is told nothing."
    )
    url: HttpUrl = Field("https://api.telegram.org", description="Address of Telegram's Bot API.")

    @model_validator(mode="after")
    def fits_together(self) -> TelegramConfig:
        """A bot that answers nobody is a mistake."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit."""
        if self.token and not self.chats:
            yield "needs chats = [YOUR_ID]; @userinfobot tells a person's own id"


class ChatConfig(ToolUseConfig):
    """Conversations with `twotier chat`, and by a messenger. Tools are settings as of a job."""

    tier: TierPolicy = Field(
        TierPolicy.FRONTIER,
        description="Which tiers may answer: auto, local-only, local-then-frontier, frontier.",
    )
    model: str = Field("auto", description="Pins a model or alias; auto lets the router decide it.")
    system: str = Field(
        "Answer briefly and plainly.", description="What the model is told before everything else."
    )
    output_tokens_max: int = Field(2_000, ge=1, description="Longest answer there, in tokens.")
    history_characters_max: int = Field(
        60_000,
        ge=1_000,
        description="How much of a conversation the model is told; the oldest is left out first.",
    )
    deadline: Limit = Field(300.0, description="How long one answer may take.")
    telegram: TelegramConfig = Field(
        default_factory=TelegramConfig, description="The messenger, if you have a bot."
    )
