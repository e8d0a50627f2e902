"""Templates to text: everything is escaped, and a name that is not there is an error.

Jinja2 is loaded with the first page that somebody looks at, so that main starts without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twotier.dashboard import words
from twotier.dashboard.static import link
from twotier.dashboard.visible import visible

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).with_name("templates")


@cache
def environment() -> jinja2.Environment:
    """The one of this process, its templates compiled once each."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    made.filters.update(words.FILTERS)
    # Blocks are rendered alone too, so what they call is not imported by a page but known to all.
    made.globals.update(link=link, shapes=made.get_template("shapes.html").module)
    made.globals.update(work=made.get_template("work.html").module)
    return made


def shown(value: object) -> object:
    """What stands in a template: in plain text no sign hides or turns round another; what is markup
    already was made by us.
    """
    return visible(value) if type(value) is str else value


def whole(template: str, told: Mapping[str, Any]) -> str:
    """A whole page."""
    return environment().get_template(template).render(told)


def blocks(template: str, names: Iterable[str], *, told: Mapping[str, Any]) -> dict[str, str]:
    """Some of its blocks, by name, as they stand in the page."""
    found = environment().get_template(template)
    context = found.new_context(dict(told))
    return {name: "".join(found.blocks[name](context)) for name in names}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands: `root` leads from it to `/ui/`, `here` is its own place below that."""

    root: str
    here: str


def place_of(path: str) -> Place:
    """The place of a path like `/ui/runs/7`: links are relative, so that a prefix in front of all
    of it changes nothing.
    """
    here = path.removeprefix("/ui/")
    return Place("../" * here.count("/") or "./", here)
