"""The ports of an older server, answered by the gateway: its clients need no change."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from twotier.config.schema import GatewayConfig
from twotier.domain.alert import Alert
from twotier.domain.urls import is_loopback
from twotier.gateway.app import Gateway
from twotier.gateway.auth import OldDoor
from twotier.gateway.clients import Clients
from twotier.gateway.plain import healthz
from twotier.serve import Server
from twotier.serve.also import AlsoServer
from twotier.supervisor.port import stranger

LOOPBACK = "127.0.0.1"
CHAT = ("POST", "/v1/chat/completions")
MODELS = ("GET", "/v1/models")
METRICS = ("GET", "/metrics")
HEALTH = "/health"  # of mlx-lm, llama-server and vLLM


def also_servers(
    gateway: GatewayConfig,
    clients: Clients,
    *,
    public: Gateway,
    serve: Callable[[Gateway, socket.socket], Server],
    alert: Callable[[Alert], None],
) -> tuple[AlsoServer, ...]:
    """One for each port. They listen on loopback alone, however far the first port reaches."""
    door, routes = public.door, dict(public.routes)
    if gateway.also_without_key:
        door = OldDoor(clients, hosts=gateway.allowed_hosts, origins=gateway.allowed_origins)
        del routes[METRICS]  # who asks and what it costs is for those with a key
    old = replace(
        public,
        door=door,
        routes={
            **routes,
            ("GET", HEALTH): healthz,
            (CHAT[0], "/chat/completions"): public.routes[CHAT],  # mlx-lm answers it there too
            (MODELS[0], "/models"): public.routes[MODELS],
        },
        open_paths=public.open_paths | {HEALTH},
        pages=None,  # who comes here looks for the older server
    )
    host = gateway.host if is_loopback(gateway.host) else LOOPBACK
    make = partial(serve, old)
    return tuple(
        AlsoServer(host, port, make=make, stranger=stranger, alert=alert)
        for port in gateway.also_ports
    )
