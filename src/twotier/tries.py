"""Which tier is tried, how often, and what its trouble teaches: everything before the first byte.

The tiers of a decision are tried in turn. One whose breaker is open is passed over in microseconds;
where nothing else is left it is refused aloud, with the time after which it may be asked again. A
failure goes to the next tier at once where one is ready; only where none is, the same tier is asked
a second time. Each try is an attempt of its own, reserved and settled by itself.

An answer that was cut inside a tool call, before anything of it went out, is asked for once more
with twice the limit, then of the next tier: if it cost nothing, and the limit was ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from twotier import errors
from twotier.domain.clock import Clock
from twotier.domain.message import Request, Usage
from twotier.domain.money import Attempt
from twotier.domain.task import Task
from twotier.exchange import Exchange, Ground, Tier
from twotier.overseer import Overseer
from twotier.router.breaker import Breakers, Key, Signal, signal_of
from twotier.router.retry import PATIENCE_SECONDS, RetryBudget, wait_after
from twotier.slots import Patience
from twotier.verify.guards import Usual

# Statuses that speak of the upstream, not of the request: another tier may do better. Without any
# (0) it hung up.
ELSEWHERE = frozenset({0, 401, 402, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a process knows of its upstreams' trouble, and the chance that spreads its retries."""

    breakers: Breakers
    budget: RetryBudget
    random: Callable[[], float]


class Plan(msgspec.Struct, frozen=True):
    """The rows of a decision, made when their turn comes.

    `ready` tells whether a tier behind that number of the decision is ready. `usual` is what such
    an answer needs, None where nobody may break it off.
    """

    attempts: Iterator[Attempt]
    ready: Callable[[int], bool]
    usual: Usual | None = None


class Tries:
    """The way from a plan to an exchange that has content.

    `expected` gives the tokens to expect of a tier for a task.
    """

    def __init__(
        self,
        tiers: Mapping[str, Tier],
        expected: Callable[[str, Task], Usage],
        *,
        ground: Ground,
        remedy: Remedy,
    ) -> None:
        self._tiers = tiers
        self._expected = expected
        self._ground = ground
        self._remedy = remedy

    async def opened(
        self, request: Request, task: Task, *, plan: Plan
    ) -> tuple[Exchange, list[str]]:
        """The first exchange that opens, and why the ones before it did not.

        If none opens, the error that ended the first tier's tries is raised, with what all of them
        said.
        """
        self._remedy.budget.earn()
        way = _Way(task, plan, remedy=self._remedy, clock=self._ground.clock)
        attempt = way.next_tier()
        while attempt is not None:
            try:
                opened = await self._open(request, way.task, attempt=attempt, way=way)
            except errors.TwotierError as exc:
                attempt = await way.after(exc)
                continue
            attempt = self._after_cut(way, opened)
            if attempt is None:
                return opened, way.failures
            await opened.close()
        raise way.error()

    def _after_cut(self, way: _Way, opened: Exchange) -> Attempt | None:
        """What comes after an answer that was cut inside a call; None where this one was not."""
        limit = opened.cut()
        if not limit:
            return None
        more = replace(way.task, output_tokens_asked=2 * limit)
        grows = self._expected(opened.attempt.tier, more).output_tokens > limit
        return way.after_cut(limit, more if grows else None)

    async def _open(self, request: Request, task: Task, *, attempt: Attempt, way: _Way) -> Exchange:
        """One try. Whatever becomes of it, its breaker hears."""
        breakers, clock = self._remedy.breakers, self._ground.clock
        key = key_of(attempt)
        admission = breakers.admit(key, now=clock.monotonic())
        if admission.refused:
            raise errors.TierUnavailableError(
                f"{admission.refused}; `twotier status` shows more",
                retry_after_seconds=admission.retry_after_seconds,
            )
        tier = self._tiers[attempt.tier]
        exchange = Exchange(
            tier,
            request,
            attempt=attempt,
            expected=self._expected(attempt.tier, task),
            ground=self._ground,
            overseer=way.overseer(tier, request),
        )
        signal, because = Signal.UNTOLD, ""
        try:
            await exchange.open(Patience(way.left_seconds(), way.elsewhere))
            signal = Signal.ANSWERED
            return exchange
        except errors.TwotierError as exc:
            signal, because = signal_of(exc, kept=tier.kept), exc.message
            raise
        finally:
            breakers.note(
                key, signal, now=clock.monotonic(), because=because, probing=admission.probing
            )


class _Way:
    """One request on its way through the tiers. `task` is what the tier is asked that is tried."""

    def __init__(self, task: Task, plan: Plan, *, remedy: Remedy, clock: Clock) -> None:
        self.task = self._given = task
        self.failures: list[str] = []
        self._first: errors.TwotierError | None = None
        self._plan = plan
        self._remedy = remedy
        self._clock = clock
        self._began = clock.monotonic()
        seconds = task.deadline_seconds
        self._until = self._began + (PATIENCE_SECONDS if seconds is None else seconds)
        self._attempt: Attempt | None = None
        self._capped = False  # a budget turned it away from a tier, and chooses the next one
        self._number = -1
        self._tries = 0

    def next_tier(self) -> Attempt | None:
        """The first try at the next tier; None after the last."""
        self._attempt = next(self._plan.attempts, None)
        if self._capped and self._attempt is not None:
            self._attempt = replace(self._attempt, rule="budget")
        self._number += 1
        self._tries = 1
        self.task = self._given
        return self._attempt

    def left_seconds(self) -> float | None:
        """What is left of its time; None where it was given none."""
        if self._given.deadline_seconds is None:
            return None
        return max(0.0, self._until - self._clock.monotonic())

    def elsewhere(self) -> bool:
        """Whether another tier could take over now."""
        return self._plan.ready(self._number)

    def overseer(self, tier: Tier, request: Request) -> Overseer | None:
        """Who watches the answer while nobody sees it: of a free tier, with another one behind it
        that could take over. A server that would not stream by itself is only made to where enough
        is known of such answers.
        """
        usual, tried = self._plan.usual, self._attempt
        if usual is None or request.stream or tried is None or not tried.price.free:
            return None
        if not (tier.spec.stream_always or usual.known) or not self.elsewhere():
            return None
        until = None if self._given.deadline_seconds is None else self._until
        clock = self._clock.monotonic
        return Overseer(usual, elsewhere=self.elsewhere, monotonic=clock, until=until)

    async def after(self, error: errors.TwotierError) -> Attempt | None:
        """What comes after a failure: the same tier a little later, the next one, or nothing."""
        tried = self._attempt
        assert tried is not None  # noqa: S101 - it is what failed
        self.failures.append(f"{tried.tier}: {error.message}")
        self._capped = self._capped or isinstance(error, errors.BudgetError)
        if not self.elsewhere():
            wait = wait_after(
                error,
                tries=self._tries,
                left_seconds=self._until - self._clock.monotonic(),
                budget=self._remedy.budget,
                random=self._remedy.random(),
            )
            error.spent = wait.spent
            if wait.seconds is not None:
                await self._clock.sleep(wait.seconds)
                return self._again(tried)
        # That another tier has no key yet is not why this one failed.
        if self._first is None or isinstance(self._first, errors.NoModelError):
            self._first = error
        return self.next_tier() if elsewhere(error) else None

    def after_cut(self, limit: int, more: Task | None) -> Attempt | None:
        """What comes after an answer that this limit cut inside a call: the same tier with more,
        once, or the next one. None: it stays the answer, because somebody paid for it, the limit is
        the client's own, or no other tier is ready.
        """
        tried = self._attempt
        assert tried is not None  # noqa: S101 - it is what was cut
        if not tried.price.free or self._given.output_tokens_asked is not None:
            return None
        said = f"its limit of {limit} tokens cut a tool call"
        if more is not None and self.task is self._given and self._has_time():
            self.failures.append(f"{tried.tier}: {said}, so it was asked again with more")
            self.task = more
            return self._again(tried)
        if not self.elsewhere():
            return None
        error = errors.UpstreamError(f"{said}; ask with more max_tokens", upstream_status=502)
        self.failures.append(f"{tried.tier}: {error.message}")
        self._first = self._first or error
        return self.next_tier()

    def _has_time(self) -> bool:
        """Whether as much is left as was spent, and a retry can be afforded."""
        now = self._clock.monotonic()
        late = self._given.deadline_seconds is not None and now - self._began > self._until - now
        return not late and self._remedy.budget.take()

    def _again(self, tried: Attempt) -> Attempt:
        self._tries += 1
        return replace(tried, id=f"{tried.id}r{self._tries}")

    def error(self) -> errors.TwotierError:
        """The first tier's error, with all that was said, each sentence once."""
        assert self._first is not None  # noqa: S101 - a decision without options is refused before
        self._first.message = "; ".join(dict.fromkeys(self.failures))
        return self._first


def key_of(attempt: Attempt) -> Key:
    """The breaker that hears of an attempt.

    Counting has one of its own: many tiers do it without asking their server, and an answer that
    did not come from there is no sign that it lives.
    """
    if attempt.dialect == "anthropic_count":
        return attempt.tier, f"{attempt.model} counting"
    return attempt.tier, attempt.model


def elsewhere(error: errors.TwotierError) -> bool:
    """Whether another tier may do what this one could not."""
    if isinstance(error, errors.UpstreamError):
        return error.billing or error.upstream_status in ELSEWHERE
    # What one cannot hold or be told may be nothing to another; any other fault stays one.
    of_tier = isinstance(error, errors.TooLongError | errors.UnsayableError)
    return of_tier or not isinstance(error, errors.RequestError)
