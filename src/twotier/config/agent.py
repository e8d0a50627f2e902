"""The settings of agents: how far one may go for a job, and where its owner is asked for a yes."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from twotier.config.section import Section
from twotier.config.values import HttpUrl, Limit, check_delivery

FORMS_MAX_CHARACTERS = 20_000  # of a schema: it goes into every request


class AgentUseConfig(Section):
    """What of a job's settings is about its agent. It counts for jobs with tools or a schema."""

    steps_max: int = Field(
        12, ge=1, le=100, description="With tools: most model calls of one piece of work."
    )
    tokens_max: int = Field(
        200_000, ge=100, description="With tools: most tokens of one piece of work, in and out."
    )
    answer_schema: dict[str, Any] | None = Field(
        None,
        description="The form of the result as a JSON schema; what does not fit is no result.",
    )
    quarantine: bool = Field(
        True,
        description="With tools: what a watcher found is read apart on the local tier, without"
        " tools that send or change, and only a typed result goes on; false shows the text itself.",
    )
    escalate: bool = Field(
        False,
        description="Whether the frontier tier may carry on where the local one failed on a text"
        " that strangers wrote.",
    )
    escalations_max: int = Field(5, ge=0, description="Most such runs a day.")
    approve: str = Field(
        "",
        description="Where you are asked before a tool sends or changes what the job does not"
        " declare: ntfy:TOPIC, webhook:URL or log; empty: it is refused.",
    )

    @field_validator("approve")
    @classmethod
    def known_place(cls, value: str) -> str:
        """A way to the owner that twotier has; a file asks nobody."""
        if value and value.startswith("file:"):
            raise ValueError("must be log, webhook:URL or ntfy:TOPIC; a file asks nobody")
        if value:
            check_delivery(value)
        return value

    @field_validator("answer_schema")
    @classmethod
    def a_schema(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """An object's schema, of a size that fits into a prompt."""
        if value is not None and value.get("type") != "object":
            raise ValueError('must be a schema of type = "object"')
        if value is not None and len(str(value)) > FORMS_MAX_CHARACTERS:
            raise ValueError(f"is longer than {FORMS_MAX_CHARACTERS} characters")
        return value


class ApprovalsConfig(Section):
    """Calls of tools that wait for your yes."""

    expires: Limit = Field(
        86_400.0, ge=60, description="Without an answer it is a no after so long."
    )
    url: HttpUrl | None = Field(
        None,
        description="Address of this gateway as the device reaches it on which you answer; default:"
        " the gateway's own.",
    )
