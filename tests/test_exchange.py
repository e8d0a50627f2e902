"""What an upstream says of its trouble, in our words: named, and never quoted where it is kept."""

from __future__ import annotations

import pytest

from twotier import errors
from twotier.providers.trouble import too_long


@pytest.mark.parametrize(
    ("kind", "message", "status", "named"),
    [
        ("exceed_context_size_error", "x", 400, True),
        ("invalid_request_error", "prompt is too long: 210000 tokens > 200000", 400, True),
        ("invalid_request_error", "max_tokens: must be positive", 400, False),
        ("api_error", "context length", 500, False),
    ],
)
def test_a_prompt_that_does_not_fit_gets_its_own_name(
    kind: str, message: str, status: int, named: bool
) -> None:
    """Whatever the upstream calls it; a server's own trouble is not the prompt's fault."""
    error = errors.UpstreamError(message, upstream_status=status, upstream_kind=kind)
    assert isinstance(too_long(error), errors.TooLongError) is named


def test_a_row_and_a_log_line_never_hold_an_upstreams_sentence() -> None:
    """It may quote the prompt. Status and type are enough, also of what we made of it."""
    said = errors.UpstreamError("cannot read: my secret", upstream_status=400, upstream_kind="k")
    assert said.noted == "upstream_error: 400 k"
    with pytest.raises(errors.TooLongError) as raised:
        raise errors.TooLongError("my secret is too long; shorten it") from said
    assert raised.value.noted == "context_length_exceeded: upstream_error: 400 k"
    hung_up = errors.UpstreamError("it hung up", upstream_status=0)
    assert hung_up.noted == "upstream_error: it hung up"
    ours = errors.TierUnavailableError("nothing listens there")
    ours.message = (
        "local: my secret; frontier: nothing listens there"  # as `tries` puts it together
    )
    assert ours.noted == "tier_unavailable: nothing listens there"
