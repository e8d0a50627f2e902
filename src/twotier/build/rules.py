"""The rules of the configuration, compiled for the router."""

from __future__ import annotations

import tomllib
from typing import get_args

from twotier.config.job_files import job_files
from twotier.config.load import Loaded, check
from twotier.config.routing import Day, RuleConfig, minutes
from twotier.config.schema import Config
from twotier.config.zones import zone_name
from twotier.domain.message import PATHS
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import NOT_READABLE, ConfigError
from twotier.router.own import Own, Span
from twotier.router.rows import Rules, rules_of

SECTIONS = ("routing", "rules")


def rules_in(config: Config) -> Rules:
    """Preset, order and the owner's own, as the file has them."""
    routing = config.routing
    own = [own_of(rule) for rule in config.rules]
    return rules_of(
        routing.preset,
        order=routing.order,
        off=routing.off,
        own=own,
        patience_seconds=routing.patience,
        value_microusd=round(routing.value_usd * MICROUSD_PER_USD),
    )


def rules_from(loaded: Loaded, text: str) -> Rules:
    """The rules that `[routing]` and `[[rules]]` of another file's text would make of this
    configuration; whatever else is in it does not count. Raises `ConfigError`.
    """
    try:
        wanted = tomllib.loads(text)
    except NOT_READABLE as exc:
        raise ConfigError(f"the rules are not valid TOML: {exc}") from exc
    given = {name: wanted[name] for name in SECTIONS if name in wanted}
    if not given:
        raise ConfigError("the rules have neither [routing] nor [[rules]]; see docs/routing.md")
    raw = tomllib.loads(loaded.path.read_text(encoding="utf-8"))
    kept = {name: value for name, value in raw.items() if name not in SECTIONS}
    files = job_files(loaded.path.parent)
    return rules_in(check({**kept, **given}, "the rules", files=files))


def own_of(rule: RuleConfig) -> Own:
    """One rule of the owner's."""
    return Own(
        rule.name,
        text=rule.because,
        tier=rule.tier or "",
        side=rule.side or "",
        local_only=rule.policy == "local-only",
        clients=rule.client,
        jobs=rule.job,
        kinds=rule.kind,
        models=rule.model,
        dialects=frozenset(dialect for dialect, path in PATHS.items() if f"/v1{path}" in rule.path),
        headers=rule.header,
        tokens_over=rule.prompt_tokens_over,
        tokens_under=rule.prompt_tokens_under,
        tools=rule.tools,
        span=span_of(rule),
    )


def span_of(rule: RuleConfig) -> Span | None:
    """When it holds; None for always."""
    if not (rule.between or rule.days):
        return None
    since, until = minutes(rule.between)
    days = frozenset(get_args(Day).index(day) for day in rule.days)
    return Span(since, until, days=days, zone=zone_name(rule.zone))
