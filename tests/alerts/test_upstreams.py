"""What attempts tell of a key and of a provider that is away."""

from __future__ import annotations

from tests.alerts.toys import after
from tests.ledger.toys import free, paid
from twotier.alerts.upstreams import Upstreams
from twotier.domain.alert import Severity
from twotier.domain.money import Attempt, Outcome, Settled, Settlement

TIERS = ("local", "frontier")


def ended(status: int, error: str = "", outcome: Outcome = Outcome.ERROR) -> Settlement:
    return Settlement(Settled.VOID, outcome, 0, error=error, upstream_status=status)


OK = ended(200, outcome=Outcome.OK)


def hear(upstreams: Upstreams, *ends: Settlement, attempt: Attempt | None = None) -> None:
    """One a minute."""
    for number, end in enumerate(ends):
        upstreams.hear(attempt or paid("a", 1), end, now=60.0 * number)


def test_a_rejected_key_is_an_incident_until_it_is_taken() -> None:
    for status in (401, 403):
        upstreams = Upstreams(())
        hear(upstreams, ended(status))
        open_, step = after({}, upstreams.look(TIERS, down_seconds=300))
        (found,) = step.opened
        assert (found.key, found.kind) == ("key:frontier", "key-rejected")
        assert found.severity is Severity.URGENT
        assert found.text == (
            f"the upstream answers {status}; look at the key of tiers.frontier and its account"
        )
        hear(upstreams, ended(500), ended(0, outcome=Outcome.CANCELLED))
        assert after(open_, upstreams.look(TIERS, down_seconds=300))[1].ended == ()
        hear(upstreams, OK)
        assert after(open_, upstreams.look(TIERS, down_seconds=300))[1].ended != ()


def test_an_account_without_credit_is_one_too() -> None:
    """Anthropic says it under status 400, OpenAI under 429."""
    upstreams = Upstreams(())
    hear(upstreams, ended(400, "upstream_error: 400 billing_error"))
    (found,) = upstreams.look(TIERS, down_seconds=300).holds
    assert found.kind == "no-credit"


def test_a_provider_is_down_when_every_request_fails_for_long() -> None:
    """One failure with nothing after it says little; a 4xx shows that it lives."""
    upstreams = Upstreams(())
    hear(upstreams, ended(529, "overloaded"))
    assert upstreams.look(TIERS, down_seconds=300).holds == []
    hear(upstreams, *(ended(0, "unreachable") for _ in range(6)))
    (found,) = upstreams.look(TIERS, down_seconds=300).holds
    assert found.text == "every request has failed for 5 min: unreachable"
    hear(upstreams, OK, ended(422))
    assert upstreams.look(TIERS, down_seconds=300).holds == []


def test_a_tier_with_a_keeper_is_left_to_its_keeper() -> None:
    upstreams = Upstreams({"local"})
    hear(upstreams, *(ended(0) for _ in range(9)), attempt=free("a"))
    assert upstreams.look(TIERS, down_seconds=300).holds == []


def test_a_tier_of_which_nothing_was_heard_keeps_its_incident_and_one_that_is_gone_does_not() -> (
    None
):
    """A restart does not mend a key."""
    before = Upstreams(())
    hear(before, ended(401))
    open_, _ = after({}, before.look(TIERS, down_seconds=300))
    anew = Upstreams(())
    assert after(open_, anew.look(TIERS, down_seconds=300))[1].ended == ()
    assert after(open_, anew.look(("local",), down_seconds=300))[1].ended != ()
