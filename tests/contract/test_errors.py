"""An error means the same to every client, whichever upstream met it and in whatever words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier import errors
from twotier.domain.message import Dialect
from twotier.gateway.refusals import http_status
from twotier.protocols import INBOUND, OUTBOUND

# What upstreams say: status, and the body of either family.
ANTHROPIC: dict[str, tuple[int, str, str]] = {
    "invalid": (400, "invalid_request_error", "max_tokens: must be positive"),
    "auth": (401, "authentication_error", "invalid x-api-key"),
    "forbidden": (403, "permission_error", "not for you"),
    "not found": (404, "not_found_error", "model: nope"),
    "too large": (413, "request_too_large", "Request exceeds the maximum size"),
    "rate limit": (429, "rate_limit_error", "This request would exceed your rate limit."),
    "billing": (400, "invalid_request_error", "Your credit balance is too low to access the API."),
    "broken": (500, "api_error", "Internal server error"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
}
OPENAI: dict[str, tuple[int, str, str]] = {
    "invalid": (400, "invalid_request_error", "max_tokens: must be positive"),
    "auth": (401, "invalid_request_error", "Incorrect API key provided"),
    "forbidden": (403, "permission_error", "not for you"),
    "not found": (404, "invalid_request_error", "The model does not exist"),
    "too large": (413, "invalid_request_error", "Request too large"),
    "rate limit": (429, "requests", "Rate limit reached"),
    "billing": (429, "insufficient_quota", "You exceeded your current quota"),
    "broken": (500, "server_error", "The server had an error"),
    "overloaded": (503, "server_overloaded", "Slow down"),
}
SAID = [
    *(("anthropic_messages", meaning, *said) for meaning, said in ANTHROPIC.items()),
    *(("openai_chat", meaning, *said) for meaning, said in OPENAI.items()),
]
# What clients see: the status their SDK makes a class of.
STATUS = {
    "invalid": {400},
    "auth": {502},
    "forbidden": {502},
    "not found": {404},
    "too large": {413},
    "rate limit": {429},
    "billing": {402},
    "broken": {500},
    "overloaded": {503, 529},
}
# And the type, where Anthropic has one word for each meaning.
TYPE = {
    "invalid": "invalid_request_error",
    "auth": "api_error",
    "forbidden": "api_error",
    "not found": "not_found_error",
    "too large": "request_too_large",
    "rate limit": "rate_limit_error",
    "billing": "billing_error",
    "broken": "api_error",
    "overloaded": "overloaded_error",
}


def read(dialect: Dialect, *, status: int, kind: str, message: str) -> errors.UpstreamError:
    """As the upstream's end of a dialect reads it."""
    body = json.dumps({"error": {"type": kind, "message": message}}).encode()
    return OUTBOUND[dialect].read_error(status, body, headers={})


def error_of(body: bytes) -> dict[str, Any]:
    """The object inside, which all dialects have."""
    found: dict[str, Any] = json.loads(body)["error"]
    return found


@pytest.mark.parametrize("ours", sorted(INBOUND))
@pytest.mark.parametrize(("theirs", "meaning", "status", "kind", "message"), SAID)
def test_a_meaning_survives_any_pair_of_dialects(
    ours: Dialect, theirs: Dialect, meaning: str, status: int, kind: str, message: str
) -> None:
    """Status, type and sentence; a refusal of our key is never told as one of the client's."""
    error = read(theirs, status=status, kind=kind, message=message)
    said = error_of(INBOUND[ours].write_error(error))
    assert http_status(error) in STATUS[meaning]
    assert message in said["message"]
    if ours.startswith("anthropic"):
        assert said["type"] == TYPE[meaning]
    else:
        assert (said["type"] == "insufficient_quota") is (meaning == "billing")
        assert (said["type"] == "api_error") >= (meaning in ("auth", "forbidden"))
        if meaning not in ("auth", "forbidden", "billing"):
            assert said["type"] == kind


@pytest.mark.parametrize("ours", sorted(INBOUND))
@pytest.mark.parametrize(
    ("error", "kind", "anthropic"),
    [
        (errors.RequestError("x"), "invalid_request_error", "invalid_request_error"),
        (errors.TooLongError("x"), "invalid_request_error", "invalid_request_error"),
        (errors.TooLargeError("x"), "invalid_request_error", "request_too_large"),
        (errors.AuthError("x"), "authentication_error", "authentication_error"),
        (errors.ForbiddenError("x"), "permission_error", "permission_error"),
        (errors.UnknownModelError("x"), "invalid_request_error", "not_found_error"),
        (errors.BudgetError("x"), "insufficient_quota", "billing_error"),
        (errors.DeadlineError("x"), "timeout_error", "timeout_error"),
        (errors.UnderWayError("x"), "invalid_request_error", "invalid_request_error"),
        (errors.KeyReusedError("x"), "invalid_request_error", "invalid_request_error"),
        (errors.TierUnavailableError("x"), "api_error", "api_error"),
    ],
)
def test_our_own_errors_have_their_type_everywhere(
    ours: Dialect, error: errors.TwotierError, kind: str, anthropic: str
) -> None:
    """And a code, where the dialect has codes."""
    said = error_of(INBOUND[ours].write_error(error))
    assert said["type"] == (anthropic if ours.startswith("anthropic") else kind)
    if not ours.startswith("anthropic"):
        assert said["code"] == error.code


@pytest.mark.parametrize("ours", sorted(INBOUND))
def test_a_refused_budget_is_told_in_fields_too(ours: Dialect) -> None:
    """The limit and the reset, so that nobody has to read a sentence for them."""
    facts = {"name": "day", "limit_usd": "40.000000", "resets_at": "2026-03-11T07:00:00+00:00"}
    said = error_of(INBOUND[ours].write_error(errors.BudgetError("x", facts=facts)))
    where = said["details"] if ours.startswith("anthropic") else said
    assert where["budget"] == facts
    assert where.get("error_code", said.get("code")) == "budget_reached"


def test_an_error_names_its_request_where_the_dialect_does() -> None:
    """Anthropic's bodies carry the id that support asks for."""
    error = errors.AuthError("no key")
    assert "request_id" not in json.loads(INBOUND["anthropic_messages"].write_error(error))
    error.request_id = "req_1"
    assert json.loads(INBOUND["anthropic_messages"].write_error(error))["request_id"] == "req_1"
