"""`twotier dashboard`: a one-time link to the pages, opened in a browser or printed.

The link's code stands behind its `#`, which browsers send nowhere. To open it, a file of mode 0600
leads there, so that the code is in no process's arguments, which everybody on a machine can read.
"""

from __future__ import annotations

import html
from pathlib import Path

from twotier.cli.output import emit, say
from twotier.cli.peers import main_of
from twotier.config.paths import paths_of
from twotier.keys import replace

PAGE = """<!doctype html><meta charset="utf-8"><title>twotier</title>
<meta http-equiv="refresh" content="0; url={link}"><a href="{link}">Open the dashboard</a>
"""


def opened(config: Path, *, show_only: bool, as_json: bool) -> int:
    """Ask main for a code; then a browser, or whoever reads this, has ten minutes."""
    told = main_of(config).post("/control/dashboard")
    if as_json:
        emit(told)
        return 0
    if not show_only and browsed(paths_of(config).state / "dashboard.html", told["link"]):
        say(f"opened {told['page']} in your browser")
        return 0
    print(told["link"])
    say(f"or open {told['page']} and give the code {told['code']}; it holds for ten minutes, once")
    return 0


def browsed(leads: Path, link: str) -> bool:
    """Whether a browser with a window took it. Over ssh and in a terminal without one, nobody."""
    import webbrowser

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if isinstance(browser, webbrowser.GenericBrowser) and not isinstance(
        browser, webbrowser.BackgroundBrowser
    ):
        return False  # one that runs inside the terminal, and has no script
    replace(leads, PAGE.format(link=html.escape(link)))
    return browser.open(leads.absolute().as_uri())
