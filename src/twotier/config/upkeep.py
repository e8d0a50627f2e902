"""The settings of what is kept and told: ledger, texts of jobs, log, spans for other programs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from twotier.config.section import Section
from twotier.config.values import HttpUrl, Seconds, SecretPlace

KEEP_DAYS_MIN = 62


class TelemetryConfig(Section):
    """What is sent to other programs that watch; nothing, unless it is set here."""

    otlp_endpoint: HttpUrl | None = Field(
        None,
        description="Address of an OpenTelemetry collector, OTLP over HTTP: one span for each time"
        " a tier is asked, never a prompt. Needs `pip install 'twotier[otel]'`.",
    )


class LedgerConfig(Section):
    """Where every attempt at a model is written down, with what it cost."""

    keep_days: int = Field(
        400,
        ge=0,
        description="Days an attempt is kept as a row of its own, at least 62; its sums are kept"
        " for ever. 0 keeps all.",
    )
    backup_every: Seconds = Field(21_600.0, ge=60, description="How often a backup is made.")
    backups_kept: int = Field(4, ge=0, description="Backups kept; 0 makes none.")

    @field_validator("keep_days")
    @classmethod
    def enough(cls, days: int) -> int:
        """Limits of a month are summed from its rows."""
        if 0 < days < KEEP_DAYS_MIN:
            raise ValueError(f"at least {KEEP_DAYS_MIN}, or 0 for all: a month's limit needs them")
        return days


class RetentionConfig(Section):
    """How long the worker keeps what jobs have read and written. What is not done yet stays."""

    items_days: int = Field(
        30,
        ge=0,
        description="Days the texts of items are kept that a watcher found; their ids stay, so that"
        " nothing is done twice. 0 keeps all.",
    )
    transcripts_days: int = Field(
        30,
        ge=0,
        description="Days the texts of a run are kept: answers, transcripts, results of tools; and"
        " what was said in conversations. Its row stays, with tokens and cost. 0 keeps all.",
    )
    runs_days: int = Field(
        90,
        ge=0,
        description="Days a run has a row at all, and a conversation after what was said last; 0"
        " keeps all.",
    )
    quiet_days: int = Field(
        7, ge=0, description="The same for runs that found nothing; how many there were is kept."
    )


class WorkConfig(Section):
    """Where jobs, their runs and the steps of these are kept."""

    database: SecretPlace | None = Field(
        None,
        description="Where the URL of a PostgreSQL database lies (env:NAME, file:PATH or"
        " keyring:SERVICE), for workers of several machines; without it files in the state folder.",
    )
    lease: Seconds = Field(
        45.0,
        ge=1,
        description="A worker of another machine that was not heard of for so long is dead, and"
        " the others go on with its runs. The same on all machines.",
    )


class LogConfig(Section):
    """One JSON line per thing that happened; never a prompt, never a key."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much is written."
    )
    bytes_max: int = Field(
        5_000_000, ge=10_000, description="A log file is set aside when it grows past this."
    )
    files_kept: int = Field(3, ge=1, description="Log files set aside before the oldest goes.")
