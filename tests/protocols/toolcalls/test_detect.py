"""A model's family is known by its template, or by its name."""

from __future__ import annotations

import pytest

from tests.protocols.toolcalls.speaking import WRITTEN
from tests.toys.tiny_minimax import TEMPLATE
from twotier.protocols.toolcalls import by_model, by_template
from twotier.protocols.toolcalls.detect import BARE
from twotier.protocols.toolcalls.families import FAMILIES


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("mlx-community/MiniMax-M2.5-4bit", "minimax_m2"),
        ("MiniMax-M3", "minimax_m3"),
        ("Qwen3-Coder-Next-80B", "qwen3_coder"),
        ("Qwen2.5-Coder-32B", "hermes"),
        ("NousResearch/Hermes-4", "hermes"),
        ("DeepSeek-R1-Distill-Llama-70B", "deepseek"),
        ("GLM-4.6", "glm"),
        ("Kimi-K2-Instruct", "kimi_k2"),
        ("Codestral-22B", "mistral"),
        ("openai/gpt-oss-20b", "harmony"),
        ("gemma-3-27b", "gemma"),
        ("Llama-3.1-8B-Instruct", "llama3_json"),
        ("toy", ""),
    ],
)
def test_a_name_tells_the_family(name: str, family: str) -> None:
    """The article's models, and the others."""
    assert by_model(name) == family


@pytest.mark.parametrize("text", WRITTEN.items(), ids=WRITTEN)
def test_a_template_that_shows_a_call_tells_the_family(text: tuple[str, str]) -> None:
    """As the family writes it; the first marker that stands in it decides."""
    name, written = text
    names = [family.name for family in FAMILIES if name.startswith(family.name)]
    family = max(names, key=len, default="gemma")
    assert by_template(f"{{% if tools %}}{written}{{% endif %}}") == family


@pytest.mark.parametrize(
    ("template", "family"),
    [
        (TEMPLATE, "minimax_m2"),
        ("'<tool_call>\\n<function=' + name", "qwen3_coder"),
        ("<|start_header_id|> {'name': x, 'parameters': y}", "llama3_json"),
        ("{{ message.content }}", ""),
        ("", ""),
    ],
)
def test_templates_as_they_are_written(template: str, family: str) -> None:
    """A line break may stand in it as two characters."""
    assert by_template(template) == family


def test_families_of_bare_json_exist() -> None:
    """The set names what there is."""
    assert {family.name for family in FAMILIES} >= BARE
