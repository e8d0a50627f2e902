"""The pages, in the order of the navigation. A new one is a module, a template, and a line here."""

from __future__ import annotations

from twotier.dashboard.page import Page
from twotier.dashboard.pages import (
    approvals,
    decisions,
    job,
    job_dry,
    job_edit,
    jobs,
    local,
    new_job,
    overview,
    playground,
    run,
    setup,
    spend,
)

PAGES: tuple[Page, ...] = (
    *(overview.PAGE, decisions.PAGE, decisions.ONE, spend.PAGE, spend.TABLE),
    *(jobs.PAGE, job.PAGE, job_dry.PAGE, job_edit.PAGE, new_job.PAGE, run.PAGE, approvals.PAGE),
    *(local.PAGE, playground.PAGE, setup.PAGE),
)
