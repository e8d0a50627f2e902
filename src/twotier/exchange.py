"""One attempt at one tier: reserve, ask, observe, settle. Exactly one row, settled exactly once.

An `Exchange` is opened before anything is sent to the client: `open` returns once the upstream has
shown real content (or the whole answer, for a client that does not stream), so that until then
another tier may still take over. After that nothing is retried: a failure becomes an error event
of the client's dialect, never a made-up finish.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from twotier.domain.clock import Clock
from twotier.domain.message import (
    NOTHING_PASSED,
    UNSTREAMED,
    Closed,
    Dialect,
    Event,
    Failed,
    Observed,
    Request,
    Usage,
    Whole,
)
from twotier.domain.money import Attempt, Budget, Outcome, Settled, Settlement
from twotier.domain.reading import Reading
from twotier.domain.tier import TierFacts, TierSpec
from twotier.domain.timing import Timing
from twotier.errors import TwotierError, UpstreamError
from twotier.hold import Hold
from twotier.ledger.book import Book
from twotier.ledger.charge import charge
from twotier.ledger.cost import Bill
from twotier.overseer import Overseer
from twotier.protocols import (
    INBOUND,
    OUTBOUND,
    REPAIRED,
    Rename,
    StreamReader,
    StreamRelay,
    StreamWriter,
)
from twotier.protocols.anthropic_messages import marked
from twotier.protocols.assemble import Assembly
from twotier.protocols.normal import Checked, Normaliser, unfit
from twotier.protocols.toolcalls import Habits, Repaired, repair_of
from twotier.protocols.wire import Order, renaming, too_deep
from twotier.providers.base import Ask, Batches, Deadlines, Provider, Reply, all_of
from twotier.providers.trouble import said, too_long, upstream_status
from twotier.router.breaker import Signal, signal_of
from twotier.say import ref
from twotier.slots import PATIENT, Patience, Slots

HELD_BYTES_MAX = 1_000_000
Way = Callable[["Exchange", Reply], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier as it is asked. `keep` names the only fields its server may see in each
    dialect; None means all. `normal` says chat bodies as its server can take them, None where it
    takes everything. `kept`: a keeper has its server, and judges it. `slots` is None where any
    number of requests may be in it. `patience` gives the seconds to wait for a first token, by
    the tokens of the prompt; None: always the same. `memory` tells how large its server may become.
    `calls`: how its model and server call tools; None: the server is taken at its word. `batches`
    take what may wait.
    """

    spec: TierSpec
    provider: Provider
    facts: Callable[[], TierFacts]
    keep: Mapping[Dialect, frozenset[str]] | None = None
    normal: Normaliser | None = None
    kept: bool = False
    slots: Slots | None = None
    patience: Callable[[int], float] | None = None
    memory: Callable[[], Mapping[str, object]] | None = None
    calls: Habits | None = None
    batches: Batches | None = None


def no_budgets(_: str) -> Sequence[Budget]:
    """Of a client without budgets of its own."""
    return ()


@dataclass(slots=True)
class Ground:
    """What every exchange stands on. `told` hears of each attempt's end, and must not wait.

    `budgets` hold for everybody, and are replaced as a whole when the file is read again; `own`
    knows those of one client, as they are now.
    """

    book: Book
    budgets: Sequence[Budget]
    clock: Clock
    told: Sequence[Callable[[Attempt, Settlement], None]] = ()
    own: Callable[[str], Sequence[Budget]] = no_budgets

    def budgets_of(self, client: str) -> Sequence[Budget]:
        """Every budget that has a say in this client's work, its own first."""
        return (*own, *self.budgets) if (own := self.own(client)) else self.budgets


class Exchange:
    """See the module. Use: `open`, then `read` until it gives nothing, and `close` always.

    `expected` holds the estimated input tokens and the limit of output tokens. `overseer` watches
    an answer that is put together here, and breaks it off where it has gone astray.
    """

    def __init__(
        self,
        tier: Tier,
        request: Request,
        *,
        attempt: Attempt,
        expected: Usage,
        ground: Ground,
        overseer: Overseer | None = None,
    ) -> None:
        self.tier = tier
        self.attempt = attempt
        self.observed = Observed()
        self.dropped: tuple[str, ...] = ()
        self._request = request
        self._expected = expected
        self._ground = ground
        self._same = tier.spec.speaks(
            request.dialect, exacting=request.exacting, tools=request.tools
        )
        self._dialect = request.dialect if self._same else tier.spec.dialect
        self._theirs = OUTBOUND[self._dialect]
        self._ours = INBOUND[request.dialect]
        self._overseer = overseer
        always = tier.spec.stream_always or overseer is not None
        self._streamed = request.stream or (always and request.dialect not in UNSTREAMED)
        self._reading: Reading | None = None
        if self._streamed:
            self._reading = Reading(ground.clock.monotonic)
            self.observed.on_progress = self._reading.note
        self._order: Order | None = None
        read = self._ours.read_conversation
        self._repair = repair_of(request, read, habits=tier.calls, upstream=self._dialect)
        if self._repair is not None:
            self._theirs = REPAIRED[self._dialect]
        self._voice: StreamWriter | StreamRelay | None = None
        self._next: Way | None = None
        self._relay: StreamRelay
        self._reader: StreamReader
        self._writer: StreamWriter
        self._ended = False
        self._reply: Reply | None = None
        slots = None if self._dialect == "anthropic_count" else tier.slots
        self._taken = Hold(attempt, slots, book=ground.book, monotonic=ground.clock.monotonic)
        self._held = b""
        self._error: TwotierError | None = None
        self._failed: UpstreamError | None = None  # said inside the stream
        self._whole = False
        self._started = ground.clock.monotonic()
        self._first: float | None = None
        self._bytes_out = 0
        self._closed = False

    async def open(self, patience: Patience = PATIENT) -> None:
        """Take a slot, reserve where money is at stake, ask, and wait for the first real content.

        Raises what `Provider.ask` and `Hold.take` raise; then it is closed. `patience` says how
        long a slot is waited for, and money that others hold.
        """
        opened = False
        try:
            body = self.body()
            await self._taken.take(self._ground.budgets_of(self.attempt.client), patience)
            spec = self.tier.spec
            first_token_seconds = spec.first_token_seconds
            if self.tier.patience is not None:
                first_token_seconds = self.tier.patience(self._expected.input_tokens)
            deadlines = Deadlines(
                spec.connect_seconds, first_token_seconds, spec.idle_seconds, spec.total_seconds
            )
            paid = not self.attempt.price.free
            self._reply = await self.tier.provider.ask(
                Ask(
                    body,
                    self._streamed,
                    deadlines,
                    dialect=self._dialect,
                    passed=self._request.passed if self._same else NOTHING_PASSED,
                    paid=paid,
                    prompt_tokens=self._expected.input_tokens,
                    holds=self._request.tools > 0,
                )
            )
            self._next = self._way()
            await self._hold(self._reply)
            opened = True
        except UpstreamError as exc:
            self._error = too_long(exc) or exc
            raise self._error from exc
        except TwotierError as exc:
            self._error = exc
            raise
        except RecursionError as exc:  # what could be read at the door may be too deep down here
            self._error = too_deep()
            raise self._error from exc
        finally:
            if not opened:
                await self.close()

    async def replay(self, reply: Reply) -> None:
        """In place of `open`: the whole answer came by another way, and its row is settled there.

        Raises what is wrong with the answer; nothing of it is to be closed.
        """
        self._closed = True
        self._held, self._whole = await self._whole_to_whole(reply), True

    async def read(self) -> bytes:
        """The next bytes for the client, none at the end; an error event of its dialect where the
        answer failed.
        """
        if self._held:
            chunk, self._held = self._held, b""
        elif self._whole or self._error is not None or self._reply is None or self._next is None:
            return b""
        else:
            try:
                chunk = await self._next(self, self._reply)
                self._whole = not chunk
            except (TwotierError, RecursionError) as exc:
                chunk = self.failed(exc if isinstance(exc, TwotierError) else too_deep())
        self._bytes_out += len(chunk)
        return chunk

    def failed(self, error: TwotierError) -> bytes:
        """The end of a stream that has begun and cannot go on, in the client's dialect."""
        self._error = error
        return (self._voice or self._open_writer()).error(error)

    def whole(self) -> bool:
        """Whether all of the answer came, and nothing went wrong."""
        return self._whole and self._error is None

    def cut(self) -> int:
        """The limit of tokens that cut it inside a tool call; 0 where none is known to."""
        inside = self._repair is not None and self._repair.cut(self.observed)
        return self._expected.output_tokens if inside else 0

    async def close(self) -> None:
        """Let the upstream go and settle the row, exactly once."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._reply is not None:
                await self._reply.close()
        finally:
            self._taken.leave(answered=self._answered())
            await self._settle()

    def _answered(self) -> bool:
        """Whether its server did its work, or refused as only a living one can."""
        if self._error is None:
            return self._whole or self.observed.content
        return signal_of(self._error, kept=False) is Signal.ANSWERED

    async def _settle(self) -> None:
        """The row's end. The book queues it at once, so that a cancelled caller loses nothing."""
        settlement = self.settlement()
        try:
            if self._taken.row and self.attempt.price.free:
                self._ground.book.record(self.attempt, settlement)
            elif self._taken.row:
                await self._ground.book.settle(self.attempt.id, settlement)
        finally:  # after the row, which no listener's trouble may keep from being written
            for tell in self._ground.told:
                tell(self.attempt, settlement)

    @property
    def cost_microusd(self) -> int | None:
        """What it cost, once that is known; None before."""
        if not self.observed.usage_final:
            return None
        return self._charge()[2].microusd

    def settlement(self) -> Settlement:
        """What this attempt comes to, as far as it is known now."""
        seen = self.observed
        settled, usage, cost = self._charge()
        # A client may leave at the terminator, before the upstream closes its side.
        outcome = Outcome.OK if self._whole or seen.closed else Outcome.CANCELLED
        if self._error is not None:
            outcome = Outcome.ERROR
        return Settlement(
            settled=settled,
            outcome=outcome,
            cost_microusd=cost.microusd,
            fees_microusd=cost.fees_microusd,
            above_tokens=cost.above_tokens,
            usage=usage,
            model_served=seen.model or self.attempt.model,
            error="" if self._error is None else self._error.noted,
            upstream_status=upstream_status(self._reply, self._error),
            first_token_seconds=self._first,
            total_seconds=self._ground.clock.monotonic() - self._started,
            finish=seen.finish or "",
            bytes_out=self._bytes_out,
            repairs=() if self._repair is None else tuple(self._repair.kinds),
            timing=seen.timing or self._timing(),
            waited_seconds=self._taken.waited_seconds,
            held=self._order is not None,
        )

    def _timing(self) -> Timing | None:
        """How long its server read, where it was seen reading."""
        reading = self._reading
        return None if reading is None else reading.timing(self._started, self._first)

    def _charge(self) -> tuple[Settled, Usage, Bill]:
        """As far as it is known now."""
        return charge(self.attempt, self.observed, error=self._error, expected=self._expected)

    def body(self) -> bytes:
        """The request in the upstream's dialect: rewritten where it is the same, else said anew."""
        model = self.attempt.model if self.attempt.model != self.tier.spec.model else ""
        model = model or self.tier.spec.model_upstream
        limit = self._expected.output_tokens
        keep = None if self.tier.keep is None else self.tier.keep[self._dialect]
        normal = self.tier.normal if self._dialect == "openai_chat" else None
        if self._same:
            out = (normal or self._ours).rewrite(
                self._request,
                model=model,
                max_output_tokens=limit,
                stream=self._streamed,
                keep=keep,
            )
        else:
            conversation = self._ours.read_conversation(self._request.body)
            out = self._theirs.write_request(
                conversation, model=model, max_output_tokens=limit, stream=self._streamed
            )
            out = out if normal is None else normal.written(out)
        self.dropped, self._order = out.unsaid, out.order
        caching = self.attempt.caching
        return out.body if caching is None else marked(out.body, caching)

    async def _hold(self, reply: Reply) -> None:
        """Take what comes until there is something no other tier could take back."""
        assert self._next is not None  # noqa: S101 - set by the only caller
        if not self._request.stream:
            self._held = await self._next(self, reply)
            self._whole = True
            return
        held: list[bytes] = []
        size = 0
        while not self.observed.content and size <= HELD_BYTES_MAX:
            chunk = await self._next(self, reply)
            if not chunk:
                self._whole = True
                break
            held.append(chunk)
            size += len(chunk)
        self._held = held[0] if len(held) == 1 else b"".join(held)
        self._first = self._ground.clock.monotonic() - self._started

    def _way(self) -> Way:
        """The one of four that fits; not bound, as it would hold the exchange that holds it."""
        if not self._streamed:
            return Exchange._whole_to_whole
        if not self._request.stream:
            return Exchange._stream_to_whole
        spec = self.tier.spec
        bent = self._order is not None or (spec.stream_bent and self._dialect == spec.dialect)
        if self._same and not bent and (relay := self._open_relay()):
            self._relay = self._voice = relay
            return Exchange._relayed
        self._reader, self._writer = self._open_reader(), self._open_writer()
        self._voice = self._writer
        return Exchange._translated

    def _rename(self) -> Rename | None:
        """A name that only its server uses (mlx-lm's `default_model`) is not the client's."""
        spec = self.tier.spec
        return None if spec.model_upstream == spec.model else (spec.model_upstream, self._ref)

    async def _relayed(self, reply: Reply) -> bytes:
        """The upstream's own bytes, watched as they pass."""
        relay = self._relay
        while self._failed is None and (chunk := await reply.read()):
            out, events = relay.feed(chunk)
            self._observe(events)
            if out:
                return out
        if self._failed is not None:
            raise self._failed
        relay.end()
        return b""

    async def _translated(self, reply: Reply) -> bytes:
        """The same events in the client's dialect."""
        reader, writer = self._reader, self._writer
        if self._ended:
            return b""
        while self._failed is None and (chunk := await reply.read()):
            events = reader.feed(chunk)
            self._observe(events)
            # The terminator waits until the stream has really ended well; a failure is ours to say.
            kept = (event for event in events if not isinstance(event, Closed | Failed))
            if out := b"".join(map(writer.write, kept)):
                return out
        if self._failed is not None:
            raise self._failed
        reader.end()
        self._ended = True
        return writer.write(Closed())

    async def _stream_to_whole(self, reply: Reply) -> bytes:
        """A streamed answer put together for a client that waits for all of it."""
        reader, assembly = self._open_reader(), Assembly()
        while chunk := await reply.read():
            events = reader.feed(chunk)
            self._observe(events)
            if self._failed is not None:
                raise self._failed
            if self._overseer is not None:
                self._overseer.saw(events)
            if self._first is None and self.observed.content:
                self._first = self._ground.clock.monotonic() - self._started
            for event in events:
                assembly.fold(event)
        reader.end()
        return self._written(assembly.whole())

    async def _whole_to_whole(self, reply: Reply) -> bytes:
        """One body, forwarded if the dialect is the same and said anew if not."""
        body = await all_of(reply)
        self.observed = self._theirs.observe_whole(body)
        if self._repair is not None or self._order is not None or not self._same:
            given = self._theirs.read_whole(body)
            whole = given if self._repair is None else self._repair.whole(given)
            if self._order is not None and (failed := unfit(whole, self._order)):
                raise said(failed)
            if whole is not given:
                self.observed.mend(whole)
            if whole is not given or self._order is not None or not self._same:
                return self._written(whole)
        rename = renaming(self._rename())
        return body if rename is None else rename(body)

    def _written(self, whole: Whole) -> bytes:
        """A whole answer in the client's dialect."""
        named = replace(whole, model=self._ref)
        return self._ours.write_whole(named, created=self._now(), request=self._request)

    @property
    def _ref(self) -> str:
        return ref(self.attempt)

    def _open_relay(self) -> StreamRelay | None:
        """None where calls are to be repaired and a relayed stream could not go on with them."""
        rename = self._rename()
        if self._repair is None:
            return self._ours.stream_relay(self._request, rename=rename)
        if (guarded := self._ours.guarded) is None:
            return None
        return guarded(self._request, self._repair, created=self._now(), rename=rename)

    def _open_reader(self) -> StreamReader:
        """Reads a stream of the upstream's, repairs its calls, and holds it to what its model was
        told in words.
        """
        reader = self._theirs.stream_reader()
        if self._repair is not None:
            reader = Repaired(reader, self._repair)
        return reader if self._order is None else Checked(reader, self._order)

    def _open_writer(self) -> StreamWriter:
        """Writes a stream in the client's dialect."""
        return self._ours.stream_writer(
            self.attempt.request_id, model=self._ref, created=self._now(), request=self._request
        )

    def _now(self) -> int:
        """Unix time in seconds, as answers carry it."""
        return int(self._ground.clock.now().timestamp())

    def _observe(self, events: Sequence[Event]) -> None:
        """Fold events for the ledger. An error inside the stream is an error here, but what came
        before it in the same piece is the client's.
        """
        if failed := self.observed.fold_all(events):
            self._failed = said(failed)
