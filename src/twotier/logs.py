"""One JSON line per thing that happened, in a file that is set aside when it grows.

Identifiers are fields, sentences are short, prompts and keys never appear. Secrets that are known
are replaced by exact value at this one sink, whatever error text they came in.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= 8]

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, event, the fields, and a traceback where a defect left one."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in PLAIN}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        text = json.dumps(line, default=str, ensure_ascii=False)
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text


def start_logging(
    path: Path, *, level: str, bytes_max: int, files_kept: int, secrets: Sequence[str] = ()
) -> None:
    """Send everything to `path`, readable by the owner alone."""
    path.touch(mode=0o600, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=bytes_max, backupCount=files_kept)
    handler.setFormatter(JsonLines(secrets))
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, RotatingFileHandler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    # Their lines repeat ours, and an access log of paths would be a second one.
    for noisy in ("uvicorn.access", "uvicorn.error", "aiohttp.access", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
