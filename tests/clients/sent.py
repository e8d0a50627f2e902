"""What a client asked, read off the wire, and its shape: the part of it that may be kept in a file.

A shape has every field, role, type, name and number, and none of the client's own texts: these
belong to their authors, change with every release and say nothing about the wire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httptools

RECORDED = Path(__file__).with_name("recorded")
HEADERS = ("anthropic-beta", "anthropic-version")
# Fields whose texts are words of the wire.
_ROLES = ("type", "role", "name", "model", "effort", "display", "format", "status", "tool_choice")
_NAMES = ("keep", "summary", "verbosity", "required", "enum", "include", "namespace", "tool_name")
IDS = frozenset(("id", "call_id", "tool_use_id", "tool_call_id"))
WORDS = frozenset((*_ROLES, *_NAMES, "$schema", "syntax"))


class Sent:
    """One request."""

    def __init__(self) -> None:
        self.method = ""
        self.target = ""
        self.headers: dict[str, str] = {}
        self.body = b""

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body) if self.body else None

    def shape(self) -> dict[str, Any]:
        """It without its texts."""
        headers = {name: self.headers[name] for name in HEADERS if name in self.headers}
        return {
            "method": self.method,
            "target": self.target,
            "headers": headers,
            "body": Shape().of(self.json()),
        }


class Requests:
    """The requests of one connection; fed with the bytes as they pass."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._parser = httptools.HttpRequestParser(self)
        self.feed = self._parser.feed_data

    def on_message_begin(self) -> None:
        """The parser's word for a new request."""
        self.sent.append(Sent())

    def on_url(self, url: bytes) -> None:
        """The target, in one or more pieces."""
        self.sent[-1].target += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.sent[-1].headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.sent[-1].method = self._parser.get_method().decode()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self.sent[-1].body += body


class Shape:
    """A value with its texts left out and its ids numbered in the order in which they come."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def of(self, value: Any, *, key: str = "") -> Any:
        """The shape of what stands under `key`."""
        match value:
            case str():
                return self._text(value, key)
            case list():
                return [self.of(inner, key=key) for inner in value]
            case dict() if key == "properties":
                return {name: self.of(inner) for name, inner in value.items()}
            case dict():
                return {name: self.of(inner, key=name) for name, inner in value.items()}
            case _:
                return value

    def _text(self, value: str, key: str) -> str:
        if key in IDS:
            return self._ids.setdefault(value, f"id{len(self._ids)}")
        if key == "arguments":  # JSON within JSON
            return json.dumps(self.of(json.loads(value)), ensure_ascii=False)
        return value if key in WORDS or not value else "…"


def recorded(name: str) -> list[dict[str, Any]]:
    """The requests that were kept under this name."""
    path = RECORDED / f"{name}.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def check_recorded(name: str, sent: Sequence[Sent]) -> None:
    """Fail where a client no longer sends what is kept; write it where nothing is.

    To record anew, delete the file and run the client's test again.
    """
    if not sent:
        return  # it ran in our own network, where nobody looked
    seen = sorted((one.shape() for one in sent), key=order)
    path = RECORDED / f"{name}.json"
    if not path.exists():
        path.write_text(
            json.dumps(seen, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
        )
    assert seen == recorded(name), f"{name} sends something else; delete {path} to record it anew"


def order(seen: Mapping[str, Any]) -> tuple[str, bool, int]:
    """Clients ask twice at once; this puts the answers' requests in one order."""
    body = seen["body"] or {}
    turns = body.get("messages") or body.get("input") or ()
    return seen["target"], "tools" in body, len(turns)
