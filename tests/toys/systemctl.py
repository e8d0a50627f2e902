"""A `systemctl` for machines without systemd: one unit, whose process it starts and ends.

Put on PATH under that name. What it knows lies in the folder `$TOY_UNIT`: `argv` (JSON), `pid`.
Its words are those that `systemctl --user show` is documented to say.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """`systemctl --user VERB UNIT ...`."""
    folder = Path(os.environ["TOY_UNIT"])
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    with (folder / "asked").open("a", encoding="utf-8") as file:
        file.write(" ".join(sys.argv[1:]) + "\n")
    verb = words[0]
    if verb == "show":
        show(folder)
    elif verb == "is-enabled":
        print("enabled")  # noqa: T201 - that is its answer
    if verb in ("stop", "restart", "disable"):
        end(folder)
    if verb in ("start", "restart"):
        start(folder)


def pid_of(folder: Path) -> int | None:
    """The unit's process, if it lives."""
    try:
        pid = int((folder / "pid").read_text(encoding="ascii"))
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


def start(folder: Path) -> None:
    """Start it, if it does not run."""
    if pid_of(folder):
        return
    argv = json.loads((folder / "argv").read_text(encoding="utf-8"))
    with (folder / "log").open("ab") as log:
        child = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    (folder / "pid").write_text(str(child.pid), encoding="ascii")


def end(folder: Path) -> None:
    """End it."""
    if pid := pid_of(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def show(folder: Path) -> None:
    """Its state."""
    pid = pid_of(folder)
    state = "active" if pid else "failed"
    sub = "running" if pid else "failed"
    result = "success" if pid else "signal"
    print(f"LoadState=loaded\nActiveState={state}\nSubState={sub}\nMainPID={pid or 0}")  # noqa: T201
    print(f"Result={result}\nExecMainCode=2\nExecMainStatus=9\nNRestarts=0\nRestart=no")  # noqa: T201


if __name__ == "__main__":
    main()
