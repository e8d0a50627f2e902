"""What we want to know of OpenClaw's configuration, in both of its shapes. Pure.

Everything may be missing, and what has another form than expected counts as missing: OpenClaw's own
check is stricter, and what it refuses is no business of an import. Variables are filled in where an
address or a name is read; keys are only ever places (`variables`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from twotier.config.openclaw.notes import number, rows, table, text
from twotier.config.openclaw.references import Ref, resolved
from twotier.config.openclaw.variables import Secret, filled, secret
from twotier.domain.urls import is_loopback

DURATIONS = re.compile(r"(?:[0-9]++(?:\.[0-9]++)?+(?:ms|s|m|h|d))++")
DURATION = re.compile(r"(?<![0-9.])([0-9.]++)([a-z]++)")
LOGIN = re.compile(r"//[^/]*@")  # it may hold a password, which gets into no file of ours
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
PRIVATE = re.compile(
    r"10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]"
)
# Whose models run nowhere but at their makers, whatever address leads to them.
PAID_PROVIDERS = frozenset(("anthropic", "openai", "openrouter", "google", "xai"))
PAID_MODELS = re.compile(r"claude-|gpt-[3-9]|o[1-9](-|$)|gemini-|grok-")
HEARTBEAT_SECONDS = 1_800.0  # on by default, in both shapes
READ = frozenset(("models", "agents", "cron"))
QUIET = frozenset(("gateway", "$schema", "meta", "env", "wizard"))  # nothing of it could be taken


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a provider. `window_tokens` and `cost` are None where nothing is said; OpenClaw
    then takes 200,000 tokens and, early in 2026, a price of nothing.
    """

    ref: Ref
    name: str = ""
    window_tokens: int | None = None
    output_tokens_max: int | None = None
    images: bool = False
    tools: bool | None = None
    cost: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """A server somebody named. `address` is empty where OpenClaw knows it by itself."""

    id: str
    address: str
    api: str
    key: Secret
    models: tuple[Model, ...]
    stripped: bool = False  # a login or a query was left out of its address

    @property
    def host(self) -> str:
        """The machine of its address."""
        return host_of(self.address)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A turn of the main session that comes by itself. `said`: whether anybody wrote it down."""

    agent: str
    every_seconds: float
    model: str
    said: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and those that take its place; empty where nothing is said."""

    primary: str = ""
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """OpenClaw's configuration, as far as it is taken. Names of models are as they were written."""

    providers: Mapping[str, Provider] = field(default_factory=dict)
    choice: Choice = Choice()
    agents: Mapping[str, Choice] = field(default_factory=dict)
    agent: str = "main"  # who works where nobody is named
    aliases: Mapping[str, str] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    allowed: tuple[str, ...] | None = None
    heartbeats: tuple[Heartbeat, ...] = ()
    utility: str | None = None
    cron: bool = True
    cron_store: str = ""
    skip_missed: bool = False
    port: int = 18_789
    left_out: tuple[str, ...] = ()

    def ref(self, name: str) -> Ref | None:
        """What a name of a model means here."""
        lower = {alias.lower(): full for alias, full in self.aliases.items()}
        return resolved(name, aliases=lower, listed=self.listed)

    def allows(self, ref: Ref) -> bool:
        """Whether OpenClaw lets this model be asked for."""
        return self.allowed is None or any(
            ref == self.ref(one) or (one.endswith("/*") and ref.provider == one[:-2].lower())
            for one in self.allowed
        )

    def model(self, ref: Ref) -> Model | None:
        """What is said of a model."""
        provider = self.providers.get(ref.provider)
        return next((one for one in provider.models if one.ref == ref), None) if provider else None


def settings(raw: Any, *, env: Mapping[str, str]) -> Settings:
    """The configuration of the values that stand in its file."""
    top = table(raw)
    defaults = table(table(top.get("agents")).get("defaults"))
    cron = table(top.get("cron"))
    listed = table(defaults.get("models"))
    policy = table(defaults.get("modelPolicy"))
    return Settings(
        providers={one.id: one for one in providers(table(top.get("models")), env)},
        choice=choice(defaults.get("model")),
        agents={id_: choice(agent.get("model")) for id_, agent in agents(table(top.get("agents")))},
        agent=next(
            (id_ for id_, one in agents(table(top.get("agents"))) if one.get("default") is True),
            "main",
        ),
        aliases=dict(aliases(listed)),
        listed=tuple(listed),
        allowed=allowed(listed, policy),
        heartbeats=tuple(heartbeats(table(top.get("agents")), defaults)),
        utility=None if "utilityModel" not in defaults else text(defaults["utilityModel"]),
        cron=cron.get("enabled") is not False,
        cron_store=filled(text(cron.get("store")), env),
        skip_missed=cron.get("skipMissedJobs") is True,
        port=int(number(table(top.get("gateway")).get("port")) or 18_789),
        left_out=tuple(name for name in top if name not in READ | QUIET),
    )


def providers(models: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Provider]:
    """The servers somebody named."""
    for name, raw in table(models.get("providers")).items():
        one, id_ = table(raw), name.strip().lower()
        said = filled(text(one.get("baseUrl")), env)
        address = LOGIN.sub("//", said.partition("?")[0].partition("#")[0], count=1).rstrip("/")
        yield Provider(
            id=id_,
            address=address,
            api=text(one.get("api")) or "openai-completions",
            key=secret(one.get("apiKey"), name=key_name(id_), at_home=at_home(host_of(address))),
            models=tuple(
                model(id_, table(row), above=one)
                for row in rows(one.get("models"))
                if table(row).get("id")
            ),
            stripped=address != said.rstrip("/"),
        )


def model(provider: str, row: Mapping[str, Any], *, above: Mapping[str, Any]) -> Model:
    """One row of a provider's models; `above` is the provider, whose limits count for all."""
    window = whole(row.get("contextTokens")) or whole(row.get("contextWindow"))
    cost = row.get("cost")
    tools = table(row.get("compat")).get("supportsTools")
    return Model(
        ref=Ref(provider, text(row["id"])),
        name=text(row.get("name")),
        window_tokens=window,
        output_tokens_max=whole(row.get("maxTokens")) or whole(above.get("maxTokens")),
        images="image" in rows(row.get("input")),
        tools=tools if isinstance(tools, bool) else None,
        cost={key: number(value) or 0.0 for key, value in cost.items() if key in COSTS}
        if isinstance(cost, dict)
        else None,
    )


COSTS = ("input", "output", "cacheRead", "cacheWrite")


def whole(value: Any) -> int | None:
    """A positive whole number, else None."""
    found = number(value)
    return int(found) if found and found >= 1 else None


def choice(raw: Any) -> Choice:
    """A model by its name, or with those that take its place."""
    if isinstance(raw, str):
        return Choice(text(raw))
    fallbacks = (text(one) for one in rows(table(raw).get("fallbacks")))
    return Choice(text(table(raw).get("primary")), tuple(filter(None, fallbacks)))


def agents(raw: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every agent by its id: a list in the older shape, a table in the newer one."""
    for row in rows(raw.get("list")):
        if id_ := text(table(row).get("id")):
            yield id_, table(row)
    for id_, row in table(raw.get("entries")).items():
        yield id_, table(row)


def aliases(listed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each short name with the full one it stands for."""
    for full, row in listed.items():
        if name := text(table(row).get("alias")):
            yield name, full


def allowed(listed: Mapping[str, Any], policy: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The models that may be asked for, None for all. Until `modelPolicy` came, whoever gave one
    model an alias had made a list of all that are allowed.
    """
    if "allow" in policy:
        return tuple(text(one) for one in rows(policy["allow"]))
    return tuple(listed) if listed and not policy else None


def heartbeats(raw: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[Heartbeat]:
    """Who wakes by itself: every agent with a heartbeat of its own, else the main one."""
    own = [(id_, table(agent["heartbeat"])) for id_, agent in agents(raw) if "heartbeat" in agent]
    usual = table(defaults.get("heartbeat"))
    for id_, one in own or [("main", {})]:
        both = {**usual, **one}
        seconds = duration(both.get("every"))
        yield Heartbeat(
            agent=id_,
            every_seconds=HEARTBEAT_SECONDS if seconds is None else seconds,
            model=text(both.get("model")),
            said=bool(both),
        )


def duration(value: Any) -> float | None:
    """Seconds of `30m` or `1h30m`; a bare number is minutes. None for anything else."""
    word = text(value).lower()
    if (bare := number(value)) is not None:
        return bare * 60.0
    if not DURATIONS.fullmatch(word):
        return None
    return sum(float(count) * UNITS[unit] for count, unit in DURATION.findall(word))


def key_name(provider: str) -> str:
    """The variable that a provider's key is given where it has none: `MLX_LOCAL_API_KEY`."""
    return re.sub(r"[^A-Z0-9]+", "_", provider.upper()).strip("_") + "_API_KEY"


def host_of(address: str) -> str:
    """The machine of an address; empty where it cannot be read."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def is_local(ref: Ref, host: str) -> bool:
    """Whether a model runs at home. A paid one behind a proxy at home does not."""
    paid = ref.provider in PAID_PROVIDERS or PAID_MODELS.match(ref.model.rsplit("/", 1)[-1].lower())
    return at_home(host) and not paid


def at_home(host: str) -> bool:
    """Whether a machine is this one, or stands in the same house."""
    return is_loopback(host) or bool(PRIVATE.match(host)) or host.endswith((".local", ".lan"))
