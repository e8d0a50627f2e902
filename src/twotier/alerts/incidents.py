"""What opens an incident, what ends it, and the messages about both. Pure.

An incident has a key. While it is open, whoever says the same again changes its sentence and
nothing else, except that a higher severity is told once more. Of those that begin or end together
about one thing, a person gets one message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from twotier.domain.alert import Alert, Condition, Severity

TEXT_CHARACTERS_MAX = 2_000
SERVER = "server:"
PORT_KEY = "port:gateway"
URGENT_KINDS = frozenset({"quarantined", "stopped"})  # nothing comes back by itself


@dataclass(frozen=True, slots=True)
class Look:
    """What one source says: these hold; any other open one whose key begins with one of `scopes`
    is over, apart from those of `keeps`, of which the source cannot tell, and those that end like
    one of `lasting`: said once, they stay until their time is over.
    """

    holds: Sequence[Condition] = ()
    scopes: tuple[str, ...] = ()
    keeps: frozenset[str] = frozenset()
    lasting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """One that is or was open."""

    key: str
    about: str
    kind: str
    text: str
    severity: Severity
    opened_at: datetime
    ended_at: datetime | None = None

    @property
    def id(self) -> str:
        """Of this one among those of its key."""
        return f"{self.key}@{self.opened_at.isoformat()}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A message about incidents, before anybody knows where it goes. `key` is its own for ever."""

    key: str
    title: str
    text: str
    severity: Severity
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What a look changes. `opened` holds those that a person has to hear of (again)."""

    opened: tuple[Incident, ...] = ()
    ended: tuple[Incident, ...] = ()
    changed: tuple[Incident, ...] = ()


def condition_of(alert: Alert) -> Condition:
    """A step that was seen, as what holds from then on; all trouble of one server is one."""
    key = PORT_KEY if (alert.about, alert.kind) == ("gateway", "port") else SERVER + alert.about
    severity = Severity.URGENT if alert.kind in URGENT_KINDS else Severity.WARNING
    return Condition(key, alert.about, alert.kind, alert.text, severity)


def step(open_: Mapping[str, Incident], look: Look, *, now: datetime) -> Step:
    """What changes for the incidents that are open, by their keys."""
    held = {one.key: one for one in look.holds}
    opened, changed = [], []
    for condition in held.values():
        known = open_.get(condition.key)
        after = _held(known, condition, now=now)
        if known is None or after.severity.rank > known.severity.rank:
            opened.append(after)
        elif after != known:
            changed.append(after)
    ended = [
        replace(one, ended_at=now)
        for key, one in open_.items()
        if key.startswith(look.scopes) and key not in held and not _stays(key, look)
    ]
    return Step(tuple(opened), tuple(ended), tuple(changed))


def _stays(key: str, look: Look) -> bool:
    return key in look.keeps or key.endswith(look.lasting)


def _held(known: Incident | None, condition: Condition, *, now: datetime) -> Incident:
    """The incident with what is said of it now; its severity never falls while it is open."""
    text = plain(condition.text)
    if known is None:
        about, kind = plain(condition.about), plain(condition.kind)
        return Incident(condition.key, about, kind, text, condition.severity, now)
    if condition.severity.rank < known.severity.rank:
        return replace(known, text=text)
    return replace(known, kind=plain(condition.kind), text=text, severity=condition.severity)


def notices(step: Step) -> list[Notice]:
    """The messages: one for each thing that has something new, one for each that is well again."""
    begun = [_notice(group, "") for group in _together(step.opened)]
    over = [_notice(group, " resolved") for group in _together(step.ended)]
    return begun + over


def _together(incidents: Iterable[Incident]) -> Iterator[list[Incident]]:
    groups: dict[str, list[Incident]] = {}
    for one in incidents:
        groups.setdefault(one.about, []).append(one)
    yield from groups.values()


def _notice(group: list[Incident], over: str) -> Notice:
    kinds = ", ".join(dict.fromkeys(one.kind for one in group))
    worst = max((one.severity for one in group), key=lambda severity: severity.rank)
    first = group[0]
    at = first.ended_at or first.opened_at
    title = f"twotier: {first.about} ({kinds}){over}"
    text = "\n".join(one.text if not over else _ended_text(one) for one in group)
    ids = "\n".join(f"{one.id}/{one.severity}{over}" for one in group)
    facts = {
        "about": first.about,
        "kind": kinds,
        "state": "resolved" if over else "open",
        "severity": worst.value,
        "at": at.isoformat(),
    }
    return Notice(digest_of(ids), title, text, worst, facts)


def _ended_text(one: Incident) -> str:
    seconds = ((one.ended_at or one.opened_at) - one.opened_at).total_seconds()
    return f"over after {lasted(seconds)}; it was: {one.text}"


def lasted(seconds: float) -> str:
    """A time in its largest unit, for a sentence."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def digest_of(text: str) -> str:
    """A short key for a message, fit for a header."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def plain(text: str) -> str:
    """Text that no terminal, header or file trips over, of a bounded length.

    It may quote a page or a mail: control characters could steer the terminal that shows it.
    """
    said = text.encode("utf-8", "replace").decode()
    kept = "".join(one if one.isprintable() or one == "\n" else " " for one in said)
    cut = kept[:TEXT_CHARACTERS_MAX]
    return cut if cut == kept else f"{cut} ..."
