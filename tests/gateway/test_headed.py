"""Headers that rules of the owner's look at, and no others, go on with the caller."""

from __future__ import annotations

import pytest

from twotier.domain.task import Caller
from twotier.gateway.app import headed, heeded

NAMES = heeded({"x-team", "x-place"})


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ([], {}),
        ([(b"authorization", b"Bearer k")], {}),
        ([(b"x-team", b"ops"), (b"host", b"h")], {"x-team": "ops"}),
        ([(b"x-team", b"ops"), (b"x-team", b"dev")], {"x-team": "ops, dev"}),
        ([(b"x-team", b""), (b"x-place", b"\xe9")], {"x-team": "", "x-place": "\xe9"}),
    ],
)
def test_only_what_a_rule_looks_at_goes_on(
    sent: list[tuple[bytes, bytes]], found: dict[str, str]
) -> None:
    """Never a key; one that is sent twice counts as HTTP says."""
    caller = Caller(client="phone")
    assert headed(caller, {"headers": sent}, names=NAMES).headers == found
