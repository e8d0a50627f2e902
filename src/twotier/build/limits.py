"""Main counts what each job may cost a day. Before the worker takes other jobs, main takes their
limits, so that none is ever at work without its own.
"""

from __future__ import annotations

from twotier.agent.model import MainClient
from twotier.config.load import Loaded
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import ConfigError, DeadlineError, StreamBrokenError, UpstreamError

PATH = "/control/budgets/reload"


async def agree(client: MainClient, loaded: Loaded) -> None:
    """Have main read the budgets anew, and see that its jobs' limits are those of `loaded`.

    Raises `ConfigError` where they are not, and `NotRunningError`.
    """
    try:
        told = await client.order(PATH, {})
    except (UpstreamError, DeadlineError, StreamBrokenError) as exc:
        raise ConfigError(f"main has not taken the budgets of the file: {exc.message}") from exc
    if told.get("jobs") != limits_of(loaded):
        raise ConfigError("the file was changed while it was read; `twotier job reload` once more")


def limits_of(loaded: Loaded) -> dict[str, int]:
    """What each job that has a limit of its own may cost a day, in micro-dollars."""
    limits = {job.name: job.budget_usd for job in loaded.config.jobs}
    return {name: int(usd * MICROUSD_PER_USD) for name, usd in limits.items() if usd is not None}
