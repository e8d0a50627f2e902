"""The docs say what the program does: generated pages are compared, examples are loaded."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tools import docs
from twotier import errors
from twotier.config import load

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = ROOT / "docs" / "decisions"
LINKS = re.compile(r"\]\((?!https?://|#|mailto:)([^)#]+)")


@pytest.mark.parametrize("name", ["configuration.md", "errors.md", "metrics.md"])
def test_a_generated_page_is_what_the_program_says(name: str) -> None:
    """A setting or an error that changes takes its page with it: run `make docs`."""
    assert (docs.DOCS / name).read_text(encoding="utf-8") == docs.page(name)


@pytest.mark.slow
def test_the_help_in_the_docs_is_the_real_one() -> None:
    """Every command's help, as `twotier COMMAND --help` prints it: run `make docs`."""
    assert (docs.DOCS / "cli.md").read_text(encoding="utf-8") == docs.page("cli.md")


def test_every_error_says_how_it_looks_from_outside() -> None:
    """Each class has a row with its own name, and no two share a code."""
    text = (docs.DOCS / "errors.md").read_text(encoding="utf-8")
    classes = [
        thing
        for thing in vars(errors).values()
        if isinstance(thing, type) and issubclass(thing, errors.TwotierError)
    ]
    assert [thing.__name__ for thing in classes if f"`{thing.__name__}`" not in text] == []
    assert len({thing.code for thing in classes}) == len(classes)


def test_every_setting_has_a_sentence() -> None:
    """A row of the settings that ends without one is a field without a description."""
    rows = [line for line in docs.configuration().splitlines() if line.startswith("| `")]
    assert rows
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []


def test_the_example_configuration_loads(tmp_path: Path) -> None:
    """The commented example is a real configuration, every line of it."""
    example = ROOT / "src" / "twotier" / "config" / "example.toml"
    copy = tmp_path / "twotier.toml"
    copy.write_bytes(example.read_bytes())
    assert load.load(copy).config.tiers


def names_of(requirements: list[str]) -> list[str]:
    """Package names without versions, extras and markers."""
    return [re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0] for requirement in requirements]


def test_every_dependency_is_a_decision() -> None:
    """Each package of pyproject.toml is named on a page of docs/decisions/."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = names_of(read["project"]["dependencies"]) + names_of(read["build-system"]["requires"])
    for group in (read["project"]["optional-dependencies"], read["dependency-groups"]):
        for requirements in group.values():
            wanted += names_of(requirements)
    text = "\n".join(page.read_text(encoding="utf-8") for page in DECISIONS.glob("*.md"))
    unnamed = [name for name in wanted if f"`{name}`" not in text]
    assert not unnamed, f"no page of docs/decisions names {unnamed}"


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link in a Markdown page names a file that is there."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in LINKS.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not broken, "\n".join(broken)


def test_locks_agree() -> None:
    """What runs is what is tested: a package has one version in all locks, and only hashes."""
    versions: dict[str, set[str]] = {}
    for lock in (ROOT / "locks").glob("*.txt"):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, f"{lock.name} names a host"
        for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
