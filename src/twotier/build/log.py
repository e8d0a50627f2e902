"""Main's own log, which no configured secret can get into."""

from __future__ import annotations

import logging

from twotier.build.alerts import secrets_of
from twotier.config.load import Loaded
from twotier.config.secrets import resolve
from twotier.logs import Lines, start_logging
from twotier.supervisor.policy import Signal
from twotier.supervisor.spec import Change
from twotier.supervisor.standby import Swapped

log = logging.getLogger("twotier")


def start_log(loaded: Loaded, client_key: str) -> Lines:
    """Begin main's log; no configured secret can get into it."""
    config = loaded.config
    places = [one.key for one in config.tiers.values() if one.key]
    known = [resolve(place, home=loaded.home) for place in places]
    return start_logging(
        loaded.paths.logs / "main.log",
        level=config.log.level,
        bytes_max=config.log.bytes_max,
        files_kept=config.log.files_kept,
        secrets=[client_key, *(secret for secret in known if secret), *secrets_of(loaded)],
    )


def note_change(change: Change) -> None:
    """One log line for each step in the life of a kept process; a request is no such step."""
    if change.signal in (Signal.PICKED_UP, Signal.LAID_DOWN):
        return
    text = f"{change.name}: {change.after.value}"
    log.info(
        text,
        extra={
            "signal": change.signal.value,
            "because": change.because,
            "child": change.pid,
            "generation": change.generation,
        },
    )


def note_swap(swapped: Swapped) -> None:
    """One log line for each swap of models, whatever became of it."""
    text = f"{swapped.after} in place of {swapped.before}"
    level = logging.WARNING if swapped.failed else logging.INFO
    extra = {"seconds": round(swapped.seconds, 3), "failed": swapped.failed}
    log.log(level, text, extra=extra)
