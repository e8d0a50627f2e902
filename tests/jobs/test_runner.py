"""One run: what it does, what it says when it fails, and that nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import HandClock, job
from tests.jobs.workshop import INBOX, workshop
from tests.worker.playing_main import Script, completion, refusal
from twotier.domain.job import Run, RunState
from twotier.jobs.items import TRIES_MAX

INBOX_JOB = job(watch=INBOX, answer_lines=3, every_seconds=86_400.0)
GOOD = json.dumps(["one", "two", "three"])


def in_turn(*replies: Callable[[], web.StreamResponse]) -> Script:
    """Main gives these answers, one after the other; the last one stays."""
    left = list(replies)

    async def script(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        return (left.pop(0) if len(left) > 1 else left[0])()

    return script


def outbox(home: Path) -> dict[str, str]:
    """Delivered files."""
    folder = home / "outbox"
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_each_new_file_gets_its_answer_and_costs_are_summed(tmp_path: Path) -> None:
    """Two files, two answers; tokens, money, tier and model stand in the run's row."""

    async def scenario() -> None:
        answers = in_turn(lambda: completion(GOOD, cost_usd="0.001250"))
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt")
            shop.drop("b.txt")
            run = await shop.by_hand("inbox")
            assert run.state is RunState.DONE
            assert (run.items, run.model_calls, run.tokens) == (2, 2, 60)
            assert run.cost_microusd == 2_500
            assert (run.tier, run.model) == ("local", "local/toy")
            assert run.result == "outbox/a.txt, outbox/b.txt"
            assert run.because == "2 new items"
            assert outbox(tmp_path) == dict.fromkeys(("a.txt", "b.txt"), "one\ntwo\nthree\n")

    asyncio.run(scenario())


def test_one_answer_for_all_items_if_the_job_says_so(tmp_path: Path) -> None:
    """`each = false`: one question that holds both texts, one file named after the job."""

    async def scenario() -> None:
        digest = job(watch=INBOX, each=False, deliver="file:outbox/{stem}-{date}.md")
        async with workshop(tmp_path, [digest]) as shop:
            shop.drop("a.txt", "first text")
            shop.drop("b.txt", "second text")
            run = await shop.by_hand("inbox")
            assert (run.state, run.items, run.model_calls) == (RunState.DONE, 2, 1)
            asked = shop.main.bodies[0]["messages"][1]["content"]
            assert asked.index("first text") < asked.index("second text")
            assert list(outbox(tmp_path)) == ["inbox-2026-03-02.md"]
            assert (await shop.by_hand("inbox")).state is RunState.QUIET

    asyncio.run(scenario())


def test_a_job_without_watcher_always_asks(tmp_path: Path) -> None:
    """Its kind is left to the router: it is not polling."""

    async def scenario() -> None:
        async with workshop(tmp_path, [job(deliver="log")]) as shop:
            run = await shop.by_hand("inbox")
            assert (run.state, run.items, run.model_calls) == (RunState.DONE, 0, 1)
            assert shop.main.headers[0]["x-twotier-kind"] == ""
            assert "response_format" not in shop.main.bodies[0]

    asyncio.run(scenario())


@pytest.mark.parametrize(("tokens", "kind"), [(400, "polling"), (8_000, "")])
def test_who_waits_for_notes_to_write_from_them_does_not_poll(
    tmp_path: Path, tokens: int, kind: str
) -> None:
    """A watcher is a poll where its answer is short: a post of 8,000 tokens started on the local
    tier because its notes lay in a folder.
    """

    async def scenario() -> None:
        post = job(watch=INBOX, deliver="log", output_tokens_max=tokens)
        async with workshop(tmp_path, [post]) as shop:
            shop.drop("a.txt")
            await shop.by_hand("inbox")
            assert shop.main.headers[0]["x-twotier-kind"] == kind

    asyncio.run(scenario())


def test_a_wrong_number_of_lines_gets_one_more_try_that_is_paid_for(tmp_path: Path) -> None:
    """The second question says what was wrong; both calls are counted."""

    async def scenario() -> None:
        answers = in_turn(lambda: completion('["only one"]'), lambda: completion(GOOD))
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt")
            run = await shop.by_hand("inbox")
            assert (run.state, run.model_calls) == (RunState.DONE, 2)
            again = shop.main.bodies[1]["messages"][1]["content"]
            assert "the answer has 1 line, 3 were asked for" in again
            steps = [headers["x-twotier-step"] for headers in shop.main.headers]
            assert [step[-2:] for step in steps] == [":1", ":2"]
            # Without chance it would only be the same answer again.
            assert [body["temperature"] for body in shop.main.bodies] == [0.0, 0.7]
            assert line_lengths(shop.main.bodies) == [120, 120]

    asyncio.run(scenario())


def test_an_answer_that_was_cut_is_asked_for_with_shorter_lines(tmp_path: Path) -> None:
    """At `output_tokens_max` the same room would only be too small again."""

    async def scenario() -> None:
        cut = '["one", "tw'
        answers = in_turn(lambda: completion(cut, finish="length"), lambda: completion(GOOD))
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt")
            assert (await shop.by_hand("inbox")).state is RunState.DONE
            assert line_lengths(shop.main.bodies) == [120, 30]

    asyncio.run(scenario())


def line_lengths(bodies: list[dict[str, Any]]) -> list[int]:
    """How long a line each question allowed."""
    schemas = [body["response_format"]["json_schema"]["schema"] for body in bodies]
    return [schema["items"]["maxLength"] for schema in schemas]


def test_an_answer_that_stays_wrong_fails_the_item_after_three_runs(tmp_path: Path) -> None:
    """Nothing is delivered, the reason is told, and it does not come back for ever."""

    async def scenario() -> None:
        answers = in_turn(lambda: completion("a\nb\nc\nd\ne"))
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt")
            for number in range(1, TRIES_MAX + 1):
                run = await shop.by_hand("inbox")
                assert run.state is RunState.FAILED
                assert run.because == (
                    "model: a.txt: the answer has 5 lines, 3 were asked for (0 of 1 done)"
                )
                assert len(shop.main.bodies) == 2 * number
            assert (await shop.by_hand("inbox")).state is RunState.QUIET
            assert not (tmp_path / "outbox").exists()

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [402, 404, 401])
def test_a_refusal_that_is_not_the_items_fault_leaves_it_waiting(
    tmp_path: Path, status: int
) -> None:
    """A budget, a missing key: the run fails with main's sentence, later the item is done."""

    async def scenario() -> None:
        answers = in_turn(
            *[lambda: refusal(status, "no, and here is why") for _ in range(TRIES_MAX + 1)],
            lambda: completion(GOOD),
        )
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt")
            shop.drop("b.txt")
            for number in range(1, TRIES_MAX + 2):
                run = await shop.by_hand("inbox")
                assert run.state is RunState.FAILED
                assert run.because.endswith("no, and here is why (0 of 2 done)")
                assert len(shop.main.bodies) == number  # the second file was not even tried
            assert (await shop.by_hand("inbox")).state is RunState.DONE

    asyncio.run(scenario())


def test_a_request_main_calls_wrong_is_not_sent_again(tmp_path: Path) -> None:
    """400: the same question would fail again, so the item has failed; others go on."""

    async def scenario() -> None:
        answers = in_turn(lambda: refusal(400, "too long"), lambda: completion(GOOD))
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt")
            shop.drop("b.txt")
            run = await shop.by_hand("inbox")
            assert (run.state, run.result) == (RunState.FAILED, "outbox/b.txt")
            assert run.because == "model: a.txt: too long (1 of 2 done)"
            states = {item["title"]: item["state"] for item in await shop.items.of_run(run.id)}
            assert states == {"a.txt": "failed", "b.txt": "done"}
            assert (await shop.by_hand("inbox")).state is RunState.QUIET

    asyncio.run(scenario())


def test_a_tier_that_is_coming_up_is_asked_again_within_the_deadline(tmp_path: Path) -> None:
    """503 with `retry-after`: wait that long, ask again; the deadline header shrinks."""

    async def scenario() -> None:
        answers = in_turn(
            lambda: refusal(503, "loading", **{"retry-after": "7"}), lambda: completion(GOOD)
        )
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt")
            order = await shop.scheduler.order("inbox")
            run = await turned_until_over(order, shop.scheduler.ended, shop.clock)
            assert run.state is RunState.DONE
            left = [float(headers["x-twotier-deadline"]) for headers in shop.main.headers]
            assert left[0] <= 30
            assert left[1] <= left[0] - 7

    asyncio.run(scenario())


def test_waiting_for_a_tier_ends_with_the_deadline(tmp_path: Path) -> None:
    """Never longer than the job allows, and then the item waits for the next run."""

    async def scenario() -> None:
        answers = in_turn(lambda: refusal(503, "the local tier is loading"))
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt")
            order = await shop.scheduler.order("inbox")
            run = await turned_until_over(order, shop.scheduler.ended, shop.clock)
            assert run.state is RunState.FAILED
            assert "the local tier is loading" in run.because
            assert run.ended_at is not None
            assert (run.ended_at - run.slot).total_seconds() <= INBOX_JOB.deadline_seconds
            shop.main.script = in_turn(lambda: completion(GOOD))
            assert (await shop.by_hand("inbox")).state is RunState.DONE

    asyncio.run(scenario())


async def turned_until_over(order: Run, ended: Any, clock: HandClock) -> Run:
    """Turn the clock second by second until the run is over."""
    for _ in range(100):
        run: Run = await ended(order.id, within_seconds=0.05)
        if run.ended_at is not None:
            return run
        clock.turn(1)
    raise AssertionError("the run is not over")


def test_could_not_look_is_not_the_same_as_quiet(tmp_path: Path) -> None:
    """The folder is gone: failed, with what to do; nobody was asked."""

    async def scenario() -> None:
        async with workshop(tmp_path, [INBOX_JOB]) as shop:
            (tmp_path / "inbox").rmdir()
            run = await shop.by_hand("inbox")
            assert run.state is RunState.FAILED
            assert run.because.startswith("could not look: the folder")
            assert shop.main.bodies == []

    asyncio.run(scenario())


def test_a_file_that_is_no_text_is_told_once(tmp_path: Path) -> None:
    """It fails that run, with a sentence, and never comes back."""

    async def scenario() -> None:
        async with workshop(tmp_path, [INBOX_JOB]) as shop:
            (tmp_path / "inbox" / "photo.txt").write_bytes(b"\x89PNG\0\0")
            run = await shop.by_hand("inbox")
            assert run.state is RunState.FAILED
            assert run.because == "1 file left out: photo.txt is not a text file"
            assert (await shop.by_hand("inbox")).state is RunState.QUIET
            assert shop.main.bodies == []

    asyncio.run(scenario())


def test_a_file_that_is_no_text_does_not_fail_a_run_that_did_the_others(tmp_path: Path) -> None:
    """It is told in the run that found it; a failure of another file tells both."""

    async def scenario() -> None:
        answers = in_turn(lambda: completion(GOOD), lambda: refusal(400, "too long"))
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            (tmp_path / "inbox" / "bin.txt").write_bytes(b"\0\0")
            shop.drop("a.txt")
            run = await shop.by_hand("inbox")
            assert (run.state, run.result) == (RunState.DONE, "outbox/a.txt")
            assert run.because == "1 new item; 1 file left out: bin.txt is not a text file"
            (tmp_path / "inbox" / "more.txt").write_bytes(b"\0\1")
            shop.drop("b.txt")
            run = await shop.by_hand("inbox")
            assert run.state is RunState.FAILED
            assert run.because == (
                "model: b.txt: too long; 1 file left out: more.txt is not a text file (0 of 1 done)"
            )

    asyncio.run(scenario())


EACH_TEN_SECONDS = job(watch=INBOX | {"items_max": 1}, answer_lines=3, every_seconds=10.0)


@pytest.mark.parametrize("status", [504, 502])
def test_an_item_that_failed_pauses_and_lets_newer_ones_go_first(
    tmp_path: Path, status: int
) -> None:
    """No first token in time: after 1 and 5 minutes it is tried again, at last it has failed."""

    async def scenario() -> None:
        async def slow_is_slow(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            slow = "slow text" in body["messages"][1]["content"]
            return refusal(status, "no first token") if slow else completion(GOOD)

        async with workshop(tmp_path, [EACH_TEN_SECONDS], script=slow_is_slow) as shop:
            shop.drop("slow.txt", "slow text")
            first = (await shop.turn_until(10, 1))[-1]
            assert (first.state, first.items) == (RunState.FAILED, 1)
            assert (await shop.turn_until(10, 2))[-1].state is RunState.QUIET  # it pauses
            shop.drop("new.txt")
            assert (await shop.turn_until(10, 3))[-1].result == "outbox/new.txt"
            shop.drop("newer.txt")
            ends = [run.state for run in (await shop.turn_until(40, 7))[3:]]
            assert ends.count(RunState.DONE) == 1  # the pause is over: the newer one goes first
            runs = await shop.turn_until(10, 8)
            assert (runs[-1].state, runs[-1].items) == (RunState.FAILED, 1)
            assert len(shop.main.bodies) == 4
            assert (await shop.turn_until(10, 9))[-1].state is RunState.QUIET
            assert (await shop.by_hand("inbox")).state is RunState.FAILED  # a person may not wait
            assert (await shop.by_hand("inbox")).state is RunState.QUIET  # that was the third try

    asyncio.run(scenario())


def test_an_item_that_was_not_asked_is_not_to_blame(tmp_path: Path) -> None:
    """The item before it used the whole time of the run: it does not pause and no try counts."""

    async def scenario() -> None:
        async with workshop(tmp_path, [INBOX_JOB]) as shop:

            async def slow(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
                shop.turn(INBOX_JOB.deadline_seconds)
                return completion(GOOD)

            shop.main.script = slow
            for number in range(TRIES_MAX + 2):
                shop.drop(f"{number}.txt")
            run = await shop.by_hand("inbox")
            assert run.state is RunState.FAILED
            assert "1.txt: the run's deadline has passed" in run.because
            for number in range(1, TRIES_MAX + 2):
                await shop.by_hand("inbox")
                assert f"{number}.txt" in outbox(tmp_path)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("deliver", "says"),
    [
        ("file:../elsewhere/{stem}.txt", "points outside"),
        ("file:/tmp/{stem}.txt", "points outside"),
        ("file:link/{stem}.txt", "points outside"),
        ("file:inbox/{stem}.md", "feed it with its own answers"),
        ("file:outbox/{steam}.md", "known: {stem}, {name}, {run}, {job}, {date}"),
    ],
)
def test_a_target_that_is_not_allowed_is_refused_before_anything_is_spent(
    tmp_path: Path, deliver: str, says: str
) -> None:
    """Outside the folder, through a link, into the watched folder, with a wrong field."""

    async def scenario() -> None:
        home = tmp_path / "home"
        home.mkdir()
        (home / "link").symlink_to(tmp_path)
        async with workshop(home, [job(watch=INBOX, deliver=deliver)]) as shop:
            shop.drop("a.txt")
            run = await shop.by_hand("inbox")
            assert run.state is RunState.FAILED
            assert run.because.startswith("delivery: ")
            assert says in run.because
            assert shop.main.bodies == []

    asyncio.run(scenario())


def test_an_answer_whose_delivery_fails_is_kept_and_delivered_later(tmp_path: Path) -> None:
    """Also by the next worker, and without asking the model a second time."""

    async def scenario() -> None:
        clock = HandClock()
        (tmp_path / "outbox").write_text("a file where a folder should be")
        async with workshop(tmp_path, [INBOX_JOB], clock=clock) as shop:
            shop.drop("a.txt")
            run = await shop.by_hand("inbox")
            assert run.state is RunState.FAILED
            assert run.because.startswith("delivery: ")
            assert len(shop.main.bodies) == 1
        (tmp_path / "outbox").unlink()
        clock.turn(60)
        async with workshop(tmp_path, [INBOX_JOB], clock=clock) as shop:
            async with asyncio.timeout(60):
                while True:
                    found = await shop.runs.run(run.id)
                    assert found is not None
                    if found.state is RunState.LATE:
                        break
                    await asyncio.sleep(0.01)
            assert found.because == "delivered after 2 tries"
            assert found.result == "outbox/a.txt"
            assert outbox(tmp_path) == {"a.txt": "one\ntwo\nthree\n"}
            assert shop.main.bodies == []
            assert (await shop.by_hand("inbox")).state is RunState.QUIET

    asyncio.run(scenario())


def test_a_changed_file_is_a_new_item_and_keeps_the_old_summary(tmp_path: Path) -> None:
    """The second summary of the same name does not overwrite the first one's file."""

    async def scenario() -> None:
        answers = in_turn(
            lambda: completion(GOOD), lambda: completion(json.dumps(["four", "five", "six"]))
        )
        async with workshop(tmp_path, [INBOX_JOB], script=answers) as shop:
            shop.drop("a.txt", "first")
            await shop.by_hand("inbox")
            shop.drop("a.txt", "second version")
            assert (await shop.by_hand("inbox")).state is RunState.DONE
            assert outbox(tmp_path) == {
                "a.txt": "one\ntwo\nthree\n",
                "a-2.txt": "four\nfive\nsix\n",
            }
            shop.drop("a.txt", "first")
            assert (await shop.by_hand("inbox")).state is RunState.QUIET

    asyncio.run(scenario())


def test_half_an_answer_is_never_a_result(tmp_path: Path) -> None:
    """The connection breaks in the middle of the body: failed, nothing delivered."""

    async def scenario() -> None:
        async def broken(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
            reply = web.StreamResponse(headers={"content-length": "1000"})
            await reply.prepare(request)
            await reply.write(b'{"choices": [')
            assert request.transport is not None
            request.transport.close()
            return reply

        async with workshop(tmp_path, [INBOX_JOB], script=broken) as shop:
            shop.drop("a.txt")
            run = await shop.by_hand("inbox")
            assert run.state is RunState.FAILED
            assert "the answer broke off" in run.because
            assert not (tmp_path / "outbox").exists()

    asyncio.run(scenario())


def test_more_items_than_a_run_may_take_wait_for_the_next(tmp_path: Path) -> None:
    """The oldest first; nothing is dropped."""

    async def scenario() -> None:
        few = job(watch=INBOX | {"items_max": 2}, answer_lines=3)
        async with workshop(tmp_path, [few]) as shop:
            for name in ("a.txt", "b.txt", "c.txt"):
                shop.drop(name)
            assert [(await shop.by_hand("inbox")).items for _ in range(3)] == [2, 1, 0]
            assert list(outbox(tmp_path)) == ["a.txt", "b.txt", "c.txt"]

    asyncio.run(scenario())


def test_a_run_is_done_again_from_a_step_and_an_interrupted_one_goes_on(tmp_path: Path) -> None:
    """A fork from its delivery asks nobody; a run that was cut asks what was not answered."""

    async def scenario() -> None:
        async with workshop(tmp_path, [INBOX_JOB]) as shop:
            shop.drop("a.txt")
            run = await shop.by_hand("inbox")
            fork = await shop.scheduler.fork(run.id, step=4)
            ended = await shop.scheduler.ended(fork.id, within_seconds=60)
            assert (ended.state, ended.trigger) == (RunState.DONE, f"fork:4:{run.id}")
            assert len(shop.main.bodies) == 1
            held = asyncio.Event()

            async def slow(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
                held.set()
                await asyncio.sleep(5)
                return completion(GOOD)

            shop.main.script = slow
            shop.drop("b.txt")
            shop.turn(1)
            order = await shop.scheduler.order("inbox")
            await held.wait()
            assert shop.scheduler.cut(order.id, "cancelled by hand")
            cut = await shop.scheduler.ended(order.id, within_seconds=60)
            assert (cut.state, cut.because) == (RunState.INTERRUPTED, "cancelled by hand")
            shop.main.script = in_turn(lambda: completion(GOOD))
            again = await shop.scheduler.take_up(order.id)
            ended = await shop.scheduler.ended(again.id, within_seconds=60)
            assert (ended.state, ended.items) == (RunState.DONE, 1)
            assert "b.txt" in outbox(tmp_path)

    asyncio.run(scenario())
