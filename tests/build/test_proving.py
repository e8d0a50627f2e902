"""What is told of an answer that was looked at."""

from __future__ import annotations

import json

import pytest

from twotier.build.proving import fields, verdict_of
from twotier.domain.task import Caller
from twotier.domain.verdict import Verdict
from twotier.protocols import INBOUND
from twotier.proving import Judged

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Any news?"}]
BODY = json.dumps({"model": "auto", "messages": TALK}).encode()
REQUEST = INBOUND["openai_chat"].read_request(BODY)


@pytest.mark.parametrize(
    ("good", "by", "kept"),
    [
        (True, "checks", None),
        (True, "second", True),
        (False, "checks", False),
        (None, "rubric", None),
    ],
)
def test_that_free_looks_passed_proves_nothing(
    good: bool | None, by: str, kept: bool | None
) -> None:
    found = verdict_of(Judged(REQUEST, Caller(), "r1", "local", good, by))
    assert (found.good, found.by, found.tier, found.run) == (kept, by, "local", "r1")
    assert found.key
    assert "Be brief" not in found.key


def test_a_jobs_request_is_the_jobs() -> None:
    caller = Caller(private=True, job="mail", run="mail-1", step="all:2")
    found = verdict_of(Judged(REQUEST, caller, "r1", "local", False, "second", redone=True))
    expected = Verdict("mail", "local", False, "second", run="mail-1", part="all", redone=True)
    assert found == expected


def test_the_log_has_what_came_of_it_and_nothing_that_was_said() -> None:
    line = fields(Judged(REQUEST, Caller(), "r1", "local", False, "checks", redone=True))
    assert line == {"request": "r1", "tier": "local", "good": False, "by": "checks", "redone": True}
