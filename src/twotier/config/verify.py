"""The settings of verifying: how an answer of a local tier is looked at before it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

from pydantic import Field, model_validator

from twotier.config.section import Section, listed, raise_all
from twotier.config.tools import ToolsConfig
from twotier.domain.terms import Verifying
from twotier.domain.tier import TierPolicy

JUDGES = {"rubric": TierPolicy.LOCAL_ONLY, "rubric:frontier": TierPolicy.FRONTIER}
Step = Literal["no", "checks", "numbers", "second", "rubric", "rubric:frontier"]


class VerifyConfig(Section):
    """How local answers are looked at where another tier might be asked."""

    requests: Literal["no", "checks", "second", "rubric"] = Field(
        "checks",
        description="Of clients' requests to auto that want no stream and were answered by a local"
        " tier: no, checks (says something, has its form, calls its tools rightly, runs in no"
        " circles; free), second (and, where answers can be compared, another local one says the"
        " same), rubric (and, where they cannot, a model finds nothing wrong). What fails is asked"
        " of the frontier tier. A request may say more with the header x-twotier-verify.",
    )
    second: str = Field(
        "",
        description="The tier that gives the second answer, by its name; empty: the first one."
        " Another model errs in other places, but must be loaded beside it.",
    )
    judge: Literal["local-only", "frontier"] = Field(
        "local-only", description="Which tiers may judge by the rubric of a request."
    )


class VerifyUseConfig(Section):
    """How a job's answers are looked at. It counts where its tier is auto or local-then-frontier
    and a local tier answered.
    """

    verify: tuple[Step, ...] = Field(
        ("checks",),
        description="How an answer of a local tier is looked at before it is delivered; what fails"
        " is asked of the frontier tier: checks (free: it says something, has its form, cites what"
        " is there, reckons rightly, runs in no circles, keeps its language), numbers (no figures"
        " that are not in the items), second (where answers can be compared, another local one says"
        " the same), rubric or rubric:frontier (a model finds nothing wrong), no.",
    )
    verify_command: str = Field(
        "",
        description="A program of [tools.command] that gets the answer as its input in the job's"
        " folder; where it ends with 0 the answer is kept, else the frontier tier is asked.",
    )

    @model_validator(mode="after")
    def verify_fits(self) -> VerifyUseConfig:
        """`no` stands alone, and one tier judges."""
        return raise_all(self, self.verify_problems())

    def verify_problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        if "no" in self.verify and (len(self.verify) > 1 or self.verify_command):
            yield 'verify = ["no"] stands alone; leave the other steps and verify_command out'
        if len(JUDGES.keys() & set(self.verify)) > 1:
            yield "verify names two judges; leave rubric or rubric:frontier"


def verifying_of(job: VerifyUseConfig, *, second: str) -> Verifying:
    """A job's way of verifying as the worker's noun."""
    if "no" in job.verify:
        return Verifying(rungs=frozenset())
    judges = [JUDGES[name] for name in job.verify if name in JUDGES]
    rungs = {"checks"}
    rungs |= {"second"} & set(job.verify)
    rungs |= {"rubric"} if judges else set()
    rungs |= {"command"} if job.verify_command else set()
    return Verifying(
        rungs=frozenset(rungs),
        looks=("numbers",) if "numbers" in job.verify else (),
        command=job.verify_command,
        second=second,
        rubric=judges[0] if judges else TierPolicy.LOCAL_ONLY,
    )


class HasSide(Protocol):
    """What is asked of a tier here."""

    @property
    def is_local(self) -> bool:
        """On the owner's own machine."""


def verify_problems(
    jobs: Sequence[VerifyUseConfig],
    *,
    tools: ToolsConfig,
    verify: VerifyConfig,
    tiers: Mapping[str, HasSide],
) -> Iterator[str]:
    """Programs and tiers that are named and that there are not, one sentence each."""
    if verify.second and not (verify.second in tiers and tiers[verify.second].is_local):
        there = listed(name for name, tier in tiers.items() if tier.is_local)
        yield f"verify.second: {verify.second!r} is no local tier; there are: {there}"
    for number, job in enumerate(jobs):
        name = job.verify_command
        if name and name not in tools.command:
            known = listed(tools.command)
            yield f"jobs.{number}.verify_command: no [tools.command.{name}]; there are: {known}"
        elif name and any("{" in word for word in tools.command[name].argv):
            yield (
                f"jobs.{number}.verify_command: {name} has places for a model to fill; name a"
                " program without, which reads the answer as its input"
            )
