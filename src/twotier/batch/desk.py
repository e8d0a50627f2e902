"""The desk of batches: begins them, looks after them, settles each once, and gives the answers out.

A worker that asks for a step is told to ask again until its batch has ended; nothing of it is held
in between, neither a connection nor a slot. What is true stands in the ledger: the attempt's open
row, and a row of the batch beside it, both on disk before anything is sent. So whatever dies, the
batch is found at the next start, looked after by the desk alone, and settled from its result
whether or not somebody still asks.

One thing cannot be asked of the provider: whether it took a batch whose answer we lost. A list of
batches names no requests. So batches of that time are read when they have ended, and until then the
row stays open and nothing is sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from msgspec.structs import replace as changed

from twotier.answers import Answers, Stored
from twotier.batch.item import (
    Item,
    begun,
    digest_of,
    kept_under,
    known,
    refused,
    slot_for,
)
from twotier.batch.settle import settlement_of
from twotier.batch.waiting import Kept, Waiting
from twotier.domain.batch import Batch, Result
from twotier.domain.message import Request, Usage
from twotier.domain.money import Attempt
from twotier.domain.task import Asking, Caller
from twotier.errors import LedgerError, TierUnavailableError, TwotierError, UpstreamError
from twotier.exchange import Exchange, Ground, Tier
from twotier.ledger.batches import ENDED, SENT, Batched
from twotier.ledger.rows import milliseconds, moment
from twotier.protocols.anthropic_messages import read_error
from twotier.providers.base import Batches
from twotier.router.batching import over, pause_seconds

log = logging.getLogger("twotier.batch")

AT_ONCE = 8
LOST_SECONDS = 180.0  # a call has ended by then, and what it did is in the provider's list
MARGIN = timedelta(hours=1)  # between the provider's clock and ours
KEEP_MS = 86_400_000
UNKNOWN_MS = 29 * 86_400_000  # as long as the provider keeps results
OPEN_SECONDS_MAX = 10.0
REST_SECONDS_MAX = 60.0
GONE = Result("errored", 404, b'{"error":{"message":"the provider does not know this batch"}}')


class Desk:
    """See the module. `run` is its life; the answers it keeps lie in `kept`, if there is one.

    `pause` gives the seconds to the next look at a batch, by how long it has been waited for.
    """

    def __init__(
        self,
        tiers: Mapping[str, Tier],
        ground: Ground,
        *,
        lost_seconds: float = LOST_SECONDS,
        pause: Callable[[float], float] = pause_seconds,
    ) -> None:
        self.kept: Answers | None = None
        self._tiers = tiers
        self._ground = ground
        self._clock = ground.clock
        self._lost_seconds = lost_seconds
        self._pause = pause
        self._items: dict[str, Item] = {}
        self._opened = asyncio.Event()
        self._news = asyncio.Event()

    # -- for those who ask

    async def found(self, request: Request, caller: Caller) -> Exchange | Waiting | None:
        """What is known of this step and question; None where nothing is, and it may be asked.

        Raises the provider's own error for a request that it could not answer.
        """
        await self._ready()
        slot, digest = slot_for(caller), digest_of(request)
        item = None
        for one in [*self._items.values()]:
            if one.row.slot == slot and one.row.request != digest:
                self._unwanted(one)  # the job was changed: nobody will ask this again
            elif one.row.slot == slot:
                item = one
        if item is None:
            return None
        if item.ended:
            return await self._given_out(item, request)
        if caller.deadline_seconds is not None and not item.cancelled:
            item.change(until_ms=self._now_ms() + int(caller.deadline_seconds * 1000))
        return Waiting(item.attempt)

    async def begun(self, asking: Asking, attempt: Attempt, *, expected: Usage) -> Waiting | None:
        """Submit an attempt that is to wait; None where it is asked in the usual way."""
        client = self._tiers[attempt.tier].batches
        seconds = asking.caller.deadline_seconds
        if attempt.asked.mode != "batch" or client is None or seconds is None:
            return None
        try:
            body = self._exchange(attempt, asking.request, expected=expected).body()
        except (TwotierError, RecursionError):
            return None  # the usual way says what is wrong, or goes elsewhere
        row = begun(
            attempt,
            asking.request,
            expected=expected,
            now_ms=self._now_ms(),
            deadline_seconds=seconds,
        )
        item = Item(row, attempt, expected, due=None, since=self._clock.monotonic())
        self._items[attempt.id] = item
        if not await self._reserved(item):
            return None
        try:
            return await self._submitted(item, client, body=body)
        finally:  # whatever happened: from here on it is the desk's
            self._soon(item)

    def give_up(self, run: str) -> int:
        """A run is over: what still waits for it is cancelled. How many those are."""
        mine = [item for item in self._items.values() if item.attempt.run == run]
        for item in mine:
            self._unwanted(item)
        return sum(not item.ended for item in mine)

    def told(self) -> list[dict[str, object]]:
        """What waits now."""
        return [item.told() for item in self._items.values() if not item.ended]

    # -- its own life

    async def run(self) -> None:
        """Take up what an earlier life left, then look after all of it, until cancelled."""
        try:
            while not await self._open():
                await self._clock.sleep(REST_SECONDS_MAX)
            while True:
                self._news.clear()
                now = self._clock.monotonic()
                due = [
                    one for one in self._items.values() if one.due is not None and one.due <= now
                ]
                await asyncio.gather(*(self._looked_at(one) for one in due[:AT_ONCE]))
                self._sweep()
                await self._rest()
        finally:
            if self.kept is not None:
                self.kept.close()

    async def _open(self) -> bool:
        """Take up what was left. False where the ledger cannot be read now."""
        try:
            found = await self._ground.book.batches()
        except LedgerError as exc:
            log.warning("batches cannot be taken up", extra={"because": str(exc)})
            return False
        for left in found:
            item = known(left.row, now=self._clock.monotonic())
            if not left.settled:  # we died before its reservation: nothing was sent
                self._ground.book.keep(Batched(forget=(item.attempt.id,)))
                continue
            if item.ended and left.settled == "open":  # we died in between: read it once more
                item.change(state=SENT)
            if item.ended:
                item.due = None
            self._items[item.attempt.id] = item
            log.info("batch found again", extra=self._named(item))
        self._opened.set()
        return True

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                await self._opened.wait()
        except TimeoutError as exc:
            raise TierUnavailableError(
                "the batches of the last start are not known yet; ask again", retry_after_seconds=1
            ) from exc

    async def _rest(self) -> None:
        """Until the next look is due, or there is news."""
        now = self._clock.monotonic()
        dues = [one.due for one in self._items.values() if one.due is not None]
        seconds = min([REST_SECONDS_MAX, *(due - now for due in dues)])
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._news.wait()
        except TimeoutError:
            return

    def _sweep(self) -> None:
        """Let go of what nobody fetched for a day."""
        before_ms = self._now_ms() - KEEP_MS
        for item in [*self._items.values()]:
            if item.ended and item.row.ended_ms < before_ms:
                self._drop(item)

    async def _looked_at(self, item: Item) -> None:
        """One look, and when the next one is due."""
        waited = self._clock.monotonic() - item.since
        item.due = self._clock.monotonic() + self._pause(waited)
        try:
            await self._step(item)
        except TwotierError as exc:
            log.warning("batch not seen", extra={**self._named(item), "because": exc.noted})
        except Exception:  # top of a look: a fault in one batch is its own
            log.exception("the look at a batch broke", extra=self._named(item))
        if item.ended:
            item.due = None

    async def _step(self, item: Item) -> None:
        client = self._client(item)
        if self._now_ms() - item.row.sent_ms > UNKNOWN_MS:
            return await self._lost(item)
        if client is None:
            return None  # until the tier is back in the configuration
        if item.unsure:
            return await self._sought(item, client)
        try:
            batch = await client.look(item.row.batch_id)
        except UpstreamError as exc:
            if exc.upstream_status != 404:
                raise
            return await self._ended(item, GONE)
        if batch.ended:
            result = await client.result(batch.id, item.attempt.id)
            return await self._ended(item, result or GONE)
        if over(self._now_ms(), item.row.until_ms) and not item.cancelled:
            await client.cancel(batch.id)
            item.cancelled, item.since = True, self._clock.monotonic()  # look often again
            item.due = item.since + self._pause(0.0)
            log.info("batch cancelled", extra=self._named(item))
        return None

    async def _sought(self, item: Item, client: Batches) -> None:
        """Whether a batch was taken whose answer we lost."""
        since = moment(item.row.sent_ms) - MARGIN
        others = {one.row.batch_id for one in self._items.values()} | item.foreign
        batches = [one for one in await client.since(since) if one.id not in others]
        maybe = [one for one in batches if one.requests == 1]
        for batch in [one for one in maybe if one.ended]:
            if await self._is_ours(item, client, batch=batch):
                return
        gone_seconds = (self._now_ms() - item.row.sent_ms) / 1000
        if gone_seconds > self._lost_seconds and all(one.ended for one in maybe):
            log.info("batch was not taken", extra=self._named(item))
            await self._void(item, "the provider has no such batch: it was not taken")

    async def _is_ours(self, item: Item, client: Batches, *, batch: Batch) -> bool:
        result = await client.result(batch.id, item.attempt.id)
        if result is None:
            item.foreign.add(batch.id)
            return False
        item.change(state=SENT, batch_id=batch.id)
        await self._ended(item, result)
        return True

    # -- the steps of one batch

    async def _reserved(self, item: Item) -> bool:
        """Both rows are on disk; or neither, and it is not sent."""
        book, attempt = self._ground.book, item.attempt
        done = False
        try:
            book.keep(Batched((item.row,)))
            await book.flush()
            await book.reserve(attempt, self._ground.budgets_of(attempt.client))
            done = True
        except TwotierError as exc:
            log.info("no batch", extra={**self._named(item), "because": exc.noted})
        finally:
            if not done:
                self._drop(item)
        return done

    async def _submitted(self, item: Item, client: Batches, *, body: bytes) -> Waiting | None:
        try:
            batch_id = await client.submit(item.attempt.id, body)
        except TwotierError as exc:
            log.warning("batch not submitted", extra={**self._named(item), "because": exc.noted})
            if not refused(exc):
                return Waiting(item.attempt)
            await self._void(item, exc.noted)
            return None
        item.change(state=SENT, batch_id=batch_id)
        self._ground.book.keep(Batched((item.row,)))
        log.info("batch submitted", extra=self._named(item))
        return Waiting(item.attempt)

    async def _ended(self, item: Item, result: Result) -> None:
        """Keep what it came to, settle it, and only then have it given out."""
        if result.body and self.kept is not None:
            stored = Stored(item.attempt.id.encode(), result.status, [], result.body)
            await self.kept.keep(kept_under(item), stored)
        outcome = "gone" if result is GONE else result.kind
        row = changed(item.row, state=ENDED, outcome=outcome, ended_ms=self._now_ms())
        self._ground.book.keep(Batched((row,)))
        await self._settle(item, None if result is GONE else result)
        item.row = row
        log.info("batch ended", extra={**self._named(item), "outcome": outcome})

    async def _settle(self, item: Item, result: Result | None, *, why: str = "") -> None:
        seconds = (self._now_ms() - item.row.sent_ms) / 1000
        end = settlement_of(item.attempt, result, expected=item.expected, seconds=seconds)
        end = changed(end, error=why or end.error)
        try:
            await self._ground.book.settle(item.attempt.id, end)
        except LedgerError as exc:  # it stays queued until the disk takes it
            log.warning("batch not settled yet", extra={**self._named(item), "because": str(exc)})
        told, item.heard = self._ground.told if not item.heard else (), True
        for tell in told:
            tell(item.attempt, end)

    async def _void(self, item: Item, why: str) -> None:
        """It was not taken: nothing was spent, and it may be asked anew."""
        self._drop(item)
        await self._settle(item, Result("canceled"), why=why)

    async def _lost(self, item: Item) -> None:
        """Nobody can say any more what it came to: its bound is charged."""
        item.change(state=ENDED, outcome="gone", ended_ms=self._now_ms())
        self._drop(item)
        await self._settle(item, None)

    async def _given_out(self, item: Item, request: Request) -> Exchange | Waiting | None:
        """What an item that has ended is to whoever asks for it."""
        outcome = item.row.outcome
        if outcome in ("canceled", "expired"):  # nothing was done and nothing paid
            self._drop(item)
            return None
        stored = await self.kept.find(kept_under(item)) if self.kept is not None else None
        if stored is None and outcome != "gone":  # the provider has it still
            item.change(state=SENT)
            self._soon(item)
            return Waiting(item.attempt)
        if stored is None or stored.status != 200:
            self._drop(item)  # told once: whoever asks again asks anew
            body = GONE.body if stored is None else stored.body
            raise read_error(stored.status if stored else GONE.status, body, headers={})
        exchange = self._exchange(item.attempt, request, expected=item.expected)
        await exchange.replay(Kept(stored.body))
        return exchange

    # -- small things

    def _exchange(self, attempt: Attempt, request: Request, *, expected: Usage) -> Exchange:
        """Says a request, and reads its answer, for a provider that answers in one piece."""
        tier = self._tiers[attempt.tier]
        whole = Tier(replace(tier.spec, stream_always=False), tier.provider, tier.facts)
        return Exchange(whole, request, attempt=attempt, expected=expected, ground=self._ground)

    def _client(self, item: Item) -> Batches | None:
        """Who can tell of it: its own tier, or where that was renamed one at the same provider."""
        own = self._tiers.get(item.attempt.tier)
        others = (one for one in self._tiers.values() if one.batches is not None)
        tier = own if own is not None and own.batches is not None else next(others, None)
        return None if tier is None else tier.batches

    def _unwanted(self, item: Item) -> None:
        """Nobody will ask for it again."""
        if item.ended:
            self._drop(item)
        else:
            item.change(until_ms=0)
            if item.due is not None:
                self._soon(item)

    def _drop(self, item: Item) -> None:
        self._items.pop(item.attempt.id, None)
        self._ground.book.keep(Batched(forget=(item.attempt.id,)))

    def _soon(self, item: Item) -> None:
        item.due = self._clock.monotonic()
        self._news.set()

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())

    def _named(self, item: Item) -> dict[str, object]:
        """The fields of its log lines."""
        attempt = item.attempt
        names = {"request": attempt.request_id, "tier": attempt.tier, "job": attempt.job}
        return {**names, "run": attempt.run, "batch": item.row.batch_id}
