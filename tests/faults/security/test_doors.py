"""Who may come in, on every path that there is: found by walking the tables, not from memory.

Without a key, with a wrong one, with one that was taken back, with one that may less: refused, and
before a byte of the body is read. A page of another site is refused on all of them.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.faults.security import paths
from tests.faults.security.house import FORM, House, house
from tests.hostile import TEMPLATES
from tests.story.test_also_ports import free_port
from twotier.gateway.app import DIALECT_AT, Gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NEEDS_NO_KEY = {"/healthz", "/openapi.json", "/approve", "/hooks/{job}"}
STRANGERS = (
    *("evil.example", "evil.example:8484", "127.0.0.1.evil.example", "localhost.evil.example"),
    *("127.evil.example", "169.254.169.254", "0.0.0.0", "10.0.0.7", "[fe80::1]", "[::]", ""),
    *("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost@evil.example", "xlocalhost"),
)
ORIGINS = (
    *("http://evil.example", "https://evil.example:8484", "http://127.0.0.1.evil.example", "null"),
    *("http://localhost.evil.example", "file://", "chrome-extension://abcdef", "http://10.0.0.7"),
    "http://evil.example/127.0.0.1",
)
# All of them on one path in so many, and the first ones on each.
EVERY = 8
WHOLE = 3
NOBODY = 65_534
MORE_THAN_IS_READ = 10_000_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The service, with a key that was taken back and one for the local tiers alone."""
    ports = f"also_ports = [{free_port()}]\nalso_without_key = true\n"
    with house(tmp_path_factory.mktemp("doors"), gateway=ports) as running:
        yield running


@pytest.fixture(scope="module")
def old(home: House) -> Iterator[House]:
    """The same by the port of an older server, which asks for no key."""
    port = int(home.service.status()["also"][0]["address"].rpartition(":")[2])
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line:
        yield replace(home, port=port, line=line)


@pytest.fixture(scope="module")
def revoked(home: House) -> str:
    """A key that worked."""
    key = home.service.command("key", "add", "gone").stdout.strip()
    assert home.ask("GET", "/v1/models", headers={"x-api-key": key}).status == 200
    home.service.command("key", "remove", "gone")
    return key


def test_the_tables_are_those_of_the_document(home: House) -> None:
    """What the service tells of itself, what it describes, and what these tests think is open."""
    assert set(paths.of_clients(home)) == paths.described()
    assert set(Gateway.__dataclass_fields__["open_paths"].default) < NEEDS_NO_KEY  # type: ignore[arg-type]
    assert len(paths.of_sockets()) > 80
    assert len(paths.of_orders()) > 25


def test_no_path_opens_without_the_right_key(home: House, revoked: str) -> None:
    """In either header; a cookie of the dashboard is none, and neither is what lies on disk."""
    digest = (home.service.paths.key_file).read_text(encoding="utf-8")
    wrong: list[dict[str, str]] = [
        {},
        {"x-api-key": "tt-wrong"},
        {"authorization": "Bearer tt-wrong"},
        {"authorization": f"Basic {home.key}"},
        {"authorization": home.key},
        {"x-api-key": revoked},
        {"authorization": f"Bearer {revoked}"},
        {"cookie": home.log_in()},
        {"x-api-key": f"{home.key}x"},
        {"x-api-key": home.key[:-1]},
        {"x-twotier-job": "posted", "x-twotier-kind": "polling"},
    ]
    assert revoked not in digest
    ways = [*paths.of_clients(home), ("GET", "/nowhere"), ("DELETE", "/v1/models")]
    asked = [(way, headers) for way in ways for headers in wrong]
    asked += [(way, headers) for way in paths.of_sockets() for headers in wrong[:2]]
    for (method, path), headers in asked:
        if path in NEEDS_NO_KEY or path.startswith("/hooks/"):
            continue
        heard = home.ask(method, paths.filled(path), b"{}", headers)
        assert heard.status == 401, (method, path, headers, heard)
        assert home.key not in heard.text


def test_who_is_refused_need_not_send_the_body(home: House) -> None:
    """The answer is there before any of it, and says nothing of its size: the key comes first."""
    for method, path in paths.of_clients(home):
        if method != "POST" or path in NEEDS_NO_KEY:
            continue
        for more in ("", "expect: 100-continue\r\n"):
            head = (
                f"POST {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: tt-wrong\r\n{more}"
                f"content-length: {MORE_THAN_IS_READ}\r\n\r\n"
            )
            heard = home.send(head.encode(), read_to_end=False)
            assert heard.startswith(b"HTTP/1.1 401"), (path, heard)


def test_a_key_that_may_less_gets_less(home: House) -> None:
    """One for the local tiers opens no other, on any path of a model; it changes nothing."""
    key = home.service.command("key", "add", "near", "--policy", "local-only").stdout.strip()
    before = home.upstream.count
    for path, dialect in DIALECT_AT.items():
        sent = json.dumps({**TEMPLATES[dialect], "model": "frontier"}).encode()
        for headers in ({}, {"x-twotier-policy": "frontier"}):
            heard = home.ask("POST", path, sent, {"x-api-key": key, **headers})
            assert heard.status == 403, (path, heard)
    assert home.upstream.count == before


def test_a_clients_key_opens_no_page_and_no_order(home: House) -> None:
    """As a header, as a cookie, as a code; the private paths are not there at all."""
    cookie = home.log_in().partition("=")[0]
    keyed = {"authorization": f"Bearer {home.key}", "cookie": f"{cookie}={home.key}"}
    for method, path in paths.of_pages():
        heard = home.ask(method, paths.filled(path), headers=keyed)
        assert heard.status == (401 if "/live/" in path else 303), (path, heard)
        assert heard.status == 401 or "login" in heard.headers["location"], heard
    ours = {**FORM, "origin": home.address}
    for method, path in paths.of_orders():
        heard = home.ask(method, paths.filled(path), b"csrf=x", {**keyed, **ours})
        assert heard.status == 401, (path, heard)
    form = urlencode({"code": home.key}).encode()
    assert home.ask("POST", "/ui/login", form, ours).status == 401
    for method, path in paths.of_sockets():
        heard = home.ask(method, paths.filled(path), b"{}", {**keyed, "x-api-key": home.key})
        shared = path in NEEDS_NO_KEY or path.startswith("/hooks/")
        assert heard.status in ((200, 400, 403) if shared else (404,)), (path, heard)


def test_an_order_comes_from_a_page_of_ours_or_not_at_all(home: House) -> None:
    """Every order there is, with a good session: no token, a wrong one, another's, another origin,
    another kind of body, by GET.
    """
    cookie, other = home.log_in(), home.log_in()
    csrf = home.csrf(cookie)
    assert csrf
    right = urlencode({"csrf": csrf}).encode()
    ours = {**FORM, "cookie": cookie, "origin": home.address}
    before = home.service.command("key", "list", "--json").stdout
    refused: list[tuple[bytes, dict[str, str]]] = [
        (b"", ours),
        (b"csrf=", ours),
        (b"csrf=x", ours),
        (urlencode({"csrf": home.csrf(other)}).encode(), ours),
        (right, {**FORM, "cookie": cookie}),
        (right, {**ours, "origin": "http://127.0.0.1:1"}),
        (b'{"csrf":"%b"}' % csrf.encode(), {**ours, "content-type": "application/json"}),
        *((right, {**ours, "origin": origin}) for origin in ORIGINS),
        *((right, {**ours, "sec-fetch-site": site}) for site in ("same-site", "cross-site")),
        (right, {**ours, "content-type": "text/plain"}),
        (right, {**ours, "content-type": "multipart/form-data; boundary=x"}),
    ]
    for number, (_, path) in enumerate(paths.of_orders()):
        at = paths.filled(path)
        for body, headers in refused if number < WHOLE else refused[:7]:
            heard = home.ask("POST", at, body, headers)
            assert heard.status in (400, 403), (path, body, headers, heard)
        heard = home.ask("GET", f"{at}?csrf={csrf}", headers={"cookie": cookie})
        assert heard.status in (404, 405) or path.endswith("/dry"), (path, heard)
    assert home.ask("GET", "/ui/", headers={"cookie": cookie}).status == 200, "it is logged out"
    assert home.service.command("key", "list", "--json").stdout == before
    home.no_defect()


def every_way(home: House) -> list[paths.Way]:
    """All that TCP answers, and what it does not."""
    tables = (paths.of_clients(home), paths.of_pages(), paths.of_orders(), paths.of_door())
    return [way for table in tables for way in table] + [("GET", "/nowhere"), ("OPTIONS", "/ui/")]


def test_no_name_of_a_stranger_is_answered_to(home: House) -> None:
    """DNS rebinding: a page's own name that leads here. On every path, static files and health
    included, with everything else as it should be.
    """
    cookie = home.log_in()
    right = {"x-api-key": home.key, "cookie": cookie}
    for number, (method, path) in enumerate(every_way(home)):
        for host in STRANGERS if number % EVERY == 0 else STRANGERS[:2]:
            heard = home.ask(method, paths.filled(path), headers={**right, "host": host})
            assert heard.status == 403, (method, path, host, heard)
        heard = home.ask(method, paths.filled(path), headers={**right, "host": "localhost"})
        assert heard.status != 403 or method == "POST" or path == "/approve", (path, heard)
    nameless = b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n"
    assert home.send(nameless).startswith(b"HTTP/1.1 403")
    twice = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n"
    assert home.send(twice, read_to_end=False).startswith(b"HTTP/1.1 400")


def test_no_page_of_a_stranger_is_answered(home: House) -> None:
    """Its browser says where it comes from: refused on every path, and no header invites it."""
    right = {"x-api-key": home.key, "cookie": home.log_in()}
    for number, (method, path) in enumerate(every_way(home)):
        for origin in ORIGINS if number % EVERY == 0 else ORIGINS[:1]:
            heard = home.ask(method, paths.filled(path), headers={**right, "origin": origin})
            assert heard.status == 403, (method, path, origin, heard)
            assert not any(name.startswith("access-control") for name in heard.headers)


def test_the_port_of_an_older_server_opens_the_local_tiers_alone(home: House, old: House) -> None:
    """No page, no order, no figure, no other tier; and its Host is looked at as everywhere."""
    before = home.upstream.count
    for path, dialect in DIALECT_AT.items():
        sent = json.dumps({**TEMPLATES[dialect], "model": "frontier"}).encode()
        for headers in ({}, {"x-twotier-policy": "frontier"}, {"x-api-key": "made-up"}):
            assert old.ask("POST", path, sent, headers).status == 403, (path, headers)
    assert home.upstream.count == before
    cookie = {"cookie": home.log_in()}
    closed = [*paths.of_pages(), *paths.of_orders(), *paths.of_sockets(), ("GET", "/metrics")]
    for method, path in closed:
        if path not in NEEDS_NO_KEY and not path.startswith("/hooks/"):
            heard = old.ask(method, paths.filled(path), b"{}", cookie)
            assert heard.status == 404, (method, path, heard)
    for method, path in [*paths.of_clients(old), ("GET", "/nowhere")]:
        for host in STRANGERS:
            heard = old.ask(method, paths.filled(path), headers={"host": host})
            assert heard.status == 403, (method, path, host, heard)
        for origin in ORIGINS:
            heard = old.ask(method, paths.filled(path), headers={"origin": origin})
            assert heard.status == 403, (method, path, origin, heard)


def test_the_private_sockets_are_their_owners(home: House) -> None:
    """No other user can open them; root asks as one of them."""
    for path in (home.service.paths.main_socket, home.service.paths.worker_socket):
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        if os.getuid() == 0:
            assert as_nobody(path) == "PermissionError", path


def as_nobody(path: Path) -> str:
    """What comes of it when another user connects."""
    os.seteuid(NOBODY)
    try:
        with closing(socket.socket(socket.AF_UNIX)) as line:
            line.connect(str(path))
    except OSError as exc:
        return type(exc).__name__
    finally:
        os.seteuid(0)
    return "opened"
