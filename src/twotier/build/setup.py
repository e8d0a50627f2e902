"""What the dashboard's setup page asks, from the configuration."""

from __future__ import annotations

from functools import partial

from twotier.alerts.desk import Alerts
from twotier.build.config_told import channels_told, config_told
from twotier.build.examined import Doctor
from twotier.config.load import Loaded, load
from twotier.gateway.clients import Clients
from twotier.gateway.key_desk import KeyDesk
from twotier.gateway.setup import Setup
from twotier.gateway.status import Status
from twotier.keys import KeyFile


def setup_of(loaded: Loaded, clients: Clients, *, status: Status, desk: Alerts) -> Setup:
    """All of it."""
    keys = KeyDesk(
        KeyFile(loaded.paths.key_file),
        clients,
        status.book,
        status.clock,
        status.budgets_told,
    )
    return Setup(
        keys,
        Doctor(loaded),
        partial(config_told, loaded),
        lambda: channels_told(load(loaded.path)),
        desk,
    )
