"""The row `record`: a few verified runs, and it beats every guess; without them it says so."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.router.judged import PRESENT, judged
from tests.router.test_tree import FRONTIER, LOCAL
from twotier.domain.known import NOTHING, Known, Record
from twotier.domain.message import Request
from twotier.domain.task import Caller
from twotier.router.estimate import estimate
from twotier.router.record import ONE_SIDE, UNKNOWN, decide, decided, fell, odds
from twotier.router.row import Abstains, Choice
from twotier.router.weighing import record_of

BOTH = (FRONTIER, LOCAL)
TASK = estimate(Request("openai_chat", b"{}", "auto"), Caller())


def records(**words: str) -> dict[str, Record]:
    """What is known of each tier, by signs."""
    return {
        tier: record_of(judged(signs, tier=tier), replace(PRESENT, tier=tier))
        for tier, signs in words.items()
    }


def said(recheck: str = "", **words: str) -> Choice | Abstains:
    """The row's word about work with these records."""
    known = Known("brief", records(**words), recheck=recheck)
    return decide(TASK, known, tiers=BOTH)


def test_where_nothing_is_known_it_abstains() -> None:
    """And where there is nothing to choose between."""
    assert decide(TASK, NOTHING, tiers=BOTH) is UNKNOWN
    known = Known("brief", records(local="+++++"))
    assert decided(known, tiers=(LOCAL,)) is ONE_SIDE
    assert decided(known, tiers=(FRONTIER,)) is ONE_SIDE


@pytest.mark.parametrize(
    ("local", "frontier", "side"),
    [
        ("+", "", ""),  # too few to tell anything
        ("++", "", ""),
        ("??????????", "++++", ""),  # nobody has verified them
        ("+++", "", "local"),  # three are enough
        ("+++", "+++", "local"),
        ("--", "", "frontier"),  # two failures
        ("+++++-+-", "", "frontier"),  # two in the last five
        ("--+++", "", ""),  # three good ones in a row: it may be asked again
        ("+-+++", "", ""),  # four of five is not clear
        ("+" * 12 + "-+++", "", "local"),  # one failure among many
        ("-+-++--+--+++", "", "frontier"),  # what it has done before is not forgotten
        ("", "--", "local"),  # the other tier fails: this one
        ("+", "-+-", "local"),
        ("--", "--", "frontier"),  # neither is well
        ("+++++++++--", "+-----", "local"),
        ("-+-++--+--+++", "+++--", "local"),
        ("+-+++", "+++--", "local"),
        ("+~+++~+~++", "", ""),  # what was done again reached nobody
        ("~~+", "", ""),
        ("*", "", "local"),  # what fails is done again: what is likely decides, not what is sure
        ("~", "", ""),
        ("*~", "", "local"),  # one that was done again costs less than not to have asked
        ("~*", "", "local"),
        ("~~~*", "", ""),
        ("**~", "", "local"),
        ("*--", "", "frontier"),
        ("~~~~~~", "", "frontier"),  # hardly any is right: then some that pass are not
        ("+++~-~-", "", "frontier"),  # two that somebody had
        ("+++++~++++~+++++~++~", "", "local"),
    ],
)
def test_the_record_decides(local: str, frontier: str, side: str) -> None:
    """Signs are verdicts, the newest last; an empty side means that it cannot tell."""
    found = said(local=local, frontier=frontier)
    assert (found.side if isinstance(found, Choice) else "") == side
    assert found.text


def test_its_sentences_have_the_figures() -> None:
    """Who reads why must not have to look elsewhere."""
    assert "2 of the last 2 verified runs good; about 3" in said(local="++").text
    assert "local: 5 of the last 5 verified runs good, at least 8" in said(local="+++++").text
    assert "70% are needed beside frontier" in said(local="+++++").text
    assert "between 61% and 91%" in said(local="+-+++").text
    assert "3 of the last 5" in said(local="+++--").text
    assert said(frontier="++").text.startswith("local: nothing verified of late")
    old = Known("brief", {"local": Record("local", 0.2, 0.7, runs=9)})
    assert "aged 0.2 good and 0.7 bad" in decided(old, tiers=BOTH).text


def test_a_recheck_goes_to_the_tier_that_failed_and_says_so() -> None:
    """Only if that tier is the one that would be asked; its answer is checked."""
    found = said("local", local="--", frontier="+++")
    assert isinstance(found, Choice)
    assert (found.side, found.sure) == ("local", False)
    assert "tried again" in found.text
    elsewhere = said("spare", local="--", frontier="+++")
    assert isinstance(elsewhere, Choice)
    assert elsewhere.side == "frontier"


def test_nobody_need_check_a_tier_that_has_never_failed() -> None:
    """After some twenty runs; three are a reason to go there, and none to be sure."""
    short, long = said(local="+++"), said(local="+" * 30)
    assert isinstance(short, Choice)
    assert isinstance(long, Choice)
    assert (short.sure, long.sure) == (False, True)


def test_a_tier_that_fell_is_back_after_three_good_ones() -> None:
    """Two failures among the last five are one thing, the last three another."""
    assert fell(records(local="--")["local"])
    assert fell(records(local="--++")["local"])
    assert not fell(records(local="--+++")["local"])
    assert not fell(Record("local"))


def test_what_was_done_again_is_told() -> None:
    assert "3 of the last 5 verified runs good, 2 done again elsewhere" in said(local="+~+~+").text
    assert not fell(Record("local", lately=(False, False), redone=(True, True)))
    assert fell(Record("local", lately=(False, False)))  # as it was recorded before


def test_the_bounds_hold_the_mean() -> None:
    """And more runs bring them closer."""
    few, many = odds(records(local="+++-")["local"]), odds(records(local="+++-" * 5)["local"])
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
