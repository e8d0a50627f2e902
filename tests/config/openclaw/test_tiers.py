"""Which models become tiers, what is told of their prices, and what OpenClaw costs unasked."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.config.openclaw.planning import M25, MLX, config, job, plan, said
from twotier.config.openclaw.plan import Plan
from twotier.config.openclaw.prices import differ


def provider(**fields: Any) -> dict[str, Any]:
    return {
        "baseUrl": "https://api.example.org/v1",
        "apiKey": "${FAR_KEY}",
        "models": [{"id": "m"}],
    } | fields


def with_far(**fields: Any) -> Plan:
    """A configuration whose primary is one of a provider of this kind."""
    return plan(config(primary="far/m", providers={"far": provider(**fields)}))


def section(found: Plan, name: str = "frontier") -> dict[str, Any]:
    tiers: dict[str, dict[str, Any]] = tomllib.loads(found.text)["tiers"]
    return tiers[name]


def test_a_paid_api_of_openais_shape_is_a_tier_that_is_not_local() -> None:
    assert section(with_far()) == {
        "engine": "openai",
        "provider": "far",
        "model": "m",
        "base_url": "https://api.example.org/v1",
        "key": "env:FAR_KEY",
        "local": False,
    }
    assert "far/m: nobody knows its price" in said(with_far(), "warning")


def test_apis_that_openclaw_knows_by_itself() -> None:
    assert section(plan(config(primary="openai/gpt-9")))["base_url"] == "https://api.openai.com/v1"
    assert section(plan(config(primary="anthropic/claude-9"))) == {
        "provider": "anthropic",
        "model": "claude-9",
        "key": "env:ANTHROPIC_API_KEY",
    }
    local = section(plan(config(primary="ollama/qwen")), "local")
    assert (local["engine"], local["base_url"]) == ("ollama", "http://127.0.0.1:11434/v1")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"api": "google-generative-ai"}, "it speaks google-generative-ai"),
        ({"baseUrl": "https://${NOT_SET}/v1"}, "its address needs NOT_SET"),
        ({"baseUrl": ""}, "it has no baseUrl"),
        ({"baseUrl": "nonsense"}, "its baseUrl is no address"),
    ],
)
def test_what_cannot_be_asked_is_left_out_with_the_reason(
    fields: dict[str, Any], reason: str
) -> None:
    found = with_far(**fields)
    assert reason in said(found, "dropped")
    assert "far" not in found.text


def test_a_provider_nobody_knows_is_left_out() -> None:
    assert "nobody/m: OpenClaw knows where it is asked and twotier does not" in said(
        plan(config(primary="nobody/m")), "dropped"
    )


@pytest.mark.parametrize(
    ("id_", "address", "engine"),
    [
        ("x", "http://127.0.0.1:1234/v1", "lmstudio"),
        ("x", "http://localhost:11434/v1", "ollama"),
        ("my-vllm", "http://127.0.0.1:8000/v1", "vllm"),
        ("llama-cpp", "http://127.0.0.1:8080/v1", "llama_cpp"),
        ("x", "http://127.0.0.1:9000/v1", "openai"),
        ("x", "http://127.0.0.1/v1", "openai"),
    ],
)
def test_a_server_at_home_is_told_by_its_port_or_name(id_: str, address: str, engine: str) -> None:
    raw = {"models": {"providers": {id_: provider(baseUrl=address, apiKey="none")}}}
    found = section(plan(raw), "local")
    assert found["engine"] == engine
    assert "key" not in found
    assert "local" not in found


def test_another_machine_at_home_counts_as_local_and_says_so() -> None:
    raw = {"models": {"providers": {"x": provider(baseUrl="http://192.168.1.7:8000/v1")}}}
    found = plan(raw)
    assert section(found, "local")["key"] == "env:FAR_KEY"
    assert "its server is in your network, and counts as local" in said(found, "changed")


def test_a_paid_model_behind_a_proxy_at_home_is_not_local() -> None:
    raw = config(
        providers={
            "anthropic": provider(
                baseUrl="http://127.0.0.1:4000", api="anthropic-messages", models=[]
            )
        }
    )
    found = plan(raw)
    assert section(found)["base_url"] == "http://127.0.0.1:4000"
    assert "local" not in section(found)
    assert "its address is at home and the model is not" in said(found, "changed")
    raw = config(
        primary="lite/claude-opus-4-6",
        providers={"lite": provider(baseUrl="http://127.0.0.1:4000/v1")},
    )
    assert section(plan(raw))["local"] is False


def test_a_local_server_of_anthropics_shape_is_local() -> None:
    raw = config(
        primary="x/m",
        providers={"x": provider(baseUrl="http://127.0.0.1:9/v1", api="anthropic-messages")},
    )
    found = section(plan(raw), "local")
    assert (found["provider"], found["local"]) == ("anthropic", True)


def test_a_key_that_stands_in_the_file_stays_there() -> None:
    found = with_far(apiKey="sk-very-secret-thing")
    assert section(found)["key"] == "env:FAR_API_KEY"
    assert "set FAR_API_KEY to it" in said(found, "changed")
    assert "sk-very" not in found.text + str(found.notes)


@pytest.mark.parametrize(
    "address", ["https://me:pass-word@h.example.org/v1", "https://h.example.org/v1/?k=pass-word#x"]
)
def test_a_login_in_an_address_stays_there(address: str) -> None:
    found = with_far(baseUrl=address)
    assert section(found)["base_url"] == "https://h.example.org/v1"
    assert "the login or query in its address was left out" in said(found, "warning")
    assert "pass-word" not in found.text + str(found.notes)


def test_prices_and_what_is_wrong_with_them() -> None:
    model = {"id": "m", "cost": {"input": 2, "output": 8, "cacheRead": 0}}
    found = with_far(models=[model])
    assert section(found)["price"] == {"input_usd": 2.0, "output_usd": 8.0}
    assert "its price $2 in, $8 out, $0 cache read per million tokens is yours" in said(
        found, "changed"
    )
    free = {"id": "claude-opus-4-6", "cost": {"input": 0, "output": 0}}
    raw = config(providers={"anthropic": provider(api="anthropic-messages", models=[free])})
    assert "OpenClaw counts it as free; it costs $5 in, $25 out" in said(plan(raw), "warning")
    right = {"id": "claude-opus-4-6", "cost": {"input": 5, "output": 25.01}}
    raw = config(providers={"anthropic": provider(api="anthropic-messages", models=[right])})
    assert "price" not in said(plan(raw), "warning")
    own = {"id": "m", "cost": {"input": 1, "output": 0}}
    raw = {"models": {"providers": {"x": provider(baseUrl="http://127.0.0.1:9/v1", models=[own])}}}
    assert section(plan(raw), "local")["price"] == {"input_usd": 1.0, "output_usd": 0.0}
    assert "kept as this local model's own price" in said(plan(raw), "changed")
    assert not differ(1, None)


def test_flags_come_along() -> None:
    row = {
        "id": "m",
        "input": ["text", "image"],
        "compat": {"supportsTools": True},
        "contextWindow": 9000,
    }
    found = section(with_far(models=[row]))
    assert (found["images"], found["tools"], found["window_tokens"]) == (True, True, 9000)


def test_names_of_tiers_do_not_clash() -> None:
    listed = {
        "far/org/M.1": {"alias": "Auto"},
        "far/m-1": {"alias": "frontier"},
        "far/x": {"alias": "ok-name"},
        "far/__": {},
    }
    raw = config(defaults={"models": listed}, providers={"far": provider(models=[])})
    jobs = [job(payload={"model": "far/m-1"}), job(id="2", payload={"model": "far/__"})]
    found = plan(raw, jobs)
    names = [(str(tier.ref), tier.name) for tier in found.made.tiers]
    assert names == [
        ("anthropic/opus", "frontier"),
        ("far/m-1", "m-1"),
        ("far/__", "tier-2"),
        ("far/org/M.1", "m-1-far"),
        ("far/x", "ok-name"),
        (M25, "local"),
    ]
    told = said(found, "dropped")
    assert "alias Auto" not in told
    assert "alias frontier: a tier has this name already" in told
    assert found.made.aliases == {"Auto": "m-1-far"}


def test_an_alias_for_a_model_of_anthropics_needs_no_tier() -> None:
    listed = {"anthropic/claude-haiku-4-5": {"alias": "haiku"}, "nobody/x": {"alias": "lost"}}
    found = plan(config(defaults={"models": listed}, primary="anthropic/claude-opus-4-6"))
    assert found.made.aliases == {"haiku": "anthropic/claude-haiku-4-5"}


def test_models_that_nothing_refers_to_are_named() -> None:
    found = plan(config(providers={"far": provider(models=[{"id": "a"}, {"id": "b"}])}))
    assert "far/a: nothing refers to this model" in said(found, "dropped")


def test_heartbeats_are_told_with_what_they_cost() -> None:
    told = said(plan(config()), "warning")
    assert (
        "heartbeat of main: nobody wrote one, and it is on by default: every 30m on"
        " anthropic/claude-opus-4-6, about 480,000 tokens a day, about $2.40 a day" in told
    )
    off = config(defaults={"heartbeat": {"every": "0m"}})
    assert "heartbeat" not in said(plan(off), "warning")
    at_home = config(defaults={"heartbeat": {"every": "1h", "model": "m25"}})
    assert f"every 1h on {M25}, about 240,000 tokens a day (estimate" in said(
        plan(at_home), "warning"
    )
    unknown = config(primary="anthropic/claude-9")
    assert "on anthropic/claude-9, about 480,000 tokens a day (estimate" in said(
        plan(unknown), "warning"
    )


def test_a_chain_that_crosses_to_a_paid_model_is_told() -> None:
    raw = config(primary={"primary": "m25", "fallbacks": ["opus"]})
    assert f"where {M25} fails OpenClaw asks opus without a word" in said(plan(raw), "warning")
    local_job = plan(config(), [job(payload={"model": "m25"})])
    assert "where its local model failed OpenClaw asked anthropic/claude-opus-4-6" in said(
        local_job, "warning"
    )
    strict = plan(config(), [job(payload={"model": "m25", "fallbacks": []})])
    assert "where its local model failed" not in said(strict, "warning")


def test_announce_with_a_wake_is_told_with_its_price() -> None:
    hourly = {"kind": "every", "everyMs": 3_600_000, "anchorMs": 0}
    found = said(plan(config(), [job(schedule=hourly)]), "warning")
    assert (
        "announce with wakeMode now: Hello: early in 2026 each run also woke the main chat" in found
    )
    assert "about 240,000 tokens a day, about $1.20 a day" in found
    later = plan(config(), [job(wakeMode="next-heartbeat")])
    assert "announce with wakeMode" not in said(later, "warning")
    nothing = plan(config(), [job(schedule={"kind": "at", "at": "2027-01-01"})])
    assert "about 0 tokens" not in said(nothing, "warning")


def test_other_traps_are_told() -> None:
    found = plan(config(channels={}, gateway={}, hooks={}))
    assert "channels, hooks: blocks that twotier has no match for" in said(found, "dropped")
    assert "agents.defaults.utilityModel: unset" in said(found, "warning")
    assert "OpenClaw lets only these models be asked: anthropic/claude-opus-4-6" in said(
        found, "changed"
    )
    quiet = plan(config(primary="m25", defaults={"utilityModel": "", "modelPolicy": {"allow": []}}))
    assert "utilityModel" not in said(quiet, "warning")
    assert "only these models be asked: none" in said(quiet, "changed")
    assert "cron.enabled: is false" in said(plan(config(cron={"enabled": False})), "changed")
    assert MLX["apiKey"] == "local"
