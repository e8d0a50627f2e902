"""Who is next: background waits, clients take turns, the line ends, a new server is spared."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twotier.router.line import SECONDS_UNKNOWN, SECONDS_WEIGHT, Line, Standing, Ticket

MANY = 100


def waits(line: Line, client: str, *, background: bool = False) -> Ticket:
    """A request that has joined."""
    ticket = Ticket(client, background)
    assert line.join(ticket) is None
    return ticket


def taken(slots: int = 1, waiting_max: int = MANY) -> tuple[Line, list[Ticket]]:
    """A line whose slots are all taken, and who has them."""
    line, holders = Line(slots, waiting_max), [Ticket("first") for _ in range(slots)]
    assert all(line.take(ticket, now=0.0) for ticket in holders)
    return line, holders


def served(line: Line, holder: Ticket) -> list[Ticket]:
    """Everybody in line, in the order in which they get the only slot."""
    order: list[Ticket] = []
    while True:
        line.leave(holder, now=0.0)
        following = line.next(now=0.0)
        if following is None:
            return order
        order.append(following)
        holder = following


def test_a_free_slot_is_taken_and_a_taken_one_is_not() -> None:
    line, _ = taken(2)
    assert not line.take(Ticket("a"), now=0.0)
    assert line.busy
    assert not line.full
    assert line.next(now=0.0) is None


def test_nobody_overtakes_those_who_wait() -> None:
    """A slot that has just become free belongs to the line."""
    line, (holder,) = taken()
    waiting = waits(line, "a")
    line.leave(holder, now=0.0)
    assert not line.take(Ticket("b"), now=0.0)
    assert line.next(now=0.0) is waiting


def test_clients_take_turns() -> None:
    """One asks for four, another for one, a third comes last: nobody waits for all four."""
    line, (holder,) = taken()
    a1, a2, a3, a4 = (waits(line, "a") for _ in range(4))
    b1 = waits(line, "b")
    c1, c2 = waits(line, "c"), waits(line, "c")
    assert served(line, holder) == [a1, b1, c1, a2, c2, a3, a4]


def test_background_waits_for_everybody_at_a_keyboard() -> None:
    line, (holder,) = taken()
    job = waits(line, "brief", background=True)
    a, b = waits(line, "a"), waits(line, "b")
    assert served(line, holder) == [a, b, job]


def test_one_who_leaves_is_forgotten() -> None:
    """From the middle, from the end of a client's own, and once only."""
    line, (holder,) = taken()
    first, second, alone = waits(line, "a"), waits(line, "a"), waits(line, "b")
    for ticket in (first, alone, alone):
        line.leave(ticket, now=0.0)
    assert line.waiting == 1
    assert served(line, holder) == [second]


def test_a_slot_is_given_back_once() -> None:
    line, (holder,) = taken()
    for _ in range(3):
        line.leave(holder, now=0.0, answered=True)
    assert line.in_use == 0


def test_in_a_full_line_the_newest_has_to_go() -> None:
    """Everybody waits for one: whoever came last."""
    line, _ = taken(waiting_max=2)
    waits(line, "a")
    waits(line, "b")
    assert line.full
    late = Ticket("c")
    assert line.join(late) is late
    assert late.place is Standing.OUTSIDE
    assert line.waiting == 2


def test_a_client_alone_cannot_fill_the_line() -> None:
    """Whoever waits for most loses the newest of them."""
    line, _ = taken(waiting_max=3)
    waits(line, "greedy")
    waits(line, "greedy")
    newest = waits(line, "greedy")
    assert line.join(Ticket("a")) is newest
    late = Ticket("greedy")
    assert line.join(late) is late


def test_background_makes_room() -> None:
    line, _ = taken(waiting_max=2)
    waits(line, "brief", background=True)
    newest = waits(line, "brief", background=True)
    assert line.join(Ticket("a")) is newest
    late = Ticket("mail", background=True)
    assert line.join(late) is late


def test_a_line_for_nobody() -> None:
    line, _ = taken(waiting_max=0)
    ticket = Ticket("a")
    assert line.full
    assert line.join(ticket) is ticket


def test_a_new_server_is_given_one_then_two_then_four() -> None:
    """Each time as many must have been answered as were let in; failures let nobody in."""
    line = Line(6, MANY)
    line.restarted()
    let_in = []
    for _ in range(4):
        holders = [Ticket("a") for _ in range(10)]
        inside = [ticket for ticket in holders if line.take(ticket, now=0.0)]
        let_in.append(len(inside))
        for ticket in inside:
            line.leave(ticket, now=0.0, answered=True)
    assert let_in == [1, 2, 4, 6]
    line.restarted()
    failed = Ticket("a")
    assert line.take(failed, now=0.0)
    line.leave(failed, now=0.0)
    assert line.admitted == 1


def test_requests_that_were_inside_a_server_that_died_do_not_let_others_in() -> None:
    """Four were inside; the next one comes when all but none of them have left."""
    line, holders = taken(4)
    waiting = waits(line, "a")
    line.restarted()
    for holder in holders[:3]:
        line.leave(holder, now=0.0)
        assert line.next(now=0.0) is None
    line.leave(holders[3], now=0.0)
    assert line.next(now=0.0) is waiting


def test_the_wait_is_told_by_how_long_slots_were_held() -> None:
    line, (holder, _) = taken(2)
    assert line.wait_seconds() == SECONDS_UNKNOWN / 2
    line.leave(holder, now=10.0, answered=True)
    assert line.wait_seconds() == 0.0
    assert line.take(Ticket("a"), now=10.0)
    waits(line, "b")
    mean = SECONDS_UNKNOWN + (10.0 - SECONDS_UNKNOWN) * SECONDS_WEIGHT
    assert line.wait_seconds() == pytest.approx(mean * 2 / 2)


class AnyLine(RuleBasedStateMachine):
    """Requests come, leave, are answered, and servers die, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line(3, 4)
        self.waiting: list[Ticket] = []
        self.holding: list[Ticket] = []
        self.passed: dict[Ticket, dict[str, int]] = {}

    @rule(client=st.sampled_from("abc"), background=st.booleans())
    def comes(self, client: str, background: bool) -> None:
        ticket = Ticket(client, background)
        if self.line.take(ticket, now=0.0):
            assert not self.waiting
            self.holding.append(ticket)
            return
        self.waiting.append(ticket)
        self.passed[ticket] = defaultdict(int)
        if loser := self.line.join(ticket):
            assert len(self.waiting) == 5
            assert loser.background or not any(one.background for one in self.waiting)
            self.waiting.remove(loser)
        self.let_in()

    @precondition(lambda self: self.waiting or self.holding)
    @rule(data=st.data(), answered=st.booleans())
    def leaves(self, data: st.DataObject, answered: bool) -> None:
        """Wherever it stands, and sometimes twice."""
        ticket = data.draw(st.sampled_from(self.waiting + self.holding))
        for _ in range(data.draw(st.integers(1, 2))):
            self.line.leave(ticket, now=1.0, answered=answered)
        (self.waiting if ticket in self.waiting else self.holding).remove(ticket)
        self.let_in()

    @rule()
    def dies(self) -> None:
        """The server."""
        self.line.restarted()

    def let_in(self) -> None:
        """As the waiting part does after each change."""
        while ticket := self.line.next(now=0.0):
            self.waiting.remove(ticket)
            self.holding.append(ticket)
            assert ticket.background == all(one.background for one in [*self.waiting, ticket])
            for other in self.waiting:
                if other.background == ticket.background and other.client != ticket.client:
                    self.passed[other][ticket.client] += 1

    @invariant()
    def adds_up(self) -> None:
        """Every request stands in one place, and no room is wasted."""
        line = self.line
        assert (line.in_use, line.waiting) == (len(self.holding), len(self.waiting))
        assert line.in_use <= line.slots
        assert 1 <= line.admitted <= line.slots
        assert line.waiting <= line.waiting_max
        assert not self.waiting or line.in_use >= line.admitted
        assert all(ticket.place is Standing.HOLDING for ticket in self.holding)
        assert all(ticket.place is Standing.WAITING for ticket in self.waiting)

    @invariant()
    def takes_turns(self) -> None:
        """Nobody's first request sees another client go twice before it."""
        seen: set[tuple[str, bool]] = set()
        for ticket in self.waiting:
            if (ticket.client, ticket.background) not in seen:
                seen.add((ticket.client, ticket.background))
                lane = [
                    other
                    for other in self.waiting
                    if (other.client, other.background) == (ticket.client, ticket.background)
                ]
                if lane[0] is ticket and ticket in self.passed and not self.went(ticket):
                    assert all(times <= 2 for times in self.passed[ticket].values())

    def went(self, ticket: Ticket) -> bool:
        """Whether an earlier request of the same client went meanwhile."""
        return any(
            one.client == ticket.client and one.background == ticket.background
            for one in self.holding
        )


TestAnyLine = AnyLine.TestCase
TestAnyLine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
