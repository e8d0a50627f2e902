"""`example.toml` holds every setting there is, with its sentence and its default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from twotier.config import schema
from twotier.config.load import check, sections_of
from twotier.config.watch import FilesWatch
from twotier.config.watch_base import WatchBase

TEXT = (Path(schema.__file__).parent / "example.toml").read_text(encoding="utf-8")
OFF = re.compile(r"^#(?=[a-z_0-9]+ = )", re.MULTILINE)
# Of settings that exclude one another the example shows all but one switched off, and it has no
# second local tier.
EXCLUDED = re.compile(
    r"^#(?:every|cron|at|after|remote|webhook_secret|in_place_of|env|secrets"
    r"|mentions_of|posts_of|when_local_is_down|side|policy|command(?:_env|_folder)?)"
    r" = .*$",
    re.MULTILINE,
)


# A rule without a condition would be one about everything, so the example has one.
NEEDED = {"client", "prompt"}


def sections(model: type[BaseModel], path: tuple[str | int, ...]) -> Iterator[tuple[Any, ...]]:
    """Every section of the file with a place where the example has it."""
    yield model, path
    for name, field in model.model_fields.items():
        where = {
            "tiers": ("tiers", "local"),
            "price": ("tiers", "frontier", "price"),
            "prices": ("tiers", "frontier", "price"),
            "channels": ("alerts", "channels", "phone"),
            "mcp": ("tools", "mcp", "tickets"),
            "api": ("tools", "api", "home"),
            "send": ("tools", "send", "phone"),
            "command": ("tools", "command", "words"),
        }
        many = str(field.annotation).startswith("tuple")
        found = sections_of(field.annotation)
        for inner in found:
            here = where.get(name, (*path, name, 0) if many else (*path, name))
            yield from sections(inner, watched(inner) if len(found) > 1 else here)


def watched(model: type[BaseModel]) -> tuple[str | int, ...]:
    """Where the example has a job with a watcher of this kind."""
    (kind,) = get_args(model.model_fields["kind"].annotation)
    kinds = [job.get("watch", {}).get("kind") for job in tomllib.loads(TEXT)["jobs"]]
    assert kind in kinds, f"no job of the example watches a {kind}"
    return ("jobs", kinds.index(kind), "watch")


def shown_once(model: type[BaseModel]) -> set[str]:
    """Settings that all kinds share stand with the first kind only."""
    return set(WatchBase.model_fields) if issubclass(model, WatchBase) else set()


SECTIONS = [pytest.param(*one, id=one[0].__name__) for one in sections(schema.Config, ())]


def at(values: Any, path: tuple[str | int, ...]) -> dict[str, Any]:
    """The section of plain values at a path."""
    for part in path:
        values = values[part]
    found: dict[str, Any] = values
    return found


def test_the_example_loads_as_it_is_and_with_everything_switched_on() -> None:
    """Each line is a real setting, those behind a `#` too."""
    assert check(tomllib.loads(TEXT), "example").tiers
    assert check(tomllib.loads(OFF.sub("", EXCLUDED.sub("", TEXT))), "example").tiers


@pytest.mark.parametrize(("model", "path"), SECTIONS)
def test_every_setting_is_shown_with_its_sentence(
    model: type[BaseModel], path: tuple[str | int, ...]
) -> None:
    """A setting that is added to the schema is added to the example."""
    shown = at(tomllib.loads(OFF.sub("", TEXT)), path)
    elsewhere = {"price"} | (set() if model is FilesWatch else shown_once(model))
    missing = [name for name in model.model_fields if name not in shown and name not in elsewhere]
    assert missing == []
    said = " ".join(re.sub(r"^# ?", "", TEXT, flags=re.MULTILINE).split())
    silent = [
        name for name, field in model.model_fields.items() if (field.description or "?") not in said
    ]
    assert silent == []


@pytest.mark.parametrize(("model", "path"), SECTIONS)
def test_what_is_shown_is_the_default(model: type[BaseModel], path: tuple[str | int, ...]) -> None:
    """So a person who deletes a line changes nothing."""
    parsed: Any = check(tomllib.loads(TEXT), "example")
    for part in path:
        inside = isinstance(part, int) or isinstance(parsed, dict)
        parsed = parsed[part] if inside else getattr(parsed, str(part))
    wrong = {}
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        plain = not sections_of(field.annotation) and not field.is_required()
        plain = plain and name not in NEEDED and default not in (None, {})
        if plain and getattr(parsed, name) != default:
            wrong[name] = default
    assert wrong == {}
