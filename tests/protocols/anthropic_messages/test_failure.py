"""Errors in Anthropic's shape keep their meaning, whoever made them."""

from __future__ import annotations

import json

import pytest
from anthropic.types.shared import ErrorResponse

from twotier import errors
from twotier.errors import UpstreamError
from twotier.protocols.anthropic_messages import write_error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.RequestError("x"), "invalid_request_error"),
        (errors.MethodError("x"), "invalid_request_error"),
        (errors.AuthError("x"), "authentication_error"),
        (errors.ForbiddenError("x"), "permission_error"),
        (errors.BudgetError("x"), "billing_error"),
        (errors.PriceUnknownError("x"), "billing_error"),
        (errors.UnknownModelError("x"), "not_found_error"),
        (errors.NotFoundError("x"), "not_found_error"),
        (errors.TierUnavailableError("x"), "api_error"),
        (errors.StreamBrokenError("x"), "api_error"),
        (errors.DeadlineError("x"), "timeout_error"),
        (UpstreamError("x", upstream_status=529, upstream_kind="overloaded_error"), "same"),
        (UpstreamError("x", upstream_status=400, upstream_kind="invalid_request_error"), "same"),
        (UpstreamError("x", upstream_status=429, upstream_kind="tokens"), "rate_limit_error"),
        (UpstreamError("x", upstream_status=402, upstream_kind="x"), "billing_error"),
        (UpstreamError("x", upstream_status=422, upstream_kind="x"), "invalid_request_error"),
        (UpstreamError("x", upstream_status=503, upstream_kind="unavailable_error"), "api_error"),
        (UpstreamError("x", upstream_status=0, upstream_kind="connection_lost"), "api_error"),
        (
            UpstreamError("x", upstream_status=401, upstream_kind="authentication_error"),
            "api_error",
        ),
    ],
)
def test_the_type_says_what_clients_look_at(error: errors.TwotierError, kind: str) -> None:
    body = write_error(error)
    expected = error.upstream_kind if kind == "same" and isinstance(error, UpstreamError) else kind
    assert json.loads(body) == {"type": "error", "error": {"type": expected, "message": "x"}}
    ErrorResponse.model_validate_json(body)


def test_too_large_keeps_the_apis_own_word() -> None:
    assert json.loads(write_error(errors.TooLargeError("x")))["error"]["type"] == (
        "request_too_large"
    )


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("prompt is too long: 5 > 4", "prompt is too long: 5 > 4"),
        ("exceeds the window", "prompt is too long: exceeds the window"),
    ],
)
def test_coding_clients_are_told_that_the_prompt_is_too_long(said: str, written: str) -> None:
    """They look for the words, and make their conversation shorter by themselves."""
    error = json.loads(write_error(errors.TooLongError(said)))["error"]
    assert error == {"type": "invalid_request_error", "message": written}
