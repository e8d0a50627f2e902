"""What stands in a path is a name and never a place: each path with an open part, each way to write
`..`; and bodies that are small to send and large to read.
"""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.faults.security import paths
from tests.faults.security.house import FORM, Heard, House, house
from twotier.cli.client import UnixConnection
from twotier.gateway.app import DIALECT_AT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CANARY = "canary-of-a-file-outside-5f1e"
UP = ("..", "%2e%2e", "%252e%252e", ".%2e", "%c0%ae%c0%ae", "..%00", "....")
SLASHES = ("/", "%2f", "%252f", "%5c", "\\", "//", "/./")
BODY_BYTES_MAX = 2_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With a file beside everything that must not be found."""
    folder = tmp_path_factory.mktemp("paths")
    (folder / "secret.txt").write_text(CANARY, encoding="ascii")
    with house(folder, gateway=f"body_bytes_max = {BODY_BYTES_MAX}\n") as running:
        (running.service.paths.state / "secret.txt").write_text(CANARY, encoding="ascii")
        yield running


def places(folder: Path) -> list[str]:
    """Ways to say a file that lies elsewhere."""
    climbed = [slash.join([up] * 6 + ["etc", "passwd"]) for up in UP for slash in SLASHES[:3]]
    climbed += [slash.join([".."] * 2 + ["secret.txt"]) for slash in SLASHES]
    absolute = [f"{folder}/secret.txt", "/etc/passwd", "%2fetc%2fpasswd", "file:///etc/passwd"]
    return [
        *climbed,
        *absolute,
        "%00",
        "x%00.css",
        "..",
        ".",
        "%2e",
        "~",
        "$HOME",
        "%",
        "%zz",
        "%ff",
    ]


def on_socket(socket: Path, method: str, path: str) -> Heard:
    """One request on a private socket, its path as it stands."""
    with closing(UnixConnection(socket, 60.0)) as line:
        line.putrequest(method, path, skip_accept_encoding=True)
        line.putheader("content-type", "application/json")
        line.putheader("content-length", "2")
        line.endheaders(b"{}")
        answer = line.getresponse()
        return Heard(answer.status, dict(answer.getheaders()), answer.read())


def leaks(heard: Heard) -> bool:
    """Whether a file came back, or a defect."""
    return heard.status >= 500 or CANARY in heard.text or "root:x:" in heard.text


def test_no_path_of_the_port_leads_to_a_file(home: House) -> None:
    """Posts to jobs, pages, streams, orders, static files: none of it is 200, none a defect."""
    cookie = home.log_in()
    seen = {"cookie": cookie, "x-api-key": home.key}
    order = {**seen, **FORM, "origin": home.address}
    tables = (paths.of_clients(home), paths.of_pages(), paths.of_orders())
    ways = [way for table in tables for way in table if "{" in way[1]]
    ways += [("GET", "/ui/static/{name}"), ("GET", "/ui/{rest}"), ("GET", "/{rest}")]
    assert len(ways) > 15
    body = f"csrf={home.csrf(cookie)}".encode()
    for method, path in ways:
        for place in places(home.service.folder):
            at = paths.filled(path, place).replace("\\", "%5c")
            sent, headers = (body, order) if method == "POST" else (None, seen)
            heard = home.ask(method, at, sent, headers)
            assert not leaks(heard), (method, at, heard.status, heard.text[:300])
            assert path != "/ui/static/{name}" or heard.status == 404, (at, heard)
    home.no_defect()


def test_no_path_of_a_private_socket_leads_to_a_file(home: House) -> None:
    """The same for who may order: names of tiers, jobs, runs, drafts, requests."""
    sockets = {
        home.service.paths.main_socket: list(paths.of_control()),
        home.service.paths.worker_socket: list(paths.of_worker()),
    }
    for socket, table in sockets.items():
        for method, path in table:
            for place in places(home.service.folder)[:: 1 if "{" in path else 1_000]:
                if "{" in path:
                    at = paths.filled(path, place).replace("\\", "%5c")
                    heard = on_socket(socket, method, at)
                    assert not leaks(heard), (method, at, heard.status, heard.text[:300])
    home.no_defect()


def test_a_body_that_grows_when_it_is_read_is_not_read(home: House) -> None:
    """Packed bodies are not unpacked: a thousandth of the bytes is no way past the limit."""
    main = psutil.Process(int(home.service.status()["pid"]))
    turns = [{"role": "user", "content": "x" * 300_000_000}]
    packed = gzip.compress(json.dumps({"model": "local", "messages": turns}).encode(), 1)
    assert len(packed) < BODY_BYTES_MAX
    before = main.memory_info().rss
    for path in (*DIALECT_AT, "/hooks/posted", "/approve", "/ui/login"):
        for coding in ("gzip", "deflate", "x-gzip, gzip"):
            headers = {"x-api-key": home.key, "content-encoding": coding, "origin": home.address}
            heard = home.ask("POST", path, packed, headers)
            assert heard.status in (400, 403, 413), (path, heard)
    assert main.memory_info().rss - before < 100_000_000


def test_a_body_over_the_limit_is_refused_on_every_path(home: House) -> None:
    """By what it says of itself, and in pieces that say nothing; forms and posts have their own."""
    for path in (*DIALECT_AT, "/hooks/posted", "/approve", "/ui/login"):
        headers = {**FORM, "x-api-key": home.key, "origin": home.address}
        large = home.ask("POST", path, b"x" * (BODY_BYTES_MAX + 1), headers)
        assert large.status == 413, (path, large)
        with closing(http.client.HTTPConnection("127.0.0.1", home.port, timeout=60)) as line:
            pieces = (b"x" * 65_536 for _ in range(BODY_BYTES_MAX // 65_536 + 2))
            line.request("POST", path, pieces, headers, encode_chunked=True)
            assert line.getresponse().status == 413, path
    home.no_defect()


@pytest.mark.parametrize(
    "odd",
    [
        b'{"model":"local","max_tokens":%b}' % (b"9" * 1_000_000),
        b'{"model":"local","max_tokens":1e%b}' % (b"9" * 100_000),
        b'{"model":"local","zz":0.%b}' % (b"3" * 1_000_000),
        b'{"model":"local",%b"a":1}' % (b'"a":1,' * 200_000),
        b'{"model":"local","a":[%b1]}' % (b"1," * 500_000),
        b'{"model":"local","a":"%b"}' % (b"\\u0000" * 200_000),
        b"[" * 1_000_000,
        b'{"a":' * 300_000,
    ],
)
def test_a_body_that_is_hard_to_read_is_answered_soon(home: House, odd: bytes) -> None:
    """Numbers of a million digits, fields that come again and again, depth without end."""
    for path in DIALECT_AT:
        heard = home.ask("POST", path, odd, {"x-api-key": home.key})
        assert heard.status == 400, (path, heard.status, heard.text[:200])
    home.no_defect()


def test_a_form_with_too_much_in_it_is_refused(home: House) -> None:
    """Fields without end, the same one again and again, and what is no text."""
    headers = {**FORM, "origin": home.address, "cookie": home.log_in()}
    for body in (b"a=1&" * 600, b"csrf=x&" * 600, b"\xff\xfe=1", b"a=%ff&" * 100, b"&" * 200_000):
        for _, path in paths.of_orders()[:6]:
            heard = home.ask("POST", paths.filled(path), body, headers)
            assert heard.status in (400, 403), (path, heard)
    home.no_defect()


TARGETS = (
    *(b"/approve?\xff\xfe", b"/approve?%", b"/approve?id=%zz&until=%00&token=%ff", b"/approve?["),
    *(b"/approve?id=\\", b"/approve?" + b"x" * 7_000, b"/approve?id=1&id=2", b"/approve;x"),
    *(b"/approve?until=9" + b"9" * 5_000, b"/approve?until=nan", b"/approve?until=-1", b"*"),
    *(b"//evil.example/approve", b"http://[::1/approve", b"http://evil.example/v1/models"),
    *(b"/ui/\xff", b"/ui/decisions?job=\xff", b"/ui/spend?from=%ff", b"/ui/?x=%00"),
    *(b"/ui/login?to=\xff", b"/ui/decisions?page=-1", b"/ui/decisions?page=" + b"9" * 400),
    *(b"/ui/spend?by=%2e%2e", b"/?", b"/v1/models?\xff", b"/metrics?name[]=\xff", b"/ui//"),
    *(b"/\xff", b"/hooks/\xff", b"/hooks/", b"/hooks//"),
)  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT", "TRACE"])
def test_no_target_is_a_defect(home: House, method: str) -> None:
    """Raw bytes, halves of escapes, whole addresses, numbers that are none: 4xx, or a page."""
    cookie = home.log_in()
    for target in TARGETS:
        head = (
            b"%b %b HTTP/1.1\r\nhost: localhost\r\nx-api-key: %b\r\ncookie: %b\r\n"
            b"content-type: application/x-www-form-urlencoded\r\norigin: %b\r\n"
            b"content-length: 3\r\nconnection: close\r\n\r\na=b"
        )
        origin = home.address.encode()
        heard = home.send(
            head % (method.encode(), target, home.key.encode(), cookie.encode(), origin)
        )
        assert heard.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")), (
            target,
            heard[:300],
        )
    home.no_defect()
