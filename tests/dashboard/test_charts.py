"""What stands on the axes of a chart: a real Chromium draws it, and its words are listened to."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import twotier.dashboard

STATIC = Path(twotier.dashboard.__file__).with_name("static")
BEGAN = 1_764_600_000  # seconds since 1970
LISTENS = """
const said = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
  said.push(text);
  return write.call(this, text, ...at);
};
"""
PAGE = """<figure data-chart="line" data-unit="B" style="width:{width}px">
<div class="plot" hidden></div>
<table><thead><tr><th data-x="time">When</th><th data-series="line">Memory</th></tr></thead>
<tbody>{rows}</tbody></table></figure>"""


@pytest.mark.parametrize("seconds", [20, 90, 240, 1_200, 7_200])
@pytest.mark.parametrize("width", [320, 900])
def test_no_two_moments_of_an_axis_look_the_same(
    browser: Browser, seconds: int, width: int
) -> None:
    """However short the span is: under a minute a step has its seconds."""
    row = '<tr><th data-x="{}">t</th><td data-v="{}">m</td></tr>'
    rows = "".join(row.format(BEGAN + seconds * at // 20, at) for at in range(21))
    page = browser.new_page()
    try:
        page.set_content(PAGE.format(width=width, rows=rows))
        page.evaluate(LISTENS + "window.said = said;")
        for file in (*STATIC.glob("vendor/*uPlot*.js"), STATIC / "charts.js"):
            page.add_script_tag(path=file)
        page.wait_for_function("window.said.some((one) => one.includes(':'))")
        said = [one for one in page.evaluate("window.said") if ":" in one]
        assert len(said) == len(set(said)) >= 1
    finally:
        page.close()
