"""What the pages are made of, without a browser: sessions, words, what is kept, what is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.ledger.toys import HandClock
from twotier.dashboard import live, words
from twotier.dashboard.keep import Keep
from twotier.dashboard.live import Streams
from twotier.dashboard.pages.overview import Need, headline, kind_of, listed, money
from twotier.dashboard.pages.spend import span_of
from twotier.dashboard.render import environment, place_of
from twotier.dashboard.sessions import (
    CODE_SECONDS,
    GUESSING_MAX,
    IDLE_DAYS,
    SESSION_DAYS,
    Sessions,
    peer_group,
)
from twotier.dashboard.shared import Answers, Shared
from twotier.domain.tier import TierState
from twotier.errors import AuthError, ConfigError, LedgerError, TooManyTriesError

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def sessions(folder: Path, clock: HandClock) -> Sessions:
    made = Sessions(folder / "sessions.json", clock)
    made.load()
    return made


def test_a_code_holds_for_ten_minutes_and_once(tmp_path: Path) -> None:
    """The second try and the late one fail; so does what is no code."""
    clock = HandClock()
    found = sessions(tmp_path, clock)
    code = found.new_code()
    assert found.of(found.enter(code)) is not None
    late = found.new_code()
    clock.turn(CODE_SECONDS + 1)
    for wrong in (code, late, "", "x"):
        with pytest.raises(AuthError):
            found.enter(wrong)


def test_who_guesses_waits_and_keeps_nobody_out(tmp_path: Path) -> None:
    """Ten wrong ones in a minute from one address; a right one opens also from there."""
    clock = HandClock()
    found = sessions(tmp_path, clock)
    for _ in range(10):
        with pytest.raises(AuthError):
            found.enter("ABCD", peer="10.0.0.9")
    with pytest.raises(TooManyTriesError):
        found.enter("ABCD", peer="10.0.0.9")
    with pytest.raises(AuthError):
        found.enter("ABCD", peer="10.0.0.8")
    assert found.enter(found.new_code(), peer="10.0.0.9")
    clock.turn(61)
    with pytest.raises(AuthError):
        found.enter("ABCD", peer="10.0.0.9")


def test_who_has_many_addresses_has_no_more_tries(tmp_path: Path) -> None:
    """A network of IPv6 counts as one, and what is counted is bounded."""
    clock = HandClock()
    found = sessions(tmp_path, clock)
    for host in range(10):
        with pytest.raises(AuthError):
            found.enter("ABCD", peer=f"2001:db8::{host + 1:x}%eth0")
    with pytest.raises(TooManyTriesError):
        found.enter("ABCD", peer="2001:db8::ffff")
    assert peer_group("::ffff:10.0.0.9") != peer_group("::ffff:10.0.0.8")
    assert peer_group("") == peer_group("/run/socket") == ""
    for number in range(GUESSING_MAX + 5):
        with pytest.raises(AuthError):
            found.enter("ABCD", peer=f"10.1.{number // 256}.{number % 256}")
    assert len(found._tries) == GUESSING_MAX


class Counting:
    """A peer that counts what it is asked, and is slow if it has to be."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        self.asked.append(f"{path} {query}")
        number = len(self.asked)
        await self.gate.wait()
        if path == "/gone":
            raise LedgerError("gone")
        return {"number": number}

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.asked.append(f"POST {path}")
        return {}


def test_open_pages_ask_once_a_second_together() -> None:
    """What they ask of one peer is not the answer of another; an error is each one's own."""

    async def scenario() -> None:
        clock, peer, other = HandClock(), Counting(), Counting()
        answers = Answers(clock)
        streams = [Shared(peer, "worker", answers, live=True) for _ in range(9)]
        peer.gate.clear()
        asking = asyncio.gather(*(one.get("/jobs", {"a": 1}) for one in streams))
        await asyncio.sleep(0)
        peer.gate.set()
        assert await asking == [{"number": 1}] * 9
        assert await Shared(other, "main", answers, live=True).get("/jobs", {"a": 1})
        assert len(other.asked) == 1
        await streams[0].get("/jobs", {"a": 2})
        assert len(peer.asked) == 2
        clock.turn(1)
        assert await streams[1].get("/jobs", {"a": 1}) == {"number": 3}
        for one in streams[:2]:
            with pytest.raises(LedgerError):
                await one.get("/gone")
        clock.turn(1)
        await streams[0].get("/jobs")
        assert list(answers.keep._kept) == ["worker /jobs?"], "what is old is not kept"

    asyncio.run(scenario())


def test_no_stream_shows_again_what_was_before_an_order() -> None:
    """Also the one that was asking meanwhile; a page that is loaded always asks."""

    async def scenario() -> None:
        peer = Counting()
        answers = Answers(HandClock())
        stream = Shared(peer, "worker", answers, live=True)
        page = Shared(peer, "worker", answers, live=False)
        await stream.get("/jobs")
        assert await page.get("/jobs") == {"number": 2}
        assert await stream.get("/jobs") == {"number": 3}, "no older than the page"
        peer.gate.clear()
        slow = asyncio.create_task(stream.get("/runs"))
        await asyncio.sleep(0)
        await page.post("/jobs/inbox/pause")
        peer.gate.set()
        await slow
        assert await stream.get("/jobs") == {"number": 6}
        assert await stream.get("/runs") == {"number": 7}

    asyncio.run(scenario())


def test_a_session_outlives_a_restart_and_ends_with_time(tmp_path: Path) -> None:
    """Idle for a week, or a month old: over. What lies on the disk opens nothing."""
    clock = HandClock()
    found = sessions(tmp_path, clock)
    token = found.enter(found.new_code())
    again = sessions(tmp_path, clock)
    session = again.of(token)
    assert session is not None
    assert again.of(session.digest) is None
    assert token not in (tmp_path / "sessions.json").read_text(encoding="utf-8")
    for _ in range(SESSION_DAYS // (IDLE_DAYS - 1)):
        clock.turn((IDLE_DAYS - 1) * 86_400)
        alive = again.of(token)
    assert alive is None
    idle = again.enter(again.new_code())
    clock.turn(IDLE_DAYS * 86_400 + 1)
    assert again.of(idle) is None


def test_who_leaves_is_out_also_after_a_restart(tmp_path: Path) -> None:
    """The file forgets it at once; a file that is none of ours is said to be so."""
    found = sessions(tmp_path, HandClock())
    token = found.enter(found.new_code())
    found.leave(token)
    assert sessions(tmp_path, HandClock()).of(token) is None
    (tmp_path / "sessions.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="log in to the dashboard again"):
        sessions(tmp_path, HandClock())


def test_money_and_time_are_said_shortly() -> None:
    """As a person reads them; what is not there is a dash."""
    dash = words.NONE
    assert [words.usd(one) for one in ("12.346", "0.000123", "-3", "0", None, "x")] == [
        *("$12.35", "$0.000123", f"{words.MINUS}$3.00", "$0.00", dash, dash)
    ]
    assert [words.cents(one) for one in ("0.001", "1234.5", None)] == [
        *("under $0.01", "$1,234.50", dash)
    ]
    assert [words.short(one) for one in (840, 12_400, 3_100_000, None)] == [
        *("840", "12.4K", "3.1M", dash)
    ]
    assert [words.took(one) for one in (0.04, 1.5, 12, 250, 7_800, 90_000, None)] == [
        *("40 ms", "1.5 s", "12 s", "4 min", "2 h 10 min", "1 d 1 h", dash)
    ]
    assert [words.away(NOW + timedelta(seconds=one), NOW) for one in (0, 240, -7_200)] == [
        *("now", "in 4 min", "2 h ago")
    ]
    assert (words.count(12_345), words.count(None)) == ("12,345", dash)
    assert (words.gigabytes(2_500_000_000), words.gigabytes(None)) == ("2.5 GB", dash)
    assert (words.plural(1, "job"), words.plural(2, "box", many="boxes")) == ("1 job", "2 boxes")
    assert (words.share(1, 4), words.share(9, 4), words.share(1, 0)) == (25.0, 100.0, 0.0)


def test_an_instant_says_no_more_than_is_needed() -> None:
    """The time of today, the day of this week, the date of this year."""
    zone = ZoneInfo("America/Los_Angeles")
    said = {
        "2026-12-01T12:30:00+00:00": "04:30",
        "2026-11-30T12:30:00+00:00": "Mon 04:30",
        "2026-10-01T12:30:00+00:00": "01 Oct 05:30",
        "2025-10-01T12:30:00+00:00": "01 Oct 2025",
        "2026-12-01T12:30:00": "04:30",
    }
    assert {iso: words.at(iso, zone=zone, now=NOW) for iso in said} == said
    assert words.at(None, zone=zone, now=NOW) == words.away(None, NOW) == words.NONE


def test_every_state_of_a_tier_has_a_mark() -> None:
    """One that somebody adds is shown as something to look at."""
    assert {state.value: kind_of(state.value) for state in TierState} == {
        "ready": "good",
        "coming-up": "busy",
        "down": "bad",
        "no-key": "warn",
        "quarantined": "bad",
        "standby": "idle",
    }
    assert kind_of("new") == "warn"


def test_the_headline_says_what_matters_most() -> None:
    """Down before waiting before coming up; nothing known is not all well."""

    def said(*states: str) -> str:
        tiers = [{"name": f"t{at}", "state": state} for at, state in enumerate(states)]
        return headline({"tiers": tiers}, ())["text"]

    assert said("ready", "ready") == "All is well"
    assert said("ready", "coming-up") == "t1 is coming up"
    assert said("down", "quarantined") == "t0 and t1 are down"
    assert headline({}, ())["kind"] == "bad"
    assert listed("abc") == "a, b and c"
    up = [{"name": name, "state": "ready"} for name in ("local", "frontier")]
    assert headline({"tiers": up}, ())["more"] == "Both tiers are up. Nothing waits for you."
    worker = {"state": "down"}
    down = [up[0], {"name": "frontier", "state": "no-key"}]
    more = headline({"tiers": down, "worker": worker}, (Need("bad", "x", "y"),))["more"]
    assert more == "local is up, and no job runs: the worker is down."
    assert headline({"tiers": down[1:]}, ())["more"].startswith("No tier is up.")


def test_a_budget_is_full_where_it_is_reached() -> None:
    """What is reserved counts; lines stand where the amounts are."""
    day = {"period": "day", "spent_usd": "3", "reserved_usd": "1", "alert_usd": "4"}
    shown = money({"budgets": [{**day, "limit_usd": "8", "forecast_usd": None}]})["day"]
    assert (shown["percent"], shown["kind"]) == (50.0, "warn")
    assert {name: at for at, name in shown["lines"]} == {"alert": 50.0, "limit": 99.4}
    assert money({"budgets": [{**day, "job": "x"}]})["day"] is None


def test_a_span_is_what_its_name_says() -> None:
    """Days begin at midnight of the zone; an unknown name is today."""
    now = NOW.astimezone(ZoneInfo("America/Los_Angeles"))
    told = {name: span_of(name, now=now) for name in ("today", "week", "30d", "month", "x")}
    assert {name: span.since.isoformat()[:16] for name, span in told.items()} == {
        "today": "2026-12-01T00:00",
        "week": "2026-11-25T00:00",
        "30d": "2026-11-02T00:00",
        "month": "2026-12-01T00:00",
        "x": "2026-12-01T00:00",
    }
    november = span_of("2026-11", now=now)
    assert november.since.isoformat() == "2026-11-01T00:00:00-07:00"
    assert november.until.isoformat() == "2026-12-01T00:00:00-08:00"
    assert span_of("2026-12-01", now=now).until == now
    assert span_of("9999-12-31", now=now).name == "today"


def test_links_lead_home_from_everywhere() -> None:
    """Relative, so that a prefix in front of all changes nothing."""
    assert (place_of("/ui/").root, place_of("/ui/spend").root) == ("./", "./")
    assert place_of("/ui/decisions/x").root == "../"


def test_every_template_escapes() -> None:
    """And each can be compiled."""
    made = environment()
    for name in made.list_templates():
        made.get_template(name)
    assert made.from_string("{{ x }}").render(x="<b>'\"") == "&lt;b&gt;&#39;&#34;"


def test_what_is_dear_is_asked_once_and_kept() -> None:
    """Several who ask at once wait for one answer; it is old after as often what it took."""
    clock = HandClock()
    keep = Keep(clock)
    asked = []

    async def ask() -> int:
        asked.append(1)
        clock.turn(2.0)
        await asyncio.sleep(0)
        return len(asked)

    async def scenario() -> None:
        assert keep.known("a") is None
        assert await asyncio.gather(*(keep.fresh("a", ask) for _ in range(5))) == [1] * 5
        clock.turn(119.0)
        assert await keep.fresh("a", ask) == 1
        clock.turn(2.0)
        assert await keep.fresh("a", ask) == 2
        for number in range(40):
            await keep.fresh(f"b{number}", ask)
        assert keep.known("a") is None

    asyncio.run(scenario())


def test_a_stream_sends_what_has_changed() -> None:
    """First all, then news; trouble is told and changes nothing; it ends with the session."""
    told: list[Mapping[str, str] | None] = [
        {"a": "1", "b": "<p>\n2</p>"},
        {"a": "1", "b": "3"},
        None,
        {"a": "1", "b": "3"},
    ]
    left = iter([True] * len(told) + [False] * 2)

    async def parts() -> Mapping[str, str]:
        found = told.pop(0)
        if found is None:
            raise LedgerError("the ledger cannot be read")
        return found

    async def scenario() -> list[bytes]:
        closing = asyncio.Event()
        streams = Streams(closing)
        return [one async for one in streams.changes(parts, stays=lambda: next(left))]

    every, live.EVERY_SECONDS = live.EVERY_SECONDS, 0.0
    try:
        sent = asyncio.run(scenario())
    finally:
        live.EVERY_SECONDS = every
    events = [one.decode().split("\n") for one in sent[1:]]
    kinds = [one[0].removeprefix("event: ") for one in events]
    assert kinds == ["part", "part", "part", "trouble", "left"]
    news = [json.loads(one[1].removeprefix("data: ")) for one in events[:3]]
    assert news[1] == {"id": "b", "html": "<p>\n2</p>"}
    assert news[2] == {"id": "b", "html": "3"}
