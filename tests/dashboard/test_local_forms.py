"""The forms that a running service seldom shows: no local tier, a quarantined engine, an owner's
server, nothing that answers. Rendered as they are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.supervisor.machines import HandClock
from twotier.cli.commands import app
from twotier.config.alerts import channel_target
from twotier.dashboard.keep import Keep
from twotier.dashboard.page import Page, Visit
from twotier.dashboard.pages import local, playground, setup
from twotier.dashboard.peer import Found
from twotier.dashboard.render import whole
from twotier.errors import LedgerError, NotFoundError, NotRunningError, TwotierError, UsageError
from twotier.router.speed import DEPTHS

HOSTILE = "<script>alert(1)</script>"
TIER: dict[str, Any] = {
    "name": "local",
    "ref": f"llama/{HOSTILE}",
    "state": "quarantined",
    "local": True,
    "because": f"not started again by itself (5 deaths); {HOSTILE}",
    "address": "",
    "pid": None,
    "window_tokens": 4096,
    "window_because": "",
    "memory": None,
    "slots": None,
    "probe": None,
    "speed": {
        "depths": [],
        "version": "",
        "cached_share": None,
        "load_seconds": None,
        "queue_seconds": None,
        "answers": 0,
    },
}
ENGINE: dict[str, Any] = {
    "tier": "local",
    "owner": "twotier",
    "state": "quarantined",
    "since": "2026-03-10T04:00:00+00:00",
    "pid": None,
    "started_at": None,
    "gate": "8.0 GB are wanted",
    "evidence": [],
    "deaths": [
        {
            "at": "2026-03-10T03:00:00+00:00",
            "cause": "first",
            "action": "",
            "evidence": [],
            "exit_code": 1,
            "lived_seconds": 4000.0,
        },
        {
            "at": "2026-03-10T04:00:00+00:00",
            "cause": HOSTILE,
            "action": "not started again",
            "evidence": [f"log: {HOSTILE}"],
            "exit_code": -9,
            "lived_seconds": 0.02,
        },
    ],
}


@dataclass
class FakeMain:
    """Main, as far as these pages ask it. An error in place of a document is raised."""

    documents: Mapping[str, Any] = field(default_factory=dict)
    heard: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        return self._told(path, query or {})

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._told(path, body or {})

    async def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        for line in self._told(path, body)["lines"]:
            yield line

    def _told(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        self.heard.append((path, asked))
        found = self.documents.get(path, NotFoundError(f"no {path}"))
        if isinstance(found, TwotierError):
            raise found
        document: dict[str, Any] = found
        return document


async def awaited(coming: Awaitable[Any]) -> Any:
    """For `asyncio.run`, which takes coroutines alone."""
    return await coming


def visit(main: FakeMain, *, live: bool = False, **query: str) -> Visit:
    clock = HandClock()
    return Visit(main, main, clock, UTC, Keep(clock), query=query, live=live)


def shown(page: Page, main: FakeMain, *, live: bool = False, **query: str) -> str:
    """The page as a browser gets it."""
    told = asyncio.run(awaited(page.told(visit(main, live=live, **query))))
    frame = {
        "page": page,
        "nav": [],
        "csrf": "c",
        "live_at": "",
        "once": {},
        "notice": "",
        "root": "./",
        "here": page.path,
        "theme": "system",
        "version": "1",
        "zone": UTC,
        "now": datetime(2026, 3, 10, 12, tzinfo=UTC),
    }
    assert isinstance(told, Mapping)
    return whole(f"{page.name}.html", {**frame, **told})


def status(*tiers: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"tiers": list(tiers), "repairs": [], "version": "1.2.3", **more}


def test_without_a_local_tier_the_page_says_how_to_have_one() -> None:
    frontier = TIER | {"name": "frontier", "local": False}
    text = shown(local.PAGE, FakeMain({"/control/status": status(frontier)}))
    assert "No local tier" in text
    assert "twotier init" in text


def test_nothing_that_answers_is_said_and_no_page_breaks() -> None:
    gone = NotRunningError("main is gone")
    everything = {
        "/control/status": gone,
        "/control/keys": gone,
        "/control/channels": gone,
        "/control/config": gone,
        "/control/doctor": gone,
    }
    for page in (local.PAGE, playground.PAGE, setup.PAGE):
        assert "main is gone" in shown(page, FakeMain(everything), live=True), page.name


def test_a_quarantined_server_shows_why_and_the_way_out() -> None:
    """Deaths the newest first, with evidence; whatever a log holds is text."""
    documents = {
        "/control/status": status(TIER),
        "/control/engine": {"engines": [ENGINE]},
        "/control/memory": {"samples": []},
        "/control/probe": {"probes": []},
        "/control/engine/local/log": {"lines": [HOSTILE, "x" * 900], "path": "/l"},
    }
    text = shown(local.PAGE, FakeMain(documents))
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert "Held up: 8.0 GB are wanted" in text
    assert text.index("not started again</td>") < text.index("first</td>")
    assert "way out of quarantine" in text
    assert "20 ms" in text
    assert "x" * 401 not in text
    assert "Nothing was seen yet" in text


def test_a_server_of_launchd_shows_its_owner_and_what_he_says() -> None:
    engine = ENGINE | {
        "owner": "the launchd job com.example.mlx",
        "deaths": [],
        "gate": "",
        "evidence": ["last exit reason = OS_REASON_JETSAM"],
    }
    documents = {
        "/control/status": status(TIER),
        "/control/engine": {"engines": [engine]},
        "/control/memory": LedgerError("no memory told"),
        "/control/probe": {"probes": []},
    }
    text = shown(local.PAGE, FakeMain(documents))
    assert "com.example.mlx keeps this server and counts its deaths" in text
    assert "OS_REASON_JETSAM" in text
    assert "belongs to the launchd job com.example.mlx, and so does its log" in text
    assert "no memory told" in text


def test_repairs_are_counted_by_what_was_wrong() -> None:
    kinds = {"leaked": 3, "unwrapped": 2, "cut": 1}
    repairs = [
        {"tier": "local", "model": "m", "days": 7, "kinds": kinds},
        {"tier": "other", "model": "m", "days": 7, "kinds": {"json": 9}},
    ]
    rows = list(local.repairs({"repairs": repairs}, "local"))
    assert [(one["what"], one["count"]) for one in rows] == [
        ("written as text", 3),
        ("the opening tag was missing", 2),
        ("cut by the limit of tokens", 1),
    ]
    assert {one["became"] for one in rows} == {"repaired", "of those repaired", "lost"}


def test_learned_and_measured_speeds_stand_side_by_side() -> None:
    depth = {
        "depth": "under 1K",
        "prefill_tokens_per_second": 300.0,
        "prefill_count": 4,
        "decode_tokens_per_second": 30.0,
        "decode_count": 5,
    }
    row = {"prefill_tokens_per_second": 280.0, "decode_tokens_per_second": None, "note": ""}
    probe = {
        "rows": [
            row | {"row": "shallow", "tokens": 600, "depth": "under 1K"},
            row | {"row": "deep", "tokens": 3000, "depth": "1K to 4K"},
            row | {"row": "single", "tokens": None, "depth": None},
        ]
    }
    told = local.speed(TIER | {"speed": TIER["speed"] | {"depths": [depth]}, "probe": probe})
    assert local.DEPTHS == DEPTHS, "the page knows another order than the router"
    reads, writes = told["ways"]
    assert [(one["depth"], one["learned"], one["measured"]) for one in reads["rows"]] == [
        ("under 1K", 300.0, 280.0),
        ("1K to 4K", None, 280.0),
    ]
    assert [one["measured"] for one in writes["rows"]] == [None, None]


def test_memory_that_is_tight_is_said() -> None:
    sample = {
        "at": "2026-03-10T04:00:00+00:00",
        "total_bytes": 64,
        "free_bytes": 9,
        "held": {"local": 40},
    }
    main = FakeMain({"/control/memory": {"samples": [sample]}})
    tier = {"memory": {"headroom_bytes": 10}}
    told = asyncio.run(local.memory(visit(main), [tier, {"memory": None}], hours="24"))
    assert (told["now"]["used"], told["now"]["line"], told["tight"]) == (55, 54, True)
    assert main.heard == [("/control/memory", {"hours": 24, "points": local.POINTS})]


def test_a_start_that_is_held_up_says_why_and_force_is_handed_on() -> None:
    main = FakeMain({"/control/engine/local/start": {"gate": "8.0 GB are wanted"}})
    order = local.PAGE.actions["start"]
    done = asyncio.run(awaited(order(visit(main), {"tier": "local", "force": "yes"})))
    assert "held up: 8.0 GB are wanted" in done.text
    assert main.heard[0][1] == {"force": True}


def test_the_doctor_is_waited_for_by_the_stream_and_the_worst_comes_first() -> None:
    found = {
        "findings": [
            {"name": "python", "level": "ok", "text": "3.12", "mend": ""},
            {"name": "disk", "level": "warn", "text": HOSTILE, "mend": "edit /x: y"},
            {"name": "key", "level": "bad", "text": "open", "mend": "chmod 600 /k"},
        ]
    }
    documents = {"/control/doctor": found}
    assert "looking" in shown(setup.PAGE, FakeMain(documents))
    text = shown(setup.PAGE, FakeMain(documents), live=True)
    assert text.index("chmod 600 /k") < text.index("edit /x: y")
    assert HOSTILE not in text
    assert 'data-copy="chmod 600 /k"' in text
    assert 'data-copy="edit' not in text
    assert "1 things are as they should be" not in text
    assert "1 thing is as it should be" in text


def test_a_doctor_that_takes_long_does_not_hold_up_the_page() -> None:
    """What the stream shows first has what is known of the doctor; the next look asks him."""
    main = FakeMain({"/control/doctor": {"findings": []}})

    async def scenario() -> None:
        next_ones = visit(main, live=True)
        first = replace(next_ones, first=True)
        assert await setup.doctor(first) is None
        assert main.heard == []
        told = await setup.doctor(next_ones)
        assert told is not None
        assert told.value == {"bad": [], "good": []}
        again = await setup.doctor(first)
        assert again is not None
        assert again.value == told.value

    asyncio.run(scenario())


def test_settings_are_cut_and_only_those_that_were_said_are_shown() -> None:
    rows = [
        {"path": "a", "value": "x" * 500, "origin": "twotier.toml", "said": True},
        {"path": "b", "value": 3, "origin": "default", "said": False},
    ]
    config = Found({"settings": rows})
    assert [one["path"] for one in setup.settings(config, everything=False)] == ["a"]
    assert [len(one["text"]) for one in setup.settings(config, everything=True)] == [162, 1]


@pytest.mark.parametrize("tokens", ["0", "-1", "many", "40000"])
def test_a_length_that_is_none_is_refused(tokens: str) -> None:
    with pytest.raises(UsageError, match="from 1 to 32,000"):
        playground.tokens({"tokens": tokens})


def test_a_question_that_main_refuses_is_an_answers_error() -> None:
    """As is one that fails on its way; the others are shown all the same."""
    main = FakeMain(
        {
            "/control/status": status(TIER | {"state": "ready"}),
            "/control/ask": UsageError(
                "the question is longer than 200,000 characters; shorten it"
            ),
        }
    )
    form = {"prompt": "x", "ask-local": "yes"}
    done = asyncio.run(playground.ask(visit(main), form))
    (answer,) = done.once["answers"]
    assert "shorten it" in answer["error"]
    with pytest.raises(UsageError, match="no tier is ticked"):
        asyncio.run(playground.ask(visit(main), {"prompt": "x"}))


def test_local_only_is_never_paid() -> None:
    here, there = TIER, TIER | {"name": "frontier", "local": False}
    form = {"prompt": "x", "ask-local": "yes", "ask-frontier": "yes"}
    assert playground.ticked(form, [here, there]) == [here, there]
    assert playground.ticked(form | {"local_only": "yes"}, [here, there]) == [here]
    assert playground.question(form, there)["paid"] is True
    assert playground.question(form | {"local_only": "yes"}, here)["paid"] is False


def test_commands_for_channels_are_real_ones() -> None:
    """The page takes no target itself: each command is read by the real parser, as it stands."""
    text = shown(setup.PAGE, FakeMain({"/control/channels": {"channels": []}}))
    for what, command in setup.CHANNEL_COMMANDS:
        assert f'data-copy="{command}"' in text
        read, bound, _ = app.parse_args(command.split()[1:], exit_on_error=False)
        assert read.__name__ == "add", what
        assert channel_target(bound.arguments["to"])
