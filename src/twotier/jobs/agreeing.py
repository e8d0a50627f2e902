"""Whether two answers to the same work come to the same, as a program can tell. Pure.

Only what can be compared is: numbers, yes or no, a letter of several, a few words, a short list,
JSON (`verify.same`). That they are the same says that the cheaper one serves. That they are not
says so of numbers and choices alone; other words may be as good.
"""

from __future__ import annotations

from functools import partial

from twotier.domain.job import Job
from twotier.jobs.judging import Verdict
from twotier.verify.same import Kind, value_of

EXACT = frozenset({Kind.NUMBER, Kind.YES_NO, Kind.CHOICE})


def agreed(job: Job, answer: str, *, other: str) -> tuple[Verdict, str]:
    """How the cheaper tier's answer stands beside the other one, and why; `none` where a program
    cannot tell.
    """
    structured = job.terms.schema is not None and not job.answer_lines
    value = partial(value_of, prompt=job.prompt, structured=structured)
    mine, theirs = value(answer), value(other)
    if mine is None or theirs is None or mine.kind is not theirs.kind:
        return Verdict.NONE, ""
    if mine.says(theirs):
        return Verdict.SAME, f"both say the same ({mine.kind.value})"
    if mine.kind in EXACT:
        return Verdict.WORSE, f"the other one says something else ({mine.kind.value})"
    return Verdict.NONE, ""
