"""The first page, as a person sees it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.looking import look
from tests.dashboard.world import WAIT_MS, Home

pytestmark = pytest.mark.slow
expect.set_options(timeout=WAIT_MS)


def test_it_says_at_one_glance_how_all_is(home: Home, browser: Browser) -> None:
    """Tiers, money against alert and limit, what the jobs did and what is next."""
    page = home.page(browser)
    expect(page.locator("#tiers")).to_contain_text("local")
    expect(page.locator("#tiers")).to_contain_text("frontier")
    expect(page.locator("#money")).to_contain_text("$0.50")
    expect(page.locator("#money")).to_contain_text("$2.00")
    expect(page.locator("#night")).to_contain_text("failed")
    expect(page.locator("#next")).to_contain_text("morning-brief")


def test_everybody_can_read_it(home: Home, browser: Browser) -> None:
    """Both themes, 320 and 1280 px; where the pages' names are wider, one's own is in sight."""
    page = home.page(browser)
    look(home, page, "", shows="Next runs")
    page.set_viewport_size({"width": 320, "height": 640})
    for name in ("Setup", "Overview"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        link = page.get_by_role("navigation").get_by_role("link", name=name)
        expect(link).to_have_attribute("aria-current", "page")
        expect(link).to_be_in_viewport(ratio=0.9)


def test_what_changes_is_shown_without_a_reload(home: Home, browser: Browser) -> None:
    """A run that ends while the page is open stands in it; what was opened stays as it is."""
    page = home.page(browser)
    expect(page.locator("#stream-word")).to_have_text("live")
    page.evaluate("document.getElementById('night').dataset.same = 'yes'")
    run = home.news("more.txt")
    expect(page.locator(f'#night a[href$="runs/{run}"]')).to_be_visible()
    assert page.locator("#night").get_attribute("data-same") == "yes", "the page was loaded anew"


def test_all_of_it_can_be_reached_by_keyboard(home: Home, browser: Browser) -> None:
    """To the content first; then every link and button in order, each with a name and seen."""
    page = home.page(browser)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto(home.at())
    expect(page.locator("#stream-word")).to_have_text("live")
    expect(page.locator("#saved .figure")).to_be_visible()
    reach = "a[href], button, summary, [tabindex='0']"
    wanted = page.locator(reach).evaluate_all(
        "all => all.filter(one => one.checkVisibility()).length"
    )
    names: list[str] = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent.trim()"))
        seen = "(one => one.matches(':focus-visible') && one.checkVisibility())"
        assert page.evaluate(f"{seen}(document.activeElement)"), names
    assert all(names)
    assert {"Overview", "Decisions", "Spend", "Dark", "Log out", "inbox"} <= set(names)
    page.get_by_role("button", name="Dark").press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_news_leave_the_focus_where_it_is(home: Home, browser: Browser) -> None:
    """On the run that somebody was about to open, though the list around it is a new one."""
    page = home.page(browser)
    expect(page.locator("#stream-word")).to_have_text("live")
    page.locator("#night li a").last.focus()
    before = page.evaluate("document.activeElement.href")
    run = home.news("news.txt")
    expect(page.locator(f'#night a[href$="runs/{run}"]')).to_be_visible()
    assert page.evaluate("document.activeElement.href") == before


def test_without_a_script_the_page_says_the_same(home: Home, browser: Browser) -> None:
    """Only the news needs one."""
    page = home.context(browser, java_script_enabled=False).new_page()
    page.goto(home.at("login"))
    page.get_by_label("One-time code").fill(str(home.told()["code"]))
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(home.at())
    expect(page.locator("#tiers")).to_contain_text("frontier")
    expect(page.get_by_text("reload for news")).to_be_visible()
