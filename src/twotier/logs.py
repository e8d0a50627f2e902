"""One JSON line per thing that happened, in a file that is set aside when it grows.

Identifiers are fields, sentences are short, prompts and keys never appear. Secrets that are known
are replaced by exact value at this one sink, whatever error text they came in.

What is logged in the usual way is in the file before its caller goes on: a job's answer counts as
delivered then. Only the line of a request (`note`) is written by a thread, many at a time, within
`GATHER_SECONDS`, because an answer must not wait for a disk. A process that ends by itself loses
none of them, one that is killed with -9 the last few.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

encode = msgspec.json.Encoder(enc_hook=str).encode

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
GATHER_SECONDS = 0.05
HANG_SECONDS_MAX = 1.0
LINES_WAITING_MAX = 10_000  # past it the disk hangs, and lines are lost and counted


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        # As they stand inside JSON, where quotes and backslashes are escaped.
        self._secrets: list[bytes] = []
        self._last = (-1, "")  # a second, and its text; replaced as one, for all threads
        self.hide(secrets)

    def hide(self, secrets: Sequence[str]) -> None:
        """These too stand in no line from now on."""
        new = [encode(secret)[1:-1] for secret in secrets if len(secret) >= 8]
        self._secrets = [*dict.fromkeys([*self._secrets, *new])]

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, event, the fields, and a traceback where a defect left one."""
        fields = {key: value for key, value in vars(record).items() if key not in PLAIN}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        level = record.levelname.lower()
        event = record.getMessage()
        line = self.line(event, fields, logger=record.name, level=level, created=record.created)
        return line.decode()

    def line(
        self,
        event: str,
        fields: Mapping[str, object],
        *,
        logger: str,
        level: str = "info",
        created: float,
    ) -> bytes:
        """The bytes of a line, without its end, for what happened at this Unix time."""
        at = self._at(created)
        whole = {"at": at, "level": level, "logger": logger, "event": event, **fields}
        try:
            text = encode(whole)
        except UnicodeEncodeError:  # half a surrogate pair from outside, which JSON cannot carry
            text = encode({key: sayable(value) for key, value in whole.items()})
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, b"[secret]")
        return text

    def _at(self, created: float) -> str:
        """A moment in ISO form. Most lines share the second of the line before them."""
        second, milliseconds = divmod(int(created * 1000), 1000)
        known, text = self._last
        if second != known:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._last = (second, text)
        return f"{text}.{milliseconds:03}+00:00"


def sayable(value: object) -> object:
    """A value that can be encoded; figures stay what they are."""
    if isinstance(value, int | float | None):
        return value
    return str(value).encode("utf-8", "replace").decode()


def private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read."""
    return os.open(path, flags, 0o600)


class Lines(logging.Handler):
    """The file. Lines wait in memory until its thread, or an urgent caller, writes them."""

    def __init__(self, path: Path, *, bytes_max: int, files_kept: int, form: JsonLines) -> None:
        super().__init__()
        self.setFormatter(form)
        self.lost = 0  # lines that were not written: the disk was full, or hung for too long
        self._form = form
        self._path = path
        self._bytes_max = bytes_max
        self._files_kept = files_kept
        self._waiting: deque[bytes] = deque()
        with open(path, "ab", opener=private):
            pass  # what cannot be written at all is an error now, not a line lost later
        self._unsaid = 0  # lost, and not told in the file yet
        self._torn = False  # the disk took a part of a line
        self._writing = threading.Lock()
        self._woken = threading.Event()
        self._ending = threading.Event()
        # A daemon: whatever hangs in the disk must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="twotier-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, after what waited before it."""
        try:
            self._put(self.format(record).encode())
        except Exception:  # noqa: BLE001 - logging's own rule: a line that cannot be made ends nothing
            self.handleError(record)
        self.flush()

    def note(self, logger: str, event: str, *, fields: Mapping[str, object]) -> None:
        """Take a line of information without the standard library's record, which costs twice
        what all the rest does; for what happens with every request.
        """
        now = time.time()  # noqa: TID251 - as logging does
        self._put(self._form.line(event, fields, logger=logger, created=now))

    def flush(self) -> None:
        """Write what waits; gives up where the writer hangs in the disk already."""
        if not self._writing.acquire(timeout=HANG_SECONDS_MAX):
            return
        try:
            self._drain()
        finally:
            self._writing.release()

    def close(self) -> None:
        """Write what waits and end the thread. A line that comes later is written at once."""
        self._ending.set()
        self._woken.set()
        self.flush()
        super().close()

    def _drain(self) -> None:
        lines = deque(self._waiting.popleft() for _ in range(len(self._waiting)))
        count, unsaid = len(lines), self._unsaid
        if unsaid and lines:
            self._unsaid = 0
            lines.append(self._confession(unsaid))
        try:
            while lines:
                self._append(lines)
        except OSError:
            self.lost += count
            self._unsaid += unsaid + count

    def _put(self, line: bytes) -> None:
        if len(self._waiting) >= LINES_WAITING_MAX:
            self.lost += 1
            self._unsaid += 1
            return
        self._waiting.append(line + b"\n")
        if not self._woken.is_set():
            self._woken.set()
        elif self._ending.is_set():
            self.flush()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._woken.wait()
            self._ending.wait(GATHER_SECONDS)
            if not self._ending.is_set():
                self._woken.clear()
            self.flush()

    def _append(self, lines: deque[bytes]) -> None:
        """Take from the left what fits into the file; it is set aside if some do not.

        Opened anew each time, so that nothing is wrong about a file that others have moved away.
        """
        with open(self._path, "ab", buffering=0, opener=private) as file:
            size, batch = file.tell(), bytearray(b"\n" if self._torn else b"")
            while lines and (not size or size + len(lines[0]) <= self._bytes_max):
                size += len(lines[0])
                batch += lines.popleft()
            self._torn = bool(batch)
            left = memoryview(batch)
            while left:
                left = left[file.write(left) :]
            self._torn = False
        if lines:
            self._set_aside()

    def _set_aside(self) -> None:
        """`main.log` becomes `main.log.1`, that one `.2`; the oldest goes."""
        older = [Path(f"{self._path}.{number}") for number in range(1, self._files_kept + 1)]
        for younger, old in reversed(list(zip([self._path, *older], older, strict=False))):
            with contextlib.suppress(FileNotFoundError):
                younger.replace(old)

    def hide(self, secrets: Sequence[str]) -> None:
        """These too stand in no line from now on."""
        self._form.hide(secrets)

    def _confession(self, count: int) -> bytes:
        """The line that says how many are missing."""
        now = time.time()  # noqa: TID251 - as logging does
        fields, event = {"count": count}, "log lines lost"
        line = self._form.line(event, fields, logger="twotier", level="error", created=now)
        return line + b"\n"


def start_logging(
    path: Path, *, level: str, bytes_max: int, files_kept: int, secrets: Sequence[str] = ()
) -> Lines:
    """Send everything to `path`, readable by the owner alone."""
    lines = Lines(path, bytes_max=bytes_max, files_kept=files_kept, form=JsonLines(secrets))
    # What no line of ours shows need not be looked up for each (logging's page on optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, Lines)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(lines)
    root.setLevel(level.upper())
    # Their lines repeat ours, and an access log of paths would be a second one.
    for noisy in ("uvicorn.access", "uvicorn.error", "aiohttp.access", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return lines


def hide(secrets: Sequence[str]) -> None:
    """Secrets that came up after the log was begun are kept out of it as well."""
    for one in logging.getLogger().handlers:
        if isinstance(one, Lines):
            one.hide(secrets)
