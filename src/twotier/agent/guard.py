"""Whether a call may be made: rules over labels, never over what a text says. Pure.

A run carries a taint, a set of labels that only grows. Once it holds what is private and what a
stranger wrote, nothing may leave by a tool without its owner's yes, except to the destination that
the job itself declares, and then as plain text. A message needs a yes as soon as strangers' text
was read. What changes something that lasts needs a yes
unless the job declares that very target. After private text an address is an exit too, so only the
job's own hosts are asked. What costs stays below the job's cap. The rules are the same for a
sub-task, which begins with the taint of whoever gave it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from twotier.domain.label import NO_LABELS, Label, Labels
from twotier.domain.money import MICROUSD_PER_USD

# Both in one run: whoever wrote the second may be after the first.
MIXED: Labels = frozenset({Label.PRIVATE, Label.UNTRUSTED})
TAINTING: Labels = MIXED  # what stays with a run; the other labels belong to one call
HELD_IN_QUARANTINE: Labels = frozenset({Label.SENDS, Label.CHANGES, Label.COSTS})
ADDRESS_NAMES = frozenset({"url", "uri", "href", "link", "endpoint", "address"})

# A stricter reading than any client's: what it cannot read has no host, and so is on no list.
HTTP = re.compile(r"\s*https?:", re.IGNORECASE)
ADDRESS = re.compile(
    r"https?://(?:[^\s/?#@\\]*@)?([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:[/?#][^\s\\]*)?",
    re.IGNORECASE,
)

# What each of them ends in: behind its last place in a text it is not looked for, or every opening
# without an end would be read to the end.
DRESSED = (
    (re.compile(r"!\[([^\[\]]*)\]\([^)]*\)"), r"\1", ")"),  # an image
    (re.compile(r"\[([^\[\]]*)\]\([^)]*\)"), r"\1", ")"),  # a link
    (re.compile(r"<[/!a-z][^>]*>", re.IGNORECASE), "", ">"),  # a tag
)
WITH_SCHEME = re.compile(r"\b(?:[a-z][a-z0-9+.-]{0,80}://|(?:mailto|data|tel):)\S+", re.IGNORECASE)
# Looked for where a name begins, not inside of it: a text costs no more than its length.
BEGIN = r"(?<![\w-])(?<![\w-]\.)"
HOST_LIKE = re.compile(BEGIN + r"[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b", re.IGNORECASE)
PATH_LIKE = re.compile(BEGIN + r"[\w-]+(?:\.[\w-]+)+[/?]\S*")
LINK_GONE = "(link removed)"


class Verdict(StrEnum):
    """What is to become of a call."""

    ALLOW = "allow"
    ASK = "ask"  # the owner, with the exact arguments
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner's configuration allows a run. `attended`: somebody can be asked for a yes.

    `hosts` may be asked after private text: a name, or `*.name` for all below it.
    `tool_microusd_max` is what its tools may cost in one run. `quarantine`: the model reads what
    strangers wrote, and may neither send nor change anything.
    """

    attended: bool = False
    hosts: frozenset[str] = frozenset()
    tool_microusd_max: int = 0
    quarantine: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that the model wants: its labels as the tool tells them for these arguments, those of
    the tool in general, and what it will cost, as far as that is known before.
    """

    tool: str
    arguments: Mapping[str, Any]
    labels: Labels
    tool_labels: Labels = NO_LABELS
    price_microusd: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, the rule it comes from and its sentence. `plain`: texts go without links."""

    verdict: Verdict
    rule: str
    because: str
    plain: bool = field(default=False)

    @property
    def allowed(self) -> bool:
        """Whether it may be made at once."""
        return self.verdict is Verdict.ALLOW


def judge(asked: Asked, *, taint: Labels, spent_microusd: int, rules: Rules) -> Judgement:
    """The first rule that speaks decides. `taint` and `spent_microusd` are those of the run."""
    if rules.quarantine and HELD_IN_QUARANTINE & (asked.labels | asked.tool_labels):
        return refused(
            "quarantine", "what strangers wrote is read without tools that send, change or cost"
        )
    if Label.COSTS in asked.labels and over_cap(asked, spent_microusd, rules=rules):
        cap_usd = rules.tool_microusd_max / MICROUSD_PER_USD
        return refused("costs", f"tools of this job may cost ${cap_usd:.2f} a run (tools_usd)")
    if Label.PRIVATE in taint and (host := foreign_host(asked.arguments, rules.hosts)) is not None:
        return refused("hosts", f"after private text {host or 'that address'} is not asked (hosts)")
    if sent := exit_of(asked, taint):
        return needs_yes("sends", sent, rules=rules)
    if Label.CHANGES in asked.labels:
        return needs_yes("changes", "it changes what the job does not declare", rules=rules)
    declared = Label.SENDS in asked.tool_labels - asked.labels
    strip = declared and taint >= MIXED and not any(addresses(asked.arguments))
    return Judgement(Verdict.ALLOW, "labels", "nothing speaks against it", plain=strip)


def exit_of(asked: Asked, taint: Labels) -> str:
    """Why a call would be a way out for what it must not carry; empty where it is none.

    One that only sends, and brings nothing back to read, is somebody's word: strangers' text is no
    reason to say it. One that fetches carries out its address, which is harmless until the run
    holds what is private.
    """
    if Label.SENDS not in asked.labels:
        return ""
    if taint >= MIXED:
        return "it would send, and the run holds private text and strangers'"
    if Label.UNTRUSTED in taint and Label.UNTRUSTED not in asked.labels:
        return "it would send, and the run has read strangers' text"
    return ""


def refused(rule: str, because: str) -> Judgement:
    """No, whoever is there."""
    return Judgement(Verdict.REFUSE, rule, because)


def needs_yes(rule: str, because: str, *, rules: Rules) -> Judgement:
    """The owner is asked; where nobody can be, it is a no."""
    if not rules.attended:
        return refused(rule, f"{because}, and nobody is there to approve it")
    return Judgement(Verdict.ASK, rule, because)


def grown(taint: Labels, *more: Labels) -> Labels:
    """The taint after these labels. It never shrinks."""
    return taint.union(*(TAINTING & labels for labels in more))


def over_cap(asked: Asked, spent_microusd: int, *, rules: Rules) -> bool:
    """Whether nothing is left, or not enough for this one."""
    left = rules.tool_microusd_max - spent_microusd
    return left <= 0 or asked.price_microusd > left


def foreign_host(arguments: Mapping[str, Any], hosts: frozenset[str]) -> str | None:
    """The first host that is not on the list, empty for an address without a readable one; None
    where every address is, or there is none.
    """
    for address in addresses(arguments):
        host = host_of(address)
        if not any(covers(pattern, host) for pattern in hosts):
            return host
    return None


def addresses(arguments: Mapping[str, Any]) -> Iterator[str]:
    """What in the arguments is a web address: by its look, or by the name it is given under."""
    stack: list[tuple[str, Any]] = list(arguments.items())
    while stack:
        name, value = stack.pop()
        if isinstance(value, Mapping):
            stack += value.items()
        elif isinstance(value, list | tuple):
            stack += [(name, one) for one in value]
        elif isinstance(value, str) and (HTTP.match(value) or name.lower() in ADDRESS_NAMES):
            yield value


def host_of(address: str) -> str:
    """The host of a web address in small letters; empty where it is written in a doubtful way."""
    found = ADDRESS.fullmatch(address.strip())
    return found.group(1).lower().rstrip(".") if found else ""


def covers(pattern: str, host: str) -> bool:
    """Whether a host is meant by a name, or lies below a `*.name`."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:].lower())
    return bool(host) and host == pattern.lower()


def plain(text: str) -> str:
    """The text without links, images and tags, and with nothing a messenger would make a link of:
    a preview that somebody's program fetches carries out what stands in its address.
    """
    for pattern, left, end in DRESSED:
        last = text.rfind(end) + 1
        text = pattern.sub(left, text[:last]) + text[last:]
    for pattern in (WITH_SCHEME, PATH_LIKE):
        text = pattern.sub(LINK_GONE, text)
    return HOST_LIKE.sub(lambda found: found.group().replace(".", "[.]"), text)


def plain_arguments(value: Any) -> Any:
    """The same arguments with every text in them plain."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {name: plain_arguments(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_arguments(one) for one in value]
    return value


def unlinked(text: str) -> str:
    """The text with its addresses written so that no program follows them, and a person can still
    read them whole.
    """
    text = text.replace("://", "[://]")
    return HOST_LIKE.sub(lambda found: found.group().replace(".", "[.]"), text)
