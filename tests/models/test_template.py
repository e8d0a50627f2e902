"""The chat template of a model folder is found where mlx-lm finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engines.fixtures import starter_model
from twotier.errors import EngineError
from twotier.models import template


def test_a_file_of_its_own_goes_first(tmp_path: Path) -> None:
    """Before the tokenizer's settings."""
    (tmp_path / "chat_template.jinja").write_text("own")
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "settings"}')
    assert template.of(tmp_path) == "own"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"chat_template": "one"}, "one"),
        ({"chat_template": [{"name": "a", "template": "x"}, {"template": "y"}, 3]}, "x\ny"),
        ({"chat_template": None}, ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_the_settings_may_have_one_or_several(tmp_path: Path, settings: Any, text: str) -> None:
    """All of them are looked at."""
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert template.of(tmp_path) == text


@pytest.mark.slow
def test_a_gguf_file_has_it_inside() -> None:
    """The starter's own; a file that is none says so."""
    assert "<|im_start|>" in template.of(starter_model())
    with pytest.raises(EngineError):
        template.of(Path(__file__))


def test_what_cannot_be_read_is_no_template(tmp_path: Path) -> None:
    """Nothing there, no JSON, one without a bottom, one far too large."""
    assert template.of(tmp_path) == ""
    for text in ("{", "[" * 100_000, "[]"):
        (tmp_path / "tokenizer_config.json").write_text(text)
        assert template.of(tmp_path) == ""
    with (tmp_path / "chat_template.jinja").open("wb") as file:
        file.truncate(template.BYTES_MAX + 1)
    assert template.of(tmp_path) == ""
