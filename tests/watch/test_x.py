"""Posts on X are items, never more than the caps allow, and the ledger's sum is the bill."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.x_api import TOKEN, XApi
from tests.jobs.making import HandClock
from tests.watch.booking_main import Booking, booking_main
from twotier.domain.money import Budget
from twotier.errors import WatchError
from twotier.watch import x
from twotier.watch.base import Around, Look
from twotier.watch.kinds import make

SETTINGS: dict[str, Any] = {
    "kind": "x",
    "query": "twotier",
    "mentions_of": None,
    "posts_of": None,
    "token": "env:X",
    "posts_max": 20,
    "posts_day_max": 100,
    "since": None,
    "items_max": 50,
    "item_bytes_max": 100,
}


@pytest.fixture
def api() -> Iterator[XApi]:
    """X, with a few old posts."""
    with XApi() as one:
        for number in range(3):
            one.post(f"old {number}")
        yield one


class Home:
    """A watcher, the cursor that a store would keep, and main with its ledger."""

    def __init__(self, api: XApi, booking: Booking | None, clock: HandClock, **changes: Any):
        self.api = api
        self.clock = clock
        self.token = TOKEN
        self.cursor: Any = None
        fees = booking.fees if booking else None
        around = Around(
            Path("/nowhere"), clock, secret=lambda _: self.token, job="x-scan", fees=fees
        )
        self.watcher = make({**SETTINGS, "api": api.base_url, **changes}, around)

    async def look(self) -> Look:
        """Look a minute later, by both clocks, and keep the cursor."""
        self.clock.turn(max(0.0, (self.api.now - self.clock.now()).total_seconds()) + 60)
        self.api.now = self.clock.now()
        found = await self.watcher.look(self.cursor)
        self.cursor = found.cursor
        return found

    async def texts(self) -> list[str]:
        """Look; the text of each post."""
        return [item.text for item in (await self.look()).items]

    async def refused(self) -> str:
        """Look in vain; the reason."""
        with pytest.raises(WatchError) as told:
            await self.look()
        return told.value.message


Story = Callable[[Home, Booking], Awaitable[None]]


def run(
    story: Story, api: XApi, folder: Path, *, budgets: tuple[Budget, ...] = (), **changes: Any
) -> None:
    """Play a story."""

    async def scenario() -> None:
        clock = HandClock()
        async with booking_main(folder, clock, budgets=budgets) as booking:
            await story(Home(api, booking, clock, **changes), booking)
            assert await booking.cost_microusd() == api.bill_microusd

    asyncio.run(scenario())


def test_new_posts_are_items_once_and_what_they_cost_is_booked(api: XApi, tmp_path: Path) -> None:
    """From the first look on; each look holds its worst case and settles what came."""

    async def story(home: Home, booking: Booking) -> None:
        assert await home.texts() == []
        api.post("new one", author="7")
        api.post("new two")
        found = (await home.look()).items
        assert [item.text for item in found] == ["new one", "new two"]
        assert (found[0].author, found[0].at[:10]) == ("7", "2026-03-02")
        assert found[0].link == f"https://x.com/i/web/status/{found[0].id}"
        assert await home.texts() == []
        rows = await booking.rows()
        assert [row[1:] for row in rows] == [
            ("settled", 50_000, 0),
            ("settled", 100_000, 10_000),
            ("settled", 100_000, 0),
        ]
        assert {row[0] for row in rows} == {"x-scan"}

    run(story, api, tmp_path)
    assert len(api.asked) == 3


def test_the_caps_hold_and_what_is_over_is_read_later(api: XApi, tmp_path: Path) -> None:
    """20 a look, 50 a day: nothing is lost, nothing comes twice."""

    async def story(home: Home, _: Booking) -> None:
        await home.look()
        wanted = [api.post(f"p{number}", seconds=1)["text"] for number in range(70)]
        found = [await home.texts() for _ in range(2)]
        assert [len(one) for one in found] == [20, 20]
        late = api.post("while it was reading", seconds=1)
        found.append(await home.texts())
        assert len(found[-1]) == 10
        assert "50 posts were read today, and posts_day_max is 50" in await home.refused()
        home.clock.turn(86_400)
        found += [await home.texts() for _ in range(2)]
        assert [len(one) for one in found] == [20, 20, 10, 20, 1]
        assert sorted(text for one in found for text in one) == sorted([*wanted, late["text"]])
        assert api.billed == 71

    run(story, api, tmp_path, posts_day_max=50)


def test_a_budget_refuses_a_look_before_anything_is_read(api: XApi, tmp_path: Path) -> None:
    """The worst case is asked for, not what came last time."""
    daily = Budget("job x-scan", "day", "UTC", limit_microusd=120_000, job="x-scan")

    async def story(home: Home, _: Booking) -> None:
        await home.look()
        for number in range(8):
            api.post(f"p{number}")
        assert len(await home.texts()) == 8  # 4 of 12 cents
        asked = len(api.asked)
        assert "no post was read: budget job x-scan: the limit of $0.12" in await home.refused()
        assert len(api.asked) == asked

    run(story, api, tmp_path, budgets=(daily,))


@pytest.mark.parametrize(("setting", "path"), [("mentions_of", "mentions"), ("posts_of", "tweets")])
def test_mentions_and_posts_of_an_account(
    setting: str, path: str, api: XApi, tmp_path: Path
) -> None:
    """By its number: names cost money too."""

    async def story(home: Home, _: Booking) -> None:
        await home.look()
        for number in range(30):
            api.post(f"p{number}")
        assert len(await home.texts()) == 20
        assert len(await home.texts()) == 10
        assert {one for one, _ in api.asked} == {f"/2/users/42/{path}"}

    changes: dict[str, Any] = {"query": "", setting: "42"}
    run(story, api, tmp_path, **changes)


def test_the_first_look_may_go_back(api: XApi, tmp_path: Path) -> None:
    """And then it is paid for like any other."""

    async def story(home: Home, _: Booking) -> None:
        assert await home.texts() == ["old 0", "old 1", "old 2"]
        assert await home.texts() == []

    run(story, api, tmp_path, since=3_600.0)


def test_a_search_after_more_than_a_week_says_what_it_missed(api: XApi, tmp_path: Path) -> None:
    """X searches seven days; asking for more is refused by it."""

    async def story(home: Home, _: Booking) -> None:
        await home.look()
        home.clock.turn(10 * 86_400)
        api.post("today", seconds=10 * 86_400)
        look = await home.look()
        assert [item.text for item in look.items] == ["today"]
        assert ["too old for a search" in one.because for one in look.unreadable] == [True]
        assert (await home.look()).unreadable == ()

    run(story, api, tmp_path)


def test_refusals_cost_nothing_and_a_limit_is_obeyed(api: XApi, tmp_path: Path) -> None:
    """In X's words."""

    async def story(home: Home, _: Booking) -> None:
        await home.look()
        home.token = "wrong"
        assert await home.refused() == (
            "X says 401: Unauthorized; the token is wrong or was taken back"
        )
        home.token = TOKEN
        credits_gone = {"title": "CreditsDepleted", "detail": "Your account has no credits."}
        api.failing.append((402, credits_gone, {}))
        assert "X says 402: Your account has no credits.; the account" in await home.refused()
        home.clock.turn(60)
        api.limit(900)
        assert "X says 429: Too Many Requests; give the job" in await home.refused()
        asked = len(api.asked)
        assert "not asked again before" in await home.refused()
        assert len(api.asked) == asked
        home.clock.turn(900)
        assert await home.texts() == []

    run(story, api, tmp_path)


def test_what_was_paid_is_worked_on_though_the_next_page_fails(api: XApi, tmp_path: Path) -> None:
    """And the look after that goes on behind it."""

    async def story(home: Home, _: Booking) -> None:
        await home.look()
        for number in range(150):
            api.post(f"p{number}", seconds=1)
        api.failing += [None, (503, {"title": "Service Unavailable"}, {})]
        assert len(await home.texts()) == 100
        assert len(await home.texts()) == 50

    run(story, api, tmp_path, posts_max=300, posts_day_max=1_000)


def test_a_look_whose_end_nobody_saw_counts_as_read_in_full(
    api: XApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X may have charged for it, so the ledger does, and so does the day's cap."""

    async def scenario() -> None:
        clock = HandClock()
        async with booking_main(tmp_path, clock) as booking:
            home = Home(api, booking, clock, posts_day_max=40)
            await home.look()
            monkeypatch.setattr(x, "PAGE_BYTES_MAX", 10)
            assert "more than 10 bytes" in await home.refused()
            assert await booking.cost_microusd() == 20 * 5_000
            await home.refused()
            assert "40 posts were read today" in await home.refused()

    asyncio.run(scenario())


def test_without_a_ledger_nothing_is_read(api: XApi) -> None:
    """Money that nobody counts is not spent."""

    async def scenario() -> None:
        assert "nobody is here to book it" in await Home(api, None, HandClock()).refused()

    asyncio.run(scenario())
    assert api.asked == []


def test_an_answer_of_another_shape_is_not_quiet(api: XApi, tmp_path: Path) -> None:
    """A proxy's page with status 200: nobody knows what it cost."""

    async def scenario() -> None:
        clock = HandClock()
        async with booking_main(tmp_path, clock) as booking:
            home = Home(api, booking, clock)
            await home.look()
            bodies: list[dict[str, Any]] = [{"data": []}, {"meta": 1}]
            for body in bodies:
                api.failing.append((200, body, {}))
                assert "not the JSON" in await home.refused()
            bad = [None, {"id": "x"}, {"id": "1" * 30}, {"id": "5", "text": 7}]
            api.failing.append((200, {"data": bad, "meta": {}}, {}))
            assert await home.texts() == [""]

    asyncio.run(scenario())
