"""Every request stands on the page, with what decided; a row leads to the whole explanation."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.looking import look
from tests.dashboard.world import WAIT_MS, Home

pytestmark = pytest.mark.slow
expect.set_options(timeout=WAIT_MS)


def test_everybody_can_read_them(home: Home, browser: Browser) -> None:
    """The list, and one of its rows."""
    page = home.page(browser)
    look(home, page, "decisions", shows="Elsewhere")
    page.locator("tbody a").first.click()
    page.wait_for_url(re.compile("/ui/decisions/.+"))
    look(home, page, page.url.partition("/ui/")[2], shows="What was seen of it")


def test_no_request_is_missing_whatever_came_of_it(home: Home, browser: Browser) -> None:
    """Those of clients and of jobs, refused and failed ones among them; a new one comes by itself,
    with what it cost and what the other side would have cost.
    """
    page = home.page(browser)
    page.goto(home.at("decisions"))
    rows = page.locator("#requests tbody tr")
    before = rows.count()
    known = home.service.main.get("/control/decisions", {"limit": 500})["requests"]
    assert before == len(known) >= 13
    assert {"ok", "failed", "refused"} <= {one["outcome"] for one in known}
    assert {"inbox", "morning-brief", "broken"} <= {one["job"] for one in known}
    home.service.client().chat.completions.create(
        model="frontier", messages=[{"role": "user", "content": "One more."}], max_tokens=50
    )
    expect(rows).to_have_count(before + 1)
    newest = home.service.main.get("/control/decisions", {"limit": 1})["requests"][0]
    assert float(newest["cost_usd"]) > 0
    assert newest["other"] == {"tier": "local", "usd": "0.000000"}
    here = next(one for one in known if one["tier"] == "local" and one["outcome"] == "ok")
    assert float(here["other"]["usd"]) > 0


def test_a_filter_narrows_and_the_address_holds_it(home: Home, browser: Browser) -> None:
    """By keyboard alone, without a script too; what nobody sent is said to be nothing."""
    page = home.context(browser, java_script_enabled=False).new_page()
    page.goto(home.at("login"))
    page.get_by_label("One-time code").fill(str(home.told()["code"]))
    page.keyboard.press("Enter")
    page.wait_for_url(home.at())
    page.goto(home.at("decisions"))
    page.get_by_label("Job").fill("inbox")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("job=inbox"))
    rows = page.locator("#requests tbody tr")
    assert rows.count() >= 1
    assert all("inbox" in text for text in rows.all_inner_texts())
    page.goto(home.at("decisions?outcome=refused"))
    expect(page.locator("#requests tbody tr").first).to_contain_text("refused")
    page.goto(home.at("decisions?rule=nobody"))
    expect(page.locator("#requests")).to_contain_text("None among")


def test_older_ones_are_a_page_away_and_nothing_moves(home: Home) -> None:
    """The place of the next ones is a number: what comes in meanwhile is not among them."""
    main = home.service.main
    first = main.get("/control/decisions", {"limit": 5})
    second = main.get("/control/decisions", {"limit": 5, "before": first["next"]})
    again = main.get("/control/decisions", {"limit": 10})
    found = [one["request"] for one in first["requests"] + second["requests"]]
    assert found == [one["request"] for one in again["requests"]]
    assert len(set(found)) == 10
