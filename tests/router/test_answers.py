"""How long an answer will be: the record, then what was seen, then what is built in."""

from __future__ import annotations

import pytest

from twotier.domain.known import Spread
from twotier.domain.work import Work
from twotier.router.answers import RECORD_MIN, SEEN_MIN, USUAL, Answers
from twotier.router.kinds import KINDS

POLL = Work(kind="polling")
RECORD = Spread(40.0, 90.0, RECORD_MIN, "record")


def seen(times: int, tokens: int = 30, *, model: str = "a/m", work: Work = POLL) -> Answers:
    answers = Answers()
    for _ in range(times):
        answers.note(model, work, tokens=tokens)
    return answers


def test_every_kind_of_work_has_something_built_in_that_says_so() -> None:
    steps = (Work(tools=True, step=step).answers for step in ("", "read", "write"))
    assert set(USUAL) == {*KINDS, *steps}
    found = Answers().spread(POLL, limit=None)
    assert found == Spread(60.0, 400.0, 0, "built in for polling")


def test_what_was_seen_takes_its_place() -> None:
    assert seen(SEEN_MIN - 1).spread(POLL, limit=None).count == 0
    found = seen(SEEN_MIN).spread(POLL, limit=None)
    assert found.p50 == pytest.approx(30.0, rel=0.08)
    assert (found.count, found.source) == (SEEN_MIN, "polling answers of a/m")
    assert seen(SEEN_MIN).spread(Work(kind="read-report"), limit=None).count == 0


def test_what_is_longer_is_believed_of_a_kind_that_was_not_seen() -> None:
    """Words may have named it wrongly, so all answers of the model count. Steps are none."""
    answers = seen(50, 3_000, work=Work(kind="bulk-write"))
    for tokens in (20, 40):
        answers.note("a/m", Work(kind="unknown"), tokens=tokens)
        answers.note("b/m", Work(kind="unknown"), tokens=tokens)
    found = answers.spread(POLL, limit=None)
    assert found.p90 == pytest.approx(3_000, rel=0.08)
    assert (found.count, found.source) == (52, "answers of any kind of a/m")
    assert answers.spread(Work(kind="frontier-reasoning"), limit=None).count == 0  # 4,000 built in
    step = Work(tools=True, step="read")
    assert answers.spread(step, limit=None).source == "built in for step read"
    for _ in range(SEEN_MIN):
        answers.note("a/m", Work(tools=True, step="write"), tokens=5_000)
    assert answers.spread(step, limit=None).source == "steps of any kind of a/m"


def test_the_model_that_was_seen_most_speaks() -> None:
    answers = seen(SEEN_MIN)
    for _ in range(SEEN_MIN + 5):
        answers.note("b/m", POLL, tokens=900)
    assert answers.spread(POLL, limit=None).source == "polling answers of b/m"


def test_the_record_of_a_job_knows_best() -> None:
    """From three runs on; of an agent's step it knows nothing, for it is of whole runs."""
    answers = seen(50)
    assert answers.spread(POLL, limit=None, record=RECORD) == RECORD
    thin = Spread(40.0, 90.0, RECORD_MIN - 1, "record")
    assert answers.spread(POLL, limit=None, record=thin).count == 50
    step = Work(kind="polling", tools=True, step="write")
    assert answers.spread(step, limit=None, record=RECORD).source == "built in for step write"


def test_a_limit_cuts_what_is_longer() -> None:
    found = Answers().spread(Work(kind="bulk-write"), limit=2_000)
    assert (found.p50, found.p90) == (2_000.0, 2_000.0)
    assert found.source == "built in for bulk-write, cut by its limit"
    assert Answers().spread(POLL, limit=100_000) == Answers().spread(POLL, limit=None)
