"""Pages for people in trouble: what they quote is said, and what they say to type can be typed."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import tests.toys.server
from tests.story.service import FRONTIER, INBOX, Service, eventually
from tests.test_docs_run import PROGRAM, blocks

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
HOLE = "\0"
TOY = f"""
[tiers.local]
engine = "openai"
model = "toy"
command = ["{sys.executable}", "-I", "{tests.toys.server.__file__}", "--port", "{{port}}"]
"""
PAGES = ("troubleshooting.md", "operations.md", "security.md", "service.md")
# What needs what no test has: a service manager, another package, a browser, a second machine.
ELSEWHERE = {
    "service": "tests/story/test_service.py",
    "--config": "tests/copies",
    "restore": "tests/copies",
}
ENDS = {"doctor": (0, 1), "security": (0, 1)}


@cache
def said() -> list[str]:
    """Every text that the program may print, what is put in as a hole."""
    found = []
    for path in (ROOT / "src" / "twotier").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    one.value if isinstance(one, ast.Constant) else HOLE for one in node.values
                )
                found.append("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def is_said(quoted: str) -> bool:
    """Whether one text has all of it; `…` stands for what is put in."""
    parts = [re.escape(part) for part in quoted.split("…")]
    pattern = re.compile(f".*{HOLE}.*".join(parts) if len(parts) > 1 else parts[0])
    return any(pattern.search(text) for text in said())


def quotes() -> list[str]:
    """The first cell of each row of the tables of troubles."""
    return ROW.findall((DOCS / "troubleshooting.md").read_text(encoding="utf-8"))


def test_there_is_a_row_for_many_troubles() -> None:
    """And none is told twice."""
    assert len(quotes()) >= 40
    assert len(set(quotes())) == len(quotes())


@pytest.mark.parametrize("quoted", quotes())
def test_a_trouble_that_is_explained_exists(quoted: str) -> None:
    """A sentence that changes takes its row with it."""
    assert is_said(quoted), f"nobody says {quoted!r} any more; look for its new words"


def test_a_text_that_nobody_says_is_found() -> None:
    """The test above can fail."""
    assert not is_said("the moon is … made of cheese")
    assert not is_said("twotier is already … made of cheese")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A main that runs, with a local tier, a frontier without its key, and a job."""
    folder = tmp_path_factory.mktemp("pages")
    frontier = FRONTIER.format(base_url="http://127.0.0.1:9")
    parts = (TOY, frontier, INBOX.format(every="1h", tier="local-only"))
    with Service(folder, *parts, env={"HOME": str(folder)}) as running:
        yield running


def lines(page: str) -> list[list[str]]:
    """The words of each command of a page that can be run here, in the order of the page."""
    found = []
    for line in "\n".join(blocks(DOCS / page, "sh")).replace("\\\n", " ").splitlines():
        if PROGRAM.match(line):
            words = shlex.split(PROGRAM.sub("twotier", line), comments=True)[1:]
            if words[0] not in ELSEWHERE:
                found.append(words)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_to_type_can_be_typed(page: str, service: Service) -> None:
    """Each line with the real program, one after the other; after `down` it is up again."""
    for words in lines(page):
        typed = [word.replace("~", str(service.folder), 1) for word in words]
        if typed[0] == "up":
            continue
        if "backups" in typed[-1]:
            Path(typed[-1]).mkdir(exist_ok=True)
        done = service.typed(*typed)
        assert done.returncode in ENDS.get(typed[0], (0,)), (typed, done.stdout, done.stderr)
        if typed[0] == "down":
            eventually(lambda: service.process is not None and service.process.poll() is not None)
            service.up()


def test_pages_of_points_elsewhere_are_tested_there() -> None:
    """What is left out here has its own tests, which are there."""
    for place in ELSEWHERE.values():
        assert (ROOT / place).exists()
