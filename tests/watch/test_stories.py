"""From what somebody writes to one answer, through the scheduler: GitHub and mail."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes.github_api import TOKEN, GithubApi
from tests.fakes.imap_server import PASSWORD, ImapServer
from tests.jobs.making import job
from tests.jobs.workshop import workshop
from tests.watch.github_home import COMMON, SETTINGS
from tests.watch.test_imap import SETTINGS as MAIL
from tests.watch.test_imap import letter
from twotier.domain.job import RunState
from twotier.domain.label import Label
from twotier.watch.kinds import labels_of


@pytest.mark.slow
def test_a_comment_is_one_answer_an_edit_another_and_nothing_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request a look; a token that is wrong makes a job blind, and it says so each time."""
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)

    async def scenario(api: GithubApi) -> None:
        page = api.discuss("a page", "opening")
        settings = {**COMMON, **SETTINGS["github-discussions"], "kind": "github-discussions"}
        watch = {**settings, "api": api.base_url}
        check = job(name="comment-check", watch=watch, deliver="log")
        async with workshop(tmp_path, [check]) as shop:
            assert (await shop.by_hand("comment-check")).state is RunState.QUIET
            said = api.comment(page, "Does it run on a toaster?")
            done = await shop.by_hand("comment-check")
            assert (done.state, done.items, done.model_calls) == (RunState.DONE, 1, 1)
            assert "toaster" in str(shop.main.bodies[0]["messages"])
            asked = len(api.asked)
            assert (await shop.by_hand("comment-check")).state is RunState.QUIET
            assert len(api.asked) == asked + 1
            api.edit(said, "Does it run on a kettle?")
            assert (await shop.by_hand("comment-check")).items == 1
            assert len(shop.main.bodies) == 2
            monkeypatch.setenv("GITHUB_TOKEN", "wrong")
            for blind in (1, 2, 3):
                failed = await shop.by_hand("comment-check")
                assert failed.state is RunState.FAILED
                assert failed.because.startswith("could not look: GitHub says 401: Bad credentials")
                (stands,) = await shop.scheduler.standings()
                assert stands.blind == blind
            assert len(shop.main.bodies) == 2

    with GithubApi() as api:
        asyncio.run(scenario(api))


@pytest.mark.slow
def test_mail_that_arrives_is_one_answer_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Private and untrusted, asked with the policy that keeps it here."""
    monkeypatch.setenv("MAIL", PASSWORD)

    async def scenario(server: ImapServer) -> None:
        watch = {**MAIL, "port": server.port}
        assert labels_of(watch) == {Label.PRIVATE, Label.UNTRUSTED}
        check = job(name="mail-check", watch=watch, deliver="log")
        async with workshop(tmp_path, [check]) as shop:
            assert (await shop.by_hand("mail-check")).state is RunState.QUIET
            server.deliver(letter("Invoice", "Pay by Friday."))
            done = await shop.by_hand("mail-check")
            assert (done.state, done.items) == (RunState.DONE, 1)
            assert "Pay by Friday." in str(shop.main.bodies[0]["messages"])
            assert shop.main.headers[0]["x-twotier-policy"] == "local-only"
            assert (await shop.by_hand("mail-check")).state is RunState.QUIET
            assert server.unread() == 1

    with ImapServer() as server:
        asyncio.run(scenario(server))
