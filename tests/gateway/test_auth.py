"""Who may come in, and what is believed of whom."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from twotier.domain.tier import TierPolicy
from twotier.errors import AuthError, ForbiddenError, RequestError
from twotier.gateway.asgi import Scope
from twotier.gateway.auth import Door, PrivateDoor, hostname
from twotier.gateway.clients import Clients
from twotier.keys import ClientKey, KeyFile, digest

PRIVATE = PrivateDoor()


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    """A default key, one for a phone, and one for each policy."""
    file, now = KeyFile(tmp_path / "keys.json"), datetime(2026, 3, 10, tzinfo=UTC)
    file.add(ClientKey(name="phone", digest=digest("tt-phone").hex(), created=now))
    for policy in TierPolicy:
        key = digest(f"tt-{policy.value}").hex()
        file.add(ClientKey(name=policy.value, digest=key, created=now, policy=policy))
    return Clients(file, default_key="tt-right", zone="UTC")


@pytest.fixture
def door(clients: Clients) -> Door:
    """With nothing allowed that is not allowed by itself."""
    return Door(clients)


def scope(**headers: str) -> Scope:
    """A request from this machine with these headers (underscores become hyphens)."""
    given = {"host": "127.0.0.1:8484", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return {"headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items()]}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer tt-right"},
        {"authorization": "bearer tt-right"},
        {"x_api_key": "tt-right"},
    ],
)
def test_both_ways_to_send_a_key_work(door: Door, headers: dict[str, str]) -> None:
    """OpenAI's header and Anthropic's."""
    caller = door.admit(scope(**headers))
    assert (caller.client, caller.private) == ("default", False)


def test_each_key_has_its_client(door: Door) -> None:
    """The ledger says who spent it."""
    assert door.admit(scope(x_api_key="tt-phone")).client == "phone"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer tt-wrong"},
        {"authorization": "Basic tt-right"},
        {"x_api_key": "tt-righ"},
        {"x_api_key": "tt-right\xff"},
    ],
)
def test_without_the_right_key_nobody_comes_in(door: Door, headers: dict[str, str]) -> None:
    """And the sentence says where the right one is."""
    with pytest.raises(AuthError, match="twotier key show"):
        door.admit(scope(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer tt-phone", "x_api_key": "dummy"},
        {"authorization": "Bearer dummy", "x_api_key": "tt-phone"},
        {"authorization": "Basic dTpw", "x_api_key": "tt-phone"},
        {"authorization": "Bearer  tt-phone "},
    ],
)
def test_a_dummy_beside_the_key_does_no_harm(door: Door, headers: dict[str, str]) -> None:
    """Clients that know both headers fill them both."""
    assert door.admit(scope(**headers)).client == "phone"


def test_a_removed_key_is_dead_with_the_next_request(
    door: Door, clients: Clients, tmp_path: Path
) -> None:
    """And the same door goes on for the others."""
    assert door.admit(scope(x_api_key="tt-phone")).client == "phone"
    KeyFile(tmp_path / "keys.json").remove("phone")
    clients.reload()
    with pytest.raises(AuthError):
        door.admit(scope(x_api_key="tt-phone"))
    assert door.admit(scope(x_api_key="tt-right")).client == "default"


@pytest.mark.parametrize("name", [b"host", b"origin", b"authorization", b"x-api-key"])
def test_what_decides_is_sent_once(door: Door, name: bytes) -> None:
    """Of two Host headers a proxy may have looked at the other one."""
    twice = scope(host="localhost", origin="http://localhost", x_api_key="tt-right")
    twice["headers"] += [(b"authorization", b"Bearer tt-right"), (name, b"localhost")]
    with pytest.raises(RequestError, match=f"{name.decode()} is sent twice"):
        door.admit(twice)


@pytest.mark.parametrize("host", ["evil.example", "127.evil.example:8484", "10.0.0.7", ""])
def test_a_foreign_host_is_refused_before_the_key_is_looked_at(door: Door, host: str) -> None:
    """DNS rebinding: a page's own name that points to loopback."""
    with pytest.raises(ForbiddenError):
        door.admit(scope(host=host, x_api_key="tt-right"))


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8484", "127.0.0.1", "[::1]:8484", "127.9.9.9"]
)
def test_every_name_of_this_machine_is_its_own(door: Door, host: str) -> None:
    """Loopback is a range, and has two families."""
    assert door.admit(scope(host=host, x_api_key="tt-right")).client == "default"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("http://127.0.0.1", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://127.0.0.1.evil.example", False),
    ],
)
def test_pages_of_other_sites_are_refused(door: Door, origin: str, allowed: bool) -> None:
    """Even with the right key."""
    request = scope(origin=origin, x_api_key="tt-right")
    if allowed:
        assert door.admit(request).client == "default"
    else:
        with pytest.raises(ForbiddenError):
            door.admit(request)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("nas.local", True),
        ("NAS.local:8484", True),
        ("[fd00::7]:8484", True),
        ("localhost", True),
        ("nas.local.evil.example", False),
        ("xnas.local", False),
        ("fd00::8", False),
    ],
)
def test_configured_hosts_are_allowed_beside_this_machines(
    clients: Clients, host: str, allowed: bool
) -> None:
    """A name is a whole name; asked twice, the answer is the same."""
    door = Door(clients, hosts=("nas.local", "fd00::7"))
    for _ in range(2):
        if allowed:
            assert door.admit(scope(host=host, x_api_key="tt-right")).client == "default"
            door.check_browser(scope(host=host))
        else:
            with pytest.raises(ForbiddenError, match=r"gateway\.allowed_hosts"):
                door.check_browser(scope(host=host))


def test_a_thousand_good_hosts_do_not_fill_the_memory(clients: Clients) -> None:
    """What is remembered of them has an end, and they stay allowed."""
    door = Door(clients)
    for port in range(1, 1000):
        door.check_browser(scope(host=f"localhost:{port}"))
    assert len(door._good_hosts) == 64


def test_an_allowed_origin_may_ask_and_is_told_so(clients: Clients) -> None:
    """Only a configured one: a page on localhost may send, and its browser is told nothing."""
    door = Door(clients, origins=("https://chat.example.org", "app://obsidian.md"))
    for origin in ("https://chat.example.org", "https://Chat.example.org", "app://obsidian.md"):
        page = scope(origin=origin, x_api_key="tt-right")
        assert door.admit(page).client == "default"
        assert door.shares_with(page) == origin
    for origin in ("http://chat.example.org", "https://chat.example.org:444", "null"):
        with pytest.raises(ForbiddenError, match=r"gateway\.allowed_origins"):
            door.admit(scope(origin=origin, x_api_key="tt-right"))
        assert door.shares_with(scope(origin=origin)) == ""
    assert door.shares_with(scope(origin="http://localhost:3000")) == ""
    assert Door(clients).shares_with(scope(origin="https://chat.example.org")) == ""
    assert PRIVATE.shares_with(scope(origin="https://chat.example.org")) == ""


WIDEST_FIRST = ["frontier", "auto", "local-then-frontier", "local-only"]


@pytest.mark.parametrize("key", WIDEST_FIRST)
@pytest.mark.parametrize("asked", ["", *WIDEST_FIRST])
def test_the_stricter_of_key_and_header_counts(door: Door, key: str, asked: str) -> None:
    """With each step less leaves this machine; no header says that nothing more is wanted."""
    named = {"x_twotier_policy": asked} if asked else {}
    caller = door.admit(scope(x_api_key=f"tt-{key}", **named))
    assert caller.client == key
    assert caller.policy.value == max(key, asked or "frontier", key=WIDEST_FIRST.index)


def test_from_tcp_headers_only_restrict(door: Door) -> None:
    """`local-only` is taken, everything that would widen or pretend is not."""
    caller = door.admit(
        scope(
            x_api_key="tt-right",
            x_twotier_policy="frontier",
            x_twotier_job="mail",
            x_twotier_run="r1",
            x_twotier_kind="polling",
        )
    )
    assert caller.policy is TierPolicy.AUTO
    assert (caller.job, caller.run, caller.kind, caller.background) == ("", "", "", False)
    narrow = door.admit(scope(x_api_key="tt-right", x_twotier_policy="local-only"))
    assert narrow.policy is TierPolicy.LOCAL_ONLY


def test_on_the_private_socket_headers_are_believed() -> None:
    """The file system is its lock: no key, no Host."""
    caller = PRIVATE.admit(
        scope(
            host="x",
            x_twotier_job="mail",
            x_twotier_run="r1",
            x_twotier_step="s1",
            x_twotier_policy="frontier",
            x_twotier_kind="polling",
            x_twotier_deadline="12.5",
            x_twotier_batch="yes",
        )
    )
    assert caller.batch
    assert (caller.client, caller.job, caller.run, caller.step) == ("worker", "mail", "r1", "s1")
    assert caller.policy is TierPolicy.FRONTIER
    assert caller.deadline_seconds == 12.5
    assert caller.background
    assert PRIVATE.admit(scope()).client == "cli"
    assert not PRIVATE.admit(scope()).batch


@pytest.mark.parametrize(
    "headers",
    [
        {"x_twotier_policy": "localonly"},
        {"x_twotier_deadline": "soon"},
        {"x_twotier_deadline": "-1"},
        {"x_twotier_deadline": "nan"},
    ],
)
def test_a_typo_does_not_open_a_door(headers: dict[str, str]) -> None:
    """A policy or deadline that cannot be read is an error, never a default."""
    with pytest.raises(RequestError):
        PRIVATE.admit(scope(**headers))


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("localhost:1", "localhost"),
        ("localhost", "localhost"),
        ("[::1]:80", "::1"),
        ("", ""),
        ("127.0.0.1/path", "127.0.0.1"),
    ],
)
def test_the_host_of_an_authority(authority: str, host: str) -> None:
    """With and without a port, in both families."""
    assert hostname(authority) == host
