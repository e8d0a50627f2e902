"""What a system's own service manager is asked to run: twotier, for one configuration. Pure.

A description in, the text of a unit or of a property list out (`unit_text`, `plist_text`). Nothing
secret is ever a part of it: such a file is read by every program of the user, is copied by backups,
and `systemctl show` and `launchctl print` say all of it aloud.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from twotier.domain.secret import sounds_secret

NAME = "twotier"
MARK = "made by `twotier service install`"
EXIT_TOLD = 143  # told to end by a signal, as shells say it; `twotier down` ends with 0

RESTART_SECONDS = 5
THROTTLE_SECONDS = 30
# A main that ends lets answers finish, then its worker; it does not wait for a model to unload.
STOP_SECONDS = 120
# The first start may install an engine's environment, and fetch the starter model.
START_SECONDS = 900
WATCHDOG_SECONDS = 60
STARTS_MAX, STARTS_SECONDS = 10, 600

# What a program needs to be the same one as in the terminal it was installed from.
CARRIED = (
    *("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH"),
    *("TWOTIER_CACHE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "OLLAMA_MODELS"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
)


@dataclass(frozen=True, slots=True)
class Program:
    """One command for one service. Paths are absolute, `env` holds no secret.

    `log` is where a manager that keeps no journal puts what it prints. `memory_percent` of the
    machine's memory is where the kernel begins to take pages back from it and its model servers.
    """

    name: str
    argv: tuple[str, ...]
    folder: str
    log: str
    env: Mapping[str, str] = field(default_factory=dict)
    memory_percent: int = 90
    user: str = ""


def carried(environment: Mapping[str, str], *, never: Sequence[str] = ()) -> dict[str, str]:
    """The part of an environment that may be written down. `never` are the names of variables
    that the configuration says hold a secret, whatever they are called.
    """
    found = {name: environment[name] for name in CARRIED if environment.get(name)}
    return {
        name: value
        for name, value in found.items()
        if name not in never and not sounds_secret(name) and not holds_password(value)
    }


def holds_password(value: str) -> bool:
    """An address with a user in it, as a proxy's may be."""
    try:
        return "@" in urlsplit(value).netloc
    except ValueError:  # no address at all
        return False
