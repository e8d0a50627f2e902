"""From the configuration to the desk: its channels, their secrets, the hours it keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from twotier.alerts.desk import Alerts
from twotier.alerts.outbox import Habits, Way
from twotier.alerts.quiet import QuietHours
from twotier.build.mail import mail_by
from twotier.config.alerts import hours_of, is_place
from twotier.config.load import Loaded
from twotier.config.secrets import how_to_set, resolve
from twotier.config.zones import zone_name
from twotier.domain.alert import Severity
from twotier.domain.clock import Clock
from twotier.errors import DeliveryError
from twotier.notify.apprise import Apprise
from twotier.notify.base import Channel, Message
from twotier.notify.desktop import Desktop
from twotier.notify.http import Ntfy, Webhook
from twotier.notify.terminal import Terminal

TERMINAL = "terminal"
FIRST = "alerts"  # the channel of `alerts.to`
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Unset:
    """A channel whose secret is not where it should be; messages wait until it is."""

    place: str
    home: Path

    async def send(self, target: str, message: Message) -> str:
        """Say what is missing."""
        del target, message
        raise DeliveryError(
            f"its secret is missing; set it: `{how_to_set(self.place, home=self.home)}`"
        )


def alerts_of(loaded: Loaded, clock: Clock) -> Alerts:
    """As the configuration says: the log and the status always, channels where they are named.

    Raises `ConfigError` for a secret that must not be used.
    """
    return Alerts(clock, ways=ways_of(loaded), habits=habits_of(loaded))


def habits_of(loaded: Loaded) -> Habits:
    """When messages go out, and how long they are kept."""
    config = loaded.config.alerts
    zone, hours = zone_name(config.zone), hours_of(config.quiet)
    quiet = None if hours is None else QuietHours(*hours, zone)
    return Habits(quiet, zone, config.give_up / DAY_SECONDS)


def ways_of(loaded: Loaded) -> list[Way]:
    """Every channel, the terminal first."""
    config = loaded.config.alerts
    ways = [way(loaded, name, to=one.to, least=one.least) for name, one in config.channels.items()]
    if config.to != "log":
        ways.insert(0, way(loaded, FIRST, to=config.to))
    if config.terminal:
        ways.insert(0, terminal())
    return ways


def terminal() -> Way:
    """A line where twotier was started."""
    channel = Terminal(write, bell=sys.stdout is not None and sys.stdout.isatty())
    return Way(TERMINAL, TERMINAL, channel, heeds_quiet=False)


def write(line: str) -> None:
    """On stdout, as it is now."""
    if sys.stdout is not None:
        sys.stdout.write(line)
        sys.stdout.flush()


def way(loaded: Loaded, name: str, *, to: str, least: str = Severity.INFO.value) -> Way:
    """One channel. Raises `ConfigError` for a secret that must not be used."""
    kind, _, target = to.partition(":")
    if is_place(target):
        found = resolve(target, home=loaded.home)
        if found is None:
            return Way(name, kind, Unset(target, loaded.home), least=Severity(least))
        target = found
    return Way(name, kind, MAKERS[kind](loaded), target, Severity(least))


def ntfy(loaded: Loaded) -> Channel:
    """The ntfy server."""
    config = loaded.config.ntfy
    token = resolve(config.token, home=loaded.home) if config.token else ""
    return Unset(config.token or "", loaded.home) if token is None else Ntfy(config.url, token)


def mail(loaded: Loaded) -> Channel:
    """The mail server."""
    config = loaded.config.smtp
    password = resolve(config.password, home=loaded.home) if config.password else ""
    if password is None:
        return Unset(config.password or "", loaded.home)
    return mail_by(config, password)


MAKERS: Mapping[str, Callable[[Loaded], Channel]] = {
    "ntfy": ntfy,
    "webhook": lambda _: Webhook(),
    "mail": mail,
    "desktop": lambda _: Desktop(),
    "apprise": lambda _: Apprise(),
}


def ping_url(loaded: Loaded) -> str:
    """Where to say that all is well; empty for nowhere."""
    url = loaded.config.alerts.ping_url or ""
    return (resolve(url, home=loaded.home) or "") if is_place(url) else url


def secrets_of(loaded: Loaded) -> Iterator[str]:
    """What no line of the log may hold: addresses and passwords of every channel, the admin key."""
    config = loaded.config
    places = [config.ntfy.token, config.smtp.password, config.outside.admin_key]
    yield from filter(None, (resolve(one, home=loaded.home) for one in places if one))
    yield from (one.target for one in ways_of(loaded) if one.kind in ("webhook", "apprise"))
    yield ping_url(loaded)
