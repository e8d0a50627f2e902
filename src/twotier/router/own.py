"""The owner's own rules: `[[rules]]` of the configuration, compiled once.

A rule holds where all of its conditions do; of several values of one condition any will do, and `*`
in a text stands for anything. Then it names a tier or a side, or it restricts: `local-only` work
does not leave this machine, whoever else says what. A rule never widens what another one restricts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from twotier.domain.known import Known
from twotier.domain.message import Dialect
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.row import Abstains, Choice, Look, Row

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ANY = "*"
Test = Callable[[Task], bool]


@dataclass(frozen=True, slots=True)
class Span:
    """Hours of the day in a zone, as minutes from midnight; up to the next day where `until` comes
    first, and the day is the one on which they began. `days` counts from Monday; none: every day.
    """

    since: int = 0
    until: int = 24 * 60
    days: frozenset[int] = frozenset()
    zone: str = "UTC"

    def test(self) -> Callable[[datetime], bool]:
        """Whether an instant is within."""
        zone, since, until, days = ZoneInfo(self.zone), self.since, self.until, self.days

        def within(at: datetime) -> bool:
            here = at.astimezone(zone)
            minute, day = here.hour * 60 + here.minute, here.weekday()
            if since < until:
                inside = since <= minute < until
            else:
                inside = minute >= since or minute < until
                day = day if minute >= since else (day - 1) % 7
            return inside and (not days or day in days)

        return within


@dataclass(frozen=True, slots=True)
class Own:
    """One rule as it is written: `tier`, `side` or `local_only` is what it does, `text` is why.

    `clients`, `jobs`, `kinds`, `models` (as asked for) and the values of `headers` (by their names
    in small letters) may hold `*`. `tools`: whether the request has any.
    """

    name: str
    text: str = ""
    tier: str = ""
    side: str = ""
    local_only: bool = False
    clients: Sequence[str] = ()
    jobs: Sequence[str] = ()
    kinds: Sequence[str] = ()
    models: Sequence[str] = ()
    dialects: frozenset[Dialect] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens_over: int | None = None
    tokens_under: int | None = None
    tools: bool | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A rule that restricts: where it `holds`, work is local-only."""

    name: str
    holds: Test
    text: str


def guard_of(own: Own) -> Guard:
    """A rule that restricts."""
    return Guard(own.name, holds_of(own), reason(own))


def row_of(own: Own) -> Row:
    """A rule that chooses, as a row among the others."""
    holds = holds_of(own)
    saw = (described(own) or "everything").replace("{", "{{").replace("}", "}}")
    return Row(own.name, when=lambda task, _: holds(task), look=look_of(own), saw=saw, own=True)


def look_of(own: Own) -> Look:
    """What a rule chooses, and what it says where its tier is no option."""
    choice = Choice(reason(own), own.side, own.tier, sure=True)
    out = Abstains(f"it names {own.tier}, which is no option here: {reason(own)}")

    def look(task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:  # noqa: ARG001
        there = not own.tier or any(tier.name == own.tier for tier in tiers)
        return choice if there else out

    return look


def reason(own: Own) -> str:
    """Why, in the owner's words, and where the rule holds."""
    where = described(own)
    text = own.text or "a rule of yours"
    return f"{text} ({where})" if where else text


def described(own: Own) -> str:
    """Its conditions, for people."""
    return ", ".join(conditions(own))


def conditions(own: Own) -> Iterator[str]:
    """Each condition in a few words."""
    texts = {"client": own.clients, "job": own.jobs, "kind": own.kinds, "model": own.models}
    for name, values in texts.items():
        if values:
            yield f"{name} {' or '.join(values)}"
    if own.dialects:
        yield f"asked as {' or '.join(sorted(own.dialects))}"
    yield from (f"header {name}: {value}" for name, value in own.headers.items())
    if own.tokens_over is not None:
        yield f"a prompt over {own.tokens_over} tokens"
    if own.tokens_under is not None:
        yield f"a prompt under {own.tokens_under} tokens"
    if own.tools is not None:
        yield "with tools" if own.tools else "without tools"
    if own.span is not None:
        yield spoken(own.span)


def spoken(span: Span) -> str:
    """Hours and days, for people."""
    days = " ".join(DAYS[day] for day in sorted(span.days))
    until = span.until % (24 * 60)
    hours = f"{clock(span.since)}-{clock(until)}" if (span.since, until) != (0, 0) else ""
    return " ".join(part for part in (days, hours, span.zone) if part)


def clock(minute: int) -> str:
    """`22:30`."""
    return f"{minute // 60:02}:{minute % 60:02}"


def holds_of(own: Own) -> Test:
    """Whether all conditions hold. One test for each that is set, the cheap ones first."""
    tests = tuple(tests_of(own))

    def holds(task: Task) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs more than most of the tests
            if not test(task):
                return False
        return True

    return tests[0] if len(tests) == 1 else holds


def tests_of(own: Own) -> Iterator[Test]:
    """The test of each condition that is set."""
    if own.tools is not None:
        wanted = own.tools
        yield lambda task: bool(task.tools) is wanted
    if own.tokens_over is not None:
        over = own.tokens_over
        yield lambda task: task.prompt_tokens > over
    if own.tokens_under is not None:
        under = own.tokens_under
        yield lambda task: task.prompt_tokens < under
    if own.dialects:
        dialects = own.dialects
        yield lambda task: task.dialect in dialects
    yield from text_tests(own)
    if own.span is not None:
        within, unknown = own.span.test(), own.local_only
        # Where nobody knows when it came, what restricts does so, and what chooses does not.
        yield lambda task: unknown if task.at is None else within(task.at)


def text_tests(own: Own) -> Iterator[Test]:
    """The tests of names and headers."""
    if own.clients:
        client = one_of(own.clients)
        yield lambda task: client(task.client)
    if own.jobs:
        job = one_of(own.jobs)
        yield lambda task: job(task.job)
    if own.kinds:
        kind = one_of(own.kinds)
        yield lambda task: kind(task.kind)
    if own.models:
        model = one_of(own.models)
        yield lambda task: model(task.model_asked)
    for name, value in own.headers.items():
        yield header_test(name, value)


def header_test(name: str, value: str) -> Test:
    """Whether a header is there and says so."""
    return lambda task: name in task.headers and like(value, task.headers[name])


def one_of(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a text is one of these. An absent name is like nothing, not even `*`."""
    exact = frozenset(one for one in patterns if ANY not in one)
    loose = tuple(one for one in patterns if ANY in one)
    if not loose:
        return exact.__contains__

    def met(text: str) -> bool:
        if text in exact:
            return True
        for one in loose if text else ():  # noqa: SIM110 - as above
            if like(one, text):
                return True
        return False

    return met


def like(pattern: str, text: str) -> bool:
    """Whether `*` in the pattern can stand for something so that it is the text. Never more than
    one look along the text, whatever the pattern is.
    """
    if ANY not in pattern:
        return text == pattern
    first, *middle, last = pattern.split(ANY)
    end = len(text) - len(last)
    if end < len(first) or not (text.startswith(first) and text.endswith(last)):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
