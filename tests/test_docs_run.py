"""What the pages tell people to type and to write down is what the program takes."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from twotier.cli import take_config
from twotier.cli.commands import app
from twotier.config.load import load

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"^(?:\$ )?(?:uvx |\.venv/bin/)?twotier(?= |$)")
# Placeholders of the reader's own, and forms that only describe.
DESCRIBES = re.compile(r"\[[a-z-]+|\b[A-Z]{3,}\b|\.\.\.|\|")
OWN_TIERS = """\
[tiers.local]
engine = "openai"
model = "m"
base_url = "http://127.0.0.1:1/v1"
[tiers.frontier]
provider = "anthropic"
model = "claude-opus-4-6"
key = "env:ANTHROPIC_API_KEY"
"""


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in these languages."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text for language, text in found if language in languages]


def commands(page: Path) -> list[str]:
    """Every line that begins with the program, without its comment, in blocks of a shell."""
    lines = "\n".join(blocks(page, "sh", "")).replace("\\\n", " ").splitlines()
    return [line for line in lines if PROGRAM.match(line)]


LINES = [(page.name, line) for page in PAGES for line in commands(page)]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_command_on_a_page_is_one(page: str, line: str) -> None:
    """Read by the real parser. Lines with a word for the reader to fill in are left out."""
    words = shlex.split(PROGRAM.sub("twotier", line), comments=True)[1:]
    for end in (">", "|", "&&", ";", "2>"):
        words = words[: words.index(end)] if end in words else words
    if DESCRIBES.search(" ".join(words)):
        pytest.skip("describes a form")
    rest, _ = take_config(words)
    command, _, _ = app.parse_args(rest, exit_on_error=False, print_error=False)
    assert command != app.help_print or not rest, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_on_a_page_are_toml(page: Path) -> None:
    """Whoever copies them has a file that can be read."""
    for text in blocks(page, "toml"):
        tomllib.loads(text)


@pytest.mark.parametrize("text", blocks(ROOT / "docs" / "how-to.md", "toml"))
def test_settings_of_the_how_to_are_a_configuration(text: str, tmp_path: Path) -> None:
    """Each as it stands, beside a tier where it brings none."""
    config = tmp_path / "twotier.toml"
    config.write_text(text if "[tiers.local]" in text else OWN_TIERS + text, encoding="utf-8")
    assert load(config).config.tiers
