"""The README's first look, word for word, as a newcomer types it into a shell."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.story.service import Service, eventually
from twotier.config.starter import starter_toml

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120.0
MAY_FIND = {"doctor": (0, 1)}  # this machine may have what a doctor finds


def first_look() -> list[str]:
    """The lines of the block under "A first look", without their comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## A first look\n\n```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return [line.split("  #")[0].strip() for line in block[1].splitlines()]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A checkout as the README has it, started."""
    starter_engine_environment(), starter_model()
    folder = tmp_path_factory.mktemp("readme")
    made = Service(folder)
    made.config.write_text(f"{starter_toml()}\n[gateway]\nport = 0\n", encoding="utf-8")
    with made:
        (folder / ".venv" / "bin").mkdir(parents=True)
        program = folder / ".venv" / "bin" / "twotier"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m twotier.cli "$@"\n')
        program.chmod(0o755)
        shutil.copyfile(ROOT / "CHANGELOG.md", folder / "CHANGELOG.md")
        (folder / "home").mkdir()
        yield made


@pytest.mark.parametrize("line", first_look())
def test_a_line_of_the_readme_does_what_it_says(service: Service, line: str) -> None:
    """Exit code 0, something to read, and no traceback."""
    done = subprocess.run(
        ("sh", "-c", line),
        cwd=service.folder,
        env={**service.env, "HOME": str(service.folder / "home")},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    word = line.split()[1] if "twotier" in line else ""
    assert done.returncode in MAY_FIND.get(word, (0,)), done
    assert "Traceback" not in done.stderr
    if line.startswith("cp "):
        summary = service.folder / "outbox" / f"{Path(line.split()[2]).stem}.summary.txt"
        eventually(lambda: summary.exists() or None, seconds=120)
        assert len(summary.read_text(encoding="utf-8").strip().splitlines()) == 3
    elif word != "demo":
        assert done.stdout.strip(), done
