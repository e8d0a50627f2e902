"""The two processes a command may ask, by the configuration it was given."""

from __future__ import annotations

from pathlib import Path

from twotier.cli.client import Peer
from twotier.config.paths import paths_of


def main_of(config: Path) -> Peer:
    """The main process of this configuration."""
    named = f"twotier is not running for {config}; start it with `twotier up`"
    return Peer(paths_of(config).main_socket, named)


def worker_of(config: Path) -> Peer:
    """Its worker process, which owns jobs and runs."""
    named = "the worker is not running; start twotier with `twotier up`, or see `twotier status`"
    return Peer(paths_of(config).worker_socket, named)
