"""A real `twotier up` with something behind every path: tiers that agree to everything, jobs, keys.

with house(folder) as home:
    home.ask("GET", "/v1/models", key=home.key)
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.fakes.agreeable import AGREEING, Agreeable
from tests.faults.world import SOAK
from tests.story.service import FRONTIER, Service, eventually

__all__ = ["FORM", "SOAK", "Heard", "House", "house"]
FORM = {"content-type": "application/x-www-form-urlencoded"}
SECONDS_MAX = 60.0
ENDLESS = ("text/event-stream", "application/x-ndjson")
HOOK_SECRET = "hook-secret-of-the-tests"
POSTED = """
[[jobs]]
name = "posted"
webhook = true
webhook_secret = "env:HOOK_SECRET"
tier = "local-only"
prompt = "Say what was posted."
"""


class Heard(NamedTuple):
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, as far as it is text."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class House:
    """What runs, and how to ask it anything."""

    service: Service
    upstream: Agreeable
    key: str
    port: int
    line: http.client.HTTPConnection

    @property
    def address(self) -> str:
        """The port's, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Heard:
        """One request with these headers, and no key of its own."""
        try:
            self.line.request(method, path, body, dict(headers or {}))
            answer = self.line.getresponse()
        except (http.client.HTTPException, ConnectionError):
            self.line.close()  # it was closed after the answer before; the next one opens it anew
            self.line.request(method, path, body, dict(headers or {}))
            answer = self.line.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        if told.get("content-type", "").startswith(ENDLESS):
            self.line.close()
            return Heard(answer.status, told, b"")
        return Heard(answer.status, told, answer.read())

    def log_in(self) -> str:
        """The cookie of a fresh session of the dashboard."""
        told = self.service.main.post("/control/dashboard")
        form = urlencode({"code": told["code"]}).encode()
        heard = self.ask("POST", "/ui/login", form, {**FORM, "origin": self.address})
        assert heard.status == 303, heard.text
        return heard.headers["set-cookie"].partition(";")[0]

    def csrf(self, cookie: str) -> str:
        """What stands in a page of that session."""
        page = self.ask("GET", "/ui/", headers={"cookie": cookie}).text
        return page.partition('name="csrf" value="')[2].partition('"')[0]

    def send(self, data: bytes, *, read_to_end: bool = True) -> bytes:
        """Any bytes, and what comes back: all of it, or one piece."""
        heard = b""
        with closing(socket.create_connection(("127.0.0.1", self.port), SECONDS_MAX)) as line:
            line.sendall(data)
            while part := line.recv(65536):
                heard += part
                if not read_to_end:
                    break
        return heard

    def log(self) -> str:
        """What main wrote down."""
        return (self.service.paths.logs / "main.log").read_text(encoding="utf-8")

    def no_defect(self) -> None:
        """Nothing broke on the way, whatever was answered."""
        for name in ("main.log", "worker.log"):
            path = self.service.paths.logs / name
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            assert '"event":"defect"' not in text, text[-3_000:]
            assert "Traceback" not in text
        assert "Traceback" not in self.service.said()


@contextmanager
def house(folder: Path, *parts: str, gateway: str = "") -> Iterator[House]:
    """`parts` are more of the configuration, `gateway` more of its section of that name."""
    with Agreeable() as upstream:
        tiers = (
            AGREEING.format(base_url=upstream.base_url),
            POSTED,
            FRONTIER.format(base_url=upstream.base_url),
        )
        env = {"FRONTIER_KEY": "sk-test", "HOOK_SECRET": HOOK_SECRET, "HOME": str(folder)}
        service = Service(folder, *tiers, *parts, env=env, gateway=gateway)
        try:
            service.up(ready="")
            eventually(lambda: service.status()["worker"]["state"] == "ready", what="the worker")
            key = service.paths.client_key.read_text(encoding="ascii").strip()
            port = urlsplit(service.status()["address"]).port or 0
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
            with closing(line):
                yield House(service, upstream, key, port, line)
        finally:
            service.__exit__(None, None, None)
