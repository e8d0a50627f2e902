"""How a tier is chosen where nobody named one: the preset and its order, and the owner's rules."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, Protocol, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from twotier.config.record import QualityConfig, RecordConfig
from twotier.config.section import Section, listed, raise_all
from twotier.config.values import NAME, Limit, Rule, RuleName, TierName, Usd, Zone
from twotier.config.work import JobConfig
from twotier.domain.message import PATHS

OWN, LAST = "rules", "default"  # of `router.rows`; a test compares them
# What stands in headers and ledger rows already, for what is no row.
TAKEN = frozenset(
    {OWN, "explicit", "policy", "private", "price", "able", "fit", "health", "budget", "fallback"}
)
SECRET_HEADERS = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "x-auth-token"),
        *("x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token"),
    }
)
HEADER = re.compile(r"[a-z0-9!#$%&'+.^_`|~-]+")
BETWEEN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
DAY_MINUTES = 24 * 60
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
# The kinds of `router.rules.KINDS`, and the one for what nobody can tell; a test compares them.
Kind = Literal["polling", "bulk-write", "frontier-reasoning", "read-report", "unknown"]


def several(value: object) -> object:
    """One text stands for a list of it."""
    return (value,) if isinstance(value, str) else value


def filled(value: str) -> str:
    """A text that can be met."""
    if not value.strip():
        raise ValueError('an empty text meets nothing; leave the condition out, or write "*"')
    return value


def own_name(value: str) -> str:
    """A name for a rule that is no other's."""
    if not NAME.fullmatch(value):
        raise ValueError("a rule's name is 1 to 64 of a-z, 0-9, - and _, and begins with neither")
    if value in TAKEN or value in get_args(Rule):
        raise ValueError(f"{value!r} is a rule of twotier's own; call yours something else")
    return value


def known_path(value: str) -> str:
    """A path that models are asked at."""
    there = [f"/v1{path}" for path in PATHS.values()]
    if value not in there:
        raise ValueError(f"{value!r} is no path of a model; there are: {listed(there)}")
    return value


def header_name(value: str) -> str:
    """A header's name in small letters; one that holds a key is refused, unrepeated."""
    name = value.lower()
    if name in SECRET_HEADERS:
        raise ValueError("this header holds a secret, which no rule may hold; match on client")
    if not HEADER.fullmatch(name):
        raise ValueError(f"{value!r} is no name of a header; write for example x-team")
    return name


def hours(value: str) -> str:
    """Two times of the day, up to 24:00."""
    match = BETWEEN.fullmatch(value)
    since, until = minutes(value) if match else (0, 0)
    if value and (match is None or since == until or until > DAY_MINUTES):
        raise ValueError(f"{value!r} is no time of the day; write for example 22:00-06:00")
    return value


def minutes(value: str) -> tuple[int, int]:
    """The two times of a checked text, as minutes from midnight; of an empty one the whole day."""
    if not value:
        return 0, DAY_MINUTES
    since, until = (part.split(":") for part in value.split("-"))
    return int(since[0]) * 60 + int(since[1]), int(until[0]) * 60 + int(until[1])


Text = Annotated[str, AfterValidator(filled)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(several)]
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(several)]
Days = Annotated[tuple[Day, ...], BeforeValidator(several)]
Paths = Annotated[tuple[Annotated[str, AfterValidator(known_path)], ...], BeforeValidator(several)]
OwnName = Annotated[str, AfterValidator(own_name)]
HeaderName = Annotated[str, AfterValidator(header_name)]


class RoutingConfig(Section):
    """How a tier is chosen where nobody named one."""

    preset: Literal["default", "article"] = Field(
        "default",
        description="The rules to begin with: default asks what is known first (time, conversation,"
        " record), article is the tree of the article alone. See docs/routing.md.",
    )
    order: tuple[str, ...] = Field(
        (),
        description="Rules that are asked first, in this order; the others follow as the preset has"
        " them. A rule that the preset lacks is added; `rules` stands for your own.",
    )
    patience: Limit = Field(
        120.0,
        description="How long somebody without a deadline waits for a whole answer; the rule time"
        " sends to the frontier what takes longer here.",
    )
    value_usd: Usd = Field(
        Decimal(1),
        description="What a right answer is worth to you in place of a wrong one; the rule gain"
        " holds it against what the frontier costs.",
    )
    off: tuple[RuleName, ...] = Field(
        (),
        description="Rules that are switched off: time, session, record, unproven, polling,"
        " bulk-write, frontier-reasoning, read-report, gain, default.",
    )
    record: RecordConfig = Field(
        default_factory=RecordConfig, description="What each job's own record is used for."
    )
    quality: QualityConfig = Field(
        default_factory=QualityConfig, description="A watch over the local tier's answers."
    )


class RuleConfig(Section):
    """A rule of your own. It holds where all of its conditions do; of several values of one
    condition any will do, and `*` stands for anything. Then it does one of three things.
    """

    name: OwnName = Field(description="Its name, in headers, ledger and `twotier route`.")
    because: str = Field("", description="Why, in one sentence; it is told with each decision.")
    client: Texts = Field((), description="Who asks: names of keys (`twotier key list`).")
    job: Texts = Field((), description="The job it is asked for.")
    kind: Kinds = Field(
        (),
        description="The kind of work, as far as it can be told: polling, bulk-write,"
        " frontier-reasoning, read-report, unknown.",
    )
    model: Texts = Field(
        (),
        description="The model that is asked for. With tier or side the rule says what that name"
        " stands for, as an alias does, and comes before all others.",
    )
    path: Paths = Field((), description="Where it is asked, such as /v1/messages.")
    header: dict[HeaderName, str] = Field(
        default_factory=dict,
        description="Headers that the request must carry, with these values. A client can send any,"
        " so what must stay local should not hang on one.",
    )
    prompt_tokens_over: int | None = Field(
        None, ge=0, description="A prompt of more tokens, by estimate."
    )
    prompt_tokens_under: int | None = Field(
        None, ge=1, description="A prompt of fewer tokens, by estimate."
    )
    tools: bool | None = Field(None, description="Whether the request has tools.")
    between: Annotated[str, AfterValidator(hours)] = Field(
        "", description="Times of the day, such as 22:00-06:00; then the day is the first one."
    )
    days: Days = Field((), description="Days of the week: mon, tue, wed, thu, fri, sat, sun.")
    zone: Zone = Field("local", description="Time zone of between and days.")
    tier: TierName | None = Field(
        None, description="It goes to this tier first, and where that fails to the others."
    )
    side: Literal["local", "frontier"] | None = Field(
        None, description="Or to any tier of this side first: local, frontier."
    )
    policy: Literal["local-only"] | None = Field(
        None,
        description="Or it is held to local-only, also where a model is named: no tier off this"
        " machine is asked, whatever else is said.",
    )

    @model_validator(mode="after")
    def one_effect(self) -> RuleConfig:
        """A rule does one thing."""
        return raise_all(self, self.problems())

    def problems(self) -> Iterator[str]:
        """What does not fit, one sentence each."""
        done = [one for one in (self.tier, self.side, self.policy) if one is not None]
        if len(done) != 1:
            yield 'does one thing: tier = "NAME", side = "local" or policy = "local-only"'
        if self.policy and self.kind:
            yield (
                "policy must not hang on kind, which is a guess; match on client, job, path or"
                " model"
            )
        over, under = self.prompt_tokens_over, self.prompt_tokens_under
        if over is not None and under is not None and over + 1 >= under:
            yield f"no prompt has over {over} and under {under} tokens"
        if self.policy is None and self.model and "auto" in self.model:
            yield "model: auto is no model; leave the condition out"


class HasSide(Protocol):
    """What is asked of a tier here."""

    @property
    def in_place_of(self) -> str | None:
        """The tier whose place it takes, where it stands by."""

    @property
    def is_local(self) -> bool:
        """On the owner's own machine."""


def rule_problems(
    routing: RoutingConfig,
    rules: Sequence[RuleConfig],
    *,
    tiers: Mapping[str, HasSide],
    jobs: Sequence[JobConfig],
) -> Iterator[str]:
    """Rules with one name, of tiers or jobs that there are not, or in an order that is none."""
    names = [rule.name for rule in rules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"rules: the name {name!r} is used twice"
    yield from order_problems(routing, names)
    for number, rule in enumerate(rules):
        yield from (f"rules.{number}.{one}" for one in target_problems(rule, tiers))
        there = [job.name for job in jobs]
        for job in rule.job:
            if "*" not in job and job not in there:
                yield f"rules.{number}.job: no job {job!r}; there are: {listed(there)}"


def target_problems(rule: RuleConfig, tiers: Mapping[str, HasSide]) -> Iterator[str]:
    """What a rule names and there is not. A file without tiers is unfinished, not wrong."""
    if not tiers:
        return
    sides = {tier.is_local for tier in tiers.values()}
    if rule.tier is not None and rule.tier not in tiers:
        yield f"tier: no tier {rule.tier!r}; there are: {listed(tiers)}"
    elif rule.tier is not None and tiers[rule.tier].in_place_of and not rule.model:
        yield f"tier: {rule.tier!r} stands by and is asked by its name alone"
    if (rule.policy or rule.side == "local") and True not in sides:
        yield f"{'policy' if rule.policy else 'side'}: needs a local tier; add one"
    if rule.side == "frontier" and False not in sides:
        yield "side: needs a tier that is not local; add one"


def order_problems(routing: RoutingConfig, own: Collection[str]) -> Iterator[str]:
    """Names in an order that no rule has, that stand there twice, or that have a place already."""
    known = [*(name for name in get_args(Rule) if name != LAST), OWN, *own]
    for number, name in enumerate(routing.order):
        if name == LAST:
            yield f"routing.order.{number}: {LAST} is always the last one; leave it out"
        elif name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {listed(known)}"
            yield f"routing.order.{number}: there is no rule {name!r}; {hint}"
        elif name in routing.order[:number]:
            yield f"routing.order.{number}: {name!r} stands there twice"
