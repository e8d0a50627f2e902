"""What a run itself knows of how good its answers were.

A form that was asked for and is there, or sources that are cited and were given, verify an answer;
a wrong form, an invented source, a loop or a limit that was reached make it a failure. A free text
that cites nothing has been verified by nobody: it says what it took, and not how good it was.
Neither does it count against a tier that it was down, late or had no budget.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from twotier.agent.turn import BOTH_TIERS
from twotier.domain.job import Job
from twotier.domain.label import Label
from twotier.domain.verdict import OWNER, Took, Verdict, prompt_name
from twotier.jobs.compare import Given, citations, loop
from twotier.jobs.judging import Verdict as Beside
from twotier.jobs.parts import Part, Worked
from twotier.jobs.proposal import Pair
from twotier.jobs.trials import Compared, Trial, Work
from twotier.verify.words import REFERENCE, urls
from twotier.watch.kinds import labels_of

KEY_CHARACTERS = 12  # of an item's id, in the names of an agent's steps
TEST = "test"
CHECKS = "checks"  # the rung that costs nothing
TRIAL, COMMAND = "trial", "command"  # what says more than the form of an answer


def short(key: str) -> str:
    """A part's key as the name of its steps: never the same for two parts."""
    if len(key) <= KEY_CHARACTERS:
        return key
    return hashlib.sha256(key.encode()).hexdigest()[:KEY_CHARACTERS]


def part_name(job: Job | None, key: str) -> str:
    """What the steps of a part are called, which is how main knows them."""
    agent = job is not None and job.terms.agent
    return key[:KEY_CHARACTERS] if agent else short(key)


def prompt_of(job: Job) -> str:
    """The name of what the job asks, so that an edit is seen."""
    terms = job.terms
    schema = json.dumps(terms.schema, sort_keys=True) if terms.schema else ""
    return prompt_name([job.prompt, str(job.answer_lines), schema, *sorted(terms.tools)])


def ended(part: Part, made: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """On an answer that is kept, and on the tier that another one had to carry on from. What the
    run's own verifying found of a local answer counts before what can be seen of it here; that it
    passed free looks does not verify a text in which there was nothing to look at.
    """
    tier, gave_up = str(made["answer"]["tier"]), str(made.get("gave_up") or "")
    if not tier:  # no model was asked
        return ()
    found, rung = made.get("looked") or (None, "")
    good, by = looked_at(part, str(made["text"]))
    if gave_up and gave_up != tier:
        before = failed(part, gave_up, by=rung if found is False else "escalated", redone=True)
        return before, _of(part, tier, good=good, by=by)
    if found is False or (found and rung != CHECKS):
        good, by = found, rung
    verdict = _of(part, tier, good=good, by=by)
    return (replace(verdict, redone=bool(good) and redoes(part.job)),)


def stuck(part: Part, worked: Worked) -> tuple[Verdict, ...]:
    """On an agent's turn without a result: every tier that tried has failed."""
    tiers = dict.fromkeys(tier for tier in (worked.gave_up, worked.tier) if tier)
    return tuple(failed(part, tier, by="stuck") for tier in tiers)


def failed(part: Part, tier: str, *, by: str, redone: bool = False) -> Verdict:
    """The verdict on an answer that could not be used, or that another tier did again."""
    return replace(_of(part, tier, good=False, by=by), redone=redone)


def looked_at(part: Part, text: str) -> tuple[bool | None, str]:
    """What can be seen of an answer alone."""
    if loop(text):
        return False, "loop"
    sources = tuple(f"{item.title}\n{item.text}\n{item.link}" for item in part.items)
    if sources and (urls(text) or REFERENCE.search(text)):
        wrong = citations(text, "", given=Given(part.job.prompt, sources))
        return not wrong, "citations"
    if part.job.terms.schema:
        return True, "schema"
    return (True, "form") if part.job.answer_lines else (None, "nothing")


def _of(part: Part, tier: str, *, good: bool | None, by: str) -> Verdict:
    return Verdict(
        key=part.job.name,
        tier=tier,
        good=good,
        by=by,
        run=part.run.id,
        part=part_name(part.job, part.key),
        prompt=prompt_of(part.job),
    )


def marked(job: str, run: str, *, part: str, tier: str, good: bool) -> Verdict:
    """What the owner says of an answer."""
    return Verdict(key=job, tier=tier, good=good, by=OWNER, run=run, part=part)


def tried(trial: Trial, work: Work, *, compared: Compared, job: Job) -> Verdict | None:
    """What a comparison says of the cheaper tier; None where that was not decided, or where another
    prompt was tried. Where nobody judged, a form that holds counts as it does after a run, but it
    does not by itself say that others would be seen to fail.
    """
    if trial.kind == TEST or trial.prompt:
        return None
    good = Pair(compared.fits, compared.verdict, trial.other_cheaper).serves
    tier = compared.tier if trial.other_cheaper else work.tier
    judged = compared.verdict not in (Beside.NONE, Beside.UNDECIDED)
    by = TRIAL
    if good is None and compared.by:
        good, judged, by = True, True, compared.by
    if good is None or not tier or (good and not judged):
        return None
    redone = trial.other_cheaper and redoes(job) and by in (TRIAL, COMMAND)
    took = Took(0, compared.seconds, 0, compared.cost_microusd) if trial.other_cheaper else None
    return Verdict(
        key=job.name,
        tier=tier,
        good=good,
        by=by,
        run=work.run.id,
        part=part_name(job, work.key),
        prompt=prompt_of(job),
        took=took,
        redone=redone,
    )


def redoes(job: Job) -> bool:
    """Whether what fails of this job on a local tier is done again by the frontier tier, so that
    nobody has it.
    """
    stranger = job.watch is not None and Label.UNTRUSTED in labels_of(job.watch)
    looked = bool(job.verify.rungs) and not job.batch
    free = job.tier in BOTH_TIERS and job.model == "auto"
    return free and looked and (job.terms.escalate or not stranger)
