"""A yes is for one call with exactly these arguments, and nobody's silence is one."""

from __future__ import annotations

import asyncio
import re
import stat
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette

from tests.agent.stage import lived
from tests.jobs.making import HandClock
from tests.stores import laid
from twotier.agent.turn import Decision, Entry, Request
from twotier.domain.job import RunState
from twotier.domain.label import Label
from twotier.errors import DeliveryError, ForbiddenError, NotFoundError, RequestError
from twotier.jobs.agent_api import AgentApi
from twotier.jobs.api import listen, refuse, server
from twotier.jobs.approvals import ApprovalStore, id_of
from twotier.jobs.approve_api import ApproveApi
from twotier.jobs.audit import AuditStore
from twotier.jobs.database import Database
from twotier.jobs.desk import JobDesk
from twotier.jobs.links import Links
from twotier.jobs.retention import Elsewhere, Keep, Retention
from twotier.jobs.store import Ended, RunStore, new_run
from twotier.jobs.transcripts import TranscriptStore
from twotier.notify.base import Message

DAY = 86_400.0
SENDS = frozenset({Label.SENDS})
MIXED = frozenset({Label.PRIVATE, Label.UNTRUSTED})
SEND = Request(
    job="mail",
    run="mail-1",
    key="all",
    number=3,
    tool="send",
    arguments={"to": "bob", "text": "<b>see https://evil.example/?q=secret</b>"},
    labels=SENDS,
    taint=MIXED,
    because="it would send",
    source="the run holds private, untrusted; it read fetch",
    price_microusd=20_000,
)
ENTRY = Entry(
    job="mail",
    run="mail-1",
    key="all",
    number=1,
    event="judged",
    tool="send",
    arguments_sha256="abc",
    labels=SENDS,
    taint=MIXED,
    verdict="refuse",
    rule="sends",
    because="it would send",
)


@dataclass
class Phone:
    """A way to the owner that may be down."""

    got: list[tuple[str, Message]] = field(default_factory=list)
    down: bool = False

    async def send(self, target: str, message: Message) -> str:
        if self.down:
            raise DeliveryError("no signal")
        self.got.append((target, message))
        return "ok"


@dataclass
class Office:
    """The stores on one real database, and the desk."""

    clock: HandClock
    database: Database
    approvals: ApprovalStore
    audit: AuditStore
    transcripts: TranscriptStore
    links: Links
    phone: Phone
    desk: JobDesk
    runs: RunStore


@asynccontextmanager
async def office(folder: Path) -> AsyncIterator[Office]:
    """An owner who is asked by phone for the job `mail`."""
    clock, phone = HandClock(), Phone()
    database = Database.open(laid(folder / "work.db"))
    approvals = ApprovalStore(database, clock, expires_seconds=DAY)
    audit = AuditStore(database, clock)
    links = Links.of(folder / "approve.key", base="http://127.0.0.1:8484/")
    desk = JobDesk(
        approvals,
        audit,
        links=links,
        channels={"ntfy": phone},
        places={"mail": "ntfy:me"},
        clock=clock,
    )
    runs, transcripts = RunStore(database, clock), TranscriptStore(database, clock)
    try:
        yield Office(clock, database, approvals, audit, transcripts, links, phone, desk, runs)
    finally:
        database.close()


@lived
async def test_a_call_waits_until_its_owner_said_yes(tmp_path: Path) -> None:
    """Asked again after a restart it is the same call, and its owner is told once."""
    async with office(tmp_path) as at:
        assert await at.desk.decision(SEND) is None
        assert await at.desk.decision(SEND) is None
        (waiting,) = await at.approvals.open()
        await at.approvals.decide(waiting.id, "yes", by="command line")
        said = await at.desk.decision(SEND)
        assert await at.approvals.open() == []
    assert said == Decision(True, "approved by its owner (command line)")
    assert len(at.phone.got) == 1
    assert waiting.json["arguments"] == SEND.arguments
    assert waiting.json["decided_at"] is None


@lived
async def test_the_owner_is_shown_the_call_and_nothing_that_is_followed(tmp_path: Path) -> None:
    """Exact arguments, reason, source, price and end, with no address of a stranger's."""
    async with office(tmp_path) as at:
        await at.desk.decision(SEND)
    ((target, message),) = at.phone.got
    assert target == "me"
    assert message.title == "mail asks: send?"
    for part in ('"to": "bob"', "q=secret", "would send", "it read fetch", "$0.0200", "is a no at"):
        assert part in message.text
    assert re.findall(r"https?://\S+", message.text) == [message.facts["link"]]
    assert "evil.example" not in message.text


@pytest.mark.parametrize(
    "other",
    [
        replace(SEND, arguments={"to": "eve", "text": "x"}),
        replace(SEND, number=4),
        replace(SEND, run="mail-2"),
        replace(SEND, tool="post"),
        replace(SEND, key="item-2"),
    ],
)
def test_another_call_needs_another_yes(other: Request) -> None:
    """Other arguments, the same call a second time, another run: none of them was approved."""
    assert id_of(other) != id_of(SEND)
    assert id_of(replace(SEND, because="other words")) == id_of(SEND)


@lived
async def test_silence_is_a_no(tmp_path: Path) -> None:
    """After its time a call is refused, and no late yes makes it one."""
    async with office(tmp_path) as at:
        await at.desk.decision(SEND)
        (waiting,) = await at.approvals.open()
        at.clock.turn(DAY)
        said = await at.desk.decision(SEND)
        with pytest.raises(RequestError, match="already: no"):
            await at.approvals.decide(waiting.id, "yes", by="link")
        again = await at.approvals.decide(waiting.id, "no", by="link")
    assert said == Decision(False, "nobody approved it in time")
    assert again.decided_by == "time"


@lived
async def test_what_was_decided_stays_so(tmp_path: Path) -> None:
    """A no cannot become a yes; an id there is not, or a word there is not, is said."""
    async with office(tmp_path) as at:
        await at.desk.decision(SEND)
        (waiting,) = await at.approvals.open()
        await at.approvals.decide(waiting.id, "no", by="link")
        with pytest.raises(RequestError, match="already: no"):
            await at.approvals.decide(waiting.id, "yes", by="link")
        with pytest.raises(NotFoundError):
            await at.approvals.decide("nothing", "yes", by="link")
        with pytest.raises(NotFoundError):
            await at.approvals.one("nothing")
        with pytest.raises(RequestError, match="yes or no"):
            await at.approvals.decide(waiting.id, "maybe", by="link")
        said = await at.desk.decision(SEND)
    assert said is not None
    assert not said.granted


@lived
async def test_a_run_goes_on_when_nothing_of_it_is_open(tmp_path: Path) -> None:
    """Two calls wait: the run goes on after the second answer, or when both ran out."""
    async with office(tmp_path) as at:
        for number, name in enumerate(("mail", "late")):
            slot = datetime(2026, 3, 2, 12, number, tzinfo=UTC)
            row = replace(new_run(name, slot), id=f"{name}-1", state=RunState.WAITING)
            await at.runs.write_due([row], job=name, seen=slot)
        other = replace(SEND, number=4)
        await at.desk.decision(SEND)
        await at.desk.decision(other)
        await at.desk.decision(replace(SEND, job="late", run="late-1"))
        assert await at.desk.again() == []
        await at.approvals.decide(id_of(SEND), "yes", by="link")
        assert await at.desk.again() == []
        await at.approvals.decide(id_of(other), "no", by="link")
        assert await at.desk.again() == ["mail-1"]
        at.clock.turn(DAY)
        assert sorted(await at.desk.again()) == ["late-1", "mail-1"]
        assert len(await at.approvals.of_run("mail-1")) == 2


@lived
async def test_a_run_that_was_ended_waits_for_nobody(tmp_path: Path) -> None:
    """Its call is open again where it goes on."""
    async with office(tmp_path) as at:
        slot = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        row = replace(new_run("mail", slot), id="mail-1", state=RunState.WAITING)
        await at.runs.write_due([row], job="mail", seen=slot)
        await at.desk.decision(SEND)
        assert [one.id for one in await at.approvals.open()] == [id_of(SEND)]
        await at.runs.end("mail-1", Ended(RunState.INTERRUPTED, "it was cancelled by hand"))
        assert await at.approvals.open() == []
        await at.runs.reopen("mail-1")
        assert [one.id for one in await at.approvals.open()] == [id_of(SEND)]


@lived
async def test_an_owner_who_could_not_be_told_is_told_later(tmp_path: Path) -> None:
    """The call waits all the same, and is shown by the command line."""
    async with office(tmp_path) as at:
        at.phone.down = True
        assert await at.desk.decision(SEND) is None
        assert len(await at.approvals.open()) == 1
        at.phone.down = False
        await at.desk.again()
        at.clock.turn(61)
        await at.desk.again()
        await at.desk.again()
    assert len(at.phone.got) == 1


async def forget_nothing(_: Sequence[str]) -> None:
    """No engine."""


@lived
async def test_the_audit_is_only_added_to(tmp_path: Path) -> None:
    """The same line after a kill is one line, and the database itself refuses a change."""
    async with office(tmp_path) as at:
        await at.desk.note(ENTRY)
        await at.desk.note(ENTRY)
        await at.desk.note(replace(ENTRY, event="ended", verdict="failed", cost_microusd=5))
        lines = await at.audit.of_run("mail-1")
        with pytest.raises(sa.exc.IntegrityError, match="only added to"):
            await at.database.do(
                lambda connection: connection.execute(sa.text("UPDATE audit SET verdict = 'allow'"))
            )
        elsewhere = Elsewhere(forget_nothing, tmp_path / "artifacts")
        retention = Retention(at.database, at.clock, keep=Keep(), elsewhere=elsewhere)
        at.clock.turn(399 * DAY)
        await retention.expire()
        assert await at.audit.of_run("mail-1") == lines
        at.clock.turn(2 * DAY)
        await retention.expire()
        assert await at.audit.of_run("mail-1") == []
    assert [(one["event"], one["verdict"], one["labels"]) for one in lines] == [
        ("judged", "refuse", "sends"),
        ("ended", "failed", "sends"),
    ]
    assert lines[0]["taint"] == "private untrusted"


@lived
async def test_strangers_text_goes_up_so_often_a_day(tmp_path: Path) -> None:
    """A run counts once; a day later there is room again."""
    async with office(tmp_path) as at:
        runs = ["a", "a", "b", "c"]
        asked = [await at.desk.may_escalate("mail", run=run, times_max=2) for run in runs]
        at.clock.turn(DAY + 1)
        later = await at.desk.may_escalate("mail", run="d", times_max=2)
    assert asked == [True, True, True, False]
    assert later


@lived
async def test_a_transcript_is_that_of_the_last_try(tmp_path: Path) -> None:
    """It replaces the one before."""
    async with office(tmp_path) as at:
        for text in ("first", "second"):
            messages = [{"role": "user", "content": text}]
            await at.transcripts.keep("mail", "mail-1", part="all", messages=messages)
        turns = await at.transcripts.of_run("mail-1")
    assert turns == [{"part": "all", "messages": [{"role": "user", "content": "second"}]}]


def test_a_link_says_one_word_about_one_approval(tmp_path: Path) -> None:
    """A signature for another word, approval, end or key is refused, and so is an old one."""
    links = Links.of(tmp_path / "approve.key", base="http://x")
    assert stat.S_IMODE((tmp_path / "approve.key").stat().st_mode) == 0o600
    assert Links.of(tmp_path / "approve.key", base="http://x") == links
    token = links.token("a1", "yes", expires_ms=2_000)
    links.check("a1", "yes", until="2000", token=token, now_ms=1_999)
    bad: list[dict[str, Any]] = [
        {"approval": "a2"},
        {"word": "no"},
        {"word": "maybe"},
        {"until": "2001"},
        {"until": "x"},
        {"until": "9" * 30},
        {"token": ""},
        {"token": "é"},
        {"now_ms": 2_000},
    ]
    good: dict[str, Any] = {
        "approval": "a1",
        "word": "yes",
        "until": "2000",
        "token": token,
        "now_ms": 1_999,
    }
    for change in bad:
        with pytest.raises(ForbiddenError):
            links.check(**good | change)
    (tmp_path / "approve.key").write_bytes(b"short")
    assert Links.of(tmp_path / "approve.key", base="http://x").key != links.key


# -- over the wire


Ask = Callable[..., Coroutine[Any, Any, tuple[int, str]]]


@asynccontextmanager
async def browser(folder: Path, at: Office) -> AsyncIterator[Ask]:
    """The routes on a real Unix socket."""
    routes = ApproveApi(at.approvals, at.links, at.clock).routes()
    routes += AgentApi(at.audit, at.transcripts).routes()
    app = Starlette(routes=routes, exception_handlers={RequestError: refuse, NotFoundError: refuse})  # type: ignore[dict-item]
    served = server(app)
    sock = listen(folder / "worker.sock")
    connector = aiohttp.UnixConnector(str(folder / "worker.sock"))

    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        group.create_task(served.serve(sockets=[sock]))

        async def ask(method: str, path: str, **more: Any) -> tuple[int, str]:
            async with session.request(method, f"http://worker{path}", **more) as reply:
                return reply.status, await reply.text()

        try:
            yield ask
        finally:
            served.should_exit = True


@lived
async def test_the_page_decides_by_its_buttons_alone(tmp_path: Path) -> None:
    """Following the link shows the exact call; the signed word of a button is what decides."""
    async with office(tmp_path) as at, browser(tmp_path, at) as ask:
        await at.desk.decision(SEND)
        link = at.phone.got[0][1].facts["link"]
        path = link.removeprefix("http://127.0.0.1:8484")
        status, text = await ask("GET", path)
        assert status == 200
        assert "&lt;b&gt;see https://evil.example/?q=secret&lt;/b&gt;" in text
        assert "<b>see" not in text
        assert len(await at.approvals.open()) == 1
        names = re.findall(r'name="(\w+)" value="(\w+)"', text)
        forms = [dict(names[:4]), dict(names[4:])]
        forged = forms[1] | {"verdict": "yes"}
        assert (await ask("POST", "/approve", data=forged))[0] == 403
        assert (await ask("POST", "/approve", data={"verdict": "yes"}))[0] == 403
        assert (await ask("POST", "/approve", data={"verdict": "maybe"}))[0] == 400
        assert (await ask("POST", "/approve", data={"a": "x" * 5_000}))[0] == 400
        assert len(await at.approvals.open()) == 1
        status, said = await ask("POST", "/approve", data=forms[0])
        assert (status, "Approved" in said) == (200, True)
        assert (await ask("POST", "/approve", data=forms[1]))[0] == 400
        assert "Answered: yes" in (await ask("GET", path))[1]
        assert (await ask("GET", path.replace("token=", "token=0")))[0] == 403
        (approval,) = await at.approvals.of_run("mail-1")
    assert (approval.verdict, approval.decided_by) == ("yes", "link")


@lived
async def test_the_command_line_lists_and_decides(tmp_path: Path) -> None:
    """Over the private socket, as JSON."""
    async with office(tmp_path) as at, browser(tmp_path, at) as ask:
        await at.desk.decision(SEND)
        await at.desk.note(ENTRY)
        messages = [{"role": "user", "content": "x"}]
        await at.transcripts.keep("mail", "mail-1", part="all", messages=messages)
        assert '"tool":"send"' in (await ask("GET", "/approvals"))[1]
        path = f"/approvals/{id_of(SEND)}"
        assert (await ask("POST", path, data="{"))[0] == 400
        assert (await ask("POST", "/approvals/x", json={"verdict": "no"}))[0] == 404
        assert (await ask("POST", path, data="[]"))[0] == 400
        other = {"verdict": "no", "arguments_sha256": "0" * 64}
        status, text = await ask("POST", path, json=other)
        assert (status, "has other arguments than those" in text) == (400, True)
        assert '"approvals":[]' in (await ask("GET", "/approvals?answered=5"))[1]
        (approval,) = await at.approvals.open()
        word = {"verdict": "no", "arguments_sha256": approval.sha256, "by": "dashboard"}
        status, text = await ask("POST", path, json=word)
        assert (status, '"verdict":"no"' in text) == (200, True)
        assert '"decided_by":"dashboard"' in text
        assert '"decided_by":"dashboard"' in (await ask("GET", "/approvals?answered=5"))[1]
        assert '"approvals":[]' in (await ask("GET", "/approvals"))[1]
        assert '"verdict":"no"' in (await ask("GET", "/approvals?run=mail-1"))[1]
        assert '"rule":"sends"' in (await ask("GET", "/runs/mail-1/calls"))[1]
        assert '"part":"all"' in (await ask("GET", "/runs/mail-1/transcript"))[1]
