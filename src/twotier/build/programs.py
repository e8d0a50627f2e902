"""Which engine a tier has, whether its server is ours to start, and what starts and names it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from twotier.config.load import Loaded
from twotier.config.paths import environments
from twotier.config.schema import TierConfig
from twotier.engines import asked, environment, pinned
from twotier.engines.base import Engine, engine_of, lock_path
from twotier.errors import EngineError

VERSION_SECONDS_MAX = 10.0


def engine_for(config: TierConfig) -> Engine:
    """The engine of a tier that has one."""
    return engine_of(str(config.engine), program=config.program, base_url=config.base_url)


def program_of(config: TierConfig, loaded: Loaded) -> Path:
    """What runs a managed server: a program of this machine, or the python of its environment.

    Raises `EngineError` that says how to get it.
    """
    traits = engine_for(config).traits
    if not traits.program:
        lock = pinned.Pinned(lock_path(traits), environments()).in_force
        if python := environment.python_of(lock, environments()):
            return python
        raise EngineError(f"the environment of {traits.name} is not made; run `twotier up`")
    wanted = config.program or traits.program
    place = str(loaded.resolve(wanted)) if "/" in wanted else wanted
    if found := shutil.which(place):
        return Path(found)
    raise EngineError(
        f"the program {wanted} is not there; install {traits.program}, or say where it lies in the"
        " tier's `program`"
    )


def version_of(config: TierConfig, loaded: Loaded) -> str:
    """The version of a tier's server, empty where nobody tells. Blocks: a command or a question."""
    if config.engine is None:
        return ""
    described = engine_for(config)
    if not config.is_kept:
        return asked.version(described.traits, config.base_url or "")
    try:
        program = program_of(config, loaded)
    except EngineError:
        return ""
    said = said_by(described.version_command(program))
    return f"{described.traits.program} {said}".strip() if said else ""


def said_by(command: tuple[str, ...]) -> str:
    """What a command says of its version, on either stream; empty where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=VERSION_SECONDS_MAX, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    told = [line for line in lines if line.startswith("version")]
    return " ".join((told[0] if told else " ".join(lines)).split())
