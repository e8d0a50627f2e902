"""The engine by itself: what is done once is not done again, whatever ended the run before."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.stores import laid
from twotier.domain.steps import Json, Steps
from twotier.errors import JobError, NotFoundError, PausedError
from twotier.jobs.database import place_of
from twotier.jobs.engine import Engine, forked
from twotier.jobs.notes import RUN, STEP, Notes

Body = Callable[[Steps], Awaitable[Json]]


def counting(done: list[int], *, stop_at: int | None = None) -> Body:
    """Four steps; `done` holds those that were really done. It pauses before one."""

    async def body(steps: Steps) -> Json:
        given = []
        for number in range(4):
            if number == stop_at:
                raise PausedError("the worker stops")

            async def work(number: int = number) -> Json:
                done.append(number)
                return {"number": number, "key": steps.key_of("next")}

            given.append(await steps.do(f"step{number}", work))
        return given

    return body


def engine(home: Path) -> Engine:
    """On a file, as a worker opens it."""
    return Engine.on(laid(home / "engine.db"), leave=(PausedError,))


def test_a_paused_run_goes_on_in_another_engine_and_forks_from_a_step(tmp_path: Path) -> None:
    """Finished steps are not done again; a fork takes over those before its step, and keys differ
    by run. The file is for its owner, and holds no pickle.
    """

    async def scenario() -> None:
        done: list[int] = []
        first = engine(tmp_path)
        with pytest.raises(PausedError):
            await first.run("run", counting(done, stop_at=2))
        await first.close()
        second = engine(tmp_path)
        given = await second.run("run", counting(done))
        assert done == [0, 1, 2, 3]
        assert await second.run("run", counting(done)) == given
        again: list[int] = []
        await second.fork("run", "fork", step=3, body=counting(again))
        assert again == [2, 3]
        steps = await second.steps("fork")
        assert [step.name for step in steps] == ["step0", "step1", "step2", "step3"]
        assert [step.output["key"].partition(":")[0] for step in steps] == ["run"] * 2 + [
            "fork"
        ] * 2
        with pytest.raises(NotFoundError):
            await second.fork("nobody", "other", step=1, body=counting(again))
        await second.forget(["run", "fork"])
        assert await second.steps("run") == []
        await second.close()

    asyncio.run(scenario())
    file = tmp_path / "engine.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite3.connect(file) as connection:
        (kept,) = connection.execute("SELECT count(*) FROM operation_outputs").fetchone()
    assert kept == 0


def test_a_cancelled_run_can_be_taken_up_again(tmp_path: Path) -> None:
    """Cut in the middle of a step: that step is done again, and only that one."""

    async def scenario() -> None:
        done: list[int] = []
        under_way = asyncio.Event()

        async def hangs(steps: Steps) -> Json:
            async def one() -> Json:
                done.append(0)
                return {"number": 0}

            async def endless() -> Json:
                under_way.set()
                await asyncio.Event().wait()

            await steps.do("step0", one)
            return await steps.do("step1", endless)

        one = engine(tmp_path)
        run = asyncio.ensure_future(one.run("run", hangs))
        await under_way.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await one.cancel("run")
        await one.run("run", counting(done))
        assert done == [0, 1, 2, 3]
        await one.close()

    asyncio.run(scenario())


def test_a_run_of_an_older_version_goes_on_as_a_fork(tmp_path: Path) -> None:
    """An upgrade strands nothing: what was done is taken over."""

    async def scenario() -> None:
        done: list[int] = []
        old = engine(tmp_path)
        with pytest.raises(PausedError):
            await old.run("run", counting(done, stop_at=2))
        await old.close()
        with sqlite3.connect(tmp_path / "engine.db") as connection:
            connection.execute("UPDATE workflow_status SET application_version = '0'")
        new = engine(tmp_path)
        await new.run("run", counting(done))
        assert done == [0, 1, 2, 3]
        assert len(await new.steps("run")) == 4
        assert forked("run") != "run"
        await new.close()

    asyncio.run(scenario())


def test_an_error_ends_the_run(tmp_path: Path) -> None:
    """It is raised as it is, and the run does not begin again behind anybody's back."""

    async def scenario() -> None:
        async def broken(_: Steps) -> Json:
            raise ValueError("a fault of ours")

        one = engine(tmp_path)
        with pytest.raises(ValueError, match="a fault of ours"):
            await one.run("run", broken)
        with pytest.raises(JobError, match="had ended with an error"):
            await one.run("run", counting([]))
        await one.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("quick", [True, False])
def test_a_step_of_a_run_that_another_has_taken_over_is_refused(
    tmp_path: Path, quick: bool
) -> None:
    """By DBOS, and by the statement of ours, which writes what DBOS would."""

    async def scenario() -> None:
        one = engine(tmp_path)
        await one.launch()
        assert one._notes is not None
        one._notes = one._notes if quick else None
        refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def taken_over(steps: Steps) -> Json:
            async def work() -> Json:
                return {"number": 1}

            await steps.do("mine", work)
            with sqlite3.connect(tmp_path / "engine.db") as connection:
                connection.execute("UPDATE workflow_status SET owner_xid = 'another'")
            try:
                return await steps.do("theirs", work)
            except BaseException as exc:
                refused.set_result(type(exc).__name__)
                raise

        run = asyncio.ensure_future(one.run("run", taken_over))
        assert await refused == "DBOSWorkflowConflictIDError"
        (step,) = await one.steps("run")
        assert (step.number, step.name, step.output) == (1, "mine", {"number": 1})
        assert 0 < (step.started_at or 0) <= (step.ended_at or 0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await one.close()

    asyncio.run(scenario())
    with sqlite3.connect(tmp_path / "engine.db") as connection:
        (row,) = connection.execute(
            "SELECT error, serialization, child_workflow_id, application_name FROM"
            " operation_outputs"
        )
    assert row == (None, "json", None, "twotier")


def test_other_tables_than_those_that_are_known_are_left_to_dbos() -> None:
    """A newer DBOS may keep more."""
    metadata = sa.MetaData()
    run = sa.Table("run", metadata, *(sa.Column(name) for name in RUN))
    known = sa.Table("known", metadata, *(sa.Column(name, sa.Text) for name in STEP))
    more = sa.Table("more", metadata, *(sa.Column(name, sa.Text) for name in {*STEP, "more"}))
    engine = sa.create_engine("sqlite://")
    assert Notes.of(known, run, engine=engine) is not None
    assert Notes.of(more, run, engine=engine) is None


def test_only_two_databases_are_known() -> None:
    """Any other URL is refused, without its password in the sentence."""
    with pytest.raises(JobError, match="not in mysql"):
        place_of(Path("x"), url="mysql://tt:secret@host/db")
    with pytest.raises(JobError, match="postgresql://"):
        place_of(Path("x"), url="nonsense")
