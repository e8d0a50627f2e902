"""What was saved, against sums made by hand and against what must hold for any work."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from twotier.domain.price import Price, Rates
from twotier.ledger.savings import Done, Machine, Savings, savings

HALF = ((0, Rates(2_500_000, 12_500_000, 250_000, 3_125_000, 5_000_000)),)
OPUS = Price(
    5_000_000,
    25_000_000,
    500_000,
    6_250_000,
    10_000_000,
    "2026-02-05",
    "",
    modes=(("batch", HALF),),
)
HAIKU = Price(1_000_000, 5_000_000, 100_000, 1_250_000, 2_000_000, "2025-10-01", "")
HOUR = 3_600.0


def of(*done: Done, probes: int = 0) -> Savings:
    return savings(done, frontier=OPUS, probes_microusd=probes)


def poll(at: float, **more: object) -> Done:
    """A look that found nothing: 20,000 tokens, of which 12,000 are always the same."""
    return Done(at, "job comments", 20_000, 50, same_tokens=12_000, look=True, **more)  # type: ignore[arg-type]


def test_the_article_s_polls_by_hand() -> None:
    """48 looks a day, one each half hour, of 20,000 tokens: what they would have cost."""
    seen = of(*(poll(number * HOUR / 2, estimated=True) for number in range(48)))
    answers = 48 * 50 * 25
    assert seen.plain.microusd == 48 * 20_000 * 5 + answers
    # What is always the same is kept for an hour: the first writes it, the others read it.
    kept = 12_000 * 10 + 47 * 12_000 // 2 + 48 * 8_000 * 5 + answers
    assert seen.fair.microusd == kept
    assert (seen.checks.microusd, seen.checks.calls) == (0, 0)
    assert seen.paid.microusd == 0
    assert seen.no_model == seen.saved == kept
    assert seen.percent == 100.0
    assert seen.estimated == 48


def test_what_was_done_here_is_saved_and_a_failed_try_counts_against_us() -> None:
    here = Done(0, "job mail", 4_000, 100, local=True)
    again = Done(10, "job mail", 4_000, 100, paid_microusd=22_500, wasted_microusd=400)
    seen = of(here, again, probes=600)
    assert seen.fair.microusd == 2 * (4_000 * 5 + 100 * 25) == 45_000
    assert (seen.local, seen.caching, seen.against) == (22_500, 0, 1_000)
    assert seen.paid.microusd == 23_500
    assert seen.saved == 21_500


def test_a_prompt_shorter_than_what_others_share_costs_what_it_costs() -> None:
    """One client asks long and short things: the short ones read nothing of a cache that is longer
    than they are. They once came out as less than nothing, and their tier had "saved" that.
    """
    long = [Done(at, "client c", 40_000, 10, same_tokens=30_000) for at in (0, 60, 120)]
    short = Done(90, "client c", 500, 10, local=True)
    seen = of(*long[:2], short, long[2])
    alone = of(short)
    assert seen.local == alone.local == 500 * 5 + 10 * 25
    assert seen.fair.microusd == of(*long).fair.microusd + alone.fair.microusd


def test_without_work_nothing_is_saved() -> None:
    seen = of()
    assert (seen.saved, seen.percent, seen.plain.calls) == (0, 0.0, 0)


def test_work_that_can_wait_is_compared_with_the_price_of_a_batch() -> None:
    late = Done(0, "job brief", 1_000_000, 0, paid_microusd=2_500_000, waits=True, batch=True)
    seen = of(late)
    assert (seen.plain.microusd, seen.fair.microusd) == (5_000_000, 2_500_000)
    assert (seen.batch, seen.saved) == (0, 0)


def test_caching_that_was_not_perfect_shows_as_a_loss() -> None:
    turns = [
        Done(at, "client code", 10_000, 0, same_tokens=9_000 if at else 0, paid_microusd=50_000)
        for at in (0.0, 60.0)
    ]
    seen = of(*turns)
    fair = 56_250 + 5_000 + 4_500 + 5_000
    assert seen.fair.microusd == fair
    assert seen.caching == fair - 100_000 < 0


def test_a_cheap_model_of_a_provider_stands_between() -> None:
    done = (Done(0, "a", 10_000, 0, local=True), Done(9, "b", 10_000, 0, paid_microusd=50_000))
    seen = savings((*done, poll(20)), frontier=OPUS, cheap=HAIKU)
    assert seen.cheap is not None
    assert seen.cheap.microusd == 10_000 + 50_000 + 20_000 + 50 * 5
    assert seen.cheap.calls == 3


def test_the_own_machine_costs_power_while_it_works_and_its_price_always() -> None:
    mac = Machine(watts=200, usd_per_kwh=0.30, price_usd=8_766, years=1)
    assert mac.microusd(busy_seconds=HOUR, span_seconds=0) == 60_000
    assert mac.microusd(busy_seconds=0, span_seconds=HOUR) == 1_000_000
    assert Machine().microusd(busy_seconds=HOUR, span_seconds=HOUR) == 0


WORK = st.lists(
    st.builds(
        Done,
        at=st.floats(0, 86_400),
        who=st.sampled_from(["a", "b"]),
        prompt_tokens=st.integers(5_000, 50_000),
        output_tokens=st.integers(0, 5_000),
        same_tokens=st.integers(0, 5_000),
        paid_microusd=st.integers(0, 10**6),
        wasted_microusd=st.integers(0, 10**6),
        local=st.booleans(),
        waits=st.booleans(),
        batch=st.booleans(),
        look=st.booleans(),
    ),
    max_size=20,
).map(lambda done: sorted(done, key=lambda one: one.at))


@settings(max_examples=200, deadline=None)
@given(WORK, st.integers(0, 10**6))
def test_every_cent_of_the_difference_has_a_place(done: list[Done], probes: int) -> None:
    """And the fair way is never dearer than the plain one; nor are the checks dearer than it."""
    seen = savings(done, frontier=OPUS, cheap=HAIKU, probes_microusd=probes)
    parts = seen.no_model + seen.local + seen.caching + seen.batch - seen.against
    assert seen.saved == parts
    assert seen.fair.microusd <= seen.plain.microusd
    assert seen.cheap is not None
    assert seen.cheap.microusd <= seen.fair.microusd
