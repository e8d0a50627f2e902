"""The pages, in the order of the navigation. A new one is a module, a template, and a line here."""

from __future__ import annotations

from twotier.dashboard.page import Page
from twotier.dashboard.pages import decisions, overview, spend

PAGES: tuple[Page, ...] = (
    *(overview.PAGE, decisions.PAGE, decisions.ONE, spend.PAGE, spend.TABLE),
)
