"""The one task that owns one process: a model server, or the worker.

The life cycle is the table in `policy`; here is one method for each state that does the work of
that state and ends in a signal. Signals also come from outside (the process died, somebody wants it
stopped, a request suspects it): they move the state at once, and the work of the old state is
cancelled. So a work method may be cancelled at any `await`, and nothing is done in two steps that
must not be torn.

What a state needs to know lies beside it: `child` is the process, `vigil` hears whether it lives,
`toll` counts and explains its deaths, `gate` says whether it may be started, `ladder` when it has
to go because memory is tight.

Cancelling `run` is what happens when the main process goes: the child is left alive, recorded, for
the next main to adopt. Only `stop` ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from twotier.domain.alert import Alert
from twotier.domain.clock import Clock
from twotier.domain.endpoint import ANY_WORK, Endpoint, Work
from twotier.domain.tier import TierFacts
from twotier.errors import EngineError, TierUnavailableError
from twotier.supervisor import logs, policy
from twotier.supervisor.around import Around
from twotier.supervisor.child import Child
from twotier.supervisor.death import Kind
from twotier.supervisor.gate import Gate
from twotier.supervisor.history import DeathNote
from twotier.supervisor.ladder import Ladder
from twotier.supervisor.policy import Signal, State, Wait
from twotier.supervisor.pressure import DRAIN_SECONDS_CRITICAL, Pressure, Rung
from twotier.supervisor.process import Launcher
from twotier.supervisor.spec import Change, KeptSpec, unknown
from twotier.supervisor.toll import Toll
from twotier.supervisor.use import Held
from twotier.supervisor.vigil import Vigil
from twotier.supervisor.words import Standing, because

RETRY_AFTER_SECONDS = 5.0  # told to a client when nobody knows better
_FAILED = frozenset({State.BACKOFF, State.QUARANTINED})
_AT_REST = _FAILED | {State.STOPPED}  # no process
_AT_WORK = frozenset({State.READY, State.BUSY})
MEMORY_EVERY_SECONDS = 5.0
LINES_SHOWN = 5


class Keeper:
    """`domain.endpoint.Kept` for one process. `run` must be running for anything to happen. `since`
    is when it came to stand as it does; ready and busy are one.
    """

    def __init__(
        self,
        spec: KeptSpec,
        launcher: Launcher,
        *,
        clock: Clock,
        random: Callable[[], float],
        on_change: Callable[[Change], None],
        around: Around | None = None,
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._random = random
        self._on_change = on_change
        self._around = around or Around()
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
        self._since, self.since = clock.monotonic(), clock.now()
        self._next_start_at = 0.0
        self._drain_seconds = spec.drain_seconds_max
        self._suspicion = ""
        self._looked = ""  # what the regular look has found just now
        self._ended_because = ""
        self._uses: set[Held] = set()
        self._known: TierFacts | None = None  # what was last shown
        self._child = Child(spec, launcher, clock=clock, on_gone=self._gone)
        self._toll = Toll(spec, clock, coroner=self._around.coroner)
        self._gate = Gate(spec, clock, around=self._around)
        self._vigil = Vigil(spec, clock, pulse=self._child.pulse)
        self._ladder = Ladder(clock, room=self._around.room)

    # --- what others ask -------------------------------------------------------------------

    async def ensure_ready(self, *, within_seconds: float) -> Endpoint:
        """Where it listens, once it is ready.

        Raises `TierUnavailableError` when it is not ready in time, or will not be.
        """
        if self._told() is Wait.GO:  # nearly always, and then without a timer
            return self._child.endpoint
        try:
            async with asyncio.timeout(within_seconds):
                while (told := self._told()) is Wait.WAIT:
                    await self._news.wait()
        except TimeoutError:
            told = self._told()  # it may have come up in the very moment
        if told is Wait.GO:
            return self._child.endpoint
        raise TierUnavailableError(
            f"{self._spec.name} is not ready: {self._because()}; `twotier status` shows more",
            retry_after_seconds=self._retry_after_seconds(),
        )

    def facts(self) -> TierFacts:
        """What to show. Every request asks; while it works the answer stays the same."""
        if self._known is None or self._state not in _AT_WORK:
            self._known = self._facts_now()
        return self._known

    def _facts_now(self) -> TierFacts:
        pid, held = self._child.pid, bool(self._gate.held)
        return TierFacts(
            name=self._spec.name,
            state=policy.shown(self._state, wanted=self._wanted and not self._closed, held=held),
            because=self._because(),
            pid=pid,
            address=self._child.endpoint.base_url if pid and self._spec.listens else "",
            lost=policy.lost(self._state, died=bool(self._toll.death.cause)),
            window_tokens=self._spec.window(self.level) if self.level else 0,
            window_because=self._toll.squeezed(self.level),
        )

    @property
    def level(self) -> int:
        """How often its caches are halved: in the life it has, or will have at least."""
        return self._child.level if self._child.running else self._toll.smaller

    @property
    def state(self) -> State:
        """Where it stands; for pages and tests, never to decide on."""
        return self._state

    def history(self) -> tuple[DeathNote, ...]:
        """Its last deaths, the newest last."""
        return self._toll.notes

    def last_lines(self) -> tuple[str, ...]:
        """The end of its log."""
        return logs.last_lines(self._spec.log_path, lines_max=LINES_SHOWN)

    def gate(self) -> str:
        """Why it cannot be started now; empty where nothing holds it up."""
        return self._gate.held

    def suspect(self, because: str) -> None:
        """Somebody's request failed as if the server were dead: look now."""
        self._suspicion = because
        self._take(Signal.SUSPECTED)

    def pick_up(self, work: Work = ANY_WORK) -> Held:
        """A request enters. That is no sign of life: it may be the third that nobody answers."""
        held = Held(self, work, since=self._clock.monotonic())
        self._uses.add(held)
        if len(self._uses) == 1:
            self._move(Signal.PICKED_UP)
        return held

    def progressed(self) -> None:
        """A request's bytes came."""
        self._vigil.heard()

    def laid_down(self, held: Held) -> None:
        """A request has left."""
        self._uses.discard(held)
        if not self._uses:
            self._move(Signal.LAID_DOWN)
            if self._state is State.DRAINING:
                self._tell()  # it waits for this, and its state does not change by it

    def _move(self, signal: Signal) -> None:
        """Each request passes here; between ready and busy nothing changes for those who wait."""
        after = policy.follow(self._state, signal)
        if self._state in _AT_WORK and after in _AT_WORK:
            self._state = after
        else:
            self._take(signal)

    async def stop(self) -> None:
        """Let requests finish, end the process, return when it is gone.

        Raises `EngineError` when even KILL does not end it. A `restart` that comes meanwhile wins,
        as the later word; then this returns without waiting for the end.
        """
        self._want(False)
        self._take(Signal.STOP)
        await self._until(lambda: self._state is State.STOPPED or self._wanted)

    async def start(self, *, force: bool = False) -> None:
        """See that it runs, or is on its way; the way out of quarantine too.

        `force`: this once without asking whether there is room in memory.
        """
        if not self._wanted or self._state in _AT_REST:
            await self.restart(force=force)

    async def restart(self, *, force: bool = False) -> None:
        """End it if it runs, and start anew.

        Returns when the new one has been started, or was not let in; `ensure_ready` waits for the
        rest.
        """
        self._toll.forgive()
        self._gate.held, self._gate.forced = "", force
        self._want(True)
        before = self._child.endpoint.generation
        self._take(Signal.START if self._state in _AT_REST else Signal.STOP)
        await self._until(
            lambda: (
                self._child.endpoint.generation != before
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
                group.create_task(logs.tend(self._spec, self._clock))
                group.create_task(self._tend_memory())
        finally:
            self._closed = True
            self._tell()
            self._child.leave(alive=self._wanted)

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

    def _take(self, signal: Signal) -> None:
        """The only place where the state moves."""
        before, self._state = self._state, policy.follow(self._state, signal)
        after = self._state
        if before is after:
            return
        if self._work[before] != self._work[after]:
            self._since, self.since = self._clock.monotonic(), self._clock.now()
            self._interrupt()
        self._tell()
        self._note(before, signal, text=self._because())
        if after is State.READY and self._uses:
            self._take(Signal.PICKED_UP)

    def _note(self, before: State, signal: Signal, *, text: str) -> None:
        """Say what happened to whoever writes it down."""
        running = self._child.running
        self._on_change(
            Change(
                name=self._spec.name,
                before=before,
                signal=signal,
                after=self._state,
                because=text,
                pid=self._child.pid,
                generation=self._child.endpoint.generation,
                adopted=running is not None and running.adopted,
            )
        )

    def _alert(self, kind: str, text: str) -> None:
        """Tell a person."""
        self._around.alert(Alert(self._spec.name, kind, text))

    def _interrupt(self) -> None:
        """Cancel the work of the state that was left."""
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.reschedule(asyncio.get_running_loop().time())

    def _tell(self) -> None:
        """Wake everybody who waits for a change."""
        self._known = None
        self._news.set()
        self._news = asyncio.Event()

    def _want(self, wanted: bool) -> None:
        """The intent; told at once, because it changes what waiters hear in an unchanged state."""
        self._wanted = wanted
        self._tell()

    # --- the work of each state: ends in a signal, may be cancelled at any await --------------

    async def _rest(self) -> Signal:
        return Signal.START if self._wanted else await self._nothing()

    async def _start(self) -> Signal:
        self._ended_because, self._suspicion = "", ""
        self._drain_seconds = self._spec.drain_seconds_max
        await self._toll.ask_again()
        await self._child.clear_other()
        await self._gate.foresee()
        if adopted := self._child.adopted():
            self._begin(adopted=adopted)
            return Signal.SPAWNED
        if await self._gate.shut(self._child, smaller=self._toll.smaller):
            return Signal.HELD_UP
        try:
            self._child.spawn(self._gate.smaller)
        except EngineError as exc:
            self._toll.bury_unborn(exc.message)
            return Signal.EXITED
        except OSError as exc:  # a full disk may have room again; nobody else needs this one
            cannot = f"its log or record cannot be written ({exc.strerror}); look at the disk"
            self._toll.bury_unborn(cannot, Kind.UNKNOWN)
            return Signal.EXITED
        self._begin(adopted=adopted)
        if self._gate.smaller:
            halved = f"its caches are halved {self._gate.smaller} times, see `twotier engine why`"
            self._note(self._state, Signal.PRESSED, text=halved)
        return Signal.SPAWNED

    def _begin(self, *, adopted: bool) -> None:
        """A life begins."""
        self._toll.begin()
        self._ladder.begin()
        self._gate.passed(self._child, adopted=adopted)

    async def _load(self) -> Signal:
        limit = self._spec.load_seconds_max
        failed = await self._vigil.first_answer(self._child.endpoint, within_seconds=limit)
        if failed:
            await self._end(failed)
            return await self._nothing()
        self._toll.ready_at = self._clock.monotonic()
        return Signal.ANSWERED

    async def _watch(self) -> Signal:
        """Ready or busy: ask it for a token when nothing was heard of it for a while."""
        while True:
            await self._vigil.silence()
            if failed := await self._dead():
                self._suspicion = "a regular look failed"
                self._looked = failed
                return Signal.SUSPECTED

    async def _examine(self) -> Signal:
        looked, self._looked = self._looked, ""
        if failed := looked or await self._dead():
            suspicion = self._suspicion or "it looked dead"
            await self._end(f"hung, so it was ended: {suspicion}; asked for one token: {failed}")
            return await self._nothing()
        return Signal.ANSWERED

    async def _dead(self) -> str:
        return await self._vigil.dead(self._child.endpoint, uses=lambda: self._uses)

    async def _drain(self) -> Signal:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                while self._uses:
                    await self._news.wait()
        while not await self._child.end():
            continue  # it hangs in the kernel; `stop` gives up aloud, we go on
        return Signal.EXITED

    async def _back_off(self) -> Signal:
        if self._gate.held:
            began, delay = self._clock.monotonic(), self._gate.delay_seconds(self._random)
        else:
            await self._toll.learn()
            if self._toll.hopeless():
                self._alert("quarantined", f"not started again by itself; {self._toll.death.cause}")
                return Signal.TOO_MANY
            if self._toll.death.remedy.rests and self._spec.obeys:
                self._alert("stopped", f"{self._toll.death.cause}; not started again by itself")
                self._want(False)
                return Signal.STOP
            self._toll.settle()
            began, delay = self._toll.died_at, self._toll.delay_seconds(self._random)
        self._next_start_at = began + delay
        await self._clock.sleep(max(0.0, self._next_start_at - self._clock.monotonic()))
        return Signal.DELAY_OVER

    async def _nothing(self) -> Signal:
        """Wait until a signal from outside cancels this; one is owed, or a person has to act."""
        while True:
            await self._news.wait()

    # --- the parts of that work ---------------------------------------------------------------

    async def _end(self, reason: str) -> None:
        """End a process that does not do its work; its death is explained by our reason."""
        self._ended_because = reason
        await self._child.end()

    def _gone(self, exit_code: int | None) -> None:
        """The process ended."""
        self._around.room.left(self._spec.name)
        if self._state is not State.DRAINING:
            kills, ended = self._toll.kills(), self._ended_because
            found = self._child.evidence(exit_code, ended_because=ended, oom_kills=kills)
            self._toll.bury(found, self._child.last)
        elif self._gate.pressed:
            self._alert("unloaded", f"{self._gate.held}; it comes back when there is room")
        self._take(Signal.EXITED)

    async def _tend_memory(self) -> None:
        """Go down the ladder while memory is tight, before the system does it without asking."""
        while self._around.room.reader is not None and self._spec.need is not unknown:
            await self._clock.sleep(MEMORY_EVERY_SECONDS)
            if self._state not in _AT_WORK:
                continue
            match await self._ladder.look(idle=not self._uses):
                case Rung.SHRINK:  # its own caches no engine gives back while it runs
                    given = await self._around.spare() or "nobody has any to spare"
                    self._note(self._state, Signal.PRESSED, text=f"memory is tight: {given}")
                case Rung.UNLOAD:
                    self._unload()

    def _unload(self) -> None:
        """Requests in it may finish, for as long as there is time; then it goes."""
        if self._state not in _AT_WORK:
            return  # it was stopped or died while we looked
        tight = "unloaded because memory is tight, before the system ends it"
        self._toll.start_smaller(tight)
        self._gate.press(tight)
        if self._ladder.level is Pressure.CRITICAL:
            self._drain_seconds = min(self._drain_seconds, DRAIN_SECONDS_CRITICAL)
        self._take(Signal.PRESSED)

    # --- words --------------------------------------------------------------------------------

    def _told(self) -> Wait:
        if self._closed:
            return Wait.REFUSE
        return policy.waiter(self._state, wanted=self._wanted, held=bool(self._gate.held))

    def _because(self) -> str:
        now = self._clock.monotonic()
        return because(
            Standing(
                self._state,
                self._wanted,
                cause=self._toll.death.cause,
                held=self._gate.held,
                suspicion=self._suspicion,
                deaths=self._toll.count,
                since_seconds=now - self._since,
                wait_seconds=max(0.0, self._next_start_at - now),
            )
        )

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
            pid = self._child.pid
            text = f"{spec.name} (pid {pid}) does not end, even when killed; look at the machine"
            raise EngineError(text) from exc
