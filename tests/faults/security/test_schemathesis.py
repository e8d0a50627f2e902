"""schemathesis makes requests of our own document, good ones and bad ones: nothing breaks.

No 5xx, each error in the shape that the document promises for its path, each answer of the kind it
names, and 405 with what is allowed for every method it does not name. With SOAK=1 10,000 cases for
each dialect; SEED picks others. It is installed apart, from a lock of its own: nothing of it is
loaded beside the program or these tests.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.fixtures import CACHE, require, say
from tests.faults.security.house import SOAK, House, house
from tests.faults.security.paths import described
from twotier.clock import SystemClock
from twotier.engines import environment
from twotier.errors import EngineError
from twotier.gateway.app import DIALECT_AT
from twotier.packages import find_installer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200 if SOAK else 600)]
SEED = os.environ.get("SEED", "1")
SHORT, LONG = 4, 10_000
# Not asked: whether every body that fits is answered and every other one refused (what is handed on
# unread is for the tier to judge), and what happens without a key (`test_doors` does, on more paths
# than the document has).
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance", "unsupported_method"),
    "allow_header_conformance",
)


@functools.cache
def python() -> Path:
    """The python that has it."""
    lock = Path(__file__).with_name("schemathesis.txt")
    installer = find_installer(bars=False)
    try:
        return environment.ensure(
            lock, CACHE / "clients", installer=installer, clock=SystemClock(), say=say
        )
    except EngineError as exc:
        require(f"no environment for schemathesis: {exc.message}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three tiers that agree to everything, and a job that takes posts."""
    with house(tmp_path_factory.mktemp("schemathesis")) as running:
        yield running


def told(home: House, folder: Path, *words: str) -> dict[str, Any]:
    """What it reports of a run. It fails where it cannot run at all."""
    report = folder / "report.json"
    command = (
        *(str(python()), "-m", "schemathesis.cli", "run", f"{home.address}/openapi.json"),
        *("-H", f"x-api-key: {home.key}", "-H", f"Authorization: Bearer {home.key}"),
        *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
        *("--continue-on-failure", "--no-color"),
        *("--report", "json", "--report-json-path", str(report), *words),
    )
    hooks = {"SCHEMATHESIS_HOOKS": "lone_keys", "PYTHONPATH": str(Path(__file__).parent)}
    env = {**os.environ, **hooks}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    assert (found["complete"], found["errors"]) == (True, []), done.stdout[-20_000:]
    assert found["failures"] == [], done.stdout[-20_000:]
    assert done.returncode == 0, done.stdout[-20_000:]
    say(f"schemathesis: {found['test_cases']['generated']} cases in {found['running_time']:.0f} s")
    return found


def test_no_request_of_the_document_is_a_defect(home: House, tmp_path: Path) -> None:
    """A few hundred of each path, the same every time."""
    words = ("--generation-deterministic", "-n", str(SHORT))
    found = told(home, tmp_path, *words)
    # Of the document's own address it says nothing; all else is tested.
    assert found["operations"]["tested"] == found["operations"]["total"] >= len(described()) - 1
    assert found["test_cases"]["generated"] > 500
    for path in DIALECT_AT:
        phases = found["valid_rates"][f"POST {path}"].values()
        assert sum(phase["accepted"] for phase in phases), f"no body for {path} was a good one"
    home.no_defect()


@pytest.mark.skipif(not SOAK, reason="the long form: SOAK=1")
@pytest.mark.parametrize("path", sorted(DIALECT_AT))
def test_ten_thousand_requests_of_each_dialect(home: House, tmp_path: Path, path: str) -> None:
    """By chance, from a seed."""
    words = ("--include-path", path, "--seed", SEED, "-n", str(LONG))
    found = told(home, tmp_path, *words)
    assert found["test_cases"]["generated"] >= LONG
    home.no_defect()
