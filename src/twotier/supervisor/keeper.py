"""The one task that owns one process: a model server, or the worker.

The life cycle is the table in `policy`; here is one method for each state that does the work of
that state and ends in a signal. Signals also come from outside (the process died, somebody wants it
stopped, a request suspects it): they move the state at once, and the work of the old state is
cancelled. So a work method may be cancelled at any `await`, and nothing is done in two steps that
must not be torn.

Cancelling `run` is what happens when the main process goes: the child is left alive, recorded, for
the next main to adopt. Only `stop` ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial

from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.domain.tier import TierFacts
from twotier.errors import EngineError, TierUnavailableError
from twotier.supervisor import logs, policy, record
from twotier.supervisor.death import Death, Evidence, explain
from twotier.supervisor.policy import Signal, State, Wait
from twotier.supervisor.probe import until_answered
from twotier.supervisor.process import Launcher, Running, oom_kills
from twotier.supervisor.spec import Change, KeptSpec

RETRY_AFTER_SECONDS = 5.0  # told to a client when nobody knows better
_FAILED = frozenset({State.BACKOFF, State.QUARANTINED})
_AT_REST = _FAILED | {State.STOPPED}  # no process


class _Use:
    """One request in the server."""

    def __init__(self, progressed: Callable[[], None]) -> None:
        self._progressed = progressed

    def progressed(self) -> None:
        """Bytes came."""
        self._progressed()


class Keeper:
    """`domain.endpoint.Kept` for one process. `run` must be running for anything to happen."""

    def __init__(
        self,
        spec: KeptSpec,
        launcher: Launcher,
        *,
        clock: Clock,
        random: Callable[[], float],
        on_change: Callable[[Change], None],
    ) -> None:
        self._spec = spec
        self._launcher = launcher
        self._clock = clock
        self._random = random
        self._on_change = on_change
        self._work: dict[State, Callable[[], Awaitable[Signal]]] = {
            State.STOPPED: self._rest,
            State.STARTING: self._start,
            State.LOADING: self._load,
            State.READY: self._watch,
            State.BUSY: self._watch,
            State.DEGRADED: self._examine,
            State.DRAINING: self._drain,
            State.BACKOFF: self._back_off,
            State.QUARANTINED: self._nothing,
        }
        self._state = State.STOPPED
        self._wanted = True
        self._closed = False
        self._scope: asyncio.Timeout | None = None
        self._news = asyncio.Event()
        self._running: Running | None = None
        self._endpoint = Endpoint(base_url="", generation=0)
        self._since = clock.monotonic()
        self._spawned_at = 0.0
        self._ready_at: float | None = None
        self._next_start_at = 0.0
        self._oom_kills = 0
        self._death = Death("")
        self._suspicion = ""
        self._ended_because = ""
        self._deaths: tuple[float, ...] = ()
        self._deaths_in_a_row = 0
        self._uses = 0
        self._progress_at = 0.0

    # --- what others ask -------------------------------------------------------------------

    async def ensure_ready(self, *, within_seconds: float) -> Endpoint:
        """Where it listens, once it is ready.

        Raises `TierUnavailableError` when it is not ready in time, or will not be.
        """
        if self._told() is Wait.GO:  # nearly always, and then without a timer
            return self._endpoint
        try:
            async with asyncio.timeout(within_seconds):
                while (told := self._told()) is Wait.WAIT:
                    await self._news.wait()
        except TimeoutError:
            told = self._told()  # it may have come up in the very moment
        if told is Wait.GO:
            return self._endpoint
        raise TierUnavailableError(
            f"{self._spec.name} is not ready: {self._because()}; `twotier status` shows more",
            retry_after_seconds=self._retry_after_seconds(),
        )

    def facts(self) -> TierFacts:
        """What to show."""
        running = self._running
        return TierFacts(
            name=self._spec.name,
            state=policy.shown(self._state, wanted=self._wanted and not self._closed),
            because=self._because(),
            pid=running.pid if running else None,
            address=self._endpoint.base_url if running and self._spec.listens else "",
        )

    @property
    def state(self) -> State:
        """Where it stands; for pages and tests, never to decide on."""
        return self._state

    def suspect(self, because: str) -> None:
        """Somebody's request failed as if the server were dead: look now."""
        self._suspicion = because
        self._take(Signal.SUSPECTED)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[_Use]:
        """Held round a request."""
        self._progressed()
        self._uses += 1
        if self._uses == 1:
            self._take(Signal.PICKED_UP)
        try:
            yield _Use(self._progressed)
        finally:
            self._uses -= 1
            if not self._uses:
                self._take(Signal.LAID_DOWN)
                self._tell()  # a drain waits for this, and its state does not change by it

    async def stop(self) -> None:
        """Let requests finish, end the process, return when it is gone.

        Raises `EngineError` when even KILL does not end it. A `restart` that comes meanwhile wins,
        as the later word; then this returns without waiting for the end.
        """
        self._want(False)
        self._take(Signal.STOP)
        await self._until(lambda: self._state is State.STOPPED or self._wanted)

    async def restart(self) -> None:
        """End it if it runs, and start anew; also the way out of quarantine.

        Returns when the new one has been started; `ensure_ready` waits for the rest.
        """
        self._want(True)
        self._deaths, self._deaths_in_a_row, self._death = (), 0, Death("")
        before = self._endpoint.generation
        self._take(Signal.START if self._state in _AT_REST else Signal.STOP)
        await self._until(
            lambda: (
                self._endpoint.generation != before
                or self._state in _FAILED
                or not self._wanted  # somebody said stop after us
            )
        )

    # --- the owner -------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep it, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._live())
                group.create_task(self._tend_log())
        finally:
            self._closed = True
            self._tell()
            self._leave()

    def _leave(self) -> None:
        """We go. A child that was being stopped goes at once, another one lives on."""
        if self._running is None:
            return
        if not self._wanted:
            self._running.kill()
            record.remove(self._spec.record_path)
        self._running.release()

    async def _live(self) -> None:
        while True:
            try:
                async with asyncio.timeout(None) as scope:
                    self._scope = scope
                    signal = await self._work[self._state]()
            except TimeoutError:
                if not scope.expired():
                    raise
                continue  # a signal from outside has moved the state
            finally:
                self._scope = None
            self._take(signal)

    def _take(self, signal: Signal, because: str = "") -> None:
        """The only place where the state moves."""
        before, self._state = self._state, policy.follow(self._state, signal)
        after = self._state
        if before is after:
            return
        if self._work[before] != self._work[after]:
            self._since = self._clock.monotonic()
            self._interrupt()
        self._tell()
        running = self._running
        self._on_change(
            Change(
                name=self._spec.name,
                before=before,
                signal=signal,
                after=after,
                because=because or self._because(),
                pid=running.pid if running else None,
                generation=self._endpoint.generation,
            )
        )
        if after is State.READY and self._uses:
            self._take(Signal.PICKED_UP)

    def _interrupt(self) -> None:
        """Cancel the work of the state that was left."""
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.reschedule(asyncio.get_running_loop().time())

    def _tell(self) -> None:
        """Wake everybody who waits for a change."""
        self._news.set()
        self._news = asyncio.Event()

    def _want(self, wanted: bool) -> None:
        """The intent; told at once, because it changes what waiters hear in an unchanged state."""
        self._wanted = wanted
        self._tell()

    def _progressed(self) -> None:
        self._progress_at = self._clock.monotonic()

    # --- the work of each state: ends in a signal, may be cancelled at any await --------------

    async def _rest(self) -> Signal:
        return Signal.START if self._wanted else await self._nothing()

    async def _start(self) -> Signal:
        self._ready_at, self._ended_because, self._suspicion = None, "", ""
        await self._clear_other()
        # From here to the record there is no await: a child that is nowhere written down would
        # be started a second time by the next main.
        self._oom_kills = oom_kills()
        self._spawned_at = self._clock.monotonic()
        try:
            if not self._adopted():
                self._spawn()
        except EngineError as exc:
            self._bury(Death(exc.message, hopeless=True))
            return Signal.EXITED
        return Signal.SPAWNED

    async def _load(self) -> Signal:
        limit = self._spec.load_seconds_max
        if failed := await self._answer_within(limit):
            await self._end(f"not ready {limit:g} s after its start: {failed}")
            return await self._nothing()
        self._ready_at = self._clock.monotonic()
        return Signal.ANSWERED

    async def _watch(self) -> Signal:
        """Ready or busy: ask it for a token when nobody else has for a while."""
        every = self._spec.probe_every_seconds
        while True:
            await self._clock.sleep(every)
            quiet = self._clock.monotonic() - self._progress_at >= every
            if self._state is State.READY and quiet and (failed := await self._unanswered()):
                self._suspicion = f"a regular look failed ({failed})"
                return Signal.SUSPECTED

    async def _examine(self) -> Signal:
        if failed := await self._unanswered():
            suspicion = self._suspicion or "it looked dead"
            await self._end(f"hung, so it was ended: {suspicion}; asked for one token: {failed}")
            return await self._nothing()
        return Signal.ANSWERED

    async def _drain(self) -> Signal:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._spec.drain_seconds_max):
                while self._uses:
                    await self._news.wait()
        while self._running and not await self._running.end(
            grace_seconds=self._spec.stop_grace_seconds
        ):
            continue  # it hangs in the kernel; `stop` gives up aloud, we go on
        return Signal.EXITED

    async def _back_off(self) -> Signal:
        now = self._clock.monotonic()
        if self._death.hopeless or policy.too_many(self._deaths, now=now):
            return Signal.TOO_MANY
        delay = policy.delay_seconds(self._deaths_in_a_row, self._random)
        self._next_start_at = now + delay
        await self._clock.sleep(delay)
        return Signal.DELAY_OVER

    async def _nothing(self) -> Signal:
        """Wait until a signal from outside cancels this; one is owed, or a person has to act."""
        while True:
            await self._news.wait()

    # --- the parts of that work ---------------------------------------------------------------

    async def _answer_within(self, seconds: float) -> str:
        return await until_answered(
            self._spec.ready,
            self._endpoint,
            within_seconds=seconds,
            clock=self._clock,
            listens=self._spec.listens,
        )

    async def _unanswered(self) -> str:
        """Why it does not answer; empty if it does, or if a request in it makes progress.

        A long prefill answers no probe for minutes and sends keep-alive comments: it is busy.
        """
        began = self._clock.monotonic()
        failed = await self._answer_within(self._spec.probe_seconds_max)
        return "" if self._uses and self._progress_at > began else failed

    async def _end(self, because: str) -> None:
        """End a process that does not do its work; its death is explained by our reason."""
        self._ended_because = because
        if self._running:
            await self._running.end(grace_seconds=self._spec.stop_grace_seconds)

    def _fingerprint(self) -> str:
        return record.fingerprint(self._spec.launch(0), identity=self._spec.identity)

    async def _clear_other(self) -> None:
        """End what an earlier main left with another command or model; two would not fit."""
        found = record.read(self._spec.record_path)
        if found is None or (self._spec.adopts and found.fingerprint == self._fingerprint()):
            return
        other = self._launcher.adopt(found.pid, created=found.created, on_exit=lambda _: None)
        if other is not None:
            await other.end(grace_seconds=self._spec.stop_grace_seconds)
            other.release()
        record.remove(self._spec.record_path)

    def _adopted(self) -> bool:
        """Take over the living process of an earlier main."""
        found = record.read(self._spec.record_path)
        if found is None:
            return False
        self._running = self._launcher.adopt(
            found.pid,
            created=found.created,
            on_exit=partial(self._gone, self._endpoint.generation + 1),
        )
        if self._running is None:
            record.remove(self._spec.record_path)
            return False
        self._listen_on(found.port)
        return True

    def _spawn(self) -> None:
        port = self._launcher.free_port()
        self._running = self._launcher.spawn(
            self._spec.launch(port),
            log_path=self._spec.log_path,
            on_exit=partial(self._gone, self._endpoint.generation + 1),
        )
        self._listen_on(port)
        kept = record.Record(
            pid=self._running.pid,
            created=self._running.created,
            port=port,
            fingerprint=self._fingerprint(),
        )
        record.write(self._spec.record_path, kept)

    def _listen_on(self, port: int) -> None:
        self._endpoint = replace(
            self._endpoint,
            base_url=f"http://127.0.0.1:{port}",
            generation=self._endpoint.generation + 1,
        )

    def _gone(self, generation: int, exit_code: int | None) -> None:
        """The process ended: noticed within milliseconds, on the loop."""
        if generation != self._endpoint.generation or self._running is None:
            return
        self._running = None
        record.remove(self._spec.record_path)
        if self._state is not State.DRAINING:
            self._bury(explain(self._evidence(exit_code)))
        self._take(Signal.EXITED)

    def _evidence(self, exit_code: int | None) -> Evidence:
        return Evidence(
            exit_code=exit_code,
            lived_seconds=self._clock.monotonic() - self._spawned_at,
            last_lines=logs.last_lines(self._spec.log_path),
            oom_kills=oom_kills() - self._oom_kills,
            ended_because=self._ended_because,
        )

    def _bury(self, death: Death) -> None:
        now = self._clock.monotonic()
        ready_seconds = 0.0 if self._ready_at is None else now - self._ready_at
        self._death = death
        self._deaths = (*policy.recent(self._deaths, now=now), now)
        self._deaths_in_a_row = policy.in_a_row(self._deaths_in_a_row, ready_seconds=ready_seconds)

    async def _tend_log(self) -> None:
        """Keep a running child's log small."""
        while True:
            await self._clock.sleep(self._spec.probe_every_seconds)
            cut = partial(logs.cut, self._spec.log_path, bytes_max=self._spec.log_bytes_max)
            await asyncio.to_thread(cut)

    # --- words --------------------------------------------------------------------------------

    def _told(self) -> Wait:
        if self._closed:
            return Wait.REFUSE
        return policy.waiter(self._state, wanted=self._wanted)

    def _because(self) -> str:
        now = self._clock.monotonic()
        cause = self._death.cause
        match self._state:
            case State.STARTING | State.LOADING:
                return f"loading for {now - self._since:.0f} s" + (f" after: {cause}" * bool(cause))
            case State.DEGRADED:
                return f"being looked at: {self._suspicion}"
            case State.BACKOFF:
                wait = max(0.0, self._next_start_at - now)
                return f"starting again in {wait:.0f} s; {cause}"
            case State.QUARANTINED:
                return f"not started again by itself ({len(self._deaths)} deaths); {cause}"
            case State.STOPPED | State.DRAINING:
                return "stopped" if self._state is State.STOPPED else "stopping"
            case _:
                return ""

    def _retry_after_seconds(self) -> float:
        if self._state is State.BACKOFF:
            return max(1.0, self._next_start_at - self._clock.monotonic())
        return RETRY_AFTER_SECONDS

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for what `stop` or `restart` leads to."""
        spec = self._spec
        limit = spec.drain_seconds_max + spec.stop_grace_seconds + 15.0
        try:
            async with asyncio.timeout(limit):
                while not done() and not self._closed:
                    await self._news.wait()
        except TimeoutError as exc:
            pid = self._running.pid if self._running else None
            text = f"{spec.name} (pid {pid}) does not end, even when killed; look at the machine"
            raise EngineError(text) from exc
