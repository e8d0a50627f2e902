"""Includes, variables, secrets, names of models: OpenClaw's rules, by example."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from twotier.config.openclaw.include import DEPTH_MAX, assembled
from twotier.config.openclaw.notes import number
from twotier.config.openclaw.references import resolved
from twotier.config.openclaw.settings import duration, settings
from twotier.config.openclaw.variables import (
    Secret,
    dotenv,
    filled,
    missing,
    secret,
    unfilled,
    without_keys,
)
from twotier.errors import ConfigError


def included(files: Mapping[str, str]) -> object:
    """The value of `main` among these files, each by its bare name."""
    return assembled(files["main"], path="main", opened=lambda name, _: (name, files[name]))


def test_an_include_is_merged_below_what_stands_beside_it() -> None:
    files = {
        "main": "{$include: ['a', 'b'], x: {own: 1}, list: [3]}",
        "a": "{x: {own: 0, a: 1}, list: [1], y: 1}",
        "b": "{x: {b: 1}, list: [2], y: {deep: {$include: 'c'}}}",
        "c": "[{$include: 'd'}]",
        "d": "7",
    }
    assert included(files) == {
        "x": {"own": 1, "a": 1, "b": 1},
        "list": [1, 2, 3],
        "y": {"deep": [7]},
    }


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"main": "{$include: 'a'}", "a": "{$include: 'b'}", "b": "{$include: 'a'}"},
            "b: $include goes in a circle, back to a",
        ),
        ({"main": "{$include: 'main'}"}, "goes in a circle"),
        ({"main": "{$include: 7}"}, "names a file, or a list of files"),
        ({"main": "{$include: ['a', 7]}", "a": "{}"}, "names a file, or a list of files"),
        ({"main": "{$include: 'a', x: 1}", "a": "[]"}, "nothing may stand beside it"),
        ({"main": "{$include: 'a'}", "a": "{"}, "a, line 1, column 2"),
    ],
)  # fmt: skip
def test_an_include_that_cannot_be_is_told(files: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        included(files)
    assert said in caught.value.message


def test_includes_go_ten_files_deep() -> None:
    deep = {f"f{number}": f"{{$include: 'f{number + 1}'}}" for number in range(1, DEPTH_MAX + 5)}
    with pytest.raises(ConfigError, match="more than 10 files deep"):
        included({"main": "{$include: 'f1'}", **deep})
    assert included({"main": "{$include: 'f1'}", **deep, f"f{DEPTH_MAX}": "{end: 1}"}) == {"end": 1}


def test_a_variable_is_filled_in_unless_it_is_missing_or_a_secret() -> None:
    env = {"HOST": "h", "EMPTY": "", "API_KEY": "never", "lower": "x"}
    text = "http://${HOST}/${EMPTY}/${lower}/$${HOST}/${API_KEY}"
    assert filled(text, env) == "http://h/${EMPTY}/${lower}/${HOST}/${API_KEY}"
    assert unfilled("${A} $${B} ${c}") == ["A"]
    named = {"a": ["x ${NOT}"], "b": {"c": "${HOST} $${D}"}, "d": 7, "": "${ALSO}"}
    assert list(missing(named, env)) == [("NOT", "a[0]"), ("ALSO", "")]


@pytest.mark.parametrize(
    ("value", "at_home", "expected"),
    [
        ("local", True, Secret("")),
        (None, True, Secret("")),
        ("", False, Secret("env:NAME")),
        ("${MY_KEY}", False, Secret("env:MY_KEY")),
        ({"source": "env", "provider": "default", "id": "MY_KEY"}, False, Secret("env:MY_KEY")),
    ],
)
def test_a_key_is_a_place(value: object, *, at_home: bool, expected: Secret) -> None:
    assert secret(value, name="NAME", at_home=at_home) == expected


@pytest.mark.parametrize(
    "value",
    ["sk-real-one", {"source": "exec", "id": "vault"}, {"source": "env", "id": "bad name"}, {}],
)
def test_a_key_that_lies_elsewhere_has_to_be_set(value: object) -> None:
    """Its value gets nowhere, also not into the sentence."""
    found = secret(value, name="NAME", at_home=False)
    assert found.place == "env:NAME"
    assert "set NAME" in found.because
    assert "sk-real" not in found.because


@pytest.mark.parametrize(
    "key",
    ["sk-ant-" + "a" * 20, "ghp_" + "a" * 36, "xoxb-" + "1" * 12, "AKIA" + "A" * 16,
     "123456789:" + "a" * 35, "Bearer abcdefghijklmnopqrstuv"],
)  # fmt: skip
def test_a_key_in_a_text_is_left_out(key: str) -> None:
    assert key.removeprefix("Bearer ") not in without_keys(f"Use {key} for it.")


def test_words_are_no_keys() -> None:
    words = "Check octo/blog, sk-8 and https://example.org/feed.xml?x=1 at 12345:30"
    assert without_keys(words) == words


def test_a_dotenv_file_is_read_as_shells_do() -> None:
    text = "# no\nA=1\nexport B = 'two words'\nC=\"x\nD='\n=1\nE=\n"
    assert dotenv(text) == {"A": "1", "B": "two words", "C": '"x', "D": "'", "E": ""}


ALIASES = {"m25": "mlx-local/org/M2.5", "chain": "opus"}
LISTED = (
    "anthropic/claude-opus-4-6", "openai/gpt-9-mini", "openai/gpt-9", "google/gemini-9-flash",
    "google/gemini-9",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mlx-local/org/M2.5", "mlx-local/org/M2.5"),
        ("M25", "mlx-local/org/M2.5"),
        ("opus", "anthropic/claude-opus-4-6"),
        ("opus-4.5", "anthropic/claude-opus-4-5"),
        ("sonnet", "anthropic/sonnet"),
        ("gpt", "openai/gpt-9"),
        ("gpt-mini", "openai/gpt-9-mini"),
        ("gemini", "google/gemini-9"),
        ("gemini-flash", "google/gemini-9-flash"),
        ("Z.AI/glm-9", "zai/glm-9"),
        (" some-model ", "anthropic/some-model"),
        ("", "None"),
        ("/x", "None"),
        ("x/", "None"),
    ],
)
def test_a_name_of_a_model_means_what_it_means_there(name: str, expected: str) -> None:
    assert str(resolved(name, aliases=ALIASES, listed=LISTED)) == expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30m", 1_800.0), ("1h30m", 5_400.0), ("0m", 0.0), ("500ms", 0.5), (5, 300.0), ("5", 300.0),
     ("soon", None), ("", None), (None, None), ("30m!", None)],
)  # fmt: skip
def test_a_duration_without_a_unit_is_minutes(value: object, seconds: float | None) -> None:
    assert duration(value) == seconds


def test_numbers_may_be_text_and_nothing_else_counts() -> None:
    things: list[object] = ["5", 5, 5.5, True, "x", "9" * 30, 1e30, float("nan"), []]
    assert [number(one) for one in things] == [5.0, 5.0, 5.5, *[None] * 6]


def test_both_shapes_of_agents_are_read() -> None:
    raw = {
        "agents": {
            "list": [{"id": "old", "model": "opus", "heartbeat": {"every": "1h"}}, {"no": "id"}, 7],
            "entries": {"new": {"model": {"primary": "x/y", "fallbacks": ["z/w", 7, ""]}}},
        }
    }
    found = settings(raw, env={})
    assert found.agents["old"].primary == "opus"
    assert (found.agents["new"].primary, found.agents["new"].fallbacks) == ("x/y", ("z/w",))
    assert [(one.agent, one.every_seconds) for one in found.heartbeats] == [("old", 3_600.0)]


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        7,
        {"models": 1, "agents": [], "cron": "x"},
        {"agents": {"defaults": {"model": 7, "models": [1]}}},
    ],
)
def test_what_has_another_form_counts_as_missing(raw: object) -> None:
    found = settings(raw, env={})
    assert found.providers == {}
    assert found.choice.primary == ""
    assert found.cron
    assert found.allowed is None


def test_the_list_of_models_is_an_allow_list_until_there_is_a_policy() -> None:
    def allowed(policy: object) -> tuple[str, ...] | None:
        models = {"anthropic/claude-opus-4-6": {"alias": "opus"}}
        defaults = {"models": models, **({} if policy is None else {"modelPolicy": policy})}
        return settings({"agents": {"defaults": defaults}}, env={}).allowed

    assert allowed(None) == ("anthropic/claude-opus-4-6",)
    assert allowed({"allow": ["x/*"]}) == ("x/*",)
    assert allowed({"other": 1}) is None
    found = settings(
        {"agents": {"defaults": {"modelPolicy": {"allow": ["mlx/*", "opus"]}}}}, env={}
    )
    names = ("mlx/any", "anthropic/opus", "anthropic/claude-opus-4-6")
    assert [found.allows(ref) for name in names if (ref := found.ref(name))] == [True, True, False]


def test_a_models_limits_and_price_are_read() -> None:
    row = {
        "id": "m",
        "contextTokens": 1000,
        "contextWindow": 2000,
        "input": ["text", "image"],
        "compat": {"supportsTools": False},
        "cost": {"input": 1, "odd": 2},
    }
    raw = {
        "models": {"providers": {"P": {"baseUrl": "http://[", "maxTokens": 7, "models": [row, {}]}}}
    }
    provider = settings(raw, env={}).providers["p"]
    assert provider.host == ""
    (model,) = provider.models
    assert (model.window_tokens, model.output_tokens_max) == (1000, 7)
    assert (model.images, model.tools, model.cost) == (True, False, {"input": 1.0})
