"""From the configuration to money: the price book with the owner's prices on top, the budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal

from twotier.build.clients import day_zone
from twotier.build.tiers import shown_model
from twotier.config.budgets import BudgetConfig
from twotier.config.load import Loaded
from twotier.config.work import JobConfig
from twotier.config.zones import zone_name
from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD, Budget, Price
from twotier.engines.base import engine
from twotier.ledger.prices import PriceBook
from twotier.ledger.shipped import shipped_prices


def prices(loaded: Loaded) -> PriceBook:
    """The shipped prices with the owner's own on top."""
    book = shipped_prices()
    for config in loaded.config.tiers.values():
        if config.price is None:
            continue
        own = config.price.model_dump(exclude_none=True)
        usd = {name.removesuffix("_usd"): value for name, value in own.items()}
        provider = config.provider or engine(config.engine or "openai").traits.provider
        book = book.with_override(provider, shown_model(config.model), usd_per_mtok=usd)
    return book


def price_on(book: PriceBook) -> Callable[[str, str, date], Price | None]:
    """The price of a provider's model on a day."""
    return lambda provider, model, day: book.price(provider, model, on=day)


def priced(book: PriceBook, clock: Clock) -> Callable[[str, str], bool]:
    """Whether a vendor's model has a price today."""
    return lambda provider, model: book.price(provider, model, on=clock.now().date()) is not None


def budgets(loaded: Loaded) -> Sequence[Budget]:
    """The configured budgets, their zones by name; those of single jobs first."""
    zone = day_zone(loaded)
    jobs = [job_budget(job, zone) for job in loaded.config.jobs if job.budget_usd is not None]
    return [*jobs, *map(budget_of, loaded.config.budgets)]


def job_budget(job: JobConfig, zone: str) -> Budget:
    """What a job may cost a day, as it says itself."""
    limit = microusd(job.budget_usd)
    return Budget(f"job {job.name}", "day", zone, limit_microusd=limit, job=job.name)


def budget_of(one: BudgetConfig) -> Budget:
    """A budget as the file says it."""
    return Budget(
        name=one.called,
        period=one.period,
        zone=zone_name(one.zone),
        alert_microusd=microusd(one.alert_usd),
        limit_microusd=microusd(one.limit_usd),
        at_limit=one.at_limit,
        client=one.client,
        job=one.job,
        tier=one.tier,
        model=one.model,
        work="" if one.work == "all" else one.work,
        background_percent=one.background_percent,
        tell_percents=one.tell_at_percent,
    )


def microusd(usd: Decimal | None) -> int | None:
    """Dollars as integer micro-dollars."""
    return None if usd is None else int(usd * MICROUSD_PER_USD)
