"""What came through twotier does not count twice."""

from __future__ import annotations

from tests.outside.samples import AT_MS, claude, openclaw
from twotier.outside import claude_code
from twotier.outside import openclaw as claw
from twotier.outside.lines import Seen
from twotier.outside.matching import Ours, through


def seen(line: bytes) -> Seen:
    found = claude_code.read(line) or claw.read(line)
    assert found is not None
    return found


def test_a_request_id_of_ours_is_ours_and_any_other_is_not() -> None:
    """The tokens of another attempt at that time say nothing then."""
    ours, others = seen(claude("msg_1", "req_ours")), seen(claude("msg_2", "req_theirs"))
    near = {(others.source, others.id): [Ours("a-0", AT_MS, AT_MS)]}
    found = through([ours, others], known={"req_ours"}, near=near)
    assert found == {("claude_code", "msg_1"): "req_ours"}


def test_without_a_request_id_time_and_tokens_say_it() -> None:
    """Each attempt stands for one answer, the earlier one first."""
    first, second, third = (seen(openclaw(f"line{n}", timestamp=AT_MS + n)) for n in range(3))
    attempts = [Ours("a-0", AT_MS - 3_000, AT_MS - 500), Ours("b-0", AT_MS - 2_000, AT_MS)]
    near = {(one.source, one.id): attempts for one in (first, second, third)}
    found = through([third, second, first], known=(), near=near)
    assert found == {(first.source, first.id): "a-0", (second.source, second.id): "b-0"}
    again = through([third], known=(), near=near, taken=found.values())
    assert again == {}


def test_another_time_is_another_answer() -> None:
    """Two minutes late it may be written, and no more."""
    one = seen(openclaw())
    for began, ended in ((AT_MS + 6_000, AT_MS + 9_000), (AT_MS - 500_000, AT_MS - 121_000)):
        near = {(one.source, one.id): [Ours("a-0", began, ended)]}
        assert through([one], known=(), near=near) == {}
    assert through([one], known=(), near={}) == {}
