"""The jobs that are ready but for a few answers: the files of ours they are read from."""

from __future__ import annotations

from importlib.resources import files

from twotier.config.template import Template, read
from twotier.errors import NotFoundError

TEMPLATES = "twotier.config.templates"


def template_names() -> list[str]:
    """The templates there are."""
    found = files(TEMPLATES).iterdir()
    return sorted(one.name.removesuffix(".toml") for one in found if one.name.endswith(".toml"))


def template_of(name: str) -> Template:
    """The template of this name. Raises `NotFoundError` that lists all."""
    if name not in template_names():
        raise NotFoundError(f"no template {name!r}; there are: {', '.join(template_names())}")
    return read(name, (files(TEMPLATES) / f"{name}.toml").read_text(encoding="utf-8"))
