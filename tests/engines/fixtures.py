"""The real parts tests stand on, made once and kept in the project's `.cache` between runs.

Environments of the engines, the starter model, and a tiny model of the MiniMax-M2 architecture that
is trained here. Each function returns at once when its part is there. Where a part cannot be had,
the test is skipped with the reason, and under CI (`CI=true`) it fails.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

import tests.toys.tiny_minimax as tiny
from twotier.clock import SystemClock
from twotier.engines import environment
from twotier.engines.base import engine, lock_path
from twotier.errors import EngineError
from twotier.models import starter
from twotier.packages import find_installer

CACHE = Path(__file__).resolve().parents[2] / ".cache"
ZOMBIE = Path(__file__).with_name("zombie.txt")
OLDER_MLX = Path(__file__).with_name("mlx_lm_0_30_7.txt")
TRAINING_SECONDS_MAX = 600.0


def require(reason: str) -> NoReturn:
    """A part is missing: a notice on a person's machine, a failure in the pipeline (conftest)."""
    pytest.skip(f"missing: {reason}")


def say(text: str) -> None:
    """Where a wait of minutes shows."""
    os.write(2, f"[tests] {text}\n".encode())


@functools.cache
def engine_environment(name: str) -> Path:
    """The python of an engine's environment."""
    return environment_of(lock_path(engine(name).traits))


@functools.cache
def zombie_environment() -> Path:
    """The python that runs a pair of mlx-lm and mlx whose server dies and goes on listening."""
    return environment_of(ZOMBIE)


@functools.cache
def older_mlx_environment() -> Path:
    """The python that runs mlx-lm 0.30.7."""
    return environment_of(OLDER_MLX)


def environment_of(lock: Path) -> Path:
    """The python of the environment of a lock."""
    try:
        return environment.ensure(
            lock,
            CACHE / "engines",
            installer=find_installer(bars=False),
            clock=SystemClock(),
            say=say,
        )
    except EngineError as exc:
        require(f"no environment for {lock.stem}: {exc.message}")


def starter_engine_environment() -> Path:
    """The python that runs llama.cpp."""
    return engine_environment("llama_cpp")


def mlx_environment() -> Path:
    """The python that runs mlx-lm."""
    return engine_environment("mlx_lm")


@functools.cache
def starter_model() -> Path:
    """The GGUF file of the starter model."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "starter.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers at once fetch one model
        try:
            return starter.ensure(CACHE / "models", installer=find_installer(bars=False), say=say)
        except EngineError as exc:
            require(f"no starter model: {exc.message}")


@functools.cache
def tiny_minimax() -> Path:
    """The folder of the trained tiny model, for `mlx_lm`; see `tests/toys/tiny_minimax.py`."""
    python = mlx_environment()
    script = Path(tiny.__file__)
    key = hashlib.sha256(script.read_bytes() + lock_path(engine("mlx_lm").traits).read_bytes())
    folder = CACHE / f"tiny-minimax-{key.hexdigest()[:12]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "tiny-minimax.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once train one model
        if not folder.exists():
            train(python, script, folder)
    return folder


def train(python: Path, script: Path, folder: Path) -> None:
    """About half a minute of one core."""
    say("training the tiny MiniMax model, half a minute")
    half = folder.with_name(f"{folder.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    done = subprocess.run(
        (python, "-I", script, half),
        capture_output=True,
        text=True,
        timeout=TRAINING_SECONDS_MAX,
        check=False,
    )
    if done.returncode:
        require(f"the tiny model could not be trained: {done.stderr[-2000:]}")
    half.replace(folder)
