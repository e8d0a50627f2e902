"""The pages, in the order of the navigation. A new one is a module, a template, and a line here."""

from __future__ import annotations

from twotier.dashboard.page import Page
from twotier.dashboard.pages import overview

PAGES: tuple[Page, ...] = (overview.PAGE,)
