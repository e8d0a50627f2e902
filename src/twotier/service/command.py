"""Runs one short command of the system and returns what it said. Blocks: call it in a thread.

The one place where `launchctl`, `systemctl` and their like are really called; everything else is
handed a `Run`, so that tests hand in answers, and a machine without launchd can play one.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from twotier.supervisor.owner import Said

RUN_SECONDS_MAX = 20.0  # `systemctl restart` waits for the old process to end
OUTPUT_CHARACTERS_MAX = 200_000


def run(argv: Sequence[str], *, seconds: float = RUN_SECONDS_MAX) -> Said:
    """Its answer, in English: the words are read by programs."""
    env = {**os.environ, "LC_ALL": "C"}
    if "XDG_RUNTIME_DIR" not in env and (folder := Path(f"/run/user/{os.getuid()}")).is_dir():
        env["XDG_RUNTIME_DIR"] = str(folder)  # of `su` and cron; there the user's systemd listens
    try:
        done = subprocess.run(
            tuple(argv),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        return Said(None, err=f"there is no command {argv[0]}")
    except (OSError, subprocess.TimeoutExpired) as exc:
        return Said(None, err=f"{argv[0]}: {exc}")
    out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return Said(done.returncode, out[:OUTPUT_CHARACTERS_MAX], err[:OUTPUT_CHARACTERS_MAX])
