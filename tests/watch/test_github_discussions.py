"""Discussions: comments, replies and edits are found once, whatever page they stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.github_api import ME, REPO, GithubApi, Post
from tests.watch.github_home import Home
from twotier.watch import github, github_discussions

DISCUSSIONS = "github-discussions"


@pytest.fixture
def api() -> Iterator[GithubApi]:
    """GitHub, empty."""
    with GithubApi() as one:
        yield one


def test_the_first_look_is_the_baseline_and_a_quiet_one_is_one_request(api: GithubApi) -> None:
    """What is there is old; nothing new costs a single query."""
    api.comment(api.discuss("hello", "first"), "old")
    home = Home(api, DISCUSSIONS)
    assert home.look().items == ()
    assert home.look().items == ()
    assert [path for _, path in api.asked] == ["/graphql", "/graphql"]


def test_a_comment_a_reply_and_a_discussion_are_items_once_with_who_when_and_where(
    api: GithubApi,
) -> None:
    """The oldest first; the same look again finds nothing."""
    old = api.discuss("hello", "first")
    home = Home(api, DISCUSSIONS)
    home.look()
    comment = api.comment(old, "a comment")
    reply = api.comment(comment, "a reply", author="cleo")
    api.discuss("another", "second")
    found = home.look().items
    assert [item.text for item in found] == ["a comment", "a reply", "second"]
    assert (found[1].author, found[1].at, found[1].link) == (
        "cleo",
        "2026-03-02T12:03:00Z",
        reply.url,
    )
    assert found[1].title == "hello (#1)"
    assert home.look().items == ()


def test_an_edit_is_a_new_item_with_another_id_even_where_the_discussion_is_not_touched(
    api: GithubApi,
) -> None:
    """GitHub does not move a discussion's time for every edit."""
    comment = api.comment(api.discuss("hello", "first"), "before")
    home = Home(api, DISCUSSIONS, since=86_400)
    before = next(item for item in home.look().items if item.text == "before")
    api.edit(comment, "after")
    (after,) = home.look().items
    assert after.text == "after"
    assert after.id != before.id
    assert home.look().items == ()


def test_what_the_owner_wrote_is_left_out_unless_he_wants_it(api: GithubApi) -> None:
    """A job that answers comments must not answer itself."""
    old = api.discuss("hello", "first")
    home, all_of_it = Home(api, DISCUSSIONS), Home(api, DISCUSSIONS, own=True)
    home.look(), all_of_it.look()
    api.comment(old, "mine", author=ME)
    assert home.texts() == []
    assert all_of_it.texts() == ["mine"]


def test_a_reply_under_an_old_comment_of_a_long_discussion_is_found(api: GithubApi) -> None:
    """A page with Giscus is one discussion of hundreds of comments."""
    long = api.discuss("a page", "")
    first = api.comment(long, "the very first")
    for number in range(129):
        api.comment(long, f"old {number}")
    home = Home(api, DISCUSSIONS)
    home.look()
    asked = len(api.asked)
    api.comment(first, "to the very first")
    assert home.texts() == ["to the very first"]
    assert len(api.asked) - asked == 3  # the latest 30, then twice 50 before them
    assert home.texts() == []


def test_a_comment_with_many_replies_gives_the_new_ones(api: GithubApi) -> None:
    """Replies have pages of their own."""
    comment = api.comment(api.discuss("a page", ""), "ask me anything")
    home = Home(api, DISCUSSIONS)
    home.look()
    for number in range(70):
        api.comment(comment, f"reply {number}")
    assert home.texts() == [f"reply {number}" for number in range(70)]


def test_more_changed_discussions_than_one_look_reads_are_read_by_the_next(
    api: GithubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost between two looks, and nothing comes twice."""
    monkeypatch.setattr(github_discussions, "PAGES_MAX", 2)
    api.discuss("zero", "zero")
    home = Home(api, DISCUSSIONS)
    home.look()
    wanted = {api.discuss(f"d{number}", f"text {number}").body for number in range(70)}
    found = [home.texts() for _ in range(4)]
    assert [len(one) for one in found] == [30, 30, 10, 0]
    assert {text for one in found for text in one} == wanted


def test_a_place_that_github_forgot_is_read_from_the_front(
    api: GithubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cursor of GitHub's is worth nothing for ever."""
    monkeypatch.setattr(github_discussions, "PAGES_MAX", 1)
    home = Home(api, DISCUSSIONS, since=86_400)
    for number in range(20):
        api.discuss(f"d{number}", f"text {number}")
    assert len(home.texts()) == 15
    home.cursor["resume"] = "gone"
    assert home.texts() == []
    assert len(home.texts()) == 5


def test_a_discussion_too_long_for_one_look_is_told(
    api: GithubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out is said, once for each time it changed."""
    monkeypatch.setattr(github_discussions, "OLDER_MAX", 1)
    long = api.discuss("a page", "")
    home = Home(api, DISCUSSIONS)
    home.look()
    for number in range(120):
        api.comment(long, f"c{number}")
    look = home.look()
    assert len(look.items) == 80
    assert ["longer than one look reads" in one.because for one in look.unreadable] == [True]
    assert home.look().unreadable == ()


def test_a_category_and_openings_narrow_it(api: GithubApi) -> None:
    """Giscus opens a discussion by itself; its text is nobody's comment."""
    page = api.discuss("a page", "made by a robot")
    page.category = "announcements"
    home = Home(api, DISCUSSIONS, category="announcements", openings=False, since=86_400)
    api.comment(page, "a comment")
    api.comment(api.discuss("elsewhere", "x"), "not here")
    assert home.texts() == ["a comment"]


def test_nobody_to_ask_is_not_quiet(api: GithubApi) -> None:
    """A repository that is not there, a token that is wrong: GitHub's own words."""
    assert "Could not resolve" in Home(api, DISCUSSIONS, repo="octo/none").refused()
    home = Home(api, DISCUSSIONS)
    home.token = "wrong"
    assert home.refused().startswith("GitHub says 401: Bad credentials; the token is wrong")
    with_no_token = Home(api, DISCUSSIONS, token="env:NONE")
    assert "nothing lies at env:NONE" in with_no_token.refused()


def test_a_limit_is_obeyed_until_its_end(api: GithubApi) -> None:
    """Asking on is what gets a token blocked: until then there is no request at all."""
    home = Home(api, DISCUSSIONS)
    body = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}
    api.refuse(403, body, retry_after="120")
    assert home.refused().endswith("not asked again before 12:02:00 UTC")
    asked = len(api.asked)
    home.clock.turn(60)
    assert "not asked again before 12:02:00 UTC" in home.refused()
    assert len(api.asked) == asked
    home.clock.turn(61)
    assert home.look().items == ()


def test_an_error_with_status_200_is_an_error(api: GithubApi) -> None:
    """GraphQL says so in its body."""
    home = Home(api, DISCUSSIONS)
    api.refuse(200, {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]})
    assert home.refused() == "API rate limit exceeded; not asked again before 12:01:00 UTC"
    home.clock.turn(61)
    api.refuse(200, {"data": None, "errors": [{"type": "FORBIDDEN", "message": "no access"}]})
    assert home.refused() == "GitHub says: no access"
    api.refuse(200, b"<html>a proxy</html>")
    assert "not the JSON" in home.refused()
    api.refuse(200, {"data": {"repository": {"discussions": {"nodes": [None, 1, {}]}}}})
    assert home.look().items == ()


def test_an_enterprise_server_is_asked_where_it_has_graphql(api: GithubApi) -> None:
    """REST lies under /api/v3, GraphQL beside it."""
    Home(api, DISCUSSIONS, api=f"{api.base_url}/api/v3").look()
    assert api.asked == [("POST", "/api/graphql")]


def test_what_strangers_write_never_breaks_a_look(api: GithubApi) -> None:
    """Long, hidden and broken text comes out visible, cut and said to be cut."""
    page = api.discuss("\u202etitle\0\n" * 50, "x")
    home = Home(api, DISCUSSIONS, since=86_400, openings=False)
    api.comment(page, "\0\u202eevil\u200b\ud800" + "a" * 200_000, author="")
    (item,) = home.look().items
    assert item.text == "evil" + "a" * 996
    assert item.bytes_cut == 199_004
    assert item.author == ""
    assert item.title.isprintable()
    assert len(item.title) < 220


def test_what_is_remembered_has_an_end(api: GithubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy repository does not make the cursor grow for ever."""
    monkeypatch.setattr(github_discussions, "THREADS_KEPT", 3)
    monkeypatch.setattr(github_discussions, "SEEN_KEPT", 4)
    home = Home(api, DISCUSSIONS, since=86_400)
    posts: list[Post] = [api.discuss(f"d{number}", f"text {number}") for number in range(9)]
    assert len(home.texts()) == 9
    assert sorted(home.cursor["walked"]) == sorted(post.id for post in posts[-3:])
    assert len(home.cursor["seen"]) == 4
    assert REPO in home.watcher.place


def test_who_writes_at_great_length_blinds_nobody(
    api: GithubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is more than may be read is asked for in smaller ones."""
    monkeypatch.setattr(github, "PAGE_BYTES_MAX", 120_000)
    home = Home(api, DISCUSSIONS, since=86_400)
    for number in range(12):
        api.discuss(f"d{number}", "x" * 20_000)
    assert len(home.look().items) == 12
    assert len(api.asked) == 7  # three in vain, and four smaller ones
    assert home.look().items == ()
