"""From the configuration to money: the price book with the owner's prices on top, the budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import lru_cache

from twotier.build.clients import day_zone
from twotier.build.tiers import shown_model
from twotier.config.budgets import BudgetConfig
from twotier.config.load import Loaded
from twotier.config.schema import TierConfig
from twotier.config.work import JobConfig
from twotier.config.zones import zone_name
from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD, Budget, Price
from twotier.engines.base import engine
from twotier.ledger.prices import PriceBook, UnitPrice
from twotier.ledger.shipped import fetched_seed, shipped_prices


def prices(loaded: Loaded) -> PriceBook:
    """The shipped prices, the public list as it was fetched last, and the owner's own on top."""
    book = shipped_prices()
    if fetched := fetched_seed(loaded.paths.prices):
        book = replace(book, seed=fetched)
    return with_owners(book, loaded)


def with_owners(book: PriceBook, loaded: Loaded) -> PriceBook:
    """A book with the owner's own prices on top; a tier's own come last."""
    for name, own in loaded.config.prices.items():
        provider, _, model = name.partition("/")
        book = book.with_override(provider, model, terms=own.terms())
    for name, each in loaded.config.unit_prices.items():
        provider, _, unit = name.partition("/")
        book = book.with_unit(provider, unit, usd=each)
    for config in loaded.config.tiers.values():
        if config.price is not None:
            provider, model = vendor_of(config), shown_model(config.model)
            book = book.with_override(provider, model, terms=config.price.terms())
    return book


def vendor_of(config: TierConfig) -> str:
    """Whose model a tier has."""
    if config.engine is None:
        return "anthropic"
    return config.provider or engine(config.engine).traits.provider


def price_on(book: PriceBook) -> Callable[[str, str, date], Price | None]:
    """The price of a provider's model on a day, remembered: it is asked for every request."""
    return lru_cache(maxsize=1_024)(
        lambda provider, model, day: book.price(provider, model, on=day)
    )


def unit_price_on(loaded: Loaded) -> Callable[[str, str, date], UnitPrice | None]:
    """What one unit of a provider costs on a day; the book is made when it is first asked."""
    book = lru_cache(maxsize=1)(lambda: prices(loaded))
    return lambda provider, unit, day: book().unit_price(provider, unit, on=day)


def priced(book: PriceBook, clock: Clock) -> Callable[[str, str], bool]:
    """Whether a vendor's model has a price today."""
    return lambda provider, model: book.price(provider, model, on=clock.now().date()) is not None


def budgets(loaded: Loaded) -> Sequence[Budget]:
    """The configured budgets, their zones by name; those of single jobs first."""
    zone = day_zone(loaded)
    jobs = [job_budget(job, zone) for job in loaded.config.jobs if job.budget_usd is not None]
    return [*jobs, *map(budget_of, loaded.config.budgets)]


def job_limits(loaded: Loaded) -> Mapping[str, int]:
    """What each job that has a limit of its own may cost a day, in micro-dollars."""
    limits = {job.name: microusd(job.budget_usd) for job in loaded.config.jobs}
    return {name: limit for name, limit in limits.items() if limit is not None}


def job_budget(job: JobConfig, zone: str) -> Budget:
    """What a job may cost a day, as it says itself."""
    limit = microusd(job.budget_usd)
    name = f"job {job.name}"
    return Budget(name, "day", zone, limit_microusd=limit, job=job.name, of_job=True)


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
