"""One JSON line per thing that happened, in a file that is set aside when it grows.

Identifiers are fields, sentences are short, prompts and keys never appear. Secrets that are known
are replaced by exact value at this one sink, whatever error text they came in.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

import msgspec

encode = msgspec.json.Encoder(enc_hook=str).encode

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
        text = encode(line).decode()
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text


class Lines(RotatingFileHandler):
    """Formats each record once and counts its bytes; the standard one formats twice and asks
    the file system each time. A request writes one line, so this is on its way.
    """

    def __init__(self, path: Path, *, bytes_max: int, files_kept: int) -> None:
        super().__init__(path, maxBytes=bytes_max, backupCount=files_kept, encoding="utf-8")
        self._bytes = path.stat().st_size

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, into a fresh file if this one would grow past its limit."""
        try:
            line = self.format(record) + "\n"
            if self._bytes + len(line) > self.maxBytes:
                self.doRollover()
                self._bytes = 0
            self._bytes += len(line)
            self.stream = self.stream or self._open()
            self.stream.write(line)
            self.flush()
        except Exception:  # noqa: BLE001 - logging's own rule: a line that cannot be written ends nothing
            self.handleError(record)


def start_logging(
    path: Path, *, level: str, bytes_max: int, files_kept: int, secrets: Sequence[str] = ()
) -> None:
    """Send everything to `path`, readable by the owner alone."""
    path.touch(mode=0o600, exist_ok=True)
    handler = Lines(path, bytes_max=bytes_max, files_kept=files_kept)
    handler.setFormatter(JsonLines(secrets))
    # What no line of ours shows need not be looked up for each (logging's page on optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, RotatingFileHandler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    # Their lines repeat ours, and an access log of paths would be a second one.
    for noisy in ("uvicorn.access", "uvicorn.error", "aiohttp.access", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
