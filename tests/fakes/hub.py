"""A hub with the parts of the Hugging Face API that are used here, made from its documentation.

Large files come by redirect from a second host and small ones from another path of the hub, as the
real one's do; it says 416 and 206 for ranges, 401 for what is gated or does not exist, and can
break off in the middle of a file.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_BYTES = 1000
CACHE = "/api/resolve-cache/models"


def git_id(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@dataclass
class FakeHub:
    """`repos`: files by repository. `breaks`: a file that ends after so many bytes, so many times.

    `asked` are the requests as (host, path, range, authorization); `spoilt`: files whose bytes
    are not what was promised. `unwell`: the next statuses for paths with `unwell_for` in them.
    """

    repos: dict[str, dict[str, bytes]]
    token: str = ""
    breaks: dict[str, list[int]] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    no_ranges: bool = False
    unwell: list[int] = field(default_factory=list)
    unwell_for: str = ""
    card: Mapping[str, Any] = field(default_factory=lambda: {"license": "apache-2.0"})
    url: str = ""
    store: str = ""
    elsewhere: str = ""  # where it sends those who ask for a small file

    def siblings(self, name: str) -> list[dict[str, Any]]:
        """What the API lists of a repository."""
        rows = []
        for file, body in self.repos[name].items():
            row: dict[str, Any] = {"rfilename": file, "size": len(body), "blobId": git_id(body)}
            if len(body) >= LARGE_BYTES:
                row["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
            rows.append(row)
        return rows


@contextmanager
def fake_hub(hub: FakeHub) -> Iterator[FakeHub]:
    """It listens on two ports: the hub itself, and the store it redirects to."""
    servers = [server(hub, is_store=is_store) for is_store in (False, True)]
    hub.url, hub.store = (f"http://127.0.0.1:{one.server_address[1]}" for one in servers)
    threads = [threading.Thread(target=one.serve_forever, args=(0.02,)) for one in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for one in servers:
            one.shutdown()
            one.server_close()
        for thread in threads:
            thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    hub: FakeHub
    is_store: bool

    def do_GET(self) -> None:
        wanted, auth = self.headers.get("Range", ""), self.headers.get("Authorization", "")
        self.hub.asked.append(("store" if self.is_store else "hub", self.path, wanted, auth))
        path = self.path.partition("?")[0]
        if self.hub.unwell and self.hub.unwell_for in path:
            self.answer(self.hub.unwell.pop(0))
        elif not self.is_store and self.hub.token and auth != f"Bearer {self.hub.token}":
            self.answer(401)
        elif path.startswith("/api/models/"):
            self.list_files(path)
        else:
            self.file(path)

    def list_files(self, path: str) -> None:
        name = "/".join(path.split("/")[3:5])
        if name not in self.hub.repos:
            self.answer(401)
            return
        document = {
            "sha": COMMIT,
            "siblings": self.hub.siblings(name),
            "gated": bool(self.hub.token),
        }
        self.answer(200, json.dumps({**document, "cardData": self.hub.card}).encode())

    def file(self, path: str) -> None:
        parts = path.removeprefix(CACHE).strip("/").split("/")
        name, file = "/".join(parts[:2]), "/".join(parts[4:])
        body = self.hub.repos.get(name, {}).get(file)
        if body is None:
            self.answer(404)
        elif len(body) >= LARGE_BYTES and not self.is_store:
            self.answer(302, headers={"Location": f"{self.hub.store}{path}"})
        elif len(body) < LARGE_BYTES and not path.startswith(CACHE):
            self.answer(307, headers={"Location": self.hub.elsewhere or f"{CACHE}{path}"})
        else:
            self.send_part(file, body)

    def send_part(self, file: str, body: bytes) -> None:
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        begin, _, last = wanted.partition("-")
        start = int(begin or 0)
        end = int(last) + 1 if last else len(body)
        partial = bool(wanted) and not self.hub.no_ranges
        sent = body[start:end] if partial else body
        if file in self.hub.spoilt:
            sent = bytes(len(sent))
        cut = self.hub.breaks.get(file) or [len(sent)]
        size = cut.pop(0) if self.hub.breaks.get(file) else len(sent)
        self.answer(206 if partial else 200, sent, cut=size)

    def answer(
        self,
        status: int,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        cut: int | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])

    def log_message(self, *_: object) -> None:
        """Nothing."""


def server(hub: FakeHub, *, is_store: bool) -> http.server.ThreadingHTTPServer:
    kind = type("Bound", (Handler,), {"hub": hub, "is_store": is_store})
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
