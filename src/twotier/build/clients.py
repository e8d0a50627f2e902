"""From the key files to the clients, and the rules of an address that others can reach."""

from __future__ import annotations

from twotier.config.load import Loaded
from twotier.config.zones import zone_name
from twotier.domain.urls import is_loopback
from twotier.errors import ConfigError
from twotier.gateway.clients import Clients
from twotier.keys import DEFAULT, KeyFile, client_key


def clients(loaded: Loaded) -> Clients:
    """Everybody with a key. Raises `ConfigError` where that may not be enough."""
    check_reach(loaded)
    file, key = KeyFile(loaded.paths.key_file), client_key(loaded.paths.client_key)
    return Clients(file, default_key=key, zone=day_zone(loaded))


def check_reach(loaded: Loaded) -> None:
    """Other machines are let in only by keys of their own, which can be taken back one by one."""
    host = loaded.config.gateway.host
    if is_loopback(host) or KeyFile(loaded.paths.key_file).read().keys() - {DEFAULT}:
        return
    raise ConfigError(
        f"gateway.host {host} can be reached from other machines, and no client has a key of its"
        " own; make one for each with `twotier key add NAME`, then start again"
    )


def day_zone(loaded: Loaded) -> str:
    """The zone in which today began: that of the first budget, else this machine's."""
    budgets = loaded.config.budgets
    return zone_name(budgets[0].zone if budgets else "local")
