"""Jobs, runs and approvals as a person works with them: in a real browser, on a real worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.busy import NOTE, asks, busy
from tests.dashboard.looking import look
from tests.dashboard.world import WAIT_MS, Home
from tests.fakes.openai_server import Quirk
from tests.story.service import eventually

pytestmark = pytest.mark.slow
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A service whose jobs have a past."""
    with busy(tmp_path_factory.mktemp("jobs")) as home:
        yield home


def run_of(home: Home, job: str, state: str = "") -> str:
    """The newest run of a job."""
    return str(home.service.runs(job, state)[0]["id"])


def posted(page: Page, at: str, form: Mapping[str, str], **headers: str) -> int:
    """The status of a form that is sent with the browser's cookies, from nowhere in particular."""
    fields: dict[str, str | float | bool] = dict(form)
    response = page.request.post(at, form=fields, headers=headers, max_redirects=0)
    return response.status


def test_every_page_in_both_themes_and_sizes(home: Home, browser: Browser) -> None:
    """With hostile names, answers and arguments on them; nothing of it runs, nothing is wider."""
    page = home.page(browser)
    wrong: dict[str, Any] = {"template": "blank", "name": "X", "answers": {"every": "often"}}
    good = {"name": "fine", "answers": {"prompt": "Say hello.", "every": "1d", "deliver": "log"}}
    there = home.service.main.get("/control/jobs/keeper/text")
    other = {
        "job": "keeper",
        "text": there["text"].replace("a note", "two notes"),
        "sha256": there["sha256"],
    }
    drafts = [
        home.service.main.post("/control/jobs/drafts", body)["draft"]["id"]
        for body in (wrong, wrong | good, other)
    ]
    run = asks(home)
    look(home, page, "jobs", shows="Run now")
    look(home, page, "jobs/inbox", shows="What is set")
    look(home, page, "jobs/inbox/dry", shows="Nothing is new")
    look(home, page, "jobs/keeper/dry", shows="Who would be asked")
    look(home, page, f"jobs/keeper/edit?draft={drafts[2]}", shows="What will be different")
    look(home, page, "new-job", shows="mail-check")
    look(home, page, f"new-job?draft={drafts[0]}", shows="it needs an answer")
    look(home, page, f"new-job?draft={drafts[1]}", shows="The job as it will be")
    look(home, page, f"runs/{run_of(home, 'shouting')}", shows="Step by step")
    look(home, page, f"runs/{run}", shows="keeper wants to call write_file")
    look(home, page, "approvals", shows="keeper wants to call write_file")
    home.service.worker.post(f"/runs/{run}/cancel")


def test_a_job_is_made_run_and_paused_by_clicks(home: Home, browser: Browser) -> None:
    """What is wrong stands at its field and changes nothing; what is right is live at once."""
    page = home.page(browser)
    page.goto(home.at("jobs"))
    page.get_by_role("link", name="New job").click()
    page.get_by_role("link", name="blank").click()
    page.get_by_label("What is it called?").fill("greeting")
    page.get_by_label("What is the model asked to do?").fill("say: Good morning.\nAnd you?")
    page.get_by_label("How often does it run?").fill("often")
    page.get_by_role("button", name="Look at it").click()
    field = page.get_by_label("How often does it run?")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("often")
    expect(page.get_by_text("'often' does not fit, such as 1h")).to_be_visible()
    names = [job["name"] for job in home.service.worker.get("/jobs")["jobs"]]
    assert "greeting" not in names
    field.fill("30d")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("A run on frontier")).to_be_visible()
    assert not (home.service.folder / "jobs" / "greeting.toml").exists()
    page.get_by_role("button", name="Create it").click()
    page.wait_for_url(home.at("jobs/greeting"))
    expect(page.get_by_role("status")).to_contain_text("It is live.")
    assert "Good morning." in (home.service.folder / "jobs" / "greeting.toml").read_text("utf-8")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url(home.at("runs/greeting-*"))
    expect(page.get_by_role("heading", name="greeting: done")).to_be_visible()
    expect(page.get_by_text("Good morning.").first).to_be_visible()
    page.get_by_role("button", name="Mark good").click()
    expect(page.get_by_role("status")).to_contain_text("Marked as good")
    page.goto(home.at("jobs"))
    card = page.locator(".job", has=page.get_by_role("link", name="greeting", exact=True))
    card.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("paused")
    jobs = {job["name"]: job for job in home.service.worker.get("/jobs")["jobs"]}
    assert jobs["greeting"]["paused"] is True
    card.get_by_role("button", name="Resume").click()
    expect(card).not_to_contain_text("paused")


def test_a_call_is_approved_by_keyboard_and_another_refused(home: Home, browser: Browser) -> None:
    """The count in the navigation rises while one looks at another page, whatever page that is; the
    exact call is shown; the answer lets the run go on.
    """
    page = home.page(browser)
    page.goto(home.at("jobs/keeper/edit"))
    expect(page.locator("nav .count")).to_have_count(0)
    expect(page.locator("#stream-word")).to_have_text("live")
    run = asks(home)
    expect(page.locator("nav .count")).to_have_text(", waiting: 1")
    page.get_by_role("link", name="Approvals").click()
    expect(page.locator(".arguments")).to_contain_text("[U+202E]")
    expect(page.locator(".arguments")).to_contain_text("<script>")
    yes = page.get_by_role("button", name="Yes to calling write_file of keeper")
    yes.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Allowed: write_file of keeper")
    expect(page.locator("#asks")).to_contain_text("Nothing waits for you.")
    expect(page.locator("#answered")).to_contain_text("allowed")
    expect(page.locator("#answered")).to_contain_text("dashboard")
    note = home.service.folder / "jobs-files" / "keeper" / "note.md"
    eventually(lambda: note.exists() and note.read_text("utf-8") == NOTE, what="the note")
    page.goto(home.at(f"runs/{run}"))
    expect(page.get_by_role("heading", name="Asked you about write_file")).to_be_visible()
    expect(page.get_by_role("heading", name="What was said")).to_be_visible()
    second = asks(home)
    page.goto(home.at(f"runs/{second}"))
    page.get_by_role("button", name="No to calling").click()
    page.wait_for_url(home.at("approvals"))
    expect(page.locator("#answered")).to_contain_text("refused")
    page.goto(home.at(f"runs/{second}"))
    expect(page.get_by_role("heading", name="Calls that were not made")).to_be_visible()


def test_a_run_is_watched_cancelled_taken_up_and_done_again(home: Home, browser: Browser) -> None:
    """Its page follows it without a reload; each order is a button."""
    page = home.page(browser)
    home.local.queue(Quirk.STALL)
    run = str(home.service.worker.post("/jobs/slow/run")["run"])
    page.goto(home.at(f"runs/{run}"))
    expect(page.get_by_role("heading", name="slow: running")).to_be_visible()
    page.evaluate("document.getElementById('top').dataset.same = 'yes'")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="slow: interrupted")).to_be_visible()
    page.evaluate("document.getElementById('top').dataset.same = 'yes'")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="slow: done")).to_be_visible()
    page.get_by_role("button", name="Again from here").first.click()
    page.wait_for_url(lambda url: run not in url and "/runs/slow-" in url)
    expect(page.get_by_role("heading", name="slow: done")).to_be_visible()
    expect(page.get_by_text(f"fork of {run}")).to_be_visible()


def test_a_run_that_begins_elsewhere_is_seen_at_once(home: Home, browser: Browser) -> None:
    """A new bar in the strip, and its row in the job's table."""
    page = home.page(browser)
    page.goto(home.at("jobs"))
    card = page.locator(".job", has=page.get_by_role("link", name="inbox", exact=True))
    expect(page.locator("#stream-word")).to_have_text("live")
    before = card.locator(".strip a").count()
    run = home.news("elsewhere.txt")  # a quiet one has a bar that leads nowhere
    expect(card.locator(".strip a")).to_have_count(before + 1)
    assert run in str(card.locator(".strip a").last.get_attribute("href"))


def test_a_job_is_edited_with_a_second_look_and_its_comments_stay(
    home: Home, browser: Browser
) -> None:
    """In the main file; the secret of its address is not on the page, and stays in the file."""
    page = home.page(browser)
    before = home.service.config.read_text(encoding="utf-8")
    page.goto(home.at("jobs/keeper/edit"))
    box = page.get_by_label("The job's part of the main file")
    assert "SECRET" not in page.content()
    text = box.input_value()
    box.fill(text.replace('"local-only"', '"cheap"'))
    page.get_by_role("button", name="Check and compare").click()
    expect(box).to_have_attribute("aria-invalid", "true")
    assert home.service.config.read_text(encoding="utf-8") == before
    box.fill(text.replace("30 6", "45 6"))
    page.get_by_role("button", name="Check and compare").click()
    expect(page.locator(".diff .added")).to_contain_text('+cron = "45 6 * * 1-5"  # before work')
    assert home.service.config.read_text(encoding="utf-8") == before
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(home.at("jobs/keeper"))
    expect(page.get_by_role("status")).to_contain_text("The worker has it.")
    expect(page.get_by_text("at 06:45 from Monday to Friday")).to_be_visible()
    after = home.service.config.read_text(encoding="utf-8")
    assert after == before.replace("30 6", "45 6")


def test_orders_come_from_our_own_pages_alone(home: Home, browser: Browser) -> None:
    """Without the session's token, from another page, or for another call, nothing happens."""
    page = home.page(browser)
    run = asks(home)
    page.goto(home.at("approvals"))
    csrf = page.locator("#asks input[name=csrf]").first.input_value()
    (approval,) = home.service.worker.get("/approvals")["approvals"]
    form = {"id": approval["id"], "sha256": approval["arguments_sha256"]}
    ours, at = {"origin": home.address}, home.at("approvals/yes")
    assert posted(page, at, form, **ours) == 403
    assert posted(page, at, form | {"csrf": "x" * len(csrf)}, **ours) == 403
    assert posted(page, at, form | {"csrf": csrf}, origin="http://evil.example") == 403
    assert posted(page, home.at("jobs/run"), {"name": "slow"}, **ours) == 403
    assert len(home.service.worker.get("/approvals")["approvals"]) == 1
    other = form | {"csrf": csrf, "sha256": "0" * 64}
    assert posted(page, at, other, **ours) == 303
    page.goto(home.at("approvals"))
    expect(page.get_by_role("status")).to_contain_text("has other arguments than those")
    assert page.goto(home.at("runs/nothing-like-it")).status == 404  # type: ignore[union-attr]
    assert page.goto(home.at("jobs/nothing")).status == 404  # type: ignore[union-attr]
    home.service.worker.post(f"/runs/{run}/cancel")


def test_all_of_it_goes_without_a_script(home: Home, browser: Browser) -> None:
    """Plain forms, answered by a page that is loaded anew."""
    page = home.context(browser, java_script_enabled=False).new_page()
    page.goto(home.at("login"))
    page.get_by_label("One-time code").fill(str(home.told()["code"]))
    page.get_by_role("button", name="Log in").click()
    page.goto(home.at("jobs/slow"))
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("slow is paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    asks(home)
    page.goto(home.at("approvals"))
    page.get_by_role("button", name="No to calling").click()
    expect(page.get_by_role("status")).to_contain_text("Refused: write_file of keeper")


def test_the_keyboard_reaches_what_a_mouse_reaches(home: Home, browser: Browser) -> None:
    """In the order of the page; the bars of strips are not in the way, because a table has them."""
    page = home.page(browser)
    page.goto(home.at("jobs"))
    reached: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(str(page.evaluate("document.activeElement.textContent.trim()")))
        if reached[-1].startswith("What the bars mean"):
            break
    assert reached[0] == "To the content"
    wanted = ["New job", "inbox", "Run now inbox", "Pause inbox", "keeper", "What the bars mean"]
    places = [reached.index(word) for word in wanted]
    assert places == sorted(places)
    assert "" not in reached
    page.goto(home.at("jobs/inbox"))
    link = page.locator("#lately a").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(home.at("runs/inbox-*"))
