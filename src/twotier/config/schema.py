"""Every setting there is, each said once, with its default and its sentence.

Units are in the names; where people write a duration it is text such as `30m` or `1h30m`. An
unknown key is an error (see `load`). Secrets are never values here, only places to find them:
`env:NAME`, `file:PATH` (mode 0600) or `keyring:SERVICE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from twotier.config.values import (
    FolderPath,
    HttpUrl,
    Limit,
    LoopbackHost,
    RuleName,
    Seconds,
    SecretPlace,
    TierName,
    Usd,
    Zone,
    check_cron,
    check_delivery,
    file_target,
    folder_of,
    known_model_names,
)
from twotier.config.values import duration_seconds as duration_seconds  # noqa: PLC0414 - the worker's
from twotier.domain.tier import TierPolicy

AUTO = "auto"


class Section(BaseModel):
    """What all sections share: no unknown keys, no changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


SectionT = TypeVar("SectionT", bound=Section)


def raise_all(section: SectionT, problems: Iterable[str]) -> SectionT:
    """The section, or one error with a line for each problem; `load` takes the lines apart."""
    if lines := list(problems):
        raise ValueError("\n".join(lines))
    return section


def listed(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(names) or "none"


class GatewayConfig(Section):
    """Where clients reach twotier."""

    host: LoopbackHost = Field(
        "127.0.0.1", description="Address to listen on: this machine's own, 127.0.0.1 or ::1."
    )
    port: int = Field(8484, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    body_bytes_max: int = Field(
        32_000_000, ge=1_000, description="Largest request body that is read, in bytes."
    )
    connections_max: int = Field(2_000, ge=1, description="Client connections at the same time.")
    total_seconds_max: Limit = Field(
        1_800.0, description="Longest time one answer may take, whatever the tier allows."
    )


class PriceConfig(Section):
    """Your own price for a model, in USD per million tokens; replaces the shipped one."""

    input_usd: Usd = Field(description="Fresh input tokens.")
    output_usd: Usd = Field(description="Output tokens.")
    cache_read_usd: Usd | None = Field(
        None, description="Input read from the provider's cache; default: the input price."
    )
    cache_write_usd: Usd | None = Field(
        None, description="Input written to the cache for 5 minutes; default: 1.25 x input."
    )
    cache_write_1h_usd: Usd | None = Field(
        None, description="Input written to the cache for an hour; default: 2 x input."
    )


class TierConfig(Section):
    """A model twotier can ask: a local server (`engine`) or a provider's API (`provider`)."""

    engine: Literal["llama_cpp", "mlx_lm", "openai"] | None = Field(
        None,
        description="The local server: llama_cpp and mlx_lm are started and kept alive by twotier;"
        " openai is any server with an OpenAI-shaped API that something else runs.",
    )
    provider: str | None = Field(
        None,
        description="Without an engine: the API to use (anthropic). With one: the first part of"
        " the tier's full model name, for clients that name provider/model.",
    )
    model: str = Field(
        description="Model id, folder or .gguf file; `starter` is the small model twotier fetches."
    )
    base_url: HttpUrl | None = Field(
        None, description="Where the server or API listens; needed for engine openai."
    )
    key: SecretPlace | None = Field(
        None, description="Where its key lies: env:NAME, file:PATH or keyring:SERVICE."
    )
    local: bool | None = Field(
        None,
        description="Whether this tier is on your own machine, so that `local-only` work may use"
        " it; default: true with an engine, false with an API.",
    )
    window_tokens: int | None = Field(
        None, ge=256, description="Prompt plus answer that fit; default: the model's own window."
    )
    output_tokens_default: int = Field(
        4_096, ge=1, description="Longest answer where the client does not say."
    )
    parallel: int = Field(2, ge=1, le=64, description="Requests the server works on at a time.")
    price: PriceConfig | None = Field(
        None, description="Your own price; a local tier costs nothing without one."
    )
    load_seconds: Limit = Field(
        180.0, description="Longest time a kept server may take until its first token."
    )
    wait_seconds: Seconds = Field(
        120.0, description="Longest time a request waits for a kept server that is coming up."
    )
    connect_seconds: Limit = Field(5.0, description="Limit to connect.")
    first_token_seconds: Limit = Field(
        120.0, description="Limit to the first sign of life of an answer."
    )
    idle_seconds: Limit = Field(60.0, description="Limit between two pieces of a stream.")
    total_seconds: Limit = Field(900.0, description="Limit of one whole answer.")

    @model_validator(mode="after")
    def one_kind(self) -> TierConfig:
        """A tier is an engine or an API, and says where it is when nothing else can know."""
        if self.engine is None and self.provider is None:
            raise ValueError('needs engine = "..." (a local server) or provider = "anthropic"')
        if self.engine is None and self.provider != "anthropic":
            raise ValueError(
                f"provider {self.provider!r} is not known without an engine; use provider"
                ' = "anthropic", or engine = "openai" with a base_url'
            )
        if self.engine == "openai" and not self.base_url:
            raise ValueError('engine "openai" needs base_url = "http://..."')
        return self

    @property
    def is_local(self) -> bool:
        """On the owner's own machine, as far as `local-only` is concerned."""
        return self.engine is not None if self.local is None else self.local


class BudgetConfig(Section):
    """An alert and a limit over a period. They are two things: only the limit acts."""

    name: str = Field("", description="How it is called in messages; default: its period.")
    period: Literal["day", "week", "month"] = Field("day", description="What the sums run over.")
    zone: Zone = Field("local", description="Time zone in which the period starts at midnight.")
    alert_usd: Usd | None = Field(None, description="Tells you once; nothing stops.")
    limit_usd: Usd | None = Field(None, description="Reserved worst cases included, never passed.")
    at_limit: Literal["alert", "local-only", "stop"] = Field(
        "local-only",
        description="At the limit: only tell, go on where it is free, or refuse all work.",
    )


class WatchConfig(Section):
    """Looks for something new before any model is asked; nothing new, no model call."""

    kind: Literal["files"] = Field(description="What to look at: files in a folder.")
    path: FolderPath = Field(description="The folder, relative to this file.")
    match: tuple[str, ...] = Field(
        ("*.txt", "*.md"), description="File names that count, as shell patterns."
    )
    settle_seconds: Seconds = Field(
        1.0, description="A file counts once it was not written to for this long."
    )
    item_bytes_max: int = Field(
        12_000, ge=100, description="More than this of a file is cut off, and the prompt says so."
    )
    items_max: int = Field(50, ge=1, description="Most items taken in one run; the rest wait.")


class JobConfig(Section):
    """A piece of work that comes back: trigger, prompt, tier policy, delivery."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Unique name: a-z, 0-9, - and _."
    )
    prompt: str = Field(min_length=1, description="What the model is asked to do.")
    every: Limit | None = Field(None, ge=1, description="Period, for example 30m.")
    cron: str = Field("", description="Cron expression of 5 fields, in place of every.")
    zone: Zone = Field("local", description="Time zone of cron.")
    watch: WatchConfig | None = Field(None, description="What to look at before asking.")
    tier: TierPolicy = Field(
        TierPolicy.AUTO,
        description="Which tiers it may use: auto, local-only, local-then-frontier, frontier.",
    )
    model: str = Field("auto", description="Pins a model or alias; auto lets the router decide.")
    deliver: str = Field(
        "log", description="Where the answer goes: file:PATTERN, log, webhook:URL or ntfy:TOPIC."
    )
    each: bool = Field(True, description="With a watcher: one answer per item, not one for all.")
    answer_lines: int = Field(
        0, ge=0, le=50, description="Number of lines the answer must have; 0 for free form."
    )
    output_tokens_max: int = Field(400, ge=1, description="Longest answer, in tokens.")
    deadline: Limit = Field(600.0, description="Longest time one run may take, waiting included.")
    missed: str = Field(
        "once",
        description="Slots missed while twotier was not running: once, skip or within:DURATION.",
    )
    enabled: bool = Field(True, description="false keeps the job and does not run it.")

    @field_validator("deliver")
    @classmethod
    def known_delivery(cls, value: str) -> str:
        """A delivery twotier has, with a target it can reach."""
        check_delivery(value)
        return value

    @field_validator("missed")
    @classmethod
    def known_missed(cls, value: str) -> str:
        """`once`, `skip`, or `within:` and a duration."""
        kind, _, window = value.partition(":")
        if kind == "within":
            duration_seconds(window)
        elif value not in ("once", "skip"):
            raise ValueError("must be once, skip or within:DURATION")
        return value

    @model_validator(mode="after")
    def fits_together(self) -> JobConfig:
        """One trigger that can be read, and answers that do not become new work."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        if (self.every is None) == (not self.cron):
            yield 'needs either every = "30m" or cron = "30 6 * * 1-5"'
        if self.cron and (failed := check_cron(self.cron)):
            yield f"cron {self.cron!r} cannot be read: {failed}"
        target = file_target(self.deliver, job=self.name)
        if target and self.watch and folder_of(target) == folder_of(f"{self.watch.path}/x"):
            yield (
                f"deliver = {self.deliver!r} points into the folder the job watches, and would"
                " feed it with its own answers; name another folder"
            )


class RoutingConfig(Section):
    """How a tier is chosen where nobody named one."""

    off: tuple[RuleName, ...] = Field(
        (),
        description="Rules of the tree that are switched off: polling, bulk-write,"
        " frontier-reasoning, read-report, default.",
    )


class NtfyConfig(Section):
    """The ntfy server that `deliver = "ntfy:TOPIC"` uses."""

    url: HttpUrl = Field("https://ntfy.sh", description="Address of the server.")
    token: SecretPlace | None = Field(
        None, description="Where its access token lies, if it needs one."
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


class Config(Section):
    """The whole file."""

    state: FolderPath = Field(
        ".twotier", description="Folder for databases, logs and sockets, relative to this file."
    )
    gateway: GatewayConfig = Field(default_factory=GatewayConfig, description="The one port.")
    tiers: dict[TierName, TierConfig] = Field(
        default_factory=dict, description="The models twotier can ask, by name."
    )
    aliases: dict[str, str] = Field(
        default_factory=dict, description="Short names: a tier, or a full provider/model."
    )
    budgets: tuple[BudgetConfig, ...] = Field((), description="Alerts and limits.")
    jobs: tuple[JobConfig, ...] = Field((), description="Scheduled work.")
    routing: RoutingConfig = Field(default_factory=RoutingConfig, description="The router.")
    ntfy: NtfyConfig = Field(default_factory=NtfyConfig, description="Where ntfy messages go.")
    log: LogConfig = Field(default_factory=LogConfig, description="The log.")

    @model_validator(mode="after")
    def names_fit(self) -> Config:
        """Names are unique, hide no other, and stand for something."""
        return raise_all(self, [*self.alias_problems(), *self.job_problems()])

    def alias_problems(self) -> Iterator[str]:
        """Aliases that hide a tier, or lead nowhere."""
        for name, target in self.aliases.items():
            if name in self.tiers or name == AUTO:
                yield f"aliases.{name}: a tier has this name already"
            if "/" not in target and target not in self.tiers:
                yield f"aliases.{name}: no tier {target!r}; there are: {listed(self.tiers)}"

    def job_problems(self) -> Iterator[str]:
        """Jobs with one name, or whose model or tier there is not."""
        names = [job.name for job in self.jobs]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"jobs: the name {name!r} is used twice"
        # A file that names no tier yet is unfinished, not wrong.
        sides = {tier.is_local for tier in self.tiers.values()} or {True, False}
        models = known_model_names(tier.model for tier in self.tiers.values())
        known = {AUTO, *self.tiers, *self.aliases, *models}
        for number, job in enumerate(self.jobs):
            if "/" not in job.model and job.model not in known and not self.vendor(job.model):
                there = listed([AUTO, *self.tiers, *self.aliases])
                yield f"jobs.{number}.model: no tier or alias {job.model!r}; there are: {there}"
            if job.tier is TierPolicy.FRONTIER and False not in sides:
                yield f'jobs.{number}.tier: "frontier" needs a tier that is not local; add one'
            if job.tier is TierPolicy.LOCAL_ONLY and True not in sides:
                yield f'jobs.{number}.tier: "local-only" needs a local tier; add one'

    def vendor(self, model: str) -> bool:
        """A model of Anthropic's by its bare id, which a tier with its API passes through."""
        return model.startswith("claude-") and any(
            tier.provider == "anthropic" for tier in self.tiers.values()
        )

    def dump(self) -> dict[str, Any]:
        """Everything as plain values, defaults included. Safe to show: secrets are only places."""
        return self.model_dump(mode="json")
