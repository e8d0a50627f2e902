"""Local, Playground and Setup as a person uses them: a real llama.cpp that dies, both tiers asked
side by side, a key that is made and ended by clicks.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import threading
from collections.abc import Iterator

import openai
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.kept_world import kept_world, stopped
from tests.dashboard.looking import look
from tests.dashboard.world import HOSTILE, WAIT_MS, Home
from tests.fakes.mind import Said, Thought, answer
from tests.story.service import eventually

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(600)]
expect.set_options(timeout=WAIT_MS)
Fields = dict[str, str | float | bool]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A real local server that twotier keeps, in place of the usual world."""
    with kept_world(tmp_path_factory.mktemp("kept")) as home:
        yield home


def ready(home: Home, *, but: int = 0) -> int:
    """The pid of the local server once it answers, another one than `but`."""

    def found() -> int:
        tier = home.service.tier("local")
        return int(tier["pid"] or 0) if tier["state"] == "ready" and tier["pid"] != but else 0

    return eventually(found, what="the local server is ready")


def tick(page: Page, *tiers: str) -> None:
    """Exactly these are ticked."""
    for name in ("local", "asked", "frontier"):
        page.locator(f'input[name="ask-{name}"]').set_checked(name in tiers)


def test_a_death_is_shown_live_with_its_cause_and_what_was_done(
    home: Home, browser: Browser
) -> None:
    """Killed with -9 while the page is open: cause, evidence and remedy stand there, unasked."""
    page = home.page(browser)
    page.goto(home.at("local"))
    expect(page.locator("#servers")).to_contain_text("ready")
    before = ready(home)
    os.kill(before, signal.SIGKILL)
    deaths = page.locator("#deaths")
    expect(deaths).to_contain_text("killed with SIGKILL, and no sign that memory ran out")
    expect(deaths).to_contain_text("started again")
    after = ready(home, but=before)
    expect(page.locator("#servers")).to_contain_text(str(after))
    deaths.get_by_text("Evidence").first.click()
    expect(deaths.locator("pre").first).to_contain_text("exit: SIGKILL")
    expect(page.locator("#log pre")).to_contain_text("listening on")


def test_memory_has_a_chart_with_the_line_that_must_stay_free(home: Home, browser: Browser) -> None:
    """What the machine uses, what the server holds, and where the headroom begins."""
    page = home.page(browser)
    page.goto(home.at("local?hours=1"))
    expect(page.locator("#memory")).to_contain_text("have to stay free")
    expect(page.locator("#memory .plot canvas")).to_be_visible()
    page.locator("#memory-table > summary").click()
    table = page.locator("#memory table")
    expect(table.locator("th")).to_have_text(["Time", "In use", "Headroom begins", "local"])
    held = table.locator("tbody tr").last.locator("td").last
    assert re.fullmatch(r"0\.\d GB", held.inner_text())


def test_a_server_is_stopped_and_started_by_clicks(home: Home, browser: Browser) -> None:
    """Each order says what it does before it is given; how it stands then is shown."""
    page = home.page(browser)
    ready(home)
    page.goto(home.at("local?tier=local"))
    page.locator("#act-stop > summary").click()
    page.get_by_role("button", name="Stop local").click()
    expect(page.locator(".notice")).to_contain_text("local is stopped")
    expect(page.locator("#servers")).to_contain_text("down")
    page.locator("#act-start > summary").click()
    page.get_by_role("button", name="Start local").click()
    expect(page.locator(".notice")).to_contain_text("local is starting")
    ready(home)
    expect(page.locator("#servers")).to_contain_text("ready")


def test_a_probe_that_is_begun_fills_its_table_and_goes_on_by_itself(
    home: Home, browser: Browser
) -> None:
    """Of a server that answers at once, but not before nobody looks: what llama.cpp makes of it
    takes a minute, and is in tests/story.
    """
    left = threading.Event()
    seen = itertools.count()

    def waits(said: Said) -> Thought:
        assert next(seen) < 4 or left.wait(WAIT_MS / 1000), "nobody left the page"
        return answer(said)

    page = home.page(browser)
    page.goto(home.at("local?tier=asked"))
    page.locator("#act-probe > summary").click()
    page.get_by_label("each question once").check()
    home.local.mind = waits
    page.get_by_role("button", name="Probe asked").click()
    expect(page.locator(".notice")).to_contain_text("asked is being probed")
    expect(page.locator("#probe tbody tr").first).to_contain_text("shallow")
    expect(page.locator("#probe")).to_contain_text("being probed")
    page.goto("about:blank")
    left.set()

    def ended() -> bool:
        probes = home.service.main.get("/control/probe")["probes"]
        assert not probes[0]["failed"], probes
        return bool(probes[0]["ended"])

    eventually(ended, what="the probe has ended")
    page.goto(home.at("local?tier=asked"))
    expect(page.locator("#probe")).to_contain_text("gets no requests with tools")
    expect(page.locator("#probe tbody tr")).to_have_count(13)
    expect(page.locator("#speed .plot canvas").first).to_be_visible()


def test_a_server_that_is_only_asked_says_whose_it_is(home: Home, browser: Browser) -> None:
    page = home.page(browser)
    page.goto(home.at("local?tier=asked"))
    expect(page.locator("#servers")).to_contain_text("nobody here: it is only asked")
    expect(page.locator("#deaths")).to_contain_text("Whoever keeps this server counts them.")
    expect(page.locator("#act-stop")).to_have_count(0)


def test_both_tiers_answer_side_by_side_with_cost_and_time(home: Home, browser: Browser) -> None:
    """The frontier only because it is ticked; what comes is text, whatever it holds."""
    ready(home)
    page = home.page(browser)
    page.goto(home.at("playground"))
    expect(page.locator('input[name="ask-frontier"]')).not_to_be_checked()
    page.locator("#more > summary").click()
    page.get_by_label("Most tokens of an answer").fill("100")
    page.get_by_label("Question").fill(f"say: {HOSTILE}")
    expect(page.locator("#quotes")).to_contain_text("auto would ask")
    expect(page.locator("#quotes tbody tr").nth(1)).to_contain_text("$0.0")
    tick(page, "local", "frontier")
    before = home.frontier.billed_microusd
    page.get_by_role("button", name="Ask", exact=True).click()
    for tier, cost in (("local", "$0.00"), ("frontier", "$0.00")):
        card = page.locator(f'[data-answer="{tier}"]')
        expect(card.locator('[data-field="state"]')).to_contain_text("done")
        expect(card.locator('[data-field="cost"]')).to_contain_text(cost)
        expect(card.locator('[data-field="seconds"]')).to_have_text(re.compile(r"\d.*s$"))
        expect(card.locator('[data-field="tokens"]')).to_have_text(re.compile(r"\d+ \+ \d+"))
    said = page.locator('[data-answer="frontier"] [data-field="text"]')
    expect(said).to_have_text(HOSTILE)
    assert page.title() != "pwned"
    assert page.locator("img").count() == 0
    billed = home.frontier.billed_microusd - before
    shown = page.locator('[data-answer="frontier"] [data-field="cost"]').inner_text()
    assert 0 < billed == round(float(shown.removeprefix("$")) * 1e6)
    expect(page.locator('[data-answer="asked"]')).to_be_hidden()


def test_only_this_machine_means_only_this_machine(home: Home, browser: Browser) -> None:
    """The switch holds on the server too: a form that says otherwise asks nobody elsewhere."""
    page = home.page(browser)
    page.goto(home.at("playground"))
    tick(page, "asked", "frontier")
    page.get_by_label("Only this machine").check()
    expect(page.locator('input[name="ask-frontier"]')).to_be_disabled()
    page.get_by_label("Question").fill("say: here")
    before = len(home.frontier.bodies)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator('[data-answer="asked"] [data-field="text"]')).to_have_text("here")
    csrf = page.locator('#play input[name="csrf"]').input_value()
    fields: Fields = {"csrf": csrf, "tier": "frontier", "prompt": "say: no", "ask-frontier": "yes"}
    headers = {"origin": home.address}
    answer = page.request.post(
        home.at("playground/stream"), form=fields | {"local_only": "yes"}, headers=headers
    )
    assert "only this machine may be asked" in answer.text()
    unticked = page.request.post(
        home.at("playground/stream"), form=fields | {"ask-frontier": ""}, headers=headers
    )
    assert "is not ticked" in unticked.text()
    assert len(home.frontier.bodies) == before


def test_a_limit_is_told_in_words(home: Home, browser: Browser) -> None:
    """What may cost more than the day's budget has left is refused before it is asked."""
    page = home.page(browser)
    page.goto(home.at("playground"))
    page.locator("#more > summary").click()
    page.get_by_label("Most tokens of an answer").fill("30000")
    page.get_by_label("Question").fill("say: dear")
    tick(page, "frontier")
    before = len(home.frontier.bodies)
    page.get_by_role("button", name="Ask", exact=True).click()
    card = page.locator('[data-answer="frontier"]')
    expect(card.locator('[data-field="state"]')).to_have_text("no whole answer")
    expect(card.locator('[data-field="error"]')).to_contain_text("$0.30")
    assert len(home.frontier.bodies) == before


def test_an_answer_that_is_stopped_frees_its_tier(home: Home, browser: Browser) -> None:
    """What was said stays; the server does not go on for nobody."""
    ready(home)
    page = home.page(browser)
    page.goto(home.at("playground"))
    page.locator("#more > summary").click()
    page.get_by_label("Most tokens of an answer").fill("2000")
    page.get_by_label("Question").fill("Tell a very long story about a river and its many towns.")
    tick(page, "local")
    page.get_by_role("button", name="Ask", exact=True).click()
    card = page.locator('[data-answer="local"]')
    expect(card.locator('[data-field="text"]')).not_to_be_empty()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(card.locator('[data-field="error"]')).to_contain_text("stopped by you")
    expect(card.locator('[data-field="text"]')).not_to_be_empty()
    eventually(lambda: home.service.tier("local")["slots"]["in_use"] == 0, what="its slot is free")


def test_without_a_script_the_same_form_answers(home: Home, browser: Browser) -> None:
    """And the answer is shown once: nothing of it is kept."""
    page = home.context(browser, java_script_enabled=False).new_page()
    page.goto(home.at("login"))
    page.get_by_label("One-time code").fill(str(home.told()["code"]))
    page.get_by_role("button", name="Log in").click()
    page.goto(home.at("playground"))
    tick(page, "asked", "frontier")
    page.get_by_label("Question").fill("say: plainly")
    page.get_by_role("button", name="What would it cost?").click()
    expect(page.locator("#quotes")).to_contain_text("auto would ask")
    expect(page.get_by_label("Question")).to_have_value("say: plainly")
    page.get_by_role("button", name="Ask", exact=True).click()
    for tier in ("asked", "frontier"):
        expect(page.locator(f'[data-answer="{tier}"] .said')).to_have_text("plainly")
    page.reload()
    expect(page.locator('[data-answer="asked"]')).to_be_hidden()
    assert "plainly" not in page.content()


def asks_with(home: Home, key: str) -> str:
    """One answer with a client's key."""
    with home.service.client(key=key) as client:
        message = {"role": "user", "content": "say: hi"}
        whole = client.chat.completions.create(model="asked", messages=[message])  # type: ignore[list-item]
        return str(whole.choices[0].message.content)


def test_a_key_is_made_shown_once_used_and_ended_by_clicks(home: Home, browser: Browser) -> None:
    page = home.page(browser)
    page.goto(home.at("setup"))
    page.get_by_label("Name, of").fill("tablet")
    form = page.locator("#key-add")
    form.get_by_label("May use").select_option("local-only")
    form.get_by_label("Budget in $").fill("2.50")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("#new-key").inner_text()
    assert key.startswith("tt-")
    assert asks_with(home, key) == "hi"
    expect(page.locator("#used tr", has_text="tablet")).to_contain_text("$2.50 a day")
    page.reload()
    expect(page.locator("#new-key")).to_have_count(0)
    assert key not in page.content()
    page.get_by_text("tablet: change or end").click()
    page.get_by_role("button", name="End the key of tablet").click()
    expect(page.locator(".notice")).to_contain_text("The key of tablet is ended")
    with pytest.raises(openai.AuthenticationError):
        asks_with(home, key)


def test_what_is_wrong_with_an_order_is_said_and_nothing_happens(
    home: Home, browser: Browser
) -> None:
    """A name that is taken, a channel whose other side refuses."""
    page = home.page(browser)
    page.goto(home.at("setup"))
    page.get_by_label("Name, of").fill("dashboard")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator(".notice")).to_contain_text("Not done: the name 'dashboard' is taken")
    page.get_by_role("button", name="Test hook").click()
    expect(page.locator(".notice")).to_contain_text("Not done:")
    assert "s3cret-path" not in page.content()


def test_an_order_from_elsewhere_is_refused(home: Home, browser: Browser) -> None:
    """Without the session's token, or from another origin: no key is made, nothing is stopped."""
    page = home.page(browser)
    page.goto(home.at("setup"))
    csrf = page.locator('#key-add input[name="csrf"]').input_value()
    ours, foreign = {"origin": home.address}, {"origin": "http://evil.example"}
    orders: tuple[tuple[str, Fields], ...] = (
        ("setup/key-add", {"name": "thief"}),
        ("local/stop", {"tier": "local"}),
        ("playground/stream", {"tier": "asked", "prompt": "say: x", "ask-asked": "yes"}),
    )
    for place, fields in orders:
        for form, headers in ((fields, ours), (fields | {"csrf": csrf}, foreign)):
            answer = page.request.post(home.at(place), form=form, headers=headers)
            assert answer.status == 403, place
    assert "thief" not in home.service.command("key", "list").stdout
    assert home.service.tier("local")["state"] == "ready"


def test_the_doctor_and_the_file_stand_in_the_page(home: Home, browser: Browser) -> None:
    """The findings come by themselves; the file with who said what, and no secret."""
    page = home.page(browser)
    page.goto(home.at("setup"))
    expect(page.locator("#doctor")).to_contain_text("as they should be")
    page.get_by_text("settings that you wrote down").click()
    row = page.locator("#settings tr", has_text="tiers.frontier.model")
    expect(row).to_contain_text("twotier.toml")
    expect(page.get_by_text("valid, and in force")).to_be_visible()
    config = page.locator("section", has=page.locator("#config-h"))
    expect(config.get_by_text("env:FRONTIER_KEY").last).to_be_visible()
    page.goto(home.at("setup?all=1"))
    expect(page.locator("#settings tr", has_text="gateway.host").first).to_contain_text("default")
    assert home.frontier.key not in page.content()


@pytest.mark.parametrize(
    ("place", "shows"),
    [("local?tier=local", "Memory of this machine"), ("local?tier=asked", "What it can do"),
     ("playground", "Only this machine"), ("setup?all=1", "Versions")],
)  # fmt: skip
def test_each_page_is_sound_in_both_themes_and_widths(
    home: Home, browser: Browser, place: str, shows: str
) -> None:
    """axe-core finds nothing, nothing sticks out, the browser complains about nothing."""
    ready(home)
    look(home, home.page(browser), place, shows=shows)


def test_a_server_that_is_down_is_shown_as_that(home: Home, browser: Browser) -> None:
    """The last one here: it leaves the server stopped."""
    stopped(home)
    page = home.page(browser)
    page.goto(home.at("local"))
    expect(page.locator("#servers")).to_contain_text("down")
    page.goto(home.at("playground"))
    tick(page, "local")
    page.get_by_label("Question").fill("say: nobody")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator('[data-answer="local"] [data-field="error"]')).to_contain_text("local")
