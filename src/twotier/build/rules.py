"""The rules of the configuration, compiled for the router."""

from __future__ import annotations

from typing import get_args

from twotier.config.routing import Day, RuleConfig, minutes
from twotier.config.schema import Config
from twotier.config.zones import zone_name
from twotier.domain.message import PATHS
from twotier.domain.money import MICROUSD_PER_USD
from twotier.router.own import Own, Span
from twotier.router.rows import Rules, rules_of


def rules_in(config: Config) -> Rules:
    """Preset, order and the owner's own, as the file has them."""
    routing = config.routing
    own = [own_of(rule) for rule in config.rules]
    return rules_of(
        routing.preset,
        order=routing.order,
        off=routing.off,
        own=own,
        value_microusd=round(routing.value_usd * MICROUSD_PER_USD),
    )


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
