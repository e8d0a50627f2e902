"""Issues, releases and notifications: found once, and a quiet look costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.github_api import GithubApi
from tests.watch.github_home import Home
from twotier.watch import github_issues

ISSUES, RELEASES, NOTIFICATIONS = "github-issues", "github-releases", "github-notifications"


@pytest.fixture
def api() -> Iterator[GithubApi]:
    """GitHub, empty."""
    with GithubApi() as one:
        yield one


def baseline(api: GithubApi, kind: str, **changes: object) -> Home:
    """A watcher that has looked once, after what is there."""
    home = Home(api, kind, **changes)
    home.clock.turn((api.now - home.clock.now()).total_seconds())
    assert home.look().items == ()
    home.look()  # from here on its ETags are those of what is new
    return home


def test_an_issue_and_a_comment_are_items_once(api: GithubApi) -> None:
    """What was there before the first look is old, a comment on it is new."""
    old = api.open_issue("old", "text")
    home = baseline(api, ISSUES)
    api.open_issue("It breaks", "when I do this")
    api.say(old, "me too")
    found = home.look().items
    assert [(item.title, item.text) for item in found] == [
        ("It breaks (#2)", "It breaks\n\nwhen I do this"),
        ("comment on #1", "me too"),
    ]
    assert found[0].link == "https://github.com/octo/blog/issues/2"
    assert home.look().items == ()


def test_a_quiet_look_at_issues_is_two_answers_that_cost_nothing(api: GithubApi) -> None:
    """304 with a token is not counted by GitHub."""
    api.say(api.open_issue("old", "text"), "old")
    home = baseline(api, ISSUES)
    charged = api.charged
    assert [home.look().items for _ in range(5)] == [()] * 5
    assert api.charged == charged


def test_an_edit_is_an_item_and_a_label_is_none(api: GithubApi) -> None:
    """An issue's time moves with its labels too."""
    home = baseline(api, ISSUES)
    issue = api.open_issue("It breaks", "before")
    comment = api.say(issue, "hm")
    assert len(home.texts()) == 2
    api.change(issue, labels=["bug"])
    assert home.texts() == []
    api.change(issue, body="after")
    api.change(comment, body="aha")
    assert home.texts() == ["It breaks\n\nafter", "aha"]
    assert home.texts() == []


def test_an_old_issue_that_is_touched_is_not_new(api: GithubApi) -> None:
    """Nobody can tell what its text was; an old comment's time moves with its text alone."""
    old = api.open_issue("old", "text")
    said = api.say(old, "before")
    home = baseline(api, ISSUES)
    api.change(old, state="closed")
    assert home.texts() == []
    api.change(said, body="after")
    assert home.texts() == ["after"]


def test_pulls_comments_and_authors_narrow_it(api: GithubApi) -> None:
    """By setting."""
    home = baseline(api, ISSUES)
    pulls = baseline(api, ISSUES, issues=False, pulls=True, comments=False, skip_authors=["Bot"])
    api.say(api.open_issue("A change", None, pull=True), "fine")
    api.open_issue("A bump", "by a robot", pull=True, author="bot")
    assert home.texts() == ["fine"]
    assert pulls.texts() == ["A change"]


def test_more_issues_than_one_look_reads_are_read_by_the_next(
    api: GithubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages come the oldest change first, so nothing is lost."""
    monkeypatch.setattr(github_issues, "PAGES_MAX", 2)
    home = baseline(api, ISSUES)
    for number in range(250):
        api.open_issue(f"i{number}", "x")
    assert [len(home.texts()) for _ in range(3)] == [200, 50, 0]


def test_the_first_look_goes_back_where_the_owner_wants_it(api: GithubApi) -> None:
    """`since` is for who does not want to wait for the next one."""
    api.open_issue("two minutes ago", "x")
    api.release("v1", "first")
    api.notify("a mention")
    for kind in (ISSUES, RELEASES, NOTIFICATIONS):
        home = Home(api, kind, since=3_600.0)
        home.clock.turn(600)
        assert len(home.look().items) == 1
        home.clock.turn(600)
        assert home.look().items == ()


def test_a_release_is_an_item_when_it_is_published(api: GithubApi) -> None:
    """A draft is not published, however old it is."""
    api.release("v1", "old")
    draft = api.release("v2", "what is new", draft=True)
    home = baseline(api, RELEASES)
    api.release("v3-rc", "try this", prerelease=True)
    assert home.texts() == []
    draft.update(draft=False)
    (item,) = home.look().items
    assert item.title == "octo/blog Release v2"
    assert item.text == "Release v2\n\nwhat is new"
    api.change(draft, body="a word mended")
    assert home.texts() == []
    charged = api.charged
    assert home.texts() == []
    assert api.charged == charged


def test_notifications_are_items_and_are_asked_for_as_often_as_github_allows(
    api: GithubApi,
) -> None:
    """A look before its time is quiet without a request."""
    home = baseline(api, NOTIFICATIONS)
    home.clock.turn(61)
    api.notify("Please look", number=7)
    (item,) = home.look().items
    assert item.title == "octo/blog: Please look"
    assert item.link == "https://github.com/octo/blog/issues/7"
    assert "notified because: mention" in item.text
    asked, charged = len(api.asked), api.charged
    home.clock.turn(59)
    assert home.look().items == ()
    assert len(api.asked) == asked
    api.poll_seconds = 600
    home.clock.turn(2)
    assert home.look().items == ()
    assert (len(api.asked), api.charged) == (asked + 1, charged)
    home.clock.turn(599)
    home.look()
    assert len(api.asked) == asked + 1


def test_only_some_reasons_may_count(api: GithubApi) -> None:
    """Who is subscribed to much wants to hear of little."""
    home = baseline(api, NOTIFICATIONS, reasons=["mention"])
    home.clock.turn(61)
    api.notify("noise", reason="subscribed")
    api.notify("me", reason="mention")
    assert [item.title for item in home.look().items] == ["octo/blog: me"]


def test_pages_of_notifications_are_read_to_the_end(api: GithubApi) -> None:
    """As far as one look may."""
    home = baseline(api, NOTIFICATIONS)
    home.clock.turn(61)
    for number in range(120):
        api.notify(f"n{number}")
    assert len(home.texts()) == 120


@pytest.mark.parametrize("kind", [ISSUES, RELEASES, NOTIFICATIONS])
def test_refusals_are_told_in_githubs_words(api: GithubApi, kind: str) -> None:
    """What is wrong, and what to do."""
    home = Home(api, kind)
    home.token = "wrong"
    assert "401: Bad credentials; the token is wrong or has expired" in home.refused()
    home = Home(api, kind)
    api.refuse(403, {"message": "Resource not accessible by personal access token"})
    assert "403: Resource not accessible by personal access token; the token may" in home.refused()
    api.refuse(404, {"message": "Not Found"})
    assert "404: Not Found; is the name right" in home.refused()
    api.refuse(502, b"<html>unicorn</html>")
    assert "502: status 502; it is tried again" in home.refused()
    reset = str(int(home.clock.now().timestamp()) + 900)
    api.refuse(
        429,
        {"message": "API rate limit exceeded"},
        x_ratelimit_remaining="0",
        x_ratelimit_reset=reset,
    )
    assert home.refused().endswith(
        "give the job a longer period; not asked again before 12:15:00 UTC"
    )


@pytest.mark.parametrize("kind", [ISSUES, RELEASES, NOTIFICATIONS])
def test_an_answer_that_is_no_list_is_not_quiet(api: GithubApi, kind: str) -> None:
    """A proxy's page, half an answer, another shape."""
    home = Home(api, kind)
    for body in (b"<html>", b'[{"id": 1', {"a": 1}, b"\xff\xfe", b"[" * 100_000):
        api.refuse(200, body)
        assert "not the list" in home.refused()
    api.refuse(200, [None, 1, "x", {}, {"id": {}, "body": 3, "user": [], "created_at": "now"}])
    api.refuse(200, [])
    assert home.look().items == ()


def test_a_next_page_elsewhere_is_not_asked(api: GithubApi) -> None:
    """A page that names another machine does not get the token there."""
    home = Home(api, ISSUES, since=60.0)
    api.refuse(200, [{"id": 1}], link='<https://evil.example/steal>; rel="next"')
    assert "another machine" in home.refused()


def test_nobody_answers_is_told(api: GithubApi) -> None:
    """A machine that is not there."""
    home = Home(api, ISSUES, api="http://127.0.0.1:9")
    assert "cannot be reached" in home.refused()
