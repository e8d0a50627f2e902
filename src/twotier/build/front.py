"""The one path to a model, and the two servers in front of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

from twotier import __version__
from twotier.build.money import price_on, priced
from twotier.build.tiers import Workshop, tier
from twotier.config.load import Loaded
from twotier.config.zones import zone_name
from twotier.dispatch import Dispatch
from twotier.domain.tier import TierFacts
from twotier.exchange import Ground
from twotier.gateway.app import Gateway
from twotier.gateway.asgi import Handler
from twotier.gateway.auth import Door, digest
from twotier.gateway.control import Control
from twotier.gateway.models import ModelRoute
from twotier.gateway.plain import ModelList, healthz
from twotier.gateway.status import Status
from twotier.router.names import Names
from twotier.router.tree import Router
from twotier.serve import Server, private_socket, tcp_socket


def make_dispatch(shop: Workshop, *, ground: Ground, new_id: Callable[[], str]) -> Dispatch:
    """The one path, with its tiers, names and rules."""
    config = shop.loaded.config
    tiers = {name: tier(name, one, shop=shop) for name, one in config.tiers.items()}
    specs = [one.spec for one in tiers.values()]
    names = Names(specs, config.aliases, priced(shop.prices, shop.clock))
    router = Router(names, frozenset(config.routing.off))
    return Dispatch(tiers, router=router, price=price_on(shop.prices), ground=ground, new_id=new_id)


@dataclass(frozen=True, slots=True)
class Opened:
    """What listens now: the servers, what they tell, and the answers on their way."""

    status: Status
    servers: tuple[Server, Server]
    chat: ModelRoute


@dataclass(frozen=True, slots=True)
class Front:
    """Both servers. `stop` begins the end of the process; `closing` is set when sockets close."""

    loaded: Loaded
    dispatch: Dispatch
    ground: Ground
    worker: Callable[[], TierFacts]
    stop: Callable[[], None]
    closing: asyncio.Event

    def open(self, client_key: str) -> Opened:
        """The port for clients and the private socket, bound, and what both can tell."""
        gateway = self.loaded.config.gateway
        sock = tcp_socket(gateway.host, gateway.port)
        status = self.status(address(sock))
        chat = ModelRoute(
            "openai_chat",
            self.dispatch,
            body_bytes_max=gateway.body_bytes_max,
            total_seconds_max=gateway.total_seconds_max,
        )
        routes = self.routes(status, chat)
        control = Control(status, self.dispatch, self.ground.book, self.stop, self.closing)
        public = Gateway(Door({"default": digest(client_key)}), routes)
        private = Gateway(Door({}, private=True), routes, control.app())
        inside = private_socket(self.loaded.paths.main_socket)
        limit = gateway.connections_max
        servers = (
            Server(public, sock, connections_max=limit),
            Server(private, inside, connections_max=limit),
        )
        return Opened(status, servers, chat)

    def routes(self, status: Status, chat: ModelRoute) -> dict[tuple[str, str], Handler]:
        """The table of paths that both servers have."""
        names = self.dispatch.router.names
        return {
            ("POST", "/v1/chat/completions"): chat,
            ("GET", "/v1/models"): ModelList(names, int(status.started_at.timestamp())),
            ("GET", "/healthz"): healthz,
        }

    def status(self, at: str) -> Status:
        """What can be told of everything."""
        budgets = self.ground.budgets
        return Status(
            version=__version__,
            address=at,
            started_at=self.ground.clock.now(),
            zone=budgets[0].zone if budgets else zone_name("local"),
            tiers=self.dispatch.tiers,
            worker=self.worker,
            book=self.ground.book,
            budgets=budgets,
            clock=self.ground.clock,
        )


def address(sock: socket.socket) -> str:
    """What clients use as a base, without `/v1`."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
