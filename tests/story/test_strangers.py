"""What a client sends is only ever data: no address in it is fetched, no header of it is kept.

The whole program at its most talkative log level, with a frontier that has a key to lose.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.serving import Served
from tests.story.service import FRONTIER, LOCAL_SERVER, Service

pytestmark = pytest.mark.slow

CANARY = "canary-9f31c6-never-written"
TALKATIVE = '[log]\nlevel = "debug"\n'
PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "say: hi"}]},
    "/v1/messages": {"messages": [{"role": "user", "content": "say: hi"}]},
    "/v1/responses": {"input": "say: hi"},
}


class Trap(Served):
    """A server that a client would like us to ask."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def application(self) -> web.Application:
        """Everything is a picture."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._caught)
        return application

    async def _caught(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path} {dict(request.headers)}")
        return web.Response(body=b"\x89PNG\r\n", content_type="image/png")


class Heard(NamedTuple):
    """An answer."""

    status: int
    text: str


@dataclass
class World:
    """What runs while these tests do, and how to ask it anything."""

    service: Service
    local: FakeOpenAI
    frontier: FakeAnthropic
    trap: Trap
    key: str
    port: int

    def ask(self, path: str, body: Any, **headers: str) -> Heard:
        """One request with the right key."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post(path, content, {"x-api-key": self.key, **named})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Heard:
        """One request on a connection of its own."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as line:
            line.request("POST", path, body, dict(headers))
            response = line.getresponse()
            return Heard(response.status, response.read().decode())

    def send(self, data: bytes) -> bytes:
        """Any bytes on a connection of their own, and all that comes back."""
        heard = b""
        with closing(socket.create_connection(("127.0.0.1", self.port), 20)) as line:
            line.sendall(data)
            while part := line.recv(65536):
                heard += part
        return heard


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both upstreams, the trap, and twotier between them."""
    folder = tmp_path_factory.mktemp("strangers")
    with FakeOpenAI() as local, FakeAnthropic() as frontier, Trap() as trap:
        tiers = (
            LOCAL_SERVER.format(base_url=f"{local.base_url}/v1") + "images = true\n",
            FRONTIER.format(base_url=frontier.base_url),
            TALKATIVE,
        )
        with Service(folder, *tiers, env={"FRONTIER_KEY": frontier.key}) as service:
            key = service.paths.client_key.read_text(encoding="ascii").strip()
            port = urlsplit(service.status()["address"]).port or 0
            yield World(service, local, frontier, trap, key, port)


def pictures(url: str) -> dict[str, dict[str, Any]]:
    """A request with this picture, in each dialect."""
    chat = {"type": "image_url", "image_url": {"url": url}}
    messages = {"type": "image", "source": {"type": "url", "url": url}}
    file = {"type": "document", "source": {"type": "url", "url": url}}
    responses = [{"type": "input_image", "image_url": url}, {"type": "input_file", "file_url": url}]
    return {
        "/v1/chat/completions": {"messages": [{"role": "user", "content": [chat]}]},
        "/v1/messages": {"messages": [{"role": "user", "content": [messages, file]}]},
        "/v1/responses": {"input": [{"role": "user", "content": responses}]},
    }


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("model", ["local", "frontier"])
def test_no_address_in_a_request_is_fetched(world: World, path: str, model: str) -> None:
    """Pictures and files are handed on by their address; bodies and headers name no upstream."""
    at = world.trap.base_url
    elsewhere: dict[str, Any] = {
        "base_url": at, "api_base": at, "api_url": at, "endpoint": at, "webhook": at,
        "extra_body": {"base_url": at}, "metadata": {"callback": at},
    }  # fmt: skip
    headers = {
        "x_base_url": at, "x_upstream": at, "x_forwarded_host": world.trap.base_url[7:],
        "forwarded": f"host={world.trap.base_url[7:]}", "referer": at, "openai_base_url": at,
    }  # fmt: skip
    limit = {"model": model, "max_tokens": 9}
    world.ask(path, {**pictures(f"{at}/picture.png")[path], **limit}, **headers)
    world.ask(f"{path}?base_url={at}&url={at}", {**PATHS[path], **limit, **elsewhere}, **headers)
    world.ask(path, {**PATHS[path], **limit, "model": f"{at}/v1"})
    assert world.trap.asked == []


def test_a_picture_reaches_the_upstream_as_an_address(world: World) -> None:
    """What is not fetched is still said, in whatever dialect the upstream reads."""
    url = "https://pictures.example.org/cat.png?size=1"
    for path, body in pictures(url).items():
        before = len(world.frontier.bodies)
        world.ask(path, {**body, "model": "frontier", "max_tokens": 9})
        sent = world.frontier.bodies[before:]
        assert [url in json.dumps(one) for one in sent] == [True] * len(sent), path
    assert url in json.dumps(world.frontier.bodies)


def test_a_request_line_that_names_another_server_asks_nobody_there(world: World) -> None:
    """Absolute addresses are for proxies, and we are none."""
    body = json.dumps({**PATHS["/v1/chat/completions"], "model": "local", "max_tokens": 9}).encode()
    head = (
        f"POST {world.trap.base_url}/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
        f"x-api-key: {world.key}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    assert b'"tier"' not in world.send(head.encode() + body)
    assert world.trap.asked == []


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_key_is_refused_in_the_dialect_of_the_path(world: World, path: str) -> None:
    """Each family of SDKs finds its own error there; both headers are looked at."""
    for headers in ({}, {"x-api-key": "tt-wrong"}, {"authorization": "Bearer tt-wrong"}):
        status, text = world.post(path, json.dumps(PATHS[path]).encode(), headers)
        told = json.loads(text)
        assert status == 401
        assert told["error"]["type"] == "authentication_error"
        assert (told.get("type") == "error") == (path == "/v1/messages")
    bearer = {"authorization": f"Bearer {world.key}"}
    assert world.post(path, b"{}", bearer).status == 400


def nest(levels: int, kind: str) -> bytes:
    """JSON as deep as that."""
    opened, closed = {
        "lists": (b"[", b"]"),
        "objects": (b'{"a":', b"}"),
        "schemas": (b'{"type":"object","properties":{"a":', b"}}"),
        "choices": (b'{"anyOf":[', b"]}"),
    }[kind]
    return opened * levels + b"{}" + closed * levels


DEEP_AT = {
    "/v1/chat/completions": (
        b'"zz":%b',
        b'"tools":[{"type":"function","function":{"name":"f","parameters":%b}}]',
        b'"response_format":{"type":"json_schema","json_schema":{"name":"f","schema":%b}}',
    ),
    "/v1/messages": (b'"zz":%b', b'"tools":[{"name":"f","input_schema":%b}]'),
    "/v1/responses": (
        b'"zz":%b',
        b'"tools":[{"type":"function","name":"f","parameters":%b}]',
        b'"text":{"format":{"type":"json_schema","name":"f","schema":%b}}',
    ),
}


@pytest.mark.parametrize("kind", ["lists", "objects", "schemas", "choices"])
@pytest.mark.parametrize("path", PATHS)
def test_no_depth_of_json_is_a_defect(world: World, path: str, kind: str) -> None:
    """From what anybody writes to what would end a parser: an answer, or a 400 that says why."""
    for place in DEEP_AT[path][: 1 if kind == "lists" else None]:  # a schema is no list
        for levels in (40, 300, *range(466, 498), 900, 10_000, 200_000):
            for model in ("local", "frontier"):
                start = json.dumps({**PATHS[path], "model": model, "max_tokens": 9}).encode()
                body = start[:-1] + b"," + place % nest(levels, kind) + b"}"
                answer = world.ask(path, body)
                assert answer.status in (200, 400), (levels, place, answer.text[:300])
                assert levels < 1000 or "nested too deep" in answer.text
    log = (world.service.paths.logs / "main.log").read_text(encoding="utf-8")
    assert '"event":"defect"' not in log


def test_half_requests_are_ended_and_disturb_nobody(world: World) -> None:
    """A hundred heads that never end: good requests pass, then each hears that it was late."""
    with ExitStack() as stack:
        lines = [
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", world.port), 60)))
            for _ in range(100)
        ]
        for line in lines:
            line.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx: ")
        for _ in range(20):
            body = {**PATHS["/v1/messages"], "model": "local", "max_tokens": 9}
            assert world.ask("/v1/messages", body).status == 200
        assert [line.recv(100)[:12] for line in lines] == [b"HTTP/1.1 408"] * 100


def test_no_header_is_ever_written_down(world: World) -> None:
    """Not into a log, a database or an answer, whatever goes wrong with its request."""
    named = ("x-other", "cookie", "user-agent", "referer", "anthropic-beta", "x-twotier-job")
    secret = dict.fromkeys(named, CANARY)
    ways: list[dict[str, str]] = [
        {},
        {"x-api-key": CANARY},
        {"x-api-key": "", "authorization": f"Bearer {CANARY}"},
        {"authorization": f"Basic {CANARY}"},
        {"x-twotier-policy": CANARY},
        {"x-twotier-deadline": CANARY},
        {"origin": f"https://{CANARY}.example"},
        {"host": f"{CANARY}.example"},
        {"content-type": CANARY},
    ]
    for path in (*PATHS, "/v1/models", "/nowhere", "/healthz"):
        for way in ways:
            for body in (b"{", b'{"model":"no-such"}', model_body("fake:500"), model_body("hi")):
                answer = world.post(path, body, {"x-api-key": world.key, **secret, **way})
                assert CANARY not in answer.text, (path, way)
    for line in (f"GET /{'x' * 90_000} HTTP/1.1", "GARBAGE", "GET / HTTP/1.1\r\nbad header"):
        world.send(f"{line}\r\nhost: localhost\r\nx-api-key: {CANARY}\r\n\r\n".encode())
    for file in world.service.folder.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes(), file


def model_body(text: str) -> bytes:
    """A body that any of the dialects takes for its own."""
    turns = [{"role": "user", "content": text}]
    both = {"messages": turns, "input": text, "model": "frontier", "max_tokens": 9}
    return json.dumps(both).encode()
