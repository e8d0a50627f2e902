"""What an agent has done, or would have done, beside its answer; whether two did the same. Pure.

A deed is a call of a tool that leaves something behind: a file, a message, what a program does.
Which calls are deeds is told by the tool (`twotier.tools.base.ToolSpec.looks`) and its labels for
these arguments. Two that did other things may still have served equally well, but no program can
say that; a judge can, who sees both lists whole.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twotier.domain.label import Label, Labels
from twotier.jobs.judging import ANSWER_CHARACTERS_MAX, Verdict
from twotier.tools.base import ToolSpec


@dataclass(frozen=True, slots=True)
class Deed:
    """A call: its tool, and its arguments as they were given."""

    tool: str
    arguments: Mapping[str, Any]

    @property
    def line(self) -> str:
        """On one line, for people: the tool and its arguments as JSON."""
        text = json.dumps(self.arguments, ensure_ascii=False, sort_keys=True)
        # Half a pair of UTF-16, which a model can say in JSON, is no text anywhere else.
        return f"{self.tool} {text.encode('utf-8', 'backslashreplace').decode()}"

    @property
    def key(self) -> str:
        """The same for calls that come to the same."""
        return f"{self.tool} {json.dumps(normal(self.arguments), sort_keys=True)}"

    def json(self) -> dict[str, Any]:
        """To be stored and shown."""
        return {"tool": self.tool, "arguments": dict(self.arguments)}


@dataclass(frozen=True, slots=True)
class Deeds:
    """What was done by the job (`own`) and would have been done in the trial (`other`). `held` are
    calls that only look and were not made either, because they cost or need a yes. `known`: what
    the job did can still be read.
    """

    own: Sequence[Deed] = ()
    other: Sequence[Deed] = ()
    held: Sequence[Deed] = ()
    known: bool = True

    @property
    def differ(self) -> bool:
        """Whether the two did other things, as far as a program can see; in any order."""
        mine, theirs = (sorted(one.key for one in side) for side in (self.own, self.other))
        return not self.known or mine != theirs

    @property
    def word(self) -> str:
        """`same`, `differ` or `unknown`; empty where nobody did anything."""
        if not self.known:
            return "unknown"
        if not (self.own or self.other):
            return ""
        return "differ" if self.differ else "same"

    @property
    def shown(self) -> tuple[str, str]:
        """Both lists as a judge gets them; empty where there is nothing to compare."""
        if not self.known or not (self.own or self.other):
            return ("", "")
        return (listed(self.own), listed(self.other))

    @property
    def whole(self) -> bool:
        """Whether a judge sees all of both."""
        return self.known and all(len(text) <= ANSWER_CHARACTERS_MAX for text in self.shown)


NO_DEEDS = Deeds()


def leaves(spec: ToolSpec | None, labels: Labels) -> bool:
    """Whether a call with these labels leaves something behind; one of a tool that is not known
    does.
    """
    return spec is None or not spec.looks or Label.CHANGES in labels


def listed(deeds: Sequence[Deed]) -> str:
    """One on a line."""
    return "\n".join(one.line for one in deeds) or "(nothing)"


def normal(value: Any) -> Any:
    """The same for values that come to the same: empty settings, blanks at the ends of lines and
    ways to write a letter do not count, nor a path's `./`.
    """
    if isinstance(value, str):
        lines = unicodedata.normalize("NFC", value).strip().splitlines()
        return "\n".join(line.rstrip() for line in lines).removeprefix("./")
    if isinstance(value, Mapping):
        found = {str(name): normal(one) for name, one in value.items()}
        return {name: one for name, one in found.items() if one not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [normal(one) for one in value]
    return value


def limited(verdict: Verdict, deeds: Deeds, *, other_cheaper: bool) -> Verdict:
    """What a verdict is worth where the two did other things: the cheaper tier is as good only if
    the judge saw all of it and said `same` twice; it can always be worse.
    """
    if not deeds.differ or verdict is Verdict.NONE:
        return verdict
    if verdict is Verdict.SAME and deeds.whole:
        return verdict
    worse = Verdict.WORSE if other_cheaper else Verdict.BETTER
    return verdict if verdict is worse else Verdict.UNDECIDED
