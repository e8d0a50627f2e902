"""The life cycle as a table, and the sums of its delays."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.domain.tier import TierState
from twotier.supervisor.policy import (
    ALIVE,
    DEATHS_MAX,
    DEATHS_WITHIN_SECONDS,
    DELAY_SECONDS_MAX,
    NEXT,
    OWED,
    STABLE_SECONDS,
    Signal,
    State,
    Wait,
    delay_seconds,
    follow,
    in_a_row,
    load_seconds,
    lost,
    recent,
    shown,
    stranded_bytes,
    too_many,
    waiter,
)


@pytest.mark.parametrize(("state", "signal"), list(product(State, Signal)))
def test_every_pair_of_state_and_signal_is_defined(state: State, signal: Signal) -> None:
    """A missing pair would be an error at three in the morning."""
    assert (state, signal) in NEXT
    assert isinstance(follow(state, signal), State)


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ((Signal.START, Signal.SPAWNED, Signal.ANSWERED), State.READY),
        ((Signal.START, Signal.SPAWNED, Signal.EXITED), State.BACKOFF),
        ((Signal.START, Signal.EXITED, Signal.TOO_MANY), State.QUARANTINED),
        ((Signal.START, Signal.EXITED, Signal.TOO_MANY, Signal.DELAY_OVER), State.QUARANTINED),
        ((Signal.START, Signal.EXITED, Signal.TOO_MANY, Signal.START), State.STARTING),
        ((Signal.START, Signal.EXITED, Signal.DELAY_OVER), State.STARTING),
        ((Signal.START, Signal.SPAWNED, Signal.STOP), State.DRAINING),
        ((Signal.START, Signal.SPAWNED, Signal.STOP, Signal.ANSWERED), State.DRAINING),
        ((Signal.START, Signal.SPAWNED, Signal.STOP, Signal.EXITED), State.STOPPED),
    ],
)
def test_the_ways_through_the_table(path: tuple[Signal, ...], end: State) -> None:
    """A life, a death, a loop, a stop."""
    state = State.STOPPED
    for signal in path:
        state = follow(state, signal)
    assert state is end


@pytest.mark.parametrize("state", sorted(ALIVE))
def test_a_death_is_never_overlooked(state: State) -> None:
    """In every state with a process, its end moves the state."""
    assert follow(state, Signal.EXITED) in (State.BACKOFF, State.STOPPED)


@pytest.mark.parametrize("state", State)
def test_stop_leads_to_no_process_from_everywhere(state: State) -> None:
    """Stopped at once, or draining, which its owed signal ends."""
    after = follow(state, Signal.STOP)
    assert after in (State.STOPPED, State.DRAINING)
    assert follow(after, Signal.EXITED) is State.STOPPED


@given(st.lists(st.sampled_from(Signal)), st.booleans(), st.data())
def test_no_sequence_of_signals_strands_a_waiter(
    signals: list[Signal], wanted: bool, data: st.DataObject
) -> None:
    """From wherever the signals lead, the owed ones answer or refuse everybody who waits."""
    state = State.STOPPED
    for signal in signals:
        state = follow(state, signal)
    deaths = 0
    steps = 0
    while waiter(state, wanted=wanted) is Wait.WAIT:
        if state is State.STOPPED:  # wanted: the keeper starts it
            state = follow(state, Signal.START)
        elif state is State.BACKOFF:
            deaths += 1
            over = deaths >= DEATHS_MAX
            state = follow(state, Signal.TOO_MANY if over else Signal.DELAY_OVER)
        else:
            owed = data.draw(st.sampled_from(sorted(OWED[state])))
            state = follow(state, owed)
        steps += 1
        assert steps <= 4 * DEATHS_MAX + 4
    assert waiter(state, wanted=wanted) in (Wait.GO, Wait.REFUSE)


@pytest.mark.parametrize("state", State)
def test_a_state_that_makes_people_wait_is_owed_a_signal_that_leaves_it(state: State) -> None:
    """Waiting for something that nobody owes would be waiting for ever."""
    if waiter(state, wanted=False) is Wait.WAIT:
        assert all(follow(state, signal) is not state for signal in OWED[state])


def test_who_is_wanted_is_waited_for_also_while_it_rests() -> None:
    """A restart passes through draining and stopped."""
    for state in (State.STOPPED, State.DRAINING):
        assert waiter(state, wanted=True) is Wait.WAIT
        assert waiter(state, wanted=False) is Wait.REFUSE
        assert shown(state, wanted=True) is TierState.COMING_UP
        assert shown(state, wanted=False) is TierState.DOWN
    assert shown(State.BUSY, wanted=True) is TierState.READY


@pytest.mark.parametrize(("deaths", "nominal"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60)])
def test_the_delay_doubles_up_to_a_minute(deaths: int, nominal: float) -> None:
    """With jitter of a quarter on both sides."""
    assert delay_seconds(deaths, lambda: 0.5) == pytest.approx(nominal)
    assert delay_seconds(deaths, lambda: 0.0) == pytest.approx(nominal * 0.75)


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_the_delay_has_an_end(deaths: int, chance: float) -> None:
    """However many deaths."""
    assert 0.7 < delay_seconds(deaths, lambda: chance) <= DELAY_SECONDS_MAX * 1.25


def test_a_stable_run_starts_a_new_count() -> None:
    """Once a day is not a crash loop."""
    assert in_a_row(4, ready_seconds=STABLE_SECONDS - 1) == 5
    assert in_a_row(4, ready_seconds=STABLE_SECONDS) == 1


def test_five_deaths_in_ten_minutes_are_too_many() -> None:
    """Four are not, and old ones do not count."""
    deaths = (0.0, 10.0, 20.0, 30.0, 40.0)
    assert not too_many(deaths[:4], now=50)
    assert too_many(deaths, now=50)
    assert not too_many(deaths, now=DEATHS_WITHIN_SECONDS + 5)
    assert recent(deaths, now=DEATHS_WITHIN_SECONDS + 15) == (20.0, 30.0, 40.0)


@pytest.mark.parametrize("state", list(State))
def test_lost_is_what_was_there_and_is_not(state: State) -> None:
    """A first start is no loss; after a death everything until it is ready again is one."""
    assert lost(state, died=False) is (state is State.DEGRADED)
    assert lost(state, died=True) is (state not in (State.READY, State.BUSY))


@pytest.mark.parametrize("state", list(State))
def test_who_is_held_up_is_not_waited_for(state: State) -> None:
    """Nobody knows when there will be room; one that runs is not held up."""
    runs = state in (State.LOADING, State.READY, State.BUSY, State.DEGRADED)
    if runs or state is State.QUARANTINED:
        assert waiter(state, wanted=True, held=True) is waiter(state, wanted=True)
        assert shown(state, wanted=True, held=True) is shown(state, wanted=True)
    else:
        assert waiter(state, wanted=True, held=True) is Wait.REFUSE
        assert shown(state, wanted=True, held=True) is TierState.DOWN


def test_a_large_model_may_take_longer_to_load() -> None:
    """129 GB from a slow disk; a small one has time for its imports."""
    assert load_seconds(0) == 120
    assert load_seconds(129_000_000_000) == 636


def test_memory_that_stays_wired_is_told_from_what_moves_by_itself() -> None:
    """Half of what the server was to take; a little is nothing."""
    gigabyte = 1_000_000_000
    assert stranded_bytes(5 * gigabyte, 105 * gigabyte, expected=129 * gigabyte) == 100 * gigabyte
    assert stranded_bytes(5 * gigabyte, 60 * gigabyte, expected=129 * gigabyte) == 0
    assert stranded_bytes(5 * gigabyte, 6 * gigabyte, expected=gigabyte) == 0
