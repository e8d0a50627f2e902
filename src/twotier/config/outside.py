"""The settings of what did not come through twotier: whose logs are read, what a provider says."""

from __future__ import annotations

from pydantic import Field

from twotier.config.section import Section
from twotier.config.values import FolderPath, HttpUrl, Limit, SecretPlace


class OutsideConfig(Section):
    """What did not come through twotier. Logs are somebody's own, so none is read unless it is
    said here; of what is read only numbers, ids, names of models and times are kept. It counts for
    alerts of budgets over everything, never for limits.
    """

    claude_code: bool = Field(
        False,
        description="Count what Claude Code's session logs tell of. Leave it off where Claude Code"
        " is paid by subscription: its logs do not say so.",
    )
    claude_code_folder: FolderPath = Field(
        "~/.claude", description="The folder of Claude Code, with projects in it."
    )
    openclaw: bool = Field(False, description="Count what OpenClaw's session logs tell of.")
    openclaw_folder: FolderPath = Field(
        "~/.openclaw", description="The folder of OpenClaw, with agents in it."
    )
    openclaw_skip: tuple[str, ...] = Field(
        (),
        description="Providers in OpenClaw's configuration that lead to twotier or to a machine of"
        " your own: not counted.",
    )
    days_back: int = Field(
        35, ge=1, le=366, description="Logs that were last written to before so many days are left."
    )
    every: Limit = Field(60.0, ge=5, description="How often logs are read.")
    admin_key: SecretPlace | None = Field(
        None,
        description="Where an admin key of your Anthropic organization lies; with it, what the"
        " provider charged each day is asked for.",
    )
    admin_url: HttpUrl = Field("https://api.anthropic.com", description="Address of the Admin API.")
    admin_every: Limit = Field(900.0, ge=300, description="How often it is asked.")
