"""A job that is not in the configuration yet: tried here, and told to the worker once written."""

from __future__ import annotations

import asyncio
from pathlib import Path

from twotier.build.first_look import could_not_look, secrets_of
from twotier.build.job_cost import Cost
from twotier.build.tools import web_of
from twotier.cli.output import dollars
from twotier.cli.peers import worker_of
from twotier.clock import SystemClock
from twotier.config import secrets
from twotier.config.job_draft import Draft
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import NotRunningError, TwotierError
from twotier.watch.base import Around


def tried(draft: Draft) -> str:
    """Look once, as the worker would, and store nothing. Why that failed; empty if it did not."""
    loaded = draft.loaded
    named = secrets.Named([draft.job], home=loaded.home)
    around = Around(
        loaded.home, SystemClock(), secret=secrets_of(named), web=web_of(loaded), job=draft.name
    )
    return asyncio.run(could_not_look(draft.job, around))


def said(cost: Cost) -> str:
    """What a run costs on a tier, in dollars."""
    if cost.microusd is None:
        return "no known price: `twotier prices set`"
    return f"{dollars(f'{cost.microusd / MICROUSD_PER_USD:.4f}')} a run"


def live(config: Path) -> str:
    """Tell the worker. Why the job has to wait for a start; empty where it is live."""
    try:
        worker_of(config).post("/reload")
    except NotRunningError:
        return "it runs when twotier does: `twotier up`"
    except TwotierError as exc:  # something else of the file is wrong, or main does not answer
        return exc.message
    return ""
