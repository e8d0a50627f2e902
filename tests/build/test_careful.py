"""Which requests are relayed to a local server, and which are said in its chat dialect."""

from __future__ import annotations

from typing import Any

import pytest

from twotier.build.tiers import local_spec
from twotier.config.schema import TierConfig
from twotier.domain.message import Dialect
from twotier.engines.base import engine
from twotier.ledger.prices import PriceBook

ALL = ("messages", "count_tokens", "responses", "completions")


@pytest.mark.parametrize(
    ("name", "more", "relayed"),
    [
        ("ollama", {}, set()),
        ("ollama", {"tools": True}, {"openai_responses", "anthropic_messages"}),
        ("openai", {}, {"anthropic_messages"}),  # whose stream is repaired as it is relayed
        ("openai", {"local": False}, {"openai_responses", "anthropic_messages"}),
    ],
)
def test_tools_go_past_no_repair_unless_the_owner_trusts_the_tier(
    name: str, more: dict[str, Any], relayed: set[Dialect]
) -> None:
    """Without tools all is relayed that the server speaks; counts and texts are always."""
    config = TierConfig(
        engine=name, model="m", base_url="http://127.0.0.1:1/v1", speaks=ALL, **more
    )
    spec = local_spec("t", config, described=engine(name), prices=PriceBook({}, {}))
    both: tuple[Dialect, ...] = ("openai_responses", "anthropic_messages")
    assert {one for one in both if spec.speaks(one, tools=3)} == relayed
    assert all(spec.speaks(one) and not spec.speaks(one, exacting=True) for one in both)
    always: tuple[Dialect, ...] = ("openai_chat", "anthropic_count", "openai_completions")
    assert all(spec.speaks(one, tools=1) for one in always)
