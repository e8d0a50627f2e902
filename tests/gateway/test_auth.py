"""Who may come in, and what is believed of whom."""

from __future__ import annotations

import pytest

from twotier.domain.tier import TierPolicy
from twotier.errors import AuthError, ForbiddenError, RequestError
from twotier.gateway.asgi import Scope
from twotier.gateway.auth import Door, digest, hostname, is_loopback

DOOR = Door({"default": digest("tt-right"), "phone": digest("tt-phone")})
PRIVATE = Door({}, private=True)


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
def test_both_ways_to_send_a_key_work(headers: dict[str, str]) -> None:
    """OpenAI's header and Anthropic's."""
    caller = DOOR.admit(scope(**headers))
    assert (caller.client, caller.private) == ("default", False)


def test_each_key_has_its_client() -> None:
    """The ledger says who spent it."""
    assert DOOR.admit(scope(x_api_key="tt-phone")).client == "phone"


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
def test_without_the_right_key_nobody_comes_in(headers: dict[str, str]) -> None:
    """And the sentence says where the right one is."""
    with pytest.raises(AuthError, match="twotier key show"):
        DOOR.admit(scope(**headers))


@pytest.mark.parametrize("host", ["evil.example", "127.evil.example:8484", "10.0.0.7", ""])
def test_a_foreign_host_is_refused_before_the_key_is_looked_at(host: str) -> None:
    """DNS rebinding: a page's own name that points to loopback."""
    with pytest.raises(ForbiddenError):
        DOOR.admit(scope(host=host, x_api_key="tt-right"))


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8484", "127.0.0.1", "[::1]:8484", "127.9.9.9"]
)
def test_every_name_of_this_machine_is_its_own(host: str) -> None:
    """Loopback is a range, and has two families."""
    assert DOOR.admit(scope(host=host, x_api_key="tt-right")).client == "default"


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
def test_pages_of_other_sites_are_refused(origin: str, allowed: bool) -> None:
    """Even with the right key."""
    request = scope(origin=origin, x_api_key="tt-right")
    if allowed:
        assert DOOR.admit(request).client == "default"
    else:
        with pytest.raises(ForbiddenError):
            DOOR.admit(request)


def test_from_tcp_headers_only_restrict() -> None:
    """`local-only` is taken, everything that would widen or pretend is not."""
    caller = DOOR.admit(
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
    narrow = DOOR.admit(scope(x_api_key="tt-right", x_twotier_policy="local-only"))
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
        )
    )
    assert (caller.client, caller.job, caller.run, caller.step) == ("worker", "mail", "r1", "s1")
    assert caller.policy is TierPolicy.FRONTIER
    assert caller.deadline_seconds == 12.5
    assert caller.background
    assert PRIVATE.admit(scope()).client == "cli"


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


def test_loopback_is_parsed_and_not_guessed_from_its_beginning() -> None:
    """`127.` at the start of a name proves nothing."""
    assert is_loopback("LOCALHOST")
    assert not is_loopback("127.0.0.1.nip.example")
