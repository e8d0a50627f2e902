"""What an attempt costs, however it ended: settled, estimated, void, or charged at its bound."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from twotier import errors
from twotier.domain.message import Observed, Usage
from twotier.domain.money import FREE, Attempt, Price, Settled
from twotier.domain.price import PLAIN, Asked
from twotier.ledger.charge import UNSEEN_TOKENS, charge, completed, never_taken
from twotier.ledger.cost import NOTHING, Bill

PRICE = Price(5_000_000, 25_000_000, 500_000, 6_250_000, 10_000_000, "2026-02-05", "test")
EXPECTED = Usage(1_000, 4_000)
FULL = Usage(input_tokens=100, output_tokens=20)


def attempt(price: Price = PRICE) -> Attempt:
    """A row with a bound of 9 micro-dollars more than anything else here."""
    return Attempt("r-0", "r", "frontier", "anthropic", "m", "opus", "explicit", price, 999_999)


def broken() -> errors.TwotierError:
    """A stream that ended in the middle."""
    return errors.StreamBrokenError("the stream ended early")


def test_final_usage_settles_even_after_an_error() -> None:
    """What the provider says is what it bills."""
    seen = Observed(usage=FULL, usage_final=True)
    assert charge(attempt(), seen, error=broken(), expected=EXPECTED) == (
        Settled.SETTLED,
        FULL,
        Bill(100 * 5 + 20 * 25),
    )


def test_partial_usage_is_marked_and_covers_what_was_on_its_way() -> None:
    """Input as told, output by the bytes seen, two to a token, and a margin."""
    seen = Observed(usage=Usage(input_tokens=100, output_tokens=1), output_bytes=201)
    settled, usage, cost = charge(attempt(), seen, error=broken(), expected=EXPECTED)
    assert settled is Settled.ESTIMATED
    assert usage.output_tokens == 101 + UNSEEN_TOKENS
    assert cost.microusd == 100 * 5 + usage.output_tokens * 25


def test_an_estimate_never_passes_the_limit_that_was_sent() -> None:
    """No model writes more than `max_tokens`."""
    seen = Observed(usage=Usage(input_tokens=1), output_bytes=10**6)
    assert charge(attempt(), seen, error=broken(), expected=EXPECTED)[1].output_tokens == 4_000


def test_without_any_usage_the_whole_bound_is_charged() -> None:
    """Nobody knows what was spent, and it must not be too little."""
    settled, _, cost = charge(attempt(), Observed(), error=broken(), expected=EXPECTED)
    assert (settled, cost) == (Settled.ESTIMATED, Bill(999_999))


def test_a_free_tier_without_usage_is_estimated_from_the_prompt() -> None:
    """It costs nothing, but the tokens are shown and marked."""
    seen = Observed(output_bytes=10)
    settled, usage, cost = charge(attempt(FREE), seen, error=broken(), expected=EXPECTED)
    assert (settled, cost) == (Settled.ESTIMATED, NOTHING)
    assert usage == Usage(1_000, 5 + UNSEEN_TOKENS)


def test_what_the_upstream_never_took_is_void() -> None:
    """Nothing was spent."""
    error = errors.TierUnavailableError("refused")
    assert charge(attempt(), Observed(), error=error, expected=EXPECTED)[::2] == (
        Settled.VOID,
        NOTHING,
    )


@pytest.mark.parametrize(
    ("error", "taken"),
    [
        (errors.TierUnavailableError("x"), False),
        (errors.RequestError("x"), False),
        (errors.BudgetError("x"), False),
        (errors.UpstreamError("x", upstream_status=529), False),
        (errors.UpstreamError("x", upstream_status=500, started=True), True),
        (errors.StreamBrokenError("x"), True),
        (errors.DeadlineError("x"), True),
        (None, True),
    ],
)
def test_only_certain_refusals_are_free(error: errors.TwotierError | None, taken: bool) -> None:
    """Where it is not certain that nothing was done, it is charged."""
    assert never_taken(error) is not taken


ASKED = Asked(mode="fast", place="us", always=(("code_execution", 1),))


@pytest.mark.parametrize(
    ("asked", "said", "made"),
    [
        (PLAIN, Usage(1), Usage(1)),
        (ASKED, Usage(1), Usage(1, uses=(("code_execution", 1),), mode="fast", place="us")),
        (
            ASKED,
            Usage(1, uses=(("code_execution", 2),), mode="standard", place="global"),
            Usage(1, uses=(("code_execution", 2),), mode="standard", place="global"),
        ),
        # Whoever asked for cheap and hears nothing did not get it.
        (Asked(mode="flex"), Usage(1), Usage(1, mode="standard")),
        (Asked(mode="flex"), Usage(1, mode="flex"), Usage(1, mode="flex")),
        # What may run anywhere costs the same wherever it ran.
        (Asked(place="global"), Usage(1, place="us"), Usage(1, place="global")),
    ],
)
def test_where_an_answer_is_silent_the_request_speaks(
    asked: Asked, said: Usage, made: Usage
) -> None:
    assert completed(said, asked) == made


def test_a_broken_answer_of_several_turns_costs_its_bound() -> None:
    """Its first count says nothing of what a search had the model read since."""
    of_turns = replace(attempt(), asked=Asked(turns=3))
    seen = Observed(usage=Usage(input_tokens=100, output_tokens=1), output_bytes=201)
    settled, usage, cost = charge(of_turns, seen, error=broken(), expected=EXPECTED)
    assert (settled, usage, cost) == (Settled.ESTIMATED, Usage(), Bill(999_999))
