"""The two processes a command may ask, by the configuration it was given."""

from __future__ import annotations

from pathlib import Path

from twotier.cli.client import Peer
from twotier.config.paths import paths_of
from twotier.errors import NotRunningError, TwotierError

ASK_SECONDS_MAX = 2.0


def main_of(config: Path) -> Peer:
    """The main process of this configuration."""
    named = f"twotier is not running for {config}; start it with `twotier up`"
    return Peer(paths_of(config).main_socket, named)


def worker_of(config: Path) -> Peer:
    """Its worker process, which owns jobs and runs."""
    return Peer(paths_of(config).worker_socket, lambda: worker_missing(config))


def worker_missing(config: Path) -> str:
    """Why nobody answers for the worker: main starts it, so main is asked."""
    try:
        main_of(config).get("/control/status", seconds=ASK_SECONDS_MAX)
    except NotRunningError as exc:
        return exc.message
    except TwotierError as exc:
        return f"the worker does not answer, and neither does main: {exc.message}"
    return "the worker does not answer yet; `twotier status` says why"
