"""Asks main and worker over their Unix sockets. Standard library only, because it must be quick.

A missing or refused socket means "not running" (exit code 3), a silent one is an error of its own,
and an error body in OpenAI's shape becomes the class of `errors` that has its code, so that the
command line ends with the same exit code as if it had happened here.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twotier import __version__
from twotier.errors import (
    DeadlineError,
    NotRunningError,
    StreamBrokenError,
    TwotierError,
    error_told,
)

# Control calls are answered from memory or by one SQL statement.
ANSWER_SECONDS_MAX = 10.0
# Longest silence of a model's answer. Main's own limits are shorter by default and say more.
MODEL_SECONDS_MAX = 1_800.0
DOCUMENT_BYTES_MAX = 64_000_000
LINE_BYTES_MAX = 4_000_000
NOT_RUNNING = "twotier is not running; start it with `twotier up`"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Peer:
    """Main or worker, by its socket. `missing` is or finds the sentence for "nobody is there"."""

    def __init__(self, path: Path, missing: str | Callable[[], str]) -> None:
        self.path = path
        self.missing = missing

    def get(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        seconds: float = ANSWER_SECONDS_MAX,
    ) -> dict[str, Any]:
        """The document at a path; query values that are None or empty are left out."""
        asked = {key: value for key, value in (query or {}).items() if value not in (None, "")}
        target = f"{path}?{urlencode(asked)}" if asked else path
        with self.exchange("GET", target, body=None, seconds=seconds) as response:
            return document(response)

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS_MAX,
    ) -> dict[str, Any]:
        """The answer to a document."""
        with self.exchange("POST", path, body=body or {}, seconds=seconds) as response:
            return document(response)

    @contextmanager
    def exchange(
        self,
        method: str,
        target: str,
        *,
        body: Mapping[str, Any] | None,
        seconds: float,
        told: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """One request; its response has a good status. `seconds` limits each silence, `told` are
        headers that only main reads.
        """
        connection = UnixConnection(self.path, seconds)
        payload = None if body is None else json.dumps(body).encode()
        agent = f"twotier-cli/{__version__}"
        headers = {"content-type": "application/json", "user-agent": agent, **(told or {})}
        try:
            with wire(self.missing):
                connection.request(method, target, payload, headers)
                response = connection.getresponse()
            if response.status >= 400:
                raise translated(response)
            yield response
        finally:
            connection.close()


@contextmanager
def wire(missing: str | Callable[[], str] = NOT_RUNNING) -> Iterator[None]:
    """Translates what a socket raises. Only round reads and writes: a closed stdout looks alike."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as exc:
        raise NotRunningError(missing if isinstance(missing, str) else missing()) from exc
    except PermissionError as exc:
        raise TwotierError(
            "another user started it; run this as the one who did, see `ls -l` of its state folder"
        ) from exc
    except TimeoutError as exc:
        raise DeadlineError("no answer came in time; try `twotier doctor`") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise StreamBrokenError(
            "the connection broke before the answer was whole; see `twotier status`"
        ) from exc


def body_of(response: http.client.HTTPResponse) -> bytes:
    """All of a body; `read` with a limit is silent about a body that breaks off."""
    with wire():
        content = response.read(DOCUMENT_BYTES_MAX)
        if response.length:
            raise http.client.IncompleteRead(content, response.length)
    return content


def document(response: http.client.HTTPResponse) -> dict[str, Any]:
    """The JSON object of a response; an empty body is an empty object."""
    content = body_of(response)
    try:
        value = json.loads(content or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise TwotierError("the answer is not a JSON object; restart it: `twotier down`, then `up`")
    return value


def events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The chunks of a streamed chat answer. An end without `[DONE]` is an error, always."""
    while line := line_of(response):
        field, _, value = line.partition(":")
        if field != "data":
            continue  # empty lines end an event, comments keep the connection alive
        if value.strip() == "[DONE]":
            return
        try:
            chunk = json.loads(value)
        except ValueError as exc:
            raise StreamBrokenError("the answer holds a broken event; ask again") from exc
        if "error" in chunk:
            raise error_of(chunk, response.status)
        yield chunk
    raise StreamBrokenError(
        "the answer broke off in the middle; ask again, or see `twotier status`"
    )


def line_of(response: http.client.HTTPResponse) -> str:
    """The next line with its end, empty at the end of the body."""
    with wire():
        return response.readline(LINE_BYTES_MAX).decode(errors="replace")


def translated(response: http.client.HTTPResponse) -> TwotierError:
    """The error that an error response speaks of."""
    try:
        value = json.loads(body_of(response))
    except ValueError:
        value = {}
    return error_of(value if isinstance(value, dict) else {}, response.status)


def error_of(body: Mapping[str, Any], status: int) -> TwotierError:
    """The error that the body of an answer of main or the worker speaks of."""
    return error_told(body, status, otherwise=f"HTTP status {status}; try `twotier doctor`")
