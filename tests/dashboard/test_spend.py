"""Where the money went: the page says what `twotier spend` says, to the micro-dollar."""

from __future__ import annotations

import csv
import io
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.looking import look
from tests.dashboard.world import WAIT_MS, Home

pytestmark = pytest.mark.slow
expect.set_options(timeout=WAIT_MS)


def test_everybody_can_read_it(home: Home, browser: Browser) -> None:
    """Its table as well as its chart."""
    page = home.page(browser)
    look(home, page, "spend", shows="Where it went")
    expect(page.locator("#savings")).to_contain_text("with caching and batches")
    expect(page.locator(".plot canvas")).to_be_visible()
    page.get_by_text("As a table").click()
    expect(page.locator("#days-table tbody tr")).to_have_count(30)


def test_it_says_what_the_command_says(home: Home, browser: Browser) -> None:
    """By each thing that there are sums for; the file that is downloaded is the command's."""
    page = home.page(browser)
    for by in ("tier", "model", "job", "key", "rule"):
        said = home.service.command("spend", "--by", by, "--csv").stdout
        rows = list(csv.DictReader(io.StringIO(said)))
        page.goto(home.at(f"spend?by={by}"))
        expect(page.locator("#sums tbody tr")).to_have_count(len(rows))
        with page.expect_download() as download:
            page.get_by_text("Download as CSV").click()
        assert download.value.path().read_text(encoding="utf-8") == said
        assert re.fullmatch(rf"twotier-{by}-[\d-]+\.csv", download.value.suggested_filename)


def test_a_day_can_be_looked_at(home: Home, browser: Browser) -> None:
    """From its row of the chart's table; a span nobody knows is today."""
    page = home.page(browser)
    page.goto(home.at("spend?by=tier&span=2001-01-01"))
    expect(page.locator("#sums")).to_contain_text("Nothing was asked in this span")
    page.goto(home.at("spend?by=nobody&span=never"))
    expect(page.locator("#sums tbody tr").first).to_contain_text("frontier")
