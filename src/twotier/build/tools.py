"""From the configuration to the tools of each job, for the worker and for `twotier tools`.

A tool is made when its job first needs it; a secret is looked up when a call first needs it, so
that one that is missing fails that call and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache, partial
from importlib import import_module
from pathlib import Path

from twotier.build.mail import mail_by
from twotier.config.alerts import is_place
from twotier.config.load import Loaded
from twotier.config.paths import with_home
from twotier.config.secrets import how_to_set, places, resolve
from twotier.config.tools import ApiConfig, CommandConfig, SearchConfig, SendConfig
from twotier.config.work import JobConfig
from twotier.domain.fee import Fees
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import ConfigError, NotFoundError, ToolError
from twotier.notify.base import Channel
from twotier.notify.http import Ntfy, Webhook
from twotier.tools.base import Tool
from twotier.tools.kinds import NEEDS_FOLDER, make, named
from twotier.tools.settings import (
    Api,
    Bench,
    Command,
    Destination,
    SearchAt,
    Secret,
    Sizes,
)
from twotier.tools.web import Web

FILES = "jobs-files"
REPEATABLE = ("webhook", "mail")  # their receivers know a repeat by its key
BRAVE_UNIT = "brave/search"
Toolbox = Callable[[str], list[Tool]]


def web_of(loaded: Loaded) -> Web:
    """The one way to other machines, with what the owner allows at home."""
    return Web().allowing(loaded.config.tools.private_ok)


def toolbox(loaded: Loaded, web: Web, *, fees: Fees | None = None) -> Toolbox:
    """The tools of a job by its name, made once; those of MCP servers are made elsewhere.

    What it gives raises `NotFoundError` for no such job, `ConfigError` for a root that must not be
    one, and `ToolError`.
    """
    jobs = {job.name: job for job in loaded.config.jobs}

    @cache
    def made(name: str) -> list[Tool]:
        if name not in jobs:
            raise NotFoundError(f"there is no job {name!r}; there are: {', '.join(jobs) or 'none'}")
        return make(jobs[name].tools, bench_of(loaded, jobs[name], web=web, fees=fees))

    return made


def bench_of(
    loaded: Loaded,
    job: JobConfig,
    *,
    web: Web,
    folder: bool = True,
    fees: Fees | None = None,
) -> Bench:
    """What a job's tools are made of. `folder`: the folder of its files is made where it is the
    usual one and they need it.
    """
    config = loaded.config.tools
    names = frozenset(named(job.tools))
    return Bench(
        job=job.name,
        web=web,
        root=root_of(loaded, job, make=folder and bool(names & NEEDS_FOLDER)),
        closed=tuple(closed(loaded)),
        names=names,
        hosts=frozenset(job.hosts),
        sizes=Sizes(config.file_bytes_max, config.page_bytes_max, config.timeout),
        search=search_at(loaded, config.search) if config.search else None,
        apis={name: api(loaded, name, config=one) for name, one in config.api.items()},
        sends={name: destination(loaded, name, config=one) for name, one in config.send.items()},
        commands={name: command(name, one) for name, one in config.command.items()},
        fees=fees,
    )


def root_of(loaded: Loaded, job: JobConfig, *, make: bool = False) -> Path:
    """The folder of a job's files. Raises `ConfigError` for one that holds the configuration."""
    root = files_of(job, loaded.home)
    if job.root is None:
        if make:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return root
    if any(place.is_relative_to(root) for place in (loaded.path.resolve(), Path.home())):
        raise ConfigError(
            f"jobs.{job.name}.root: {job.root!r} holds your home or the configuration itself; name"
            " a folder of the job's own"
        )
    return root


def files_of(job: JobConfig, home: Path) -> Path:
    """The folder of a job's files, absolute, as the configuration says it or the usual one."""
    return (home / (with_home(job.root) if job.root else Path(FILES, job.name))).resolve()


def closed(loaded: Loaded) -> Iterator[Path]:
    """What no tool may touch: our state, the configuration, jobs, and files with secrets."""
    yield loaded.paths.state
    yield loaded.path
    yield loaded.home / "jobs"
    for place in places(loaded.config):
        kind, _, name = place.partition(":")
        if kind == "file":
            yield (loaded.home / with_home(name)).resolve()


def search_at(loaded: Loaded, config: SearchConfig) -> SearchAt:
    """Where to search, and what a query costs."""
    price = 0
    if config.backend == "brave":
        usual: int = import_module("twotier.tools.search").BRAVE_MICROUSD
        own = loaded.config.unit_prices.get(BRAVE_UNIT)
        price = usual if own is None else microusd(own)
    key = partial(secret, loaded, config.key or "")
    return SearchAt(config.backend, config.url or "", key, price_microusd=price)


def api(loaded: Loaded, name: str, *, config: ApiConfig) -> Api:
    """An API with its secrets by name."""
    secrets: dict[str, Secret] = {
        one: partial(secret, loaded, place) for one, place in config.secrets.items()
    }
    return Api(name, config.url, config.methods, config.description, config.headers, secrets)


def destination(loaded: Loaded, name: str, *, config: SendConfig) -> Destination:
    """A way out."""
    kind, _, target = config.to.partition(":")
    where: Secret = partial(secret, loaded, target) if is_place(target) else lambda: target
    return Destination(
        name, partial(channel, loaded, kind), where, config.description, kind in REPEATABLE
    )


def command(name: str, config: CommandConfig) -> Command:
    """A program."""
    return Command(
        name=name,
        argv=config.argv,
        description=config.description,
        seconds_max=config.timeout,
        changes=config.changes,
        network=config.network,
        sandbox=config.sandbox,
        output_bytes_max=config.output_bytes_max,
    )


def channel(loaded: Loaded, kind: str) -> Channel:
    """A channel of a kind, with its secret in place. Raises `ToolError`."""
    if kind == "ntfy":
        config = loaded.config.ntfy
        return Ntfy(config.url, secret(loaded, config.token) if config.token else "")
    if kind == "mail":
        smtp = loaded.config.smtp
        return mail_by(smtp, secret(loaded, smtp.password) if smtp.password else "")
    if kind == "webhook":
        return Webhook()
    if kind == "desktop":
        desktop: Channel = import_module("twotier.notify.desktop").Desktop()
        return desktop
    apprise: Channel = import_module("twotier.notify.apprise").Apprise()
    return apprise


def secret(loaded: Loaded, place: str) -> str:
    """A secret for a call. Raises `ToolError` where it is missing or must not be used."""
    try:
        found = resolve(place, home=loaded.home)
    except ConfigError as exc:
        raise ToolError(exc.message) from exc
    if found is None:
        raise ToolError(f"a secret is missing; set it: `{how_to_set(place, home=loaded.home)}`")
    return found


def secret_places(loaded: Loaded) -> list[str]:
    """Where the secrets lie that tools may use."""
    config = loaded.config
    wanted = [*places(config.tools), *places(config.smtp), *places(config.ntfy)]
    for one in config.tools.send.values():
        kind, _, target = one.to.partition(":")
        wanted += [target] if kind != "mail" and is_place(target) else []
    return list(dict.fromkeys(wanted))


def hidden(loaded: Loaded) -> list[str]:
    """Every secret that tools may use, for the log to hide; what is missing is not told here."""
    found = []
    for place in secret_places(loaded):
        try:
            found.append(secret(loaded, place))
        except ToolError:
            continue
    return found


def microusd(usd: Decimal) -> int:
    """Micro-dollars, rounded up."""
    return int((usd * MICROUSD_PER_USD).to_integral_value(rounding="ROUND_CEILING"))
