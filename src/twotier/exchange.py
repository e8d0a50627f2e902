"""One attempt at one tier: reserve, ask, observe, settle. Exactly one row, settled exactly once.

An `Exchange` is opened before anything is sent to the client: `open` returns once the upstream has
shown real content (or the whole answer, for a client that does not stream), so that until then
another tier may still take over. After that nothing is retried: a failure becomes an error event
of the client's dialect, never a made-up finish.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace

from twotier.domain.clock import Clock
from twotier.domain.message import Closed, Event, Failed, Observed, Request, Usage
from twotier.domain.money import Attempt, Budget, Outcome, Settled, Settlement
from twotier.domain.tier import TierFacts, TierSpec
from twotier.errors import (
    StreamBrokenError,
    TierUnavailableError,
    TooLongError,
    TwotierError,
    UpstreamError,
)
from twotier.ledger.book import Book
from twotier.ledger.cost import cost
from twotier.protocols import INBOUND, OUTBOUND, StreamWriter
from twotier.protocols.assemble import Assembly
from twotier.providers.base import Ask, Deadlines, Provider, Reply
from twotier.say import fields, ref

log = logging.getLogger("twotier.exchange")

# Tokens a model may have written that had not reached us when the stream broke.
UNSEEN_TOKENS = 64
HELD_BYTES_MAX = 1_000_000
# llama.cpp and vLLM name it; Anthropic says it in the sentence of an `invalid_request_error`.
TOO_LONG_KINDS = frozenset({"exceed_context_size_error", "context_length_exceeded"})
TOO_LONG_WORDS = re.compile(r"prompt is too long|context (?:size|length|window)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier as it is asked. `keep` names the only fields its server may see; None means all."""

    spec: TierSpec
    provider: Provider
    facts: Callable[[], TierFacts]
    keep: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What every exchange stands on."""

    book: Book
    budgets: Sequence[Budget]
    clock: Clock


class Exchange:
    """See the module. Use: `open`, then `chunks`, and `close` whatever happened.

    `expected` holds the estimated input tokens and the limit of output tokens.
    """

    def __init__(
        self, tier: Tier, request: Request, *, attempt: Attempt, expected: Usage, ground: Ground
    ) -> None:
        self.tier = tier
        self.attempt = attempt
        self.observed = Observed()
        self.dropped: tuple[str, ...] = ()
        self._request = request
        self._expected = expected
        self._ground = ground
        self._theirs = OUTBOUND[tier.provider.dialect]
        self._ours = INBOUND[request.dialect]
        self._same = tier.provider.dialect == request.dialect
        self._streamed = request.stream or tier.spec.stream_always
        self._source: AsyncGenerator[bytes] | None = None
        self._reply: Reply | None = None
        self._held: list[bytes] = []
        self._error: TwotierError | None = None
        self._whole = False
        self._started = ground.clock.monotonic()
        self._first: float | None = None
        self._row = attempt.price.free  # a row of a free tier is written at the end, and always
        self._closed = False

    async def open(self) -> None:
        """Reserve where money is at stake, ask, and wait for the first real content.

        Raises what `Provider.ask` raises, `BudgetError` and `LedgerError`; then it is closed.
        """
        opened = False
        try:
            body = self._body()
            if not self.attempt.price.free:
                await self._ground.book.reserve(self.attempt, self._ground.budgets)
                self._row = True
            spec = self.tier.spec
            deadlines = Deadlines(
                spec.connect_seconds,
                spec.first_token_seconds,
                spec.idle_seconds,
                spec.total_seconds,
            )
            paid = not self.attempt.price.free
            self._reply = await self.tier.provider.ask(
                Ask(body, self._streamed, deadlines, paid=paid)
            )
            self._source = self._carry(self._reply)
            await self._hold()
            opened = True
        except UpstreamError as exc:
            self._error = too_long(exc) or exc
            raise self._error from exc
        except TwotierError as exc:
            self._error = exc
            raise
        finally:
            if not opened:
                await self.close()

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The bytes for the client, an error event of its dialect at the end where it failed."""
        for chunk in self._held:
            yield chunk
        if self._whole or self._source is None:
            return
        try:
            async for chunk in self._source:
                yield chunk
            self._whole = True
        except TwotierError as exc:
            self._error = exc
            yield self._writer().error(exc)

    async def close(self) -> None:
        """Let the upstream go and settle the row, exactly once."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._source is not None:
                await self._source.aclose()
            if self._reply is not None:
                await self._reply.close()
        finally:
            await self._settle()

    async def _settle(self) -> None:
        """The row's end. The book queues it at once, so that a cancelled caller loses nothing."""
        settlement = self.settlement()
        log.info("asked", extra=fields(self.attempt, settlement))
        if not self._row:
            return
        if self.attempt.price.free:
            self._ground.book.record(self.attempt, settlement)
        else:
            await self._ground.book.settle(self.attempt.id, settlement)

    @property
    def cost_microusd(self) -> int | None:
        """What it cost, once that is known; None before."""
        if not self.observed.usage_final:
            return None
        return self._charge()[2]

    def settlement(self) -> Settlement:
        """What this attempt comes to, as far as it is known now."""
        seen = self.observed
        settled, usage, microusd = self._charge()
        # A client may leave at the terminator, before the upstream closes its side.
        outcome = Outcome.OK if self._whole or seen.closed else Outcome.CANCELLED
        if self._error is not None:
            outcome = Outcome.ERROR
        return Settlement(
            settled=settled,
            outcome=outcome,
            cost_microusd=microusd,
            usage=usage,
            model_served=seen.model or self.attempt.model,
            error="" if self._error is None else f"{self._error.code}: {self._error.message}"[:300],
            upstream_status=upstream_status(self._reply, self._error),
            first_token_seconds=self._first,
            total_seconds=self._ground.clock.monotonic() - self._started,
        )

    def _charge(self) -> tuple[Settled, Usage, int]:
        """As far as it is known now."""
        return charge(self.attempt, self.observed, error=self._error, expected=self._expected)

    def _body(self) -> bytes:
        """The request in the upstream's dialect: rewritten where it is the same, else said anew."""
        model = self.attempt.model if self.attempt.model != self.tier.spec.model else ""
        model = model or self.tier.spec.model_upstream
        limit = self._expected.output_tokens
        if self._same:
            out = self._ours.rewrite(
                self._request,
                model=model,
                max_output_tokens=limit,
                stream=self._streamed,
                keep=self.tier.keep,
            )
        else:
            conversation = self._ours.read_conversation(self._request.body)
            out = self._theirs.write_request(
                conversation, model=model, max_output_tokens=limit, stream=self._streamed
            )
        self.dropped = out.unsaid
        return out.body

    async def _hold(self) -> None:
        """Take from the source until there is something no other tier could take back."""
        assert self._source is not None  # noqa: S101 - set by the only caller
        held = 0
        async for chunk in self._source:
            self._held.append(chunk)
            held += len(chunk)
            if self._request.stream and (self.observed.content or held > HELD_BYTES_MAX):
                break
        else:
            self._whole = True
        self._first = self._ground.clock.monotonic() - self._started

    def _carry(self, reply: Reply) -> AsyncGenerator[bytes]:
        """The one of four ways that fits how the client asked and how the upstream answers."""
        if not self._streamed:
            return self._whole_to_whole(reply)
        if not self._request.stream:
            return self._stream_to_whole(reply)
        renamed = self.tier.spec.model_upstream != self.tier.spec.model
        if self._same and not renamed:
            return self._relay(reply)
        return self._translate(reply)

    async def _relay(self, reply: Reply) -> AsyncGenerator[bytes]:
        """The upstream's own bytes, watched as they pass."""
        relay = self._ours.stream_relay(include_usage=self._request.include_usage)
        async for chunk in reply.chunks():
            out, events = relay.feed(chunk)
            self._observe(events)
            if out:
                yield out
        relay.end()

    async def _translate(self, reply: Reply) -> AsyncGenerator[bytes]:
        """The same events in the client's dialect."""
        reader = self._theirs.stream_reader()
        writer = self._writer()
        async for chunk in reply.chunks():
            events = reader.feed(chunk)
            self._observe(events)
            # The terminator waits until the stream has really ended well.
            kept = (event for event in events if not isinstance(event, Closed))
            if out := b"".join(writer.write(event) for event in kept):
                yield out
        reader.end()
        yield writer.write(Closed())

    async def _stream_to_whole(self, reply: Reply) -> AsyncGenerator[bytes]:
        """A streamed answer put together for a client that waits for all of it."""
        reader, assembler = self._theirs.stream_reader(), Assembly()
        async for chunk in reply.chunks():
            events = reader.feed(chunk)
            self._observe(events)
            for event in events:
                assembler.fold(event)
        reader.end()
        whole = replace(assembler.whole(), model=ref(self.attempt))
        yield self._ours.write_whole(whole, created=self._now())

    async def _whole_to_whole(self, reply: Reply) -> AsyncGenerator[bytes]:
        """One body, forwarded if the dialect is the same and said anew if not."""
        body = b"".join([chunk async for chunk in reply.chunks()])
        self.observed = self._theirs.observe_whole(body)
        if not self._same:
            whole = replace(self._theirs.read_whole(body), model=ref(self.attempt))
            body = self._ours.write_whole(whole, created=self._now())
        yield body

    def _writer(self) -> StreamWriter:
        """Writes a stream in the client's dialect."""
        return self._ours.stream_writer(
            self.attempt.request_id,
            model=ref(self.attempt),
            created=self._now(),
            include_usage=self._request.include_usage,
        )

    def _now(self) -> int:
        """Unix time in seconds, as answers carry it."""
        return int(self._ground.clock.now().timestamp())

    def _observe(self, events: Sequence[Event]) -> None:
        """Fold events for the ledger; an error inside the stream is an error here."""
        for event in events:
            self.observed.fold(event)
            if isinstance(event, Failed):
                raise UpstreamError(
                    event.message,
                    upstream_status=event.status,
                    upstream_kind=event.kind,
                    started=True,
                )


def too_long(error: UpstreamError) -> TooLongError | None:
    """The upstream's own word for a prompt that does not fit; our estimate is only that."""
    said = error.upstream_kind in TOO_LONG_KINDS or TOO_LONG_WORDS.search(error.message)
    if said and error.upstream_status in (400, 413):
        return TooLongError(f"{error.message}; shorten the prompt, or ask a tier with more room")
    return None


def charge(
    attempt: Attempt, seen: Observed, *, error: TwotierError | None, expected: Usage
) -> tuple[Settled, Usage, int]:
    """How sure the cost is, of which usage, and the cost in micro-dollars.

    The provider's final usage settles. An attempt the upstream never took is void. With a partial
    usage the input is known and the output is bounded by the bytes seen, two to a token, plus what
    may have been under way. With none at all the whole reservation is charged.
    """
    if seen.usage is not None and seen.usage_final:
        return Settled.SETTLED, seen.usage, cost(seen.usage, attempt.price)
    if never_taken(error):
        return Settled.VOID, Usage(), 0
    if seen.usage is None and not attempt.price.free:
        return Settled.ESTIMATED, Usage(), attempt.reserved_microusd
    usage = seen.usage or replace(expected, output_tokens=0)
    bound = min(expected.output_tokens, -(-seen.output_bytes // 2) + UNSEEN_TOKENS)
    usage = replace(usage, output_tokens=max(usage.output_tokens, bound))
    return Settled.ESTIMATED, usage, cost(usage, attempt.price)


def never_taken(error: TwotierError | None) -> bool:
    """True where the upstream certainly did no work: nothing was sent, or it refused at once."""
    if isinstance(error, UpstreamError):
        return not error.started
    return isinstance(error, TierUnavailableError) or (
        error is not None
        and error.status in (400, 402)
        and not isinstance(error, StreamBrokenError)
    )


def upstream_status(reply: Reply | None, error: TwotierError | None) -> int:
    """The HTTP status the upstream gave, 0 if it gave none."""
    if isinstance(error, UpstreamError):
        return error.upstream_status
    return 0 if reply is None else reply.status
