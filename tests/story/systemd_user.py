"""A systemd of one user's, for a test: the real one where it can be started, and the played one.

The real one needs root, its own `/run` in a mount namespace (so that it takes the machine for one
that systemd started), and a control group hierarchy that can be written. Where that is not to be
had, the played one has to do; with TWOTIER_PLAYED=1 it does everywhere. There is one real one at a
time: two of them would have their units in the same control groups.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tests.toys.user_systemd
from tests.story.service import eventually

REAL = Path("/usr/lib/systemd/systemd")
OWN_RUN = 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && cd / && exec "$@"'
COMES_UP_SECONDS = 20.0


class NotHereError(Exception):
    """The real one cannot be started on this machine."""


@contextmanager
def played(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which its `systemctl` and its like come first."""
    home, bin_ = folder / "home", folder / "bin"
    bin_.mkdir(parents=True)
    home.mkdir()
    for name in ("systemctl", "systemd-run", "loginctl"):
        script = bin_ / name
        script.write_text(
            f"#!{sys.executable} -S\n" + Path(tests.toys.user_systemd.__file__).read_text()
        )
        script.chmod(0o755)
    env = {
        "HOME": str(home),
        "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
        "TOY_SYSTEMD": str(folder / "systemd.sock"),
    }
    served = (sys.executable, "-S", tests.toys.user_systemd.__file__, "serve")
    with subprocess.Popen(served, env={**os.environ, **env}) as manager:
        try:
            eventually((folder / "systemd.sock").exists, what="the played systemd")
            yield env
        finally:
            manager.terminate()
            manager.wait(60)


@contextmanager
def real(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `systemctl --user` finds it. Raises `NotHereError`."""
    if os.environ.get("TWOTIER_PLAYED") == "1":
        raise NotHereError("it is not wanted")
    if os.geteuid() != 0 or not REAL.exists() or shutil.which("unshare") is None:
        raise NotHereError("it needs root, systemd and unshare")
    home, run = folder / "home", folder / "run"
    home.mkdir(parents=True)
    run.mkdir(mode=0o700)
    env = {"HOME": str(home), "XDG_RUNTIME_DIR": str(run)}
    command = ("unshare", "-m", "sh", "-c", OWN_RUN, "sh", str(REAL), "--user")
    with (
        alone(),
        (folder / "systemd.log").open("wb") as log,
        subprocess.Popen(
            command, env={"PATH": os.environ["PATH"], **env}, stdout=log, stderr=log
        ) as manager,
    ):
        try:
            wait_for(manager, env)
            yield env
        finally:
            if manager.poll() is None:
                manager.terminate()
            manager.wait(60)


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else on this machine has one meanwhile. Raises `NotHereError` where somebody has."""
    with (Path(tempfile.gettempdir()) / "twotier-systemd.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise NotHereError("another test has it now") from exc
        yield


def wait_for(manager: subprocess.Popen[bytes], env: dict[str, str]) -> None:
    """Until it answers. Raises `NotHereError`."""

    def answers() -> bool:
        if manager.poll() is not None:
            raise NotHereError("it ended at once")
        asked = ("systemctl", "--user", "show-environment")
        said = subprocess.run(asked, env=os.environ | env, capture_output=True, check=False)
        return said.returncode == 0

    try:
        eventually(answers, seconds=COMES_UP_SECONDS, what="systemd of a user")
    except AssertionError as exc:
        raise NotHereError(str(exc)) from exc
