"""Main's own log, which no configured secret can get into."""

from __future__ import annotations

from twotier.config.load import Loaded
from twotier.config.secrets import resolve
from twotier.logs import start_logging


def start_log(loaded: Loaded, client_key: str) -> None:
    """Begin main's log; no configured secret can get into it."""
    config = loaded.config
    places = [one.key for one in config.tiers.values() if one.key]
    known = [resolve(place, home=loaded.home) for place in places]
    start_logging(
        loaded.paths.logs / "main.log",
        level=config.log.level,
        bytes_max=config.log.bytes_max,
        files_kept=config.log.files_kept,
        secrets=[client_key, *(secret for secret in known if secret)],
    )
