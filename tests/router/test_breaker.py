"""A breaker is a table; the registry is the only place where its states move."""

from __future__ import annotations

from itertools import product

import pytest

from twotier import errors
from twotier.router.breaker import (
    FAILING_SECONDS,
    FAILURES_MAX,
    GO,
    NEXT,
    OPEN_SECONDS,
    OPEN_SECONDS_MAX,
    PROBE,
    VERDICT_SECONDS,
    Breakers,
    Signal,
    State,
    signal_of,
)

KEY = ("other", "m")
NOW = 1_000.0
REFUSED = "nobody listens on port 9"


def upstream(status: int, kind: str = "api_error") -> errors.UpstreamError:
    """An answer with this status."""
    return errors.UpstreamError("x", upstream_status=status, upstream_kind=kind)


def opened(breakers: Breakers, *, now: float = NOW) -> None:
    """One attempt that found nobody."""
    breakers.note(KEY, Signal.UNREACHABLE, now=now, because=REFUSED)


@pytest.mark.parametrize(("state", "signal"), list(product(State, Signal)))
def test_every_pair_of_state_and_signal_is_defined(state: State, signal: Signal) -> None:
    """A missing pair would be an error in the middle of an outage."""
    assert isinstance(NEXT[state, signal], State)


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ((Signal.FAILED, Signal.ANSWERED, Signal.UNTOLD), State.CLOSED),
        ((Signal.TOO_MANY,), State.OPEN),
        ((Signal.UNREACHABLE, Signal.FAILED, Signal.UNREACHABLE, Signal.UNTOLD), State.OPEN),
        ((Signal.UNREACHABLE, Signal.ANSWERED), State.CLOSED),
        ((Signal.UNREACHABLE, Signal.TRIED), State.HALF_OPEN),
        ((Signal.UNREACHABLE, Signal.TRIED, Signal.TRIED), State.HALF_OPEN),
        ((Signal.UNREACHABLE, Signal.TRIED, Signal.ANSWERED), State.CLOSED),
        ((Signal.UNREACHABLE, Signal.TRIED, Signal.FAILED), State.OPEN),
        ((Signal.UNREACHABLE, Signal.TRIED, Signal.UNREACHABLE), State.OPEN),
        ((Signal.UNREACHABLE, Signal.TRIED, Signal.UNTOLD), State.OPEN),
    ],
)
def test_the_ways_through_the_table(path: tuple[Signal, ...], end: State) -> None:
    """Closed, open, one that tries, and back or closed."""
    state = State.CLOSED
    for signal in path:
        state = NEXT[state, signal]
    assert state is end


@pytest.mark.parametrize(
    ("error", "elsewhere", "kept"),
    [
        (errors.TierUnavailableError("x", unreachable=True), Signal.UNREACHABLE, Signal.UNTOLD),
        (errors.TierUnavailableError("no key"), Signal.UNTOLD, Signal.UNTOLD),
        (errors.DeadlineError("x"), Signal.FAILED, Signal.UNTOLD),
        (errors.StreamBrokenError("x"), Signal.FAILED, Signal.UNTOLD),
        (upstream(0, "connection_lost"), Signal.FAILED, Signal.UNTOLD),
        (upstream(500), Signal.FAILED, Signal.FAILED),
        (upstream(503), Signal.FAILED, Signal.FAILED),
        (upstream(529, "overloaded_error"), Signal.FAILED, Signal.FAILED),
        (upstream(408), Signal.FAILED, Signal.FAILED),
        (upstream(502, errors.UNFIT_KIND), Signal.ANSWERED, Signal.ANSWERED),
        (upstream(400), Signal.ANSWERED, Signal.ANSWERED),
        (upstream(401), Signal.ANSWERED, Signal.ANSWERED),
        (upstream(429, "rate_limit_error"), Signal.LIMITED, Signal.LIMITED),
        (errors.TooLongError("x"), Signal.ANSWERED, Signal.ANSWERED),
        (errors.RequestError("x"), Signal.UNTOLD, Signal.UNTOLD),
        (errors.BudgetError("x"), Signal.UNTOLD, Signal.UNTOLD),
        (errors.LedgerError("x"), Signal.UNTOLD, Signal.UNTOLD),
    ],
)
def test_only_what_speaks_of_the_upstream_counts(
    error: errors.TwotierError, elsewhere: Signal, kept: Signal
) -> None:
    """Not the request's own faults, not a 429, not our budget; a keeper hears of outages itself."""
    assert signal_of(error, kept=False) is elsewhere
    assert signal_of(error, kept=True) is kept


def test_what_never_failed_costs_nothing_and_is_not_remembered() -> None:
    """Answers and silence leave no trace."""
    breakers = Breakers()
    for signal in (Signal.ANSWERED, Signal.LIMITED, Signal.UNTOLD):
        breakers.note(KEY, signal, now=NOW)
    assert breakers.admit(KEY, now=NOW) is GO
    assert breakers.outage(KEY, now=NOW) == ""


def test_the_last_failure_that_is_borne_opens_it() -> None:
    """Four are asked again; after the fifth nobody is, and the sentence says why."""
    breakers = Breakers()
    for second in range(FAILURES_MAX - 1):
        breakers.note(KEY, Signal.FAILED, now=NOW + second, because="it answered 500")
        assert breakers.admit(KEY, now=NOW + second) is GO
        assert breakers.outage(KEY, now=NOW + second) == ""
    breakers.note(KEY, Signal.FAILED, now=NOW + 4, because="it answered 500")
    refused = breakers.admit(KEY, now=NOW + 5)
    assert refused.refused == "it answered 500; asked again in 4 s"
    assert refused.retry_after_seconds == OPEN_SECONDS - 1


def test_many_failures_of_one_moment_do_not_open_it() -> None:
    """Of fifty requests a second five fail in a row though every other one is answered."""
    breakers = Breakers()
    for _ in range(10 * FAILURES_MAX):
        breakers.note(KEY, Signal.FAILED, now=NOW)
    breakers.note(KEY, Signal.FAILED, now=NOW + FAILING_SECONDS - 0.1)
    assert breakers.admit(KEY, now=NOW + FAILING_SECONDS) is GO
    breakers.note(KEY, Signal.FAILED, now=NOW + FAILING_SECONDS)
    assert breakers.admit(KEY, now=NOW + FAILING_SECONDS).refused


def test_an_answer_between_failures_begins_a_new_count() -> None:
    """In a row means in a row; silence between them does not count."""
    breakers = Breakers()
    row = (Signal.FAILED,) * 4 + (Signal.UNTOLD, Signal.ANSWERED) + (Signal.FAILED,) * 4
    for second, signal in enumerate(row):
        breakers.note(KEY, signal, now=NOW + second)
    assert breakers.admit(KEY, now=NOW + len(row)) is GO


def test_a_limit_is_no_answer_and_no_failure() -> None:
    """Failures around it are in a row; alone it opens nothing, and a probe that meets it closes."""
    breakers = Breakers()
    for second in range(FAILURES_MAX):
        breakers.note(KEY, Signal.FAILED, now=NOW + second, because="it answered 500")
        breakers.note(KEY, Signal.LIMITED, now=NOW + second, because="slow down")
    later = NOW + FAILURES_MAX
    assert breakers.admit(KEY, now=later).refused.startswith("it answered 500")
    later += OPEN_SECONDS
    assert breakers.admit(KEY, now=later) is PROBE
    breakers.note(KEY, Signal.LIMITED, now=later, probing=True)
    assert breakers.admit(KEY, now=later) is GO
    assert breakers.states() == {}


def test_nobody_listening_opens_it_at_once_and_only_there() -> None:
    """One attempt is enough; another model of the tier has a breaker of its own."""
    breakers = Breakers()
    opened(breakers)
    assert REFUSED in breakers.admit(KEY, now=NOW).refused
    assert breakers.admit(("other", "n"), now=NOW) is GO


def test_after_its_time_exactly_one_request_tries() -> None:
    """It looks fit to be asked; the first who comes probes, the others are told to come back."""
    breakers = Breakers()
    opened(breakers)
    later = NOW + OPEN_SECONDS
    assert breakers.outage(KEY, now=later) == ""
    assert breakers.admit(KEY, now=later) is PROBE
    other = breakers.admit(KEY, now=later)
    assert other.refused.endswith("it is being tried again now")
    assert other.retry_after_seconds == VERDICT_SECONDS
    breakers.note(KEY, Signal.ANSWERED, now=later, probing=True)
    assert breakers.admit(KEY, now=later) is GO


@pytest.mark.parametrize("signal", [Signal.FAILED, Signal.UNREACHABLE])
def test_each_probe_that_fails_doubles_the_wait(signal: Signal) -> None:
    """Up to a limit, and what it met is the new reason; an answer forgets all of it."""
    breakers = Breakers()
    opened(breakers)
    later = NOW + OPEN_SECONDS
    assert breakers.admit(KEY, now=later) is PROBE
    breakers.note(KEY, signal, now=later + 1, because="still dead", probing=True)
    assert breakers.outage(KEY, now=later + 2) == "still dead; asked again in 9 s"
    assert breakers.states() == {KEY: State.OPEN}
    later += 1
    for seconds in (2 * OPEN_SECONDS, OPEN_SECONDS_MAX, OPEN_SECONDS_MAX):
        assert breakers.admit(KEY, now=later + seconds - 1).refused
        later += seconds
        assert breakers.admit(KEY, now=later) is PROBE
        breakers.note(KEY, signal, now=later, probing=True)
    breakers.note(KEY, Signal.ANSWERED, now=later)
    opened(breakers, now=later)
    assert breakers.admit(KEY, now=later + OPEN_SECONDS) is PROBE


def test_a_probe_whose_client_left_gives_the_next_one_the_same_chance() -> None:
    """Nothing was learned, so nothing is waited for, and the reason stays."""
    breakers = Breakers()
    opened(breakers)
    later = NOW + OPEN_SECONDS
    assert breakers.admit(KEY, now=later) is PROBE
    breakers.note(KEY, Signal.UNTOLD, now=later, because="left", probing=True)
    assert breakers.admit(KEY, now=later) is PROBE
    assert REFUSED in breakers.outage(KEY, now=later)


def test_while_one_probes_of_the_others_only_an_answer_counts() -> None:
    """They were sent before it opened: their failures are old, an answer is proof of life."""
    breakers = Breakers()
    opened(breakers)
    later = NOW + OPEN_SECONDS
    assert breakers.admit(KEY, now=later) is PROBE
    for signal in (Signal.FAILED, Signal.UNTOLD, Signal.UNREACHABLE):
        breakers.note(KEY, signal, now=later)
    assert breakers.admit(KEY, now=later + OPEN_SECONDS).refused
    breakers.note(KEY, Signal.ANSWERED, now=later)
    assert breakers.admit(KEY, now=later) is GO


def test_failures_of_requests_under_way_do_not_prolong_it() -> None:
    """Ten that fail together open it once, and its time runs from the first."""
    breakers = Breakers()
    opened(breakers)
    for late in range(10):
        opened(breakers, now=NOW + late)
    assert breakers.admit(KEY, now=NOW + OPEN_SECONDS) is PROBE


def test_only_what_has_failed_is_listed_with_its_state() -> None:
    """The metrics take all others for closed."""
    breakers = Breakers()
    assert breakers.states() == {}
    opened(breakers)
    assert breakers.states() == {KEY: State.OPEN}
    breakers.note(KEY, Signal.ANSWERED, now=NOW)
    assert breakers.states() == {}
