"""The durable engine under the runs: DBOS, which nothing else here knows.

A run is one workflow of the same id, and what it has done is kept step by step. DBOS decides
nothing: which run begins when, and who goes on with one, is the scheduler's knowledge. So there are
no queues and no schedules of DBOS, and every process is an executor of its own that recovers
nothing by itself: a run goes on because `run` is called for it again.

Steps are JSON, never pickles: whoever can write the database must not be able to run code. Without
a URL it is SQLite in the state folder, for its owner alone; a kill loses nothing there, a loss of
power the last moments, whose steps are then done again.

A step costs one transaction, after its work. DBOS's own way to do one goes to a thread three times
and looks for a result first; but a run that nobody has begun before has none, and those of one that
goes on are read at once.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

# DBOS loads it, in a thread. While it is half there, a statement made in another thread breaks,
# because it asks the ORM about values such as ours: so it is here first.
import sqlalchemy.orm

from twotier.domain.steps import Json, Steps
from twotier.errors import JobError, NotFoundError
from twotier.jobs.database import cannot_be_opened, is_sqlite, place_of
from twotier.jobs.notes import Notes

if TYPE_CHECKING:
    from dbos import DBOS, Serializer, StepInfo, WorkflowStatus
    from dbos._sys_db import OperationResultInternal, SystemDatabase

LOG = logging.getLogger("twotier.engine")

NAME = "twotier"
# Raised by hand when the order of a run's steps changes. Runs of another version go on as forks.
VERSION = "2"
TRIES_MAX = 5  # of DBOS itself; the scheduler counts tries of its own
BUSY_MS = 30_000
THREADS_MAX = 24
POOL_SIZE = 8
LISTEN_SECONDS = 0.25  # of a thread that only looks whether it is to end: we send no messages
SCHEDULES_SECONDS = 3_600.0  # DBOS has none of ours
FORGOTTEN_AT_ONCE = 100
OVER = ("SUCCESS", "ERROR")
JSON_NAME = "json"  # of our values, in each row of DBOS
MILLI = 1_000

Body = Callable[[Steps], Awaitable[Json]]


class _Left(BaseException):
    """Carries an error through DBOS without its being kept as the outcome of a step or a run."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class _Going:
    """A run this process works on. `new`: it has no steps yet."""

    body: Body
    over: asyncio.Future[Json]
    task: asyncio.Task[Any] | None = None
    new: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A step as it is shown: times in seconds since the epoch, None while nobody knows."""

    number: int
    name: str
    output: Json
    started_at: float | None
    ended_at: float | None


class Engine:
    """Does runs durably. There is one in a process at a time, because DBOS is one.

    `leave` are the errors with which a run stops as it is, to go on later; any other ends it.
    """

    def __init__(self, url: sa.URL, *, leave: tuple[type[Exception], ...] = ()) -> None:
        self._url = url
        self._leave = leave
        self._going: dict[str, _Going] = {}
        self._launching = asyncio.Lock()
        self._dbos: type[DBOS] | None = None
        self._start: Callable[[], Awaitable[Any]] | None = None
        self._engine: sa.Engine | None = None
        self._system: SystemDatabase | None = None
        self._notes: Notes | None = None
        self._owner_of: Callable[[str], str | None] = nobody
        self._queue: str | None = None

    @classmethod
    def on(cls, path: Path, *, url: str = "", leave: tuple[type[Exception], ...] = ()) -> Engine:
        """An engine on the SQLite file `path`, or on the PostgreSQL database of `url`."""
        return cls(place_of(path, url=url), leave=leave)

    async def launch(self) -> None:
        """Load DBOS and open its database. The first run does it if nobody did.

        Raises `JobError` where the database cannot be opened.
        """
        async with self._launching:
            if self._dbos is not None:
                return
            await asyncio.to_thread(importlib.import_module, "dbos")
            try:
                self._dbos = await self._launched()
            except (OSError, sa.exc.DatabaseError) as exc:
                raise JobError(cannot_be_opened(self._url, exc)) from exc

    async def close(self) -> None:
        """Stop. Runs that are under way stay as they are."""
        if self._dbos is None:
            return
        dbos, self._dbos, self._system = self._dbos, None, None
        # DBOS has made its threads those of the loop, and ends them with itself.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS_MAX))
        await asyncio.to_thread(dbos.destroy, destroy_registry=True)
        if self._engine is not None:
            self._engine.dispose()

    async def run(self, run_id: str, body: Body) -> Json:
        """What `body` returns; steps that it has done before are not done again.

        Raises what `body` raises. With one of `leave`, or cancelled, the run goes on from its
        last step when this is called again; with any other error it is over.
        """
        await self.launch()
        async with self._going_on(run_id, body) as over:
            if await self._begin(run_id):
                return await over
        workflow = await self._current(run_id)
        async with self._going_on(workflow, body) as over:
            status = await self._status(workflow)
            if status is not None and status.status == "SUCCESS":
                return status.output
            if status is not None and status.status == "ERROR":
                raise JobError("the run had ended with an error; order it anew, or fork it")
            await self._go_on(workflow)
            return await over

    async def fork(self, run_id: str, new_id: str, *, step: int, body: Body) -> Json:
        """A second run that takes over the steps before number `step` and does the rest itself.

        Raises `NotFoundError` for a run without steps.
        """
        await self.launch()
        workflow = await self._current(run_id)
        if await self._status(workflow) is None:
            raise NotFoundError(f"the run {run_id!r} has no steps that could be taken over")
        async with self._going_on(new_id, body) as over:
            if await self._status(new_id) is None:
                await self._fork(workflow, new_id, step=step)
            else:
                await self._go_on(new_id)
            return await over

    async def cancel(self, run_id: str) -> None:
        """The run is not to go on by itself; `run` takes it up again."""
        await self.launch()
        workflow = await self._current(run_id)
        if await self._status(workflow) is not None:
            await self._known.cancel_workflow_async(workflow)

    async def steps(self, run_id: str) -> list[Step]:
        """What the run has done so far, in order; nothing for a run that never began."""
        await self.launch()
        workflow = await self._current(run_id)
        if await self._status(workflow) is None:
            return []
        return [step_of(found) for found in await self._known.list_workflow_steps_async(workflow)]

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Delete runs with all that their steps gave."""
        if not run_ids:
            return
        await self.launch()
        ids = [known for one in run_ids for known in (one, forked(one))]
        for start in range(0, len(ids), FORGOTTEN_AT_ONCE):
            await self._known.delete_workflows_async(ids[start : start + FORGOTTEN_AT_ONCE])
        await asyncio.to_thread(self._overwrite)

    def _overwrite(self) -> None:
        """What was deleted is zeroes in the file already; here it leaves the log beside it too."""
        if self._engine is not None and is_sqlite(self._url):
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- what DBOS is asked

    @property
    def _kept(self) -> SystemDatabase:
        """Where DBOS keeps steps."""
        if self._system is None:
            raise JobError("the engine of runs is closed; start the worker again")
        return self._system

    @property
    def _known(self) -> type[DBOS]:
        if self._dbos is None:
            raise JobError("the engine of runs is closed; start the worker again")
        return self._dbos

    async def _launched(self) -> type[DBOS]:
        from dbos import DBOS, _context

        quiet()
        self._engine = connect(self._url)
        executor = f"{NAME}-{uuid.uuid4().hex}"
        dbos = DBOS(
            config={
                "name": NAME,
                "system_database_url": self._url.render_as_string(hide_password=False),
                "system_database_engine": self._engine,
                "application_version": VERSION,
                "executor_id": executor,
                "serializer": json_serializer(),
                "use_listen_notify": False,
                "notification_listener_polling_interval_sec": LISTEN_SECONDS,
                "scheduler_polling_interval_sec": SCHEDULES_SECONDS,
                "max_executor_threads": THREADS_MAX,
                "log_level": "ERROR",
                "enable_otlp": False,
            }
        )
        self._start = DBOS.workflow(name="run", max_recovery_attempts=TRIES_MAX)(self._workflow())
        if not is_sqlite(self._url):  # the queue all workers read would give our runs to others
            self._queue = executor
            DBOS.listen_queues([executor])
        DBOS.launch()
        self._system = dbos._sys_db  # noqa: SLF001 - the module says what for
        tables, engine = self._system.tables, self._system.engine
        self._notes = Notes.of(tables.operation_outputs, tables.workflow_status, engine=engine)
        self._owner_of = getattr(_context, "current_owner_xid", nobody)
        if self._queue is not None:
            await DBOS.register_queue_async(self._queue)
        return DBOS

    def _workflow(self) -> Callable[[], Awaitable[Json]]:
        async def run() -> Json:
            workflow = str(self._known.workflow_id)
            going = self._going.get(workflow)
            if going is None or going.over.done():  # given up a moment ago
                raise _Left(JobError(f"nobody waits for the run {workflow}"))
            going.task = asyncio.current_task()
            if going.task is not None:  # over when DBOS has noted how it ended, and not before
                going.task.add_done_callback(lambda task: settle(going.over, task))
            try:
                done = {} if going.new else await self._done(workflow)
                note = partial(self._note, workflow)
                return await going.body(RunSteps(workflow, note=note, done=done))
            except self._leave as exc:
                raise _Left(exc) from exc

        return run

    async def _done(self, workflow: str) -> dict[int, Step]:
        """What the run has done, by number. As a question to DBOS it would be a step of its own."""
        found = await asyncio.to_thread(self._kept.list_workflow_steps, workflow)
        return {one["function_id"]: step_of(one) for one in found}

    async def _note(self, workflow: str, step: Step) -> None:
        """Remember a step. DBOS refuses where another worker has taken over the run."""
        result: OperationResultInternal = {
            "workflow_uuid": workflow,
            "function_id": step.number,
            "function_name": step.name,
            "output": json.dumps(step.output),
            "error": None,
            "serialization": JSON_NAME,
            "started_at_epoch_ms": int((step.started_at or 0.0) * MILLI),
            "child_workflow_id": None,
        }
        await asyncio.to_thread(self._write, result)

    def _write(self, result: OperationResultInternal) -> None:
        """In a thread, which has the context of the run: that knows by which token it is ours."""
        owner = self._owner_of(result["workflow_uuid"])
        ended_ms = int(time.time() * MILLI)  # noqa: TID251 - as DBOS does
        if self._notes is not None and owner is not None:
            more = {
                "completed_at_epoch_ms": ended_ms,
                "retention_timestamp": ended_ms,
                "application_name": NAME,
            }
            with suppress(sa.exc.OperationalError):  # DBOS goes on trying
                if self._notes.write({**result, **more}, owner=owner):
                    return
        self._kept.record_operation_result(result)

    @asynccontextmanager
    async def _going_on(self, workflow: str, body: Body) -> AsyncIterator[asyncio.Future[Json]]:
        """The body can be found by DBOS; it is not left at work when its caller has gone."""
        going = _Going(body, asyncio.get_running_loop().create_future())
        self._going[workflow] = going
        try:
            yield going.over
        finally:
            going.over.cancel()
            del self._going[workflow]
            if going.task is not None and not going.task.done():
                going.task.cancel()
                await asyncio.wait([going.task])

    async def _current(self, run_id: str) -> str:
        """The workflow of the run: its own, or the fork that goes on with an older version's."""
        status = await self._status(run_id)
        if status is None or status.app_version == VERSION:
            return run_id
        if await self._status(forked(run_id)) is None and status.status not in OVER:
            done = await self._known.list_workflow_steps_async(run_id)
            await self._known.cancel_workflow_async(run_id)
            await self._fork(run_id, forked(run_id), step=len(done) + 1)
            LOG.warning("run of an older version goes on", extra={"run": run_id})
        return forked(run_id) if status.status not in OVER else run_id

    async def _status(self, workflow: str) -> WorkflowStatus | None:
        return await self._known.get_workflow_status_async(workflow)

    async def _begin(self, workflow: str) -> bool:
        """Begin the run, unless it was begun before."""
        from dbos import SetWorkflowID, error

        if self._start is None:
            raise JobError("the engine of runs is closed; start the worker again")
        self._going[workflow].new = True
        try:
            with SetWorkflowID(workflow, workflow_id_reuse_policy="reject"):
                await self._known.start_workflow_async(self._start)  # type: ignore[arg-type]
        except error.DBOSWorkflowIDInUseError:
            return False
        return True

    async def _go_on(self, workflow: str) -> None:
        await self._known.resume_workflow_async(workflow, queue_name=self._queue)

    async def _fork(self, workflow: str, new_id: str, *, step: int) -> None:
        from dbos import SetWorkflowID

        with SetWorkflowID(new_id):
            await self._known.fork_workflow_async(
                workflow, step, application_version=VERSION, queue_name=self._queue
            )


class RunSteps:
    """The steps of one run, in the order they are asked for: those that are `done` already, and
    new ones, of which each is noted.
    """

    def __init__(
        self, run_id: str, *, note: Callable[[Step], Awaitable[None]], done: Mapping[int, Step]
    ) -> None:
        self._run_id = run_id
        self._note = note
        self._done = done
        self._asked = 0

    async def do(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """See `Steps`."""
        self._asked += 1
        number = self._asked
        if (found := self._done.get(number)) is not None:
            return output_of(found, name)
        began = time.time()  # noqa: TID251 - DBOS dates the end by the machine's clock as well
        made = await work()
        await self._note(Step(number, name, made, began, ended_at=None))
        return made

    def key_of(self, name: str) -> str:
        """See `Steps`."""
        return f"{self._run_id}:{name}:{self._asked + 1}"


def output_of(found: Step, name: str) -> Json:
    """What the step gave. Raises `JobError` where it was another one: the order has changed."""
    if found.name != name:
        raise JobError(
            f"step {found.number} of the run was {found.name!r}, and would be {name!r} now; order"
            " it anew"
        )
    return found.output


def nobody(_: str) -> None:
    """No token by which a run is ours is known."""


def settle(over: asyncio.Future[Json], task: asyncio.Task[Any]) -> None:
    """Tell whoever waits for the run how its task ended."""
    error = None if task.cancelled() else task.exception()
    if over.done():
        return
    if task.cancelled():
        over.cancel()
    elif error is not None:
        over.set_exception(error.error if isinstance(error, _Left) else error)
    else:
        over.set_result(task.result())


def step_of(found: StepInfo) -> Step:
    """A step of DBOS as ours."""
    begun, ended = found["started_at_epoch_ms"], found["completed_at_epoch_ms"]
    return Step(
        number=found["function_id"],
        name=found["function_name"],
        output=found["output"],
        started_at=None if begun is None else begun / MILLI,
        ended_at=None if ended is None else ended / MILLI,
    )


def forked(run_id: str) -> str:
    """The workflow that goes on with a run of an older version."""
    return f"{run_id}~{VERSION}"


def connect(url: sa.URL) -> sa.Engine:
    """A pool with our settings: SQLite with a write-ahead log, its file for the owner alone."""
    if not is_sqlite(url):
        return sa.create_engine(url, pool_size=POOL_SIZE, max_overflow=0, pool_pre_ping=True)
    os.close(os.open(str(url.database), os.O_CREAT | os.O_RDWR, 0o600))
    engine = sa.create_engine(url, pool_size=POOL_SIZE, max_overflow=0)

    @sa.event.listens_for(engine, "connect")
    def settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            f"busy_timeout = {BUSY_MS}",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "secure_delete = ON",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def json_serializer() -> Serializer:
    """Everything as JSON. What is not JSON is a fault of ours, and never becomes a pickle."""
    from dbos import Serializer

    class JsonSerializer(Serializer):
        def serialize(self, data: Any) -> str:
            """An error, which only ever ends a run, is told in words."""
            if isinstance(data, BaseException):
                data = {"error": f"{type(data).__name__}: {data}"}
            return json.dumps(data)

        def deserialize(self, serialized_data: str) -> Any:
            """What was told, never an object of ours."""
            return json.loads(serialized_data)

        def name(self) -> str:
            """Kept with each row."""
            return JSON_NAME

    return JsonSerializer()


def quiet() -> None:
    """DBOS speaks through our log, and only of what goes wrong."""
    log = logging.getLogger("dbos")
    if not log.handlers:
        log.addHandler(logging.NullHandler())  # or it takes the console for its own
    log.setLevel(logging.ERROR)
