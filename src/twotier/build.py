"""From the configuration to tiers: which provider, which keeper, which price, which limits.

A tier that cannot be built (its model is not on disk, its environment is not made) does not stop
the others: it is there, down, and says what to do.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

import aiohttp

from twotier.config.load import Loaded
from twotier.config.paths import environments, hub, models
from twotier.config.schema import TierConfig
from twotier.config.secrets import how_to_set, resolve
from twotier.config.zones import zone_name
from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.domain.launch import Launch
from twotier.domain.money import FREE, MICROUSD_PER_USD, Budget, Price
from twotier.domain.tier import TierFacts, TierSpec, TierState
from twotier.engines import environment
from twotier.engines.base import Engine, Ownership, Settings, engine, identity, lock_path
from twotier.errors import EngineError, NotRunningError
from twotier.exchange import Tier
from twotier.ledger.prices import PriceBook
from twotier.ledger.shipped import shipped_prices
from twotier.logs import start_logging
from twotier.models import discover, starter
from twotier.probing import Probe
from twotier.providers.absent import Absent
from twotier.providers.anthropic import Anthropic
from twotier.providers.kept import KeptProvider
from twotier.providers.openai_compatible import OpenAICompatible
from twotier.providers.watched import Watched
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.spec import KeptSpec

ANTHROPIC_URL = "https://api.anthropic.com"
ANTHROPIC_WINDOW_TOKENS = 200_000
STARTER = "starter"
WORKER_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Workshop:
    """What tiers are built with. `keep` makes the keeper of a process."""

    loaded: Loaded
    session: aiohttp.ClientSession
    clock: Clock
    keep: Callable[[KeptSpec], Keeper]
    probe: Probe
    prices: PriceBook


def tier(name: str, config: TierConfig, shop: Workshop) -> Tier:
    """One tier of the configuration."""
    if config.engine is None:
        return remote(name, config, shop)
    described = engine(config.engine)
    if described.traits.ownership is Ownership.REMOTE:
        return observed(name, config, described, shop)
    try:
        return kept(name, config, described, shop)
    except EngineError as exc:
        facts = TierFacts(name, TierState.DOWN, exc.message)
        spec = local_spec(name, config, described, shop.prices)
        return Tier(spec, Absent("openai_chat", exc.message), lambda: facts)


def remote(name: str, config: TierConfig, shop: Workshop) -> Tier:
    """A tier behind Anthropic's API."""
    place = config.key or "env:ANTHROPIC_API_KEY"
    key = Key(place, shop.loaded.home)
    provider = Anthropic(shop.session, base_url=config.base_url or ANTHROPIC_URL, key=key)
    watched = Watched(provider, shop.clock)

    def facts() -> TierFacts:
        if not key():
            return TierFacts(name, TierState.NO_KEY, f"it waits for its key: {how_to_set(place)}")
        return told(name, watched.outage())

    model = config.model
    price = shop.prices.price("anthropic", model, on=shop.clock.now().date())
    spec = spec_of(
        name,
        config,
        provider="anthropic",
        model_upstream=model,
        price=price,
        window_tokens=config.window_tokens or ANTHROPIC_WINDOW_TOKENS,
    )
    return Tier(spec, watched, facts)


def observed(name: str, config: TierConfig, described: Engine, shop: Workshop) -> Tier:
    """A server with an OpenAI-shaped API that something else runs."""
    key = Key(config.key, shop.loaded.home) if config.key else None
    asked = OpenAICompatible(shop.session, base_url=config.base_url or "", key=key)
    watched = Watched(asked, shop.clock)
    spec = local_spec(name, config, described, shop.prices)
    keep = described.traits.fields if spec.local else None
    return Tier(spec, watched, lambda: told(name, watched.outage()), keep)


def kept(name: str, config: TierConfig, described: Engine, shop: Workshop) -> Tier:
    """A local server that twotier starts and keeps. Raises `EngineError` for what is missing."""
    traits, paths = described.traits, shop.loaded.paths
    python = environment.python_of(lock_path(traits), environments())
    if python is None:
        raise EngineError(f"the environment of {traits.name} is not made; run `twotier up`")
    model = model_path(config.model, shop.loaded)
    spec = local_spec(name, config, described, shop.prices)
    settings = Settings(window_tokens=spec.window_tokens, parallel=config.parallel)
    make = partial(provider_at, shop.session, described)
    keeper = shop.keep(
        KeptSpec(
            name=name,
            launch=lambda port: described.launch(python, model, port, settings=settings),
            ready=shop.probe.of(spec, make),
            log_path=paths.logs / f"engine-{name}.log",
            record_path=paths.engines / f"{name}.json",
            identity=identity(model),
            load_seconds_max=config.load_seconds,
        )
    )
    wait = config.wait_seconds
    provider = KeptProvider(keeper, make, dialect="openai_chat", wait_seconds=wait)
    return Tier(spec, provider, keeper.facts, traits.fields)


def provider_at(
    session: aiohttp.ClientSession, described: Engine, endpoint: Endpoint
) -> OpenAICompatible:
    """The client of a kept server at its current address."""
    return OpenAICompatible(
        session,
        base_url=endpoint.base_url,
        key=None,
        not_found_is_outage=described.traits.not_found_is_outage,
    )


def local_spec(name: str, config: TierConfig, described: Engine, prices: PriceBook) -> TierSpec:
    """What is fixed about a tier with an engine. It is free unless the owner gave it a price."""
    traits = described.traits
    provider, model = config.provider or traits.provider, shown_model(config.model)
    price = FREE if config.is_local else None
    return spec_of(
        name,
        config,
        provider=provider,
        model_upstream=described.model_upstream(model),
        price=prices.overrides.get((provider, model), price),
        window_tokens=config.window_tokens or traits.window_tokens_default,
        stream_always=traits.stream_always,
    )


def spec_of(
    name: str,
    config: TierConfig,
    *,
    provider: str,
    model_upstream: str,
    price: Price | None,
    window_tokens: int,
    stream_always: bool = True,
) -> TierSpec:
    """A `TierSpec`; what no engine says comes from the configuration."""
    anthropic = config.engine is None
    return TierSpec(
        name=name,
        provider=provider,
        model=shown_model(config.model),
        model_upstream=model_upstream,
        dialect="anthropic_messages" if anthropic else "openai_chat",
        local=config.is_local,
        price=price,
        window_tokens=window_tokens,
        output_tokens_default=config.output_tokens_default,
        stream_always=stream_always,
        can_images=anthropic,
        can_tools=True,
        connect_seconds=config.connect_seconds,
        first_token_seconds=config.first_token_seconds,
        idle_seconds=config.idle_seconds,
        total_seconds=config.total_seconds,
    )


def told(name: str, outage: str) -> TierFacts:
    """The facts of a server nobody keeps for us: its last outage, while it is fresh."""
    return TierFacts(name, TierState.DOWN if outage else TierState.READY, outage)


def shown_model(model: str) -> str:
    """The name clients use: the starter's own, and of a path its last part."""
    if model == STARTER:
        return starter.STARTER.ref
    return Path(model).stem if model.startswith(("/", "~", ".")) else model


def model_path(model: str, loaded: Loaded) -> Path:
    """Where a model's files lie. Raises `EngineError` when they are not on this machine."""
    if model == STARTER:
        if found := starter.present(models()):
            return found
        raise EngineError("the starter model is not fetched; run `twotier models pull starter`")
    direct = loaded.resolve(model)
    if direct.exists():
        return direct
    for on_disk in discover.on_disk(models(), hub()):
        if on_disk.name in (model, model.rpartition("/")[2]):
            return on_disk.path
    raise EngineError(f"the model {model} is not on this machine; `twotier models list` shows all")


class Key:
    """A secret by its place. A key file that appears later is found; nothing ever prints it."""

    def __init__(self, place: str, home: Path) -> None:
        self._place = place
        self._home = home
        self._value = ""

    def __call__(self) -> str:
        """The secret, or an empty string while it is not there."""
        if not self._value:
            self._value = resolve(self._place, home=self._home) or ""
        return self._value


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
    """The configured budgets, their zones by name."""
    return [
        Budget(
            name=one.name or one.period,
            period=one.period,
            zone=zone_name(one.zone),
            alert_microusd=microusd(one.alert_usd),
            limit_microusd=microusd(one.limit_usd),
            at_limit=one.at_limit,
        )
        for one in loaded.config.budgets
    ]


def microusd(usd: Decimal | None) -> int | None:
    """Dollars as integer micro-dollars."""
    return None if usd is None else int(usd * MICROUSD_PER_USD)


def worker_spec(loaded: Loaded) -> KeptSpec:
    """The worker as a kept process. It ends with us, so it is never adopted."""
    paths = loaded.paths
    argv = (sys.executable, "-m", "twotier.worker", "--config", str(loaded.path))
    launch = Launch(argv, env=worker_environment(loaded), cwd=loaded.home)
    return KeptSpec(
        name="worker",
        launch=lambda _port: launch,
        ready=partial(worker_answers, paths.worker_socket),
        log_path=paths.logs / "worker.log",
        record_path=paths.engines / "worker.json",
        listens=False,
        adopts=False,
        load_seconds_max=WORKER_SECONDS_MAX,
    )


async def worker_answers(socket_path: Path, _: Endpoint) -> None:
    """Return if the worker answers on its private socket. Raises `NotRunningError` if not."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path)
    except OSError as exc:
        raise NotRunningError(f"the worker does not listen yet ({exc.strerror})") from exc
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        line = await reader.readline()
    finally:
        writer.close()
    if b" 200 " not in line:
        raise NotRunningError(f"the worker answers {line.decode('latin-1').strip()!r}")


def worker_environment(loaded: Loaded) -> Mapping[str, str]:
    """What the worker's environment needs beside the usual: named secrets, never a model key."""
    token = loaded.config.ntfy.token
    if token is None or not token.startswith("env:"):
        return {}
    value = resolve(token, home=loaded.home)
    return {token.removeprefix("env:"): value} if value else {}


def start_log(loaded: Loaded, client_key: str) -> None:
    """Begin main's log; no configured secret can get into it."""
    config = loaded.config
    places = [one.key for one in config.tiers.values() if one.key]
    known = [resolve(place, home=loaded.home) for place in places]
    start_logging(
        loaded.paths.logs / "main.log",
        level=config.log.level,
        bytes_max=config.log.bytes_max,
        files_kept=config.log.files_kept,
        secrets=[client_key, *(secret for secret in known if secret)],
    )
