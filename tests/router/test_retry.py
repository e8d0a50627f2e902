"""Asking the same tier again: what is safe, how long after, and never more than a share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier import errors
from twotier.router.retry import (
    DELAY_SECONDS_MAX,
    NEVER,
    RETRIES_AT_START,
    RETRIES_SAVED_MAX,
    RETRY_SHARE,
    SPENT,
    TRIES_MAX,
    RetryBudget,
    Wait,
    delay_seconds,
    passing,
    wait_after,
)


def upstream(
    status: int,
    kind: str = "api_error",
    *,
    started: bool = False,
    retry_after_seconds: float | None = None,
) -> errors.UpstreamError:
    """An answer with this status."""
    return errors.UpstreamError(
        "x",
        upstream_status=status,
        upstream_kind=kind,
        started=started,
        retry_after_seconds=retry_after_seconds,
    )


def after(error: errors.TwotierError, *, tries: int = 1, left_seconds: float = 10.0) -> Wait:
    """The verdict with a full purse and chance in the middle."""
    return wait_after(
        error, tries=tries, left_seconds=left_seconds, budget=RetryBudget(), random=0.5
    )


@pytest.mark.parametrize(
    ("error", "safe"),
    [
        (upstream(429, "rate_limit_error"), True),
        (upstream(429, "insufficient_quota"), False),
        (upstream(503), True),
        (upstream(529, "overloaded_error"), True),
        (upstream(500), True),
        (upstream(502), True),
        (upstream(504), True),
        (upstream(500, started=True), False),
        (upstream(529, "overloaded_error", started=True), False),
        (upstream(0, "connection_lost", started=True), False),
        (upstream(400), False),
        (upstream(402, "billing_error"), False),
        (upstream(404), False),
        (errors.TierUnavailableError("x", unreachable=True), False),
        (errors.DeadlineError("x"), False),
        (errors.StreamBrokenError("x"), False),
        (errors.BudgetError("x"), False),
    ],
)
def test_only_a_refusal_for_the_moment_is_repeated(error: errors.TwotierError, safe: bool) -> None:
    """What may have begun is never sent twice; what no moment changes is not sent again."""
    assert passing(error) is safe
    assert (after(error).seconds is not None) is safe
    assert after(error).spent is False


def test_after_the_last_try_there_is_none_left() -> None:
    """Then a client should not try either."""
    assert after(upstream(529), tries=TRIES_MAX) is SPENT


def test_the_upstreams_own_wait_goes_before_and_has_to_fit() -> None:
    """Seven seconds fit ten; sixty are the client's to wait."""
    assert after(upstream(429, retry_after_seconds=7.0)).seconds == 7.125
    assert after(upstream(429, retry_after_seconds=60.0)) is NEVER
    assert after(upstream(429, retry_after_seconds=60.0), left_seconds=90.0).seconds == 60.125
    assert after(upstream(503), left_seconds=0.1) is NEVER


@given(tries=st.integers(1, 60), random=st.floats(0, 1, exclude_max=True))
def test_delays_double_up_to_a_ceiling_and_are_never_nothing(tries: int, random: float) -> None:
    """Between half the nominal length and all of it."""
    nominal = min(0.5 * 2 ** (tries - 1), DELAY_SECONDS_MAX)
    assert nominal / 2 <= delay_seconds(tries, None, random=random) <= nominal


@given(st.lists(st.booleans(), max_size=300))
def test_retries_are_never_more_than_their_share(steps: list[bool]) -> None:
    """True is a retry that is wanted, False a request: however they come."""
    budget, requests, retries = RetryBudget(), 0, 0
    for wanted in steps:
        if wanted:
            retries += budget.take()
        else:
            budget.earn()
            requests += 1
        assert retries <= RETRIES_AT_START + RETRY_SHARE * requests + 1e-6


def test_a_quiet_day_saves_only_so_much() -> None:
    """A thousand requests in peace do not pay for a storm."""
    budget = RetryBudget()
    for _ in range(1_000):
        budget.earn()
    assert sum(budget.take() for _ in range(1_000)) == RETRIES_SAVED_MAX


def test_an_empty_budget_is_tries_that_are_spent() -> None:
    """The client is told so, because its own would feed the same storm."""
    budget = RetryBudget()
    while budget.take():
        pass
    verdict = wait_after(upstream(529), tries=1, left_seconds=10, budget=budget, random=0.5)
    assert verdict is SPENT
