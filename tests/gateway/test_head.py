"""HEAD is answered wherever GET is: proxies and uptime monitors ask so whether we live."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.serve.running import ANSWER_SECONDS_MAX, Running
from twotier.gateway.app import Gateway
from twotier.gateway.asgi import Call, respond
from twotier.gateway.auth import PrivateDoor
from twotier.gateway.plain import DESCRIPTION, described, healthz
from twotier.gateway.refusals import Refusals


async def posted(call: Call) -> None:
    """A path that has no GET."""
    await respond(call.send, 200, body=b"{}", headers=[])


ROUTES = {
    ("GET", "/healthz"): healthz,
    ("GET", DESCRIPTION): described,
    ("POST", "/v1/messages"): posted,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A real server with a table of paths."""
    gateway = Gateway(PrivateDoor(), ROUTES, refusals=Refusals(lambda: "r1"))
    with Running(gateway) as running:
        yield running


def asked(line: http.client.HTTPConnection, method: str, path: str) -> tuple[int, str, bytes]:
    """Status, declared length and body."""
    line.request(method, path)
    reply = line.getresponse()
    return reply.status, reply.headers["content-length"], reply.read()


def test_head_is_get_without_its_body_and_the_connection_goes_on(server: Running) -> None:
    """The same status and length, nothing after the head."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS_MAX)
    with closing(line):
        for path in ("/healthz", DESCRIPTION):
            status, length, body = asked(line, "GET", path)
            assert (status, length) == (200, str(len(body)))
            assert asked(line, "HEAD", path) == (200, length, b"")
        assert asked(line, "HEAD", "/nowhere")[0] == 404


def test_what_has_no_get_has_no_head(server: Running) -> None:
    """405, with what the path takes; and who asks GET's path for more hears of HEAD too."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS_MAX)
    with closing(line):
        for method, path, allowed in (
            ("HEAD", "/v1/messages", "POST"),
            ("DELETE", "/healthz", "GET, HEAD"),
        ):
            line.request(method, path)
            reply = line.getresponse()
            text = reply.read()
            assert (reply.status, reply.headers["allow"]) == (405, allowed)
        assert json.loads(text)["error"]["code"] == "method_not_allowed"
