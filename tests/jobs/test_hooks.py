"""Posts to a job: only signed ones are taken, each once, and nobody else learns anything."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from tests.jobs.making import START, HandClock, job
from tests.jobs.workshop import Workshop, workshop
from twotier.domain.job import Job, RunState
from twotier.errors import ConfigError, ForbiddenError, RequestError
from twotier.jobs.dry import DryRun
from twotier.jobs.hooks import Hooks
from twotier.jobs.signature import is_signed
from twotier.watch.base import Around
from twotier.watch.kinds import make

SECRET = "a secret of thirty-two characters"
NOW = str(int(START.timestamp()))
POSTED = job(
    name="posted",
    every_seconds=None,
    webhook=True,
    deliver="log",
    watch={"kind": "inbox", "items_max": 50, "item_bytes_max": 1_000},
)


def made(content: bytes, secret: str = SECRET) -> str:
    """A signature, made as anybody would."""
    return "sha256=" + hmac.new(secret.encode(), content, sha256).hexdigest()


@pytest.mark.parametrize(
    ("headers", "fits"),
    [
        ({"x-twotier-signature": made(b"{}")}, True),
        ({"x-hub-signature-256": made(b"{}")}, True),
        ({"x-twotier-signature": made(b"{}", "another")}, False),
        ({"x-twotier-signature": made(b"{} ")}, False),
        ({"x-twotier-signature": made(b"{}").removeprefix("sha256=")}, False),
        ({"x-twotier-signature": "sha256=\u00e9" * 900}, False),
        ({}, False),
        ({"x-twotier-signature": made(NOW.encode() + b".{}"), "x-twotier-timestamp": NOW}, True),
        ({"x-twotier-signature": made(b"{}"), "x-twotier-timestamp": NOW}, False),
        ({"x-twotier-signature": made(b"1.{}"), "x-twotier-timestamp": "1"}, False),
        ({"x-twotier-signature": made(b"-1.{}"), "x-twotier-timestamp": "-1"}, False),
        ({"x-twotier-signature": made(b"\xc2\xb2.{}"), "x-twotier-timestamp": "\u00b2"}, False),
        (
            {
                "x-twotier-signature": made(b"9" * 400 + b".{}"),
                "x-twotier-timestamp": "9" * 400,
            },
            False,
        ),
    ],
)
def test_only_the_holder_of_the_secret_signs(headers: Mapping[str, str], fits: bool) -> None:
    """Ours or GitHub's header; with a time, the time is signed too and must be near."""
    assert is_signed(SECRET, b"{}", headers=headers, now=START + timedelta(seconds=60)) is fits


def secret_of(name: str) -> str:
    """As the worker looks it up."""
    if name == "empty":
        raise ConfigError("nothing lies at env:EMPTY; set it and start again")
    return SECRET if name in ("posted", "off") else ""


def hooks_of(shop: Workshop) -> Hooks:
    """The way in to a workshop."""
    known = {
        one.name: one
        for one in (POSTED, replace(POSTED, name="off", enabled=False), job(name="empty"), job())
    }

    def found(name: str) -> Job | None:
        return known.get(name)

    look = shop.scheduler.look
    return Hooks(shop.items, job=found, secret=secret_of, look=look, clock=shop.clock)


def test_what_is_posted_starts_a_run_that_works_on_it(tmp_path: Path) -> None:
    """Once, however often it is sent; a long one is cut, and the prompt says so."""

    async def scenario() -> None:
        async with workshop(tmp_path, [POSTED]) as shop:
            hooks = hooks_of(shop)
            body = b'{"text": "' + b"x" * 2_000 + b'"}'
            headers = {"x-hub-signature-256": made(body)}
            first = await hooks.take("posted", body, headers=headers)
            (run,) = await shop.settled(lambda runs: len(runs) == 1)
            assert (run.state, run.trigger, run.items) == (RunState.DONE, "webhook", 1)
            prompt = shop.main.bodies[0]["messages"][1]["content"]
            assert '{"text": "xxx' in prompt
            assert "its last 1012 bytes are not shown" in prompt
            again = await hooks.take("posted", body, headers=headers)
            assert (first["new"], again["new"], again["item"]) == (True, False, first["item"])
            stamp = str(int(shop.clock.now().timestamp()))
            signed = made(stamp.encode() + b"." + body)
            headers = {"x-twotier-signature": signed, "x-twotier-timestamp": stamp}
            assert (await hooks.take("posted", body, headers=headers))["new"]
            assert len(await shop.settled(lambda runs: len(runs) == 2)) == 2

    asyncio.run(scenario())


def test_what_is_posted_to_a_paused_job_waits(tmp_path: Path) -> None:
    """Nothing of it is lost: it is worked on when the job is resumed, all in one run."""

    async def scenario() -> None:
        async with workshop(tmp_path, [POSTED]) as shop:
            await shop.scheduler.pause("posted")
            hooks = hooks_of(shop)
            for body in (b"one", b"two"):
                await hooks.take("posted", body, headers={"x-twotier-signature": made(body)})
            assert await shop.all_runs() == []
            await shop.scheduler.resume("posted")
            (run,) = await shop.settled(lambda runs: len(runs) == 1)
            assert run.items == 2

    asyncio.run(scenario())


def test_what_cannot_be_asked_about_now_is_tried_again_and_not_at_once(tmp_path: Path) -> None:
    """A failed run does not start the next one in the same second, and again and again."""

    async def scenario() -> None:
        bad = replace(POSTED, deliver="file:../outside.txt")
        async with workshop(tmp_path, [bad]) as shop:
            await hooks_of(shop).take(
                "posted", b"text", headers={"x-twotier-signature": made(b"text")}
            )
            (run,) = await shop.settled(lambda runs: len(runs) == 1)
            assert run.state is RunState.FAILED
            for _ in range(3):
                shop.turn(10)
                await asyncio.sleep(0.02)
            assert len(await shop.all_runs()) == 1
            assert len(await shop.turn_until(61, 2)) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("name", "body", "signed"),
    [
        ("posted", b"text", b"other"),
        ("nobody", b"text", b"text"),
        ("inbox", b"text", b"text"),
        ("off", b"text", b"text"),
        ("empty", b"text", b"text"),
    ],
)
def test_whoever_has_no_secret_learns_nothing(
    tmp_path: Path, name: str, body: bytes, signed: bytes
) -> None:
    """No such job, none that takes posts, one switched off, a wrong signature: the same words."""

    async def scenario() -> None:
        async with workshop(tmp_path, [POSTED]) as shop:
            with pytest.raises(ForbiddenError, match="nothing here takes this post: there is no"):
                await hooks_of(shop).take(name, body, headers={"x-twotier-signature": made(signed)})
            assert await shop.items.waiting(name, limit=9) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(("body", "said"), [(b"\xff\xfe", "no"), (b" \n", "empty")])
def test_a_post_that_is_no_text_is_told(tmp_path: Path, body: bytes, said: str) -> None:
    """It was signed, so its sender may know what is wrong."""

    async def scenario() -> None:
        async with workshop(tmp_path, [POSTED]) as shop:
            with pytest.raises(RequestError, match=said):
                await hooks_of(shop).take(
                    "posted", body, headers={"x-twotier-signature": made(body)}
                )

    asyncio.run(scenario())


def test_a_dry_run_shows_what_would_be_asked_and_stores_nothing(tmp_path: Path) -> None:
    """The watcher looks, what waits already comes first, and the next real run finds all of it."""

    async def scenario() -> None:
        folder = {"kind": "files", "path": "inbox", "match": ("*.txt",), "settle_seconds": 0.0}
        watched = job(watch=folder | {"item_bytes_max": 1_000, "items_max": 2}, deliver="log")
        async with workshop(tmp_path, [watched]) as shop:
            watchers = {"inbox": make(watched.watch or {}, Around(tmp_path, HandClock()))}
            dry = DryRun(shop.items, watchers)
            quiet = await dry.told(watched)
            assert (quiet["questions"], quiet["prompts"], quiet["items"]) == (0, [], [])
            for name in ("a.txt", "b.txt", "c.txt"):
                shop.drop(name, f"text of {name}")
            for _ in range(2):
                told = await dry.told(watched)
                assert (told["questions"], told["items_more"]) == (2, 1)
                assert [one["title"] for one in told["items"]] == ["a.txt", "b.txt"]
                assert "text of a.txt" in told["prompts"][0]
            assert shop.main.bodies == []
            assert (await shop.by_hand("inbox")).items == 2
            assert (await dry.told(watched))["questions"] == 1
            together = await dry.told(replace(watched, each=False))
            assert (together["questions"], len(together["items"])) == (1, 1)
            plain = await dry.told(job(deliver="log"))
            assert (plain["questions"], plain["prompts"]) == (1, ["Summarise in three lines."])

    asyncio.run(scenario())
