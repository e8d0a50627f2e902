"""The one path to a model, and the servers in front of it: the port, ports of an older server, ours
alone.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from twotier import __version__
from twotier.alerts import conditions
from twotier.alerts.upstreams import Upstreams
from twotier.answers import Answers, Bounds
from twotier.build.alerts import habits_of, ping_url, ways_of
from twotier.build.also import also_servers
from twotier.build.clients import day_zone
from twotier.build.course import engine_view
from twotier.build.dashboard import codes_route, dashboard_app, sessions_of
from twotier.build.heart import Heart
from twotier.build.hooks import forward
from twotier.build.household import Household
from twotier.build.job_desk import JobDesk
from twotier.build.learned import learn_of
from twotier.build.lookout import Lookout, Ping, Sources, standings_of
from twotier.build.main_peer import MainPeer
from twotier.build.memory import calm_collector
from twotier.build.money import budgets, job_limits, price_on, priced, unit_price_on
from twotier.build.outside import auditor_of
from twotier.build.passing import pass_on
from twotier.build.proving import proving_of
from twotier.build.rules import rules_from, rules_in
from twotier.build.savings import savings_page
from twotier.build.setup import setup_of
from twotier.build.slots import limited
from twotier.build.telemetry import Telemetry
from twotier.build.tiers import Workshop, tier
from twotier.build.worker_peer import WorkerPeer
from twotier.config.load import Loaded, load
from twotier.config.schema import GatewayConfig
from twotier.dispatch import Dispatch
from twotier.domain.money import MICROUSD_PER_USD
from twotier.domain.tier import TierFacts
from twotier.exchange import Ground
from twotier.gateway.alerts import AlertControl
from twotier.gateway.app import DIALECT_AT, Gateway, heeded
from twotier.gateway.approve import PATH, ApprovePage
from twotier.gateway.asgi import Handler
from twotier.gateway.asking import Asking
from twotier.gateway.auth import Door, PrivateDoor
from twotier.gateway.clients import Clients
from twotier.gateway.control import Control
from twotier.gateway.control_probe import Probing
from twotier.gateway.decisions import DecisionControl
from twotier.gateway.engines import EngineControl
from twotier.gateway.explaining import Explaining
from twotier.gateway.fees import FeesControl
from twotier.gateway.hooks import HookRoute
from twotier.gateway.job_files import JobFiles
from twotier.gateway.limits import LimitControl
from twotier.gateway.live import Live
from twotier.gateway.metrics import MetricsPage
from twotier.gateway.models import ModelRoute
from twotier.gateway.outside import OutsidePage
from twotier.gateway.places import PlaceControl
from twotier.gateway.plain import DESCRIPTION, ModelList, described, healthz
from twotier.gateway.records import RecordControl
from twotier.gateway.refusals import Refusals
from twotier.gateway.repeats import Repeats
from twotier.gateway.replay import ReplayPage
from twotier.gateway.savings import SavingsPage, Yardstick
from twotier.gateway.status import Status
from twotier.gateway.tuning import TuningPage
from twotier.learned.sessions import HEADERS as SESSION_HEADERS
from twotier.learned.tiers import Learned
from twotier.proving import HEADER as VERIFY
from twotier.router.names import Names
from twotier.router.retry import RetryBudget
from twotier.router.tree import Router
from twotier.serve import Server, private_socket, tcp_socket
from twotier.serve.also import AlsoServer
from twotier.serve.files import make_room
from twotier.serve.limits import Limits
from twotier.tries import Remedy

# What came of batches and nobody fetched: for a day.
KEPT_BATCHES = Bounds(86_400.0, 1_000, 256 * 1024 * 1024)


def make_dispatch(
    shop: Workshop, *, ground: Ground, new_id: Callable[[], str], learned: Learned
) -> Dispatch:
    """The one path, with its tiers, names and rules."""
    config = shop.loaded.config
    tiers = {
        name: limited(tier(name, one, shop=shop), one, clock=shop.clock)
        for name, one in config.tiers.items()
    }
    tiers = learn_of(tiers, loaded=shop.loaded, learned=learned)
    specs = [one.spec for one in tiers.values()]
    names = Names(specs, config.aliases, priced(shop.prices, shop.clock))
    scales = learned.sizes.scales
    router = Router(names, rules_in(config), learned.verdicts.untooled, learned.caches, scales)
    return Dispatch(
        tiers,
        router=router,
        price=price_on(shop.prices),
        ground=ground,
        new_id=new_id,
        remedy=Remedy(shop.breakers, RetryBudget(), random.random),
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """What listens now: the servers, what they tell, and the answers on their way."""

    status: Status
    servers: tuple[Server | AlsoServer, ...]
    live: Live
    clients: Clients
    answers: Answers

    async def listening(self) -> None:
        """They can be reached. Who had made a key before that could not tell us, so look again."""
        for server in self.servers:
            await server.listening.wait()
        self.clients.reload()


@dataclass(frozen=True, slots=True)
class Front:
    """Every server. `stop` begins the end of the process; `closing` is set when sockets close."""

    loaded: Loaded
    dispatch: Dispatch
    ground: Ground
    telemetry: Telemetry
    stop: Callable[[], None]
    closing: asyncio.Event
    house: Household

    def in_use(self, name: str) -> int:
        """How many requests a tier has now."""
        slots = self.dispatch.tiers[name].slots
        return 0 if slots is None else slots.load().in_use

    def heart(self, status: Status) -> Heart:
        """What whoever started us hears."""
        ground = self.ground
        return Heart(self.house.kept.notifier, ground.book.lives, status.line, ground.clock)

    def down(self) -> None:
        """The end, and not by a service manager that begins anew: our servers end too."""
        self.house.leaves = False
        self.stop()

    def open(self, clients: Clients, worker: Callable[[], TierFacts]) -> Opened:
        """The port for clients and the private socket, bound, and what both can tell."""
        gateway = self.loaded.config.gateway
        sock = tcp_socket(gateway.host, gateway.port)
        live = Live(gateway.total_seconds_max, Refusals(self.dispatch.new_id))
        status = self.status(address(sock), worker, live=live, clients=clients)
        kept = self.loaded.config.answers
        bounds = Bounds(kept.keep_seconds, kept.count_max, kept.bytes_max)
        answers = Answers(self.loaded.paths.answers, bounds, clock=self.ground.clock)
        self.dispatch.desk.kept = Answers(
            self.loaded.paths.batches, KEPT_BATCHES, clock=self.ground.clock
        )
        self.house.desk = self.dispatch.desk
        routes = self.routes(status, live, answers=answers)
        control = self.control(status, clients)
        self.house.lookout = self.lookout(status)
        self.house.heart = self.heart(status)
        door = Door(clients, hosts=gateway.allowed_hosts, origins=gateway.allowed_origins)
        self.telemetry.know(self.dispatch)
        self.ground.book.headers = self.dispatch.router.rules.headers
        make = partial(
            Gateway,
            refusals=live.refusals,
            spans=self.telemetry.spans is not None,
            heeded=heeded({*self.dispatch.router.rules.headers, *SESSION_HEADERS, VERIFY}),
        )
        sessions = sessions_of(self.loaded, status)
        ordered = control.app(codes_route(sessions, status))
        peer = MainPeer(ordered, {"/control/ask": control.asking.asked})
        pages = dashboard_app(
            self.loaded, status, main=peer, sessions=sessions, closing=self.closing
        )
        hooks = HookRoute(partial(forward, self.loaded.paths.worker_socket))
        public = make(door, routes, hooks=hooks, pages=pages)
        private = make(PrivateDoor(), routes, ordered)
        inside = private_socket(self.loaded.paths.main_socket)
        connections_max, backlog = make_room(gateway.connections_max)
        limits = Limits(connections_max=connections_max, backlog=backlog)
        serve = partial(Server, clock=self.ground.clock, limits=limits)
        also = also_servers(gateway, clients, public=public, serve=serve, alert=self.house.alerts)
        status.also.extend(also)
        calm_collector()
        servers: tuple[Server | AlsoServer, ...] = (serve(public, sock), serve(private, inside))
        servers += also
        return Opened(status, servers, live, clients, answers)

    def control(self, status: Status, clients: Clients) -> Control:
        """What the command line, the worker and the pages ask."""
        engines = EngineControl(
            self.house.minders(self.dispatch.tiers), self.in_use, self.telemetry.learned.renew
        )
        probing = Probing(self.dispatch, self.telemetry.learned, self.ground.clock, self.closing)
        self.house.probing = probing
        return Control(
            status,
            self.dispatch,
            self.ground.book,
            self.down,
            self.closing,
            clients,
            engines,
            PlaceControl(self.house.places, self.dispatch.router.names),
            probing,
            AlertControl(self.house.alerts, self.reload_channels),
            self.savings(),
            self.outside(),
            self.fees(),
            self.replay(),
            LimitControl(self.reload_limits),
            RecordControl(self.telemetry.learned.records, self.dispatch.router.names.tiers),
            self.tuning(),
            self.decisions(),
            self.job_files(),
            engine_view(self.loaded, self.house),
            setup_of(self.loaded, clients, status=status, desk=self.house.alerts),
            self.asking(clients),
        )

    def routes(
        self, status: Status, live: Live, *, answers: Answers
    ) -> dict[tuple[str, str], Handler]:
        """The table of paths that both servers have."""
        names = self.dispatch.router.names
        bytes_max = self.loaded.config.gateway.body_bytes_max
        repeats = Repeats(answers, body_bytes_max=bytes_max)
        approve = ApprovePage(
            lambda method, path, body: pass_on(
                self.loaded.paths.worker_socket, method, path=path, body=body
            )
        )
        proving = proving_of(self.loaded.config.verify, self.dispatch, telemetry=self.telemetry)
        asking = {
            ("POST", path): repeats.once(
                ModelRoute(dialect, proving, live=live, body_bytes_max=bytes_max)
            )
            for path, dialect in DIALECT_AT.items()
        }
        return {
            **asking,
            ("GET", "/v1/models"): ModelList(names, int(status.started_at.timestamp())),
            ("GET", "/healthz"): healthz,
            ("GET", DESCRIPTION): described,
            ("GET", PATH): approve.shown,
            ("POST", PATH): approve.pressed,
            ("GET", "/metrics"): MetricsPage(
                counts=self.telemetry.counts,
                live=live,
                tiers=self.dispatch.tiers,
                breakers=self.dispatch.breakers,
                book=self.ground.book,
                lines=self.telemetry.lines,
                learned=self.telemetry.learned,
                alerts=self.house.alerts,
            ),
        }

    def status(
        self, at: str, worker: Callable[[], TierFacts], *, live: Live, clients: Clients
    ) -> Status:
        """What can be told of everything."""
        return Status(
            version=__version__,
            address=at,
            public_url=public_url(self.loaded.config.gateway, at),
            started_at=self.ground.clock.now(),
            zone=day_zone(self.loaded),
            tiers=self.dispatch.tiers,
            worker=worker,
            book=self.ground.book,
            live=live,
            budgets=lambda: [*self.ground.budgets, *clients.budgets],
            clock=self.ground.clock,
            learned=self.telemetry.learned,
            alerts=self.house.alerts.told,
            channels=self.house.alerts.channels,
            outside=self.outside().told,
            batches=self.dispatch.desk.told,
        )

    def replay(self) -> ReplayPage:
        """Decisions of the past under other rules."""
        return ReplayPage(
            self.ground.book,
            self.dispatch.router,
            partial(rules_from, self.loaded),
            self.telemetry.seconds,
            self.ground.clock,
        )

    def tuning(self) -> TuningPage:
        """Thresholds that the record speaks for."""
        routing = self.loaded.config.routing
        settings = (routing.patience, round(routing.value_usd * MICROUSD_PER_USD))
        specs = self.dispatch.router.names.tiers
        return TuningPage(self.ground.book, specs, settings, self.ground.clock)

    def job_files(self) -> JobFiles:
        """What pages write of jobs."""
        peer = WorkerPeer(self.loaded.paths.worker_socket)
        return JobFiles(JobDesk(self.loaded.path, peer, new_id=self.dispatch.new_id))

    def asking(self, clients: Clients) -> Asking:
        """A person's questions, and what would become of them."""
        explaining = Explaining(self.dispatch, clients, self.telemetry.learned.speeds)
        asking = Asking(self.dispatch, explaining, self.closing)
        self.ground.told = (*self.ground.told, asking.ends)
        return asking

    def decisions(self) -> DecisionControl:
        """Every request, beside what everything is compared with."""
        compared = self.savings()
        return DecisionControl(self.ground.book, compared.frontier, compared.local)

    def savings(self) -> SavingsPage:
        """What everything would have cost otherwise."""
        specs = [tier.spec for tier in self.dispatch.tiers.values()]
        return savings_page(self.loaded, specs, book=self.ground.book, price=self.yardstick)

    def yardstick(self, ref: str) -> Yardstick:
        """A model by its full name, with its price of today."""
        provider, _, model = ref.partition("/")
        today = self.ground.clock.now().date()
        return Yardstick(ref, self.dispatch.price(provider, model, today))

    def outside(self) -> OutsidePage:
        """What did not come through us; whoever looks for it is one of the household."""
        house, ground = self.house, self.ground
        if house.auditor is None:
            price = self.dispatch.price
            house.auditor = auditor_of(self.loaded, ground.book, clock=ground.clock, price=price)
        return OutsidePage(house.auditor)

    def fees(self) -> FeesControl:
        """What the worker pays beside tokens, in the same book and under the same budgets."""
        ground = self.ground
        price = unit_price_on(self.loaded)
        return FeesControl(ground.book, lambda: ground.budgets, price, ground.clock)

    def lookout(self, status: Status) -> Lookout:
        """Who looks after all of it, and tells the desk."""
        config, house = self.loaded.config.alerts, self.house
        sources = Sources(
            servers=lambda: {one.facts().name: one.facts() for one in house.all},
            tiers=tuple(self.dispatch.tiers),
            budgets=status.budgets,
            ports=lambda: {one.address: one.because for one in status.also if one.because},
            standings=lambda: standings_of(self.loaded.paths.worker_socket),
            book=self.ground.book,
            spent=self.telemetry.knowing.paces.note,
            drifts=self.telemetry.learned.records.drifts,
        )
        return Lookout(
            house.alerts,
            sources,
            self.ground.clock,
            Upstreams({*house.keepers, *house.watches}),
            conditions.Limits(config.tier_down, config.job_failures),
            Ping(ping_url(self.loaded), config.ping_every),
        )

    async def reload_limits(self) -> Mapping[str, int]:
        """All budgets as the file has them now. Raises `ConfigError`, and changes nothing then."""
        with self.house.kept.renewing(self.ground.clock):
            loaded = await asyncio.to_thread(load, self.loaded.path)
        self.ground.budgets = budgets(loaded)
        return job_limits(loaded)

    def reload_channels(self) -> None:
        """The channels as the file has them now. Raises `ConfigError`, and changes nothing then."""
        loaded = load(self.loaded.path)
        self.house.alerts.use(ways_of(loaded), habits_of(loaded))


def address(sock: socket.socket) -> str:
    """Where we listen, without `/v1`."""
    host, port = sock.getsockname()[:2]
    return url(host, port)


def url(host: str, port: int) -> str:
    """Plain HTTP to a name or an address of either family."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def public_url(gateway: GatewayConfig, at: str) -> str:
    """What clients use as a base: nobody can connect to 0.0.0.0, so a name stands in for it."""
    if gateway.public_url or gateway.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return gateway.public_url or at
    return url(gateway.allowed_hosts[0], int(at.rpartition(":")[2]))
