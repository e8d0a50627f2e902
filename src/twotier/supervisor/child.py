"""The one process of a keeper: found again or made, written down, known by its address.

It is never two. What an earlier main left is adopted if it is what would be started now, and ended
first if it is not; it is ours only if pid and start time are those of our record.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.supervisor import logs, record
from twotier.supervisor.death import Evidence
from twotier.supervisor.process import Launcher, Running
from twotier.supervisor.spec import KeptSpec
from twotier.supervisor.traces import Gone
from twotier.supervisor.vigil import Pulse


class Child:
    """`on_gone` hears that it ended, with its exit code; within milliseconds, on the loop."""

    def __init__(
        self,
        spec: KeptSpec,
        launcher: Launcher,
        *,
        clock: Clock,
        on_gone: Callable[[int | None], None],
    ) -> None:
        self._spec = spec
        self._launcher = launcher
        self._clock = clock
        self._on_gone = on_gone
        self.running: Running | None = None
        self.endpoint = Endpoint(base_url="", generation=0)
        self.gone_at: float | None = None
        self.level = 0  # how often its caches were halved at its start
        self._spawned_at = 0.0
        self._last = Gone(0, 0.0)

    @property
    def pid(self) -> int | None:
        """Its number while it lives."""
        return self.running.pid if self.running else None

    def pulse(self) -> Pulse:
        """What it has used so far. It walks the table of processes: call it in a thread."""
        running = self.running  # it may go while we look
        return running.pulse() if running else Pulse()

    def resident_bytes(self) -> int:
        """What it holds of memory now; as `pulse`."""
        return self.pulse().resident_bytes

    async def clear_other(self) -> None:
        """End what an earlier main left with another command or model; two would not fit."""
        found = record.read(self._spec.record_path)
        if found is None or (self._spec.adopts and self._same(found)):
            return
        other = self._launcher.adopt(found.pid, created=found.created, on_exit=lambda _: None)
        if other is not None:
            await other.end(grace_seconds=self._spec.stop_grace_seconds)
            other.release()
        record.remove(self._spec.record_path)

    def _same(self, found: record.Record) -> bool:
        """What was started then is what would be started now, at a port that will do."""
        port_fits = self._spec.port in (0, found.port)
        return port_fits and found.fingerprint == self._fingerprint()

    def adopted(self) -> bool:
        """Take over the living process of an earlier main."""
        found = record.read(self._spec.record_path)
        if found is None:
            return False
        self.running = self._launcher.adopt(
            found.pid, created=found.created, on_exit=self._hears_end()
        )
        if self.running is None:
            record.remove(self._spec.record_path)
            return False
        self.level = found.level
        self._lives_at(found.port)
        return True

    def spawn(self, level: int) -> None:
        """Start it. `level` halvings of its caches, where the engine has such a command.

        No await in here: a child that is nowhere written down would be started a second time by
        the next main. Raises `EngineError`, and `OSError` where its log or record cannot be
        written; then it does not run.
        """
        port = self._spec.port or self._launcher.free_port()
        self.level = level
        squeezed = self._spec.squeezed if level else None
        launch = squeezed(port, level) if squeezed else self._spec.launch(port)
        self.running = self._launcher.spawn(
            launch, log_path=self._spec.log_path, on_exit=self._hears_end()
        )
        self._lives_at(port)
        kept = record.Record(
            pid=self.running.pid,
            created=self.running.created,
            port=port,
            fingerprint=self._fingerprint(),
            level=level,
        )
        try:
            record.write(self._spec.record_path, kept)
        except OSError:
            self.running.kill()
            self.running.release()
            self.running = None
            raise

    def _fingerprint(self) -> str:
        return record.fingerprint(self._spec.launch(0), identity=self._spec.identity)

    def _hears_end(self) -> Callable[[int | None], None]:
        return partial(self._gone, self.endpoint.generation + 1)

    def _lives_at(self, port: int) -> None:
        self._spawned_at = self._clock.monotonic()
        if self.running is not None:
            self._last = Gone(self.running.pid, self.running.created)
        self.endpoint = replace(
            self.endpoint,
            base_url=f"http://127.0.0.1:{port}",
            generation=self.endpoint.generation + 1,
        )

    def _gone(self, generation: int, exit_code: int | None) -> None:
        if generation != self.endpoint.generation or self.running is None:
            return
        self.running, self.gone_at = None, self._clock.monotonic()
        record.remove(self._spec.record_path)
        self._on_gone(exit_code)

    @property
    def last(self) -> Gone:
        """The last one that lived, to look for its traces."""
        return self._last

    def evidence(self, exit_code: int | None, *, ended_because: str, oom_kills: int) -> Evidence:
        """What is known at once of its end."""
        return Evidence(
            exit_code=exit_code,
            lived_seconds=self._clock.monotonic() - self._spawned_at,
            last_lines=logs.last_lines(self._spec.log_path),
            oom_kills=oom_kills,
            ended_because=ended_because,
        )

    async def end(self) -> bool:
        """TERM, wait, KILL, for the whole group. False if it is there all the same."""
        if self.running is None:
            return True
        return await self.running.end(grace_seconds=self._spec.stop_grace_seconds)

    def leave(self, *, alive: bool) -> None:
        """We go. A child that was being stopped goes at once, another one lives on."""
        if self.running is None:
            return
        if not alive:
            self.running.kill()
            record.remove(self._spec.record_path)
        self.running.release()
