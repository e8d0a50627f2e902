"""`twotier down`: main stops its children and itself; what a killed main left behind ends too."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from twotier.cli.output import emit, say
from twotier.cli.peers import main_of
from twotier.cli.processes import end_group, engines_alive, gone_within, main_process
from twotier.config.paths import Paths, paths_of
from twotier.errors import NotRunningError, StreamBrokenError, TwotierError

STOP_SECONDS_MAX = 30.0


def down(config: Path, *, as_json: bool) -> int:
    """Stop and wait. Raises `NotRunningError` when there was nothing to stop."""
    paths = paths_of(config)
    stopped = stop_main(config, paths)
    engines = [end_engine(file, process) for file, process in engines_alive(paths)]
    if stopped is None and not engines:
        raise NotRunningError(f"twotier is not running for {config}; nothing to stop")
    if as_json:
        emit({"stopped_pid": stopped, "engine_pids_ended": engines})
        return 0
    if stopped is not None:
        say(f"stopped (pid {stopped})")
        if is_service(config):
            say("as a service it starts again at the next login or boot, or by")
            say("`twotier service install`; `twotier service uninstall`: never")
    for pid in engines:
        say(f"ended a process that a killed twotier had left (pid {pid})")
    return 0


def is_service(config: Path) -> bool:
    """Whether launchd or systemd has a file of ours for this configuration. Read without loading
    what would make this command slow.
    """
    places = (".config/systemd/user/twotier.service", "Library/LaunchAgents/twotier.plist")
    for place in places:
        with contextlib.suppress(OSError):
            if str(config) in (Path.home() / place).read_text(encoding="utf-8", errors="replace"):
                return True
    return False


def stop_main(config: Path, paths: Paths) -> int | None:
    """Its pid once it has ended; None if it was not running."""
    process = main_process(paths)
    main = main_of(config)
    try:
        # Its own word first: the lock is unreadable for an instant while it is being written.
        process = process or psutil.Process(int(main.get("/control/status")["pid"]))
        with contextlib.suppress(StreamBrokenError):  # it may be gone before it has answered
            main.post("/control/stop")
    except (TwotierError, psutil.NoSuchProcess) as exc:
        if process is None and isinstance(exc, NotRunningError | psutil.NoSuchProcess):
            return None
        if process is None:
            raise
        # It holds the lock and has no socket (coming up, or already ending), or it hangs.
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    if not gone_within(process, STOP_SECONDS_MAX):
        raise TwotierError(
            f"pid {process.pid} has not ended in {STOP_SECONDS_MAX:.0f} s;"
            f" `kill -9 {process.pid}`, then `twotier down` again for what it leaves"
        )
    return process.pid


def end_engine(file: Path, process: psutil.Process) -> int:
    """End a left-over server and forget its record."""
    if not end_group(process):
        raise TwotierError(f"{file.stem} cannot be ended; see `ps -p {process.pid}`")
    file.unlink(missing_ok=True)
    return process.pid
