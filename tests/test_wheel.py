"""What people install is what is tested: the wheel, in an environment of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model
from tests.story.service import Service
from twotier import __version__

ROOT = Path(__file__).resolve().parent.parent
MINUTES = 60.0
PORT = 8484

# Everything a wheel of ours may hold. Code, what the code reads, and what describes the wheel.
ALLOWED = (
    r"twotier/(?:\w+/)*\w+\.py",
    r"twotier/py\.typed",
    r"twotier/config/(?:templates/)?[\w-]+\.toml",
    r"twotier/(?:ledger|models)/\w+\.(?:toml|json)",
    r"twotier/ledger/seed\.LICENSE",
    r"twotier/gateway/openapi\.json",
    r"twotier/dashboard/templates/[\w-]+\.html",
    r"twotier/dashboard/static/(?:vendor/)?[\w.-]+\.(?:css|js|svg|LICENSE|json)",
    r"twotier/(?:engines|models)/locks/\w+\.(?:in|txt)",
    r"twotier-[\d.]+\.dist-info/(?:METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)",
)


def run(*command: str | Path, cwd: Path) -> str:
    """Run to the end, within ten minutes; what it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=10 * MINUTES,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network from this checkout."""
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target, cwd=ROOT)
    return next(target.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_the_program_and_nothing_else(wheel: Path) -> None:
    """No tests, no caches, no `.pth` that would run at every start of Python."""
    names = zipfile.ZipFile(wheel).namelist()
    strange = [n for n in names if not any(re.fullmatch(allowed, n) for allowed in ALLOWED)]
    assert strange == []
    source = {
        str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "twotier").rglob("*.py")
    }
    assert source <= set(names)


def pip_of(bin_: Path) -> tuple[str | Path, ...]:
    """Our own pip on that environment: to unpack another one takes three seconds."""
    return (sys.executable, "-m", "pip", "--python", bin_ / "python")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a fresh environment with the locked packages and the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    bin_ = folder / "venv" / "bin"
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    install = (*pip_of(bin_), "install", "--no-input", "--no-compile", "-q")
    only = ("--require-hashes", "--no-deps", "--only-binary", ":all:")
    locked = (*only, "-r", ROOT / "locks" / "base.txt")
    run(*install, *locked, cwd=folder)
    run(*install, "--no-deps", "--no-index", wheel, cwd=folder)
    return bin_


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_installed_wheel_runs(installed: Path, tmp_path: Path) -> None:
    """With the locked packages in a fresh environment, its first commands work."""
    twotier = installed / "twotier"
    assert __version__ in run(twotier, "--version", cwd=tmp_path)
    named = tmp_path / "twotier.toml"
    named.touch()
    assert str(named) in run(twotier, "config", "path", cwd=tmp_path)
    run(*pip_of(installed), "check", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(900)
def test_up_from_the_wheel_answers_like_up_from_a_clone(installed: Path, tmp_path: Path) -> None:
    """`pipx install twotier` and `twotier up`: the first configuration, and a real answer."""
    starter_engine_environment()
    starter_model()
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"missing: port {PORT}, which the first configuration listens on, is taken")
    service = Service(tmp_path, program=(str(installed / "twotier"),))
    service.config.unlink()  # so that `up` writes the first one
    try:
        service.up()
        assert "smollm2" in service.said()
        assert "frontier" in service.said()
        answer = service.command("ask", "--model", "local", "Name the capital of France.")
        assert answer.stdout.strip()  # what a model of 135M parameters says is its own
        assert "local" in answer.stderr
    finally:
        service.__exit__(None, None, None)
