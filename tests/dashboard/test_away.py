"""Pages of work while the worker is away, or there is no work: each says so, and nothing breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.looking import WEIGHT_MAX
from tests.jobs.making import HandClock
from twotier.build.worker_peer import WorkerPeer
from twotier.dashboard.keep import Keep
from twotier.dashboard.page import Page, Visit
from twotier.dashboard.pages import PAGES, approvals, job, job_dry, jobs, run
from twotier.dashboard.render import blocks, whole
from twotier.errors import NotFoundError, TwotierError

GONE = "the worker does not answer"


class Playing:
    """A peer that answers from a table, and has nothing else."""

    def __init__(self, answers: Mapping[str, dict[str, Any]]) -> None:
        self.answers = answers

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        del query
        if path not in self.answers:
            raise NotFoundError(f"there is no {path}")
        return self.answers[path]

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        del body
        return await self.get(path)


def shown(page: Page, visit: Visit) -> str:
    """The text of a page, and of each of its live parts alone."""

    async def scenario() -> str:
        told = await page.told(visit)
        assert isinstance(told, Mapping)
        frame: dict[str, Any]
        frame = {"root": "./", "here": page.path, "theme": "system", "version": "0", "csrf": "x"}
        frame |= {"now": visit.clock.now(), "zone": UTC, "page": page, "live_at": "", "notice": ""}
        frame |= {"nav": [(one, 0) for one in PAGES if one.nav], **told}
        parts = blocks(f"{page.name}.html", page.live, told=frame)
        text = whole(f"{page.name}.html", frame)
        assert all(part.strip() in text for part in parts.values())
        return text

    return asyncio.run(scenario())


def visit_of(worker: Any, main: Any, **place: str) -> Visit:
    """A look at a page."""
    clock = HandClock()
    return Visit(main, worker, clock, UTC, Keep(clock), place=place)


@pytest.mark.parametrize("page", [jobs.PAGE, job.PAGE, job_dry.PAGE, run.PAGE, approvals.PAGE])
def test_a_worker_that_is_away_is_told_in_the_page(page: Page, tmp_path: Path) -> None:
    """With the navigation and all, so that one can go on from there."""
    worker = WorkerPeer(tmp_path / "nobody.sock")
    visit = visit_of(worker, Playing({}), name="inbox", id="inbox-1")
    text = shown(page, visit)
    assert GONE in text
    assert "Overview" in text


def test_where_nothing_is_yet_the_page_says_what_to_do() -> None:
    """An empty list is not an empty page."""
    worker = Playing({"/jobs": {"jobs": []}, "/strips": {"jobs": []}, "/approvals": EMPTY})
    assert "Make the first one" in shown(jobs.PAGE, visit_of(worker, Playing({})))
    assert "Nothing waits for you." in shown(approvals.PAGE, visit_of(worker, Playing({})))


EMPTY: dict[str, Any] = {"approvals": []}
JOB: dict[str, Any] = {"name": "inbox", "schedule": "every hour", "watch_kind": None, "next": []}
JOB |= {"enabled": True, "paused": False, "last_run": None, "prompt": "x", "trigger": "every 1h"}


def test_twenty_jobs_that_are_never_quiet_are_no_heavy_page() -> None:
    """Each bar says how it went, the newest lead to their runs; with its files at most 120 KB."""
    names = [f"a-job-with-a-name-{number:02}" for number in range(20)]
    strips = [{"name": name, "runs": [bar(name, at) for at in range(48)]} for name in names]
    listed = [{**JOB, "name": name, "last_run": bar(name, 47)} for name in names]
    worker = Playing({"/jobs": {"jobs": listed}, "/strips": {"jobs": strips}})
    main: dict[str, Any] = {"/control/spend": {"rows": []}, "/control/savings/quiet": {"jobs": {}}}
    text = shown(jobs.PAGE, visit_of(worker, Playing(main)))
    assert text.count('<i class="failed"></i>') == 20 * (48 - 12) + 1  # the legend
    assert text.count('<a class="failed"') == 20 * 12
    files = ("style.css", "work.css", "live.js", "icon.svg")
    static = Path(jobs.__file__).parents[1] / "static"
    weight = len(text.encode()) + sum((static / name).stat().st_size for name in files)
    assert weight <= WEIGHT_MAX, weight


def bar(job: str, at: int) -> dict[str, Any]:
    """A run that failed."""
    slot = f"2026-11-{at // 2 + 1:02}T{at % 24:02}:30:00+00:00"
    told = {"id": f"{job}-202611{at // 2 + 1:02}T{at % 24:02}3000Z", "state": "failed"}
    return {**told, "slot": slot, "because": "model: local: the server answered with status 500"}


def test_a_figure_that_cannot_be_had_leaves_the_others() -> None:
    """Main's sums are broken: the jobs stand there all the same, and the reason above them."""
    worker = Playing({"/jobs": {"jobs": [JOB]}, "/strips": {"jobs": []}})
    text = shown(jobs.PAGE, visit_of(worker, Playing({})))
    assert "every hour" in text
    assert "there is no /control/spend" in text


def test_what_is_not_there_is_an_error_of_its_own() -> None:
    """For a page that shows one thing."""
    for page, place in ((job.PAGE, {"name": "x"}), (run.PAGE, {"id": "x"}), (job_dry.PAGE, {})):
        visit = visit_of(Playing({}), Playing({}), **{"name": "x", **place})
        with pytest.raises(NotFoundError):
            asyncio.run(told_of(page, visit))


async def told_of(page: Page, visit: Visit) -> Any:
    return await page.told(visit)


@pytest.mark.parametrize(
    ("action", "form"),
    [
        (jobs.PAGE.actions["run"], {}),
        (run.PAGE.actions["fork"], {"step": "all"}),
        (approvals.PAGE.actions["yes"], {"id": "a"}),
        (approvals.PAGE.actions["no"], {"sha256": "b"}),
    ],
)
def test_a_form_that_names_nothing_does_nothing(action: Any, form: dict[str, str]) -> None:
    visit = visit_of(Playing({}), Playing({}), id="inbox-1")
    with pytest.raises(TwotierError, match="load the page again"):
        asyncio.run(action(visit, form))
