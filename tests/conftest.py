"""What holds for every test: a part that is missing is never passed over in silence.

A test that needs something this machine may lack (an engine, a package of another world) skips
with a reason that begins with `missing:`. Where `CI` is set that is a failure, elsewhere a notice
at the end of the run.

`make test` runs four workers side by side (docs/decisions/development-tools.md). A file is never
split, so what a module starts for its tests is started once; what tests share on disk is made under
a lock (`tests/engines/fixtures.py`); ports are asked of the system, folders are pytest's own.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
MISSING = "missing:"
# A property is about what holds, not about how soon a busy machine says so.
settings.register_profile(
    "house",
    settings.get_profile("ci" if CI else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")
# Children run in folders of their own, where a relative path would lead to another program.
if "PYTHONPATH" in os.environ:
    paths = os.environ["PYTHONPATH"].split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in paths)
# Some hundred children load the same modules: they may keep what they compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Commands of the tests do not have it: with it here none of them could start warm (tests/warm.py).
os.environ.pop("PYTHONUNBUFFERED", None)
# Real engines share the cores with other tests. Two threads of one then wait for each other longer
# than they compute: 60 tokens of the starter are 7 s of processor, with one thread 3 s.
os.environ.setdefault("OMP_THREAD_LIMIT", "1")
# A table that goes to nobody's terminal has a row a line, however wide somebody's is.
os.environ.pop("COLUMNS", None)
# A shell that starts us in the background has Ctrl-C ignored, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / ".cache" / "engines" / "pins"
MEASURED = "COVERAGE_PROCESS_CONFIG"  # by which coverage tells child processes what to measure
ReportT = TypeVar("ReportT", pytest.TestReport, pytest.CollectReport)


def worker(config: pytest.Config) -> bool:
    """Whether this process is one of several that share the tests."""
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """An environment once pinned in the cache of all tests would outlive the lock it is for."""
    if not worker(config):
        shutil.rmtree(PINS, ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """Child processes tell coverage what they ran. That they did not run the rest is told once, by
    this process: else each of some thousand looks for nine hundred files, and writes them down.
    """
    if given := os.environ.get(MEASURED):
        from coverage.config import CoverageConfig

        config = CoverageConfig.deserialize(given)
        config.source, config.run_include = None, [f"{ROOT / 'src' / 'twotier'}/*"]
        os.environ[MEASURED] = config.serialize()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The files with slow tests first, so that no worker is left alone with a long one."""
    if worker(config):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Look for garbage less often, and not among what was loaded: a tenth of the suite's work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why it was skipped, empty if it was not."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return ""
    return str(report.longrepr[2]).removeprefix("Skipped: ")


def refuse(report: ReportT) -> ReportT:
    """Under CI, turn a skip for a missing part into a failure."""
    reason = skip_reason(report)
    if CI and reason.startswith(MISSING):
        report.outcome = "failed"
        report.longrepr = f"{reason} (under CI nothing may be missing)"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips itself."""
    return refuse((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself while it is read."""
    return refuse((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud what was not tested."""
    reasons = {skip_reason(report) for report in terminalreporter.stats.get("skipped", [])}
    missing = sorted(reason for reason in reasons if reason.startswith(MISSING))
    if missing:
        terminalreporter.section("NOT TESTED: parts are missing on this machine", yellow=True)
        for reason in missing:
            terminalreporter.write_line(reason)
