"""The clients themselves, installed once into the project's `.cache`, pinned and hashed.

Claude Code, Codex and opencode come by npm from `package-lock.json`, which holds hashes and no
address of any index; nothing a package would like to run while it is installed is run. What npm
unpacks are whole programs for this machine, so node itself is needed by npm only. `llm` has a
Python environment of its own. Where npm or an index is missing the test is skipped with the
reason, and under CI (`CI=true`) it fails.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.fixtures import CACHE, require, say
from twotier.clock import SystemClock
from twotier.engines import environment
from twotier.errors import EngineError
from twotier.packages import find_installer

HERE = Path(__file__).parent
NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
NPM_SECONDS_MAX = 600.0


def claude_code() -> Path:
    """The program `claude`."""
    return program("@anthropic-ai/claude-code-*/claude")


def codex() -> Path:
    """The program `codex`."""
    return program("@openai/codex-*/vendor/*/bin/codex")


def opencode() -> Path:
    """The program `opencode`. The lock knows one build of it, for Linux on x64."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("opencode is pinned for Linux on x64 only")
    return program("opencode-*/bin/opencode")


@functools.cache
def llm() -> Path:
    """The python that runs `llm`, as `python -m llm`."""
    try:
        return environment.ensure(
            HERE / "llm.txt",
            CACHE / "clients",
            installer=find_installer(bars=False),
            clock=SystemClock(),
            say=say,
        )
    except EngineError as exc:
        require(f"no environment for llm: {exc.message}")


def program(pattern: str) -> Path:
    """The program for this machine; where npm took two builds, the one for glibc."""
    modules = node_modules(HERE)
    if isinstance(modules, str):
        require(modules)
    found = sorted(modules.glob(pattern), key=lambda path: "musl" in str(path))
    return found[0] if found else require(f"npm has no {pattern} for this machine")


@functools.cache
def node_modules(wanted: Path) -> Path | str:
    """Where npm put what the lock in this folder says, or why it could not; it is tried once."""
    key = hashlib.sha256(b"".join((wanted / name).read_bytes() for name in NPM_FILES))
    folder = CACHE / "npm" / f"{wanted.name}-{key.hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once install once
        trouble = "" if folder.exists() else install(wanted, folder)
    return trouble or folder / "node_modules"


def install(wanted: Path, folder: Path) -> str:
    """For the clients 300 MB to fetch, 950 MB on disk. Says what went wrong."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed (Debian: apt-get install nodejs npm)"
    say(f"npm installs what {wanted.name}/package-lock.json says, half a minute")
    half = folder.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for name in NPM_FILES:
        shutil.copy(wanted / name, half)
    done = subprocess.run(
        (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"),
        cwd=half,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=NPM_SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        return f"npm could not install the clients: {done.stderr[:1500]}"
    half.replace(folder)
    return ""
