"""Every setting there is, each said once, with its default and its sentence.

Units are in the names; where people write a duration it is text such as `30m` or `1h30m`. An
unknown key is an error (see `load`). Secrets are never values here, only places to find them:
`env:NAME`, `file:PATH` (mode 0600) or `keyring:SERVICE`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from twotier.config.agent import ApprovalsConfig
from twotier.config.alerts import AlertsConfig, NtfyConfig, SmtpConfig
from twotier.config.budgets import BudgetConfig, budget_problems
from twotier.config.chat import ChatConfig
from twotier.config.outside import OutsideConfig
from twotier.config.prices import PriceConfig, PriceName
from twotier.config.routing import RoutingConfig, RuleConfig, rule_problems
from twotier.config.savings import SavingsConfig
from twotier.config.section import Section, listed, raise_all
from twotier.config.tools import ToolsConfig, tool_problems
from twotier.config.trials import TrialsConfig
from twotier.config.trigger import order_problems
from twotier.config.upkeep import (
    LedgerConfig,
    LogConfig,
    RetentionConfig,
    TelemetryConfig,
    WorkConfig,
)
from twotier.config.values import (
    FolderPath,
    HostName,
    HttpUrl,
    Limit,
    ListenHost,
    Origin,
    OwnerName,
    Port,
    PublicUrl,
    Seconds,
    SecretPlace,
    TierName,
    Usd,
    at_home,
    command_problem,
    known_model_names,
)
from twotier.config.verify import VerifyConfig, verify_problems
from twotier.config.work import NO_MODEL, JobConfig
from twotier.domain.tier import TierPolicy
from twotier.domain.urls import is_loopback

AUTO = "auto"
EngineName = Literal["llama_cpp", "lmstudio", "mlx_lm", "ollama", "openai", "vllm"]
KEPT_ENGINES = ("llama_cpp", "mlx_lm", "vllm")  # unless `base_url` says where one runs already
USUAL_URLS = {"ollama": "http://127.0.0.1:11434/v1", "lmstudio": "http://127.0.0.1:1234/v1"}
Spoken = Literal["messages", "count_tokens", "responses", "completions", "embeddings"]


class GatewayConfig(Section):
    """Where clients reach twotier."""

    host: ListenHost = Field(
        "127.0.0.1",
        description="Address to listen on: 127.0.0.1 or ::1 for this machine only. Any other one"
        " needs allowed_hosts and a key for each client: `twotier key add NAME`.",
    )
    port: int = Field(8484, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    also_ports: tuple[Port, ...] = Field(
        (),
        description="Ports on this machine that are answered too, so that clients of an older"
        " server need no change, for example 8080. One that is taken is told and tried again.",
    )
    also_without_key: bool = Field(
        False,
        description="Whether clients on also_ports may come without a key, as they came to the"
        " older server. They reach local tiers only; web pages of other sites stay outside.",
    )
    public_url: PublicUrl | None = Field(
        None,
        description="What clients elsewhere use as the base address, where it is not the one above;"
        " shown in the banner and in messages.",
    )
    allowed_hosts: tuple[HostName, ...] = Field(
        (), description="Names and addresses clients may use for this machine, beside localhost."
    )
    allowed_origins: tuple[Origin, ...] = Field(
        (),
        description="Web pages of other sites that may ask, such as https://chat.example.org; their"
        " browsers are told so (CORS). Pages on localhost may ask anyway.",
    )
    body_bytes_max: int = Field(
        32_000_000, ge=1_000, description="Largest request body that is read, in bytes."
    )
    connections_max: int = Field(2_000, ge=1, description="Client connections at the same time.")
    total_seconds_max: Limit = Field(
        1_800.0, description="Longest time one answer may take, whatever the tier allows."
    )

    @model_validator(mode="after")
    def can_be_reached(self) -> GatewayConfig:
        """Who is let in by name must be said before others can knock."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        if not is_loopback(self.host) and not self.allowed_hosts:
            yield (
                f"host {self.host} can be reached from other machines, so it needs allowed_hosts:"
                ' the names they use for this one, such as allowed_hosts = ["nas.local"]'
            )
        name = urlsplit(self.public_url or "http://localhost").hostname or ""
        if not is_loopback(name) and name not in self.allowed_hosts:
            yield f"public_url names {name}, which is refused; add it to allowed_hosts"
        if len({self.port, *self.also_ports}) <= len(self.also_ports):
            yield "also_ports names a port twice, or the one of `port`; name each once"


class AnswersConfig(Section):
    """Finished answers to requests that carry an `Idempotency-Key`: a repeated one is not paid
    twice. No other answer is ever kept.
    """

    keep_seconds: Limit = Field(86_400.0, description="How long such an answer is kept.")
    bytes_max: int = Field(
        64_000_000, ge=0, description="Most bytes of them together; then the oldest go."
    )
    count_max: int = Field(1_000, ge=0, description="Most of them; 0 keeps none.")


class TierConfig(Section):
    """A model twotier can ask: a local server (`engine`) or a provider's API (`provider`)."""

    engine: EngineName | None = Field(
        None,
        description="The local server. llama_cpp, mlx_lm and vllm are started and kept alive by"
        " twotier, unless base_url says where one runs already; ollama and lmstudio run by"
        " themselves; openai is any other server with an OpenAI-shaped API.",
    )
    program: str | None = Field(
        None,
        description="The program on this machine that serves, a path or a name on PATH: a"
        " llama-server in place of the llama_cpp twotier installs, or the vllm to use.",
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
        None,
        description="Where the server or API listens; needed for engine openai, and usual for"
        " ollama (port 11434) and lmstudio (1234).",
    )
    owner: OwnerName | None = Field(
        None,
        description="Who keeps the server at base_url alive: launchd:LABEL, systemd:UNIT or user."
        " It is then looked at by a generated token; its owner is asked why it is down, and to"
        " restart it if it hangs. Never two supervisors on one process.",
    )
    command: tuple[str, ...] = Field(
        (),
        description="Your own command in place of the engine's: twotier starts it and keeps it"
        " alive. `{port}` stands where the port goes. `twotier engine take-over` writes it.",
    )
    command_env: dict[str, str] = Field(
        default_factory=dict,
        description="Variables for that command, beside the usual ones; never a secret.",
    )
    command_folder: str | None = Field(
        None, description="The folder that command starts in; default: the one of its log."
    )
    speaks: tuple[Spoken, ...] = Field(
        (),
        description="What its server answers beside chat completions, where the engine cannot know:"
        " messages, count_tokens, responses, completions, embeddings; these are relayed unchanged.",
    )
    key: SecretPlace | None = Field(
        None, description="Where its key lies: env:NAME, file:PATH or keyring:SERVICE."
    )
    local: bool | None = Field(
        None,
        description="Whether this tier is on your own machine, so that `local-only` work may use"
        " it; default: true with an engine, false with an API.",
    )
    images: bool | None = Field(
        None, description="Whether it can read images; default: true with an API, else false."
    )
    tools: bool | None = Field(
        None,
        description="Whether it can call tools; default: true unless `twotier models probe` found"
        " it below the bar. Said here, no probe changes it.",
    )
    prompt_caching: bool = Field(
        True, description="Whether twotier marks prompts for the API's cache where that pays."
    )
    window_tokens: int | None = Field(
        None,
        ge=256,
        description="Prompt plus answer that fit; default: the model's own window, or as much of it"
        " as memory allows (`twotier models fit`).",
    )
    output_tokens_default: int | None = Field(
        None,
        ge=1,
        description="Longest answer where the client does not say; default: 4,096, and 16,384 where"
        " the window has 100,000 tokens (coding clients write whole files, and Codex never says).",
    )
    parallel: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Requests the server works on at a time; default: 2, or 1 where memory is"
        " short.",
    )
    prompt_cache_bytes: int | None = Field(
        None,
        ge=0,
        description="Most bytes a kept server may hold of earlier prompts; default: up to four long"
        " conversations, as memory allows.",
    )
    headroom_percent: int | None = Field(
        None,
        ge=0,
        le=90,
        description="Memory that has to stay free beside the model, in percent of the machine's, or"
        " half of what the model needs where that is less, but at least 1 GB; default: 30.",
    )
    slots: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Requests of your clients and jobs it is given at a time; more wait in line."
        " Default: what `parallel` says for a server twotier keeps, else no limit.",
    )
    waiting_max: int = Field(
        32,
        ge=0,
        le=10_000,
        description="Requests that may wait for a slot; one more goes to the next tier it may use,"
        " or is refused with 429 and the time to come back.",
    )
    runs_at_once: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="Runs of jobs that are given to it at a time. Default: its slots for a local"
        " tier, 1 where none are set; 2 for others.",
    )
    in_place_of: TierName | None = Field(
        None,
        description="Another tier whose place in memory this one takes while it is loaded: it"
        " stands by, is asked only by its name, and is loaded by `twotier models use` (see swap).",
    )
    swap: Literal["by-hand", "on-request"] = Field(
        "by-hand",
        description="Whether a request for this tier may have it loaded where another one has its"
        " place: by-hand (only you) or on-request.",
    )
    swap_back: Seconds = Field(
        900.0,
        description="How long after the last request for it the tier it replaced comes back; 0 for"
        " never by itself.",
    )
    price: PriceConfig | None = Field(
        None, description="Your own price; a local tier costs nothing without one."
    )
    load_seconds: Limit | None = Field(
        None,
        description="Longest time a kept server may take until its first token; default: 2 minutes"
        " and a second for each 250 MB of the model.",
    )
    port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of a kept server, where other programs have to find it; 0 takes a free"
        " one at each start.",
    )
    wait_seconds: Seconds = Field(
        120.0,
        description="Longest time a request waits for a kept server that is coming up, and for a"
        " free slot; a job's request waits for a slot for most of the job's deadline.",
    )
    connect_seconds: Limit = Field(5.0, description="Limit to connect.")
    first_token_seconds: Limit = Field(
        120.0, description="Limit to the first sign of life of an answer."
    )
    idle_seconds: Limit = Field(60.0, description="Limit between two pieces of a stream.")
    total_seconds: Limit = Field(900.0, description="Limit of one whole answer.")

    @model_validator(mode="before")
    @classmethod
    def usual_place(cls, given: Any) -> Any:
        """Servers that run by themselves have a usual port."""
        if isinstance(given, dict) and given.get("base_url") is None:
            usual = USUAL_URLS.get(str(given.get("engine")))
            return {**given, "base_url": usual} if usual else given
        return given

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
        if self.speaks and self.engine is None:
            raise ValueError("speaks is for a tier with an engine; what an API speaks is known")
        if self.owner and (self.engine is None or not at_home(self.base_url)):
            raise ValueError(
                "owner is for a server on this machine: it needs an engine and"
                ' base_url = "http://127.0.0.1:PORT/v1"'
            )
        if self.engine == "openai" and not (self.base_url or self.command):
            raise ValueError('engine "openai" needs base_url = "http://..."')
        if self.program and self.engine not in ("llama_cpp", "vllm"):
            raise ValueError("program is what twotier starts: it needs engine llama_cpp or vllm")
        if problem := command_problem(self.command, self.command_env):
            raise ValueError(problem)
        if self.command and (self.engine is None or self.base_url):
            raise ValueError("command is for a tier with an engine and without a base_url")
        return self

    @property
    def is_kept(self) -> bool:
        """Whether twotier starts its server, by a command that is the engine's."""
        return self.engine in KEPT_ENGINES and not (self.base_url or self.command)

    @property
    def is_local(self) -> bool:
        """On the owner's own machine, as far as `local-only` is concerned."""
        return self.engine is not None if self.local is None else self.local


class Config(Section):
    """The whole file."""

    state: FolderPath = Field(
        ".twotier", description="Folder for databases, logs and sockets, relative to this file."
    )
    gateway: GatewayConfig = Field(default_factory=GatewayConfig, description="The one port.")
    answers: AnswersConfig = Field(
        default_factory=AnswersConfig,
        description="Finished answers to requests that carry an Idempotency-Key.",
    )
    tiers: dict[TierName, TierConfig] = Field(
        default_factory=dict, description="The models twotier can ask, by name."
    )
    aliases: dict[str, str] = Field(
        default_factory=dict, description="Short names: a tier, or a full provider/model."
    )
    prices: dict[PriceName, PriceConfig] = Field(
        default_factory=dict,
        description="Your own prices, by provider/model; `twotier prices set` writes them.",
    )
    unit_prices: dict[PriceName, Usd] = Field(
        default_factory=dict,
        description="Your own prices in USD for one of what is no token, by provider/unit.",
    )
    budgets: tuple[BudgetConfig, ...] = Field((), description="Alerts and limits.")
    jobs: tuple[JobConfig, ...] = Field((), description="Scheduled work.")
    chat: ChatConfig = Field(default_factory=ChatConfig, description="Conversations that last.")
    tools: ToolsConfig = Field(
        default_factory=ToolsConfig, description="What jobs may use beside a model."
    )
    approvals: ApprovalsConfig = Field(
        default_factory=ApprovalsConfig, description="Calls of tools that wait for your yes."
    )
    savings: SavingsConfig = Field(
        default_factory=SavingsConfig, description="What savings are compared with."
    )
    routing: RoutingConfig = Field(default_factory=RoutingConfig, description="The router.")
    rules: tuple[RuleConfig, ...] = Field((), description="Rules of your own.")
    ntfy: NtfyConfig = Field(default_factory=NtfyConfig, description="Where ntfy messages go.")
    smtp: SmtpConfig = Field(
        default_factory=SmtpConfig, description="The server that mail goes to."
    )
    alerts: AlertsConfig = Field(
        default_factory=AlertsConfig, description="What a person should hear of at once."
    )
    ledger: LedgerConfig = Field(
        default_factory=LedgerConfig, description="What was asked, and what it cost."
    )
    retention: RetentionConfig = Field(
        default_factory=RetentionConfig, description="How long texts of jobs are kept."
    )
    trials: TrialsConfig = Field(
        default_factory=TrialsConfig, description="How another tier, prompt or model is tried."
    )
    verify: VerifyConfig = Field(
        default_factory=VerifyConfig, description="How answers of local tiers are looked at."
    )
    work: WorkConfig = Field(default_factory=WorkConfig, description="Where runs of jobs are kept.")
    outside: OutsideConfig = Field(
        default_factory=OutsideConfig, description="What did not come through twotier."
    )
    log: LogConfig = Field(default_factory=LogConfig, description="The log.")
    telemetry: TelemetryConfig = Field(
        default_factory=TelemetryConfig, description="Spans for an OpenTelemetry collector."
    )

    @model_validator(mode="after")
    def names_fit(self) -> Config:
        """Names are unique, hide no other, and stand for something."""
        problems = (
            self.alias_problems(),
            self.standby_problems(),
            self.job_problems(),
            order_problems(self.jobs),
            tool_problems(self.jobs, self.tools, mail=bool(self.smtp.host)),
            verify_problems(self.jobs, tools=self.tools, verify=self.verify, tiers=self.tiers),
            budget_problems(self.budgets, tiers=self.tiers, jobs=self.jobs),
            rule_problems(self.routing, self.rules, tiers=self.tiers, jobs=self.jobs),
        )
        mail = "" if self.smtp.host else self.alerts.mail_problem()
        return raise_all(
            self, [*(one for found in problems for one in found), *filter(None, [mail])]
        )

    def alias_problems(self) -> Iterator[str]:
        """Aliases that hide a tier, or lead nowhere."""
        for name, target in self.aliases.items():
            if name in self.tiers or name in (AUTO, NO_MODEL):
                yield f"aliases.{name}: a tier has this name already"
            if "/" not in target and target not in self.tiers:
                yield f"aliases.{name}: no tier {target!r}; there are: {listed(self.tiers)}"

    def standby_problems(self) -> Iterator[str]:
        """Tiers in the place of one that is not there, or whose server is not ours to end."""
        for name, tier in self.tiers.items():
            home = self.tiers.get(tier.in_place_of or "")
            if tier.in_place_of is None:
                continue
            if home is None or home is tier or home.in_place_of:
                others = [one for one, other in self.tiers.items() if not other.in_place_of]
                yield (
                    f"tiers.{name}.in_place_of: {tier.in_place_of!r} is no tier with a place of its"
                    f" own; there are: {listed(others)}"
                )
            elif not (tier.is_kept and home.is_kept):
                yield (
                    f"tiers.{name}.in_place_of: both need an engine that twotier starts"
                    f" ({listed(KEPT_ENGINES)})"
                )

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
            if job.model == NO_MODEL:
                continue
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
