"""What single values of the file may be: durations, money, addresses, folders, names, deliveries.

Each check refuses what could never work, so that `twotier config check` says it and not the first
night. A refused value that may hold a secret (an address, a key) is never repeated.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from twotier.domain.secret import sounds_secret
from twotier.domain.urls import is_loopback

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # any instant will do: only the expression is checked
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
SECONDS_MAX = 10 * 365 * 86_400  # ten years: longer is a slip, and overflows somewhere below
USD_MAX = 1_000_000_000  # sums of micro-dollars must fit the ledger's 64 bits
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
FIELD = re.compile(r"\{([^{}]*)\}")
FIELDS = ("stem", "name", "run", "job", "date")
HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[1-9][0-9]{0,4})?")
OWNER = re.compile(r"(launchd|systemd):(system/)?[A-Za-z0-9][\w.@:-]*|user")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")

# The names of `router.rows.ROWS`, which configuration may not import; a test compares them.
Rule = Literal[
    "time", "session", "record", "unproven", "polling", "bulk-write", "frontier-reasoning",
    "read-report", "gain", "default",
]  # fmt: skip
# What the starter model is called by clients: `models.starter`, compared by a test.
STARTER, STARTER_REF = "starter", "smollm2-135m-instruct"


def duration_seconds(value: object) -> float:
    """Seconds of `90`, `30s`, `30m`, `1h30m` or `2d`, up to ten years; else ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bounded(value)
    match = DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(f"{value!r} is not a duration; write for example 30s, 30m or 1h30m")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return bounded(days * 86_400 + hours * 3_600 + minutes * 60 + seconds)


def bounded(seconds: float) -> float:
    """Seconds that a clock can count. Compared first: a huge integer does not fit a float."""
    if not 0 <= seconds <= SECONDS_MAX or not math.isfinite(seconds):
        raise ValueError("a duration is between 0 and 3650d; write for example 30s, 30m or 1h30m")
    return float(seconds)


def secret_place(value: str) -> str:
    """`env:`, `file:` or `keyring:` and a name; a key itself is refused, unrepeated."""
    kind, _, name = value.partition(":")
    if kind not in ("env", "file", "keyring") or not name:
        raise ValueError(
            "must say where the key lies, not the key: env:NAME, file:PATH or keyring:SERVICE"
        )
    return value


def known_zone(value: str) -> str:
    """An IANA zone name, or `local` for the machine's own."""
    if value != "local" and value not in available_timezones():
        raise ValueError(f"{value!r} is not a time zone; write for example Europe/Berlin")
    return value


def http_url(value: str) -> str:
    """An address with http or https and a host. Never repeated: it may hold a password."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        good = False
    if not good or re.search(r"\s", value) or UNPRINTABLE.search(value):
        raise ValueError("must be an address such as http://127.0.0.1:8080/v1 or https://host")
    return value


def at_home(base_url: str | None) -> bool:
    """A checked address with a port on this machine."""
    parts = urlsplit(base_url or "")
    return is_loopback(parts.hostname or "") and parts.port is not None


def listen_host(value: str) -> str:
    """An address to listen on. A name could come to mean another machine's."""
    try:
        return value if value == "localhost" else str(ipaddress.ip_address(value))
    except ValueError as exc:
        raise ValueError(
            f"{value!r} is no address; write 127.0.0.1, ::1 or localhost for this machine only,"
            " 0.0.0.0 or one of its other addresses to be reached from outside"
        ) from exc


def host_name(value: str) -> str:
    """A name or address as it stands in a Host header, without a port, in lower case."""
    name = value.lower().removeprefix("[").removesuffix("]")
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name))
    if not HOST.fullmatch(name):
        raise ValueError(
            f"{value!r} is no host; write a name such as nas.local or an address, without http://,"
            " port or *"
        )
    return name


def origin(value: str) -> str:
    """What a browser sends as Origin: scheme, host and port, without a path, in lower case."""
    if not ORIGIN.fullmatch(value.lower()):
        raise ValueError(
            f"{value!r} is no origin; write scheme, host and port as a browser does, such as"
            " https://chat.example.org, without a path or *"
        )
    return value.lower()


def public_url(value: str) -> str:
    """An address for clients, who put a path behind it: no query, no user in it."""
    parts = urlsplit(http_url(value))
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be an address such as https://models.example.org, without ?, # or @")
    return value.rstrip("/")


def folder_path(value: str) -> str:
    """A folder other than the file's own, which holds more than what is asked for here."""
    if UNPRINTABLE.search(value):
        raise ValueError("a path holds no control characters")
    try:
        Path(value).expanduser()
    except RuntimeError as exc:
        raise ValueError(f"{value!r} names a user that there is not") from exc
    if not value.strip() or posixpath.normpath(value) in (".", "/", "~"):
        raise ValueError(f"{value!r} must be a folder of its own, not this file's or your home")
    return value


def tier_name(value: str) -> str:
    """A name that fits a command, a file name and a header."""
    if value == "auto":
        raise ValueError("this name is taken: `auto` lets the router decide; call the tier else")
    if value == "worker":
        raise ValueError(
            "this name is taken: `worker` is our own other process; call the tier else"
        )
    if not NAME.fullmatch(value):
        raise ValueError("a tier's name is 1 to 64 of a-z, 0-9, - and _, and begins with neither")
    return value


def rule_name(value: str) -> str:
    """A rule of the routing tree."""
    if value not in get_args(Rule):
        raise ValueError(f"there is no rule {value!r}; there are: {', '.join(get_args(Rule))}")
    return value


def owner(value: str) -> str:
    """Who keeps a server alive: `launchd:LABEL`, `systemd:UNIT` or `user`."""
    if not OWNER.fullmatch(value):
        raise ValueError(
            f"{value!r} is no owner; write launchd:LABEL, systemd:UNIT (system/UNIT for one of the"
            " machine's) or user"
        )
    return value


def command_problem(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """What is wrong with a command of the owner's own; empty if nothing is."""
    if argv and not any("{port}" in word for word in (*argv, *env.values())):
        return "command must say where the port goes: {port}, in one of its words"
    if secrets := sorted(name for name in env if sounds_secret(name)):
        return f"command_env holds no secrets, and {secrets[0]} sounds like one"
    return "" if argv or not env else "command_env is for a tier with a command"


def check_delivery(value: str) -> None:
    """Raises ValueError unless this can be delivered to."""
    kind, _, target = value.partition(":")
    if kind not in ("file", "log", "webhook", "ntfy") or (kind != "log" and not target):
        raise ValueError("must be log, file:PATTERN, webhook:URL or ntfy:TOPIC")
    if kind == "webhook":
        try:
            http_url(target)
        except ValueError as exc:
            raise ValueError("webhook: needs an address such as https://host/path") from exc
    if kind == "file":
        check_pattern(target)


def check_pattern(pattern: str) -> None:
    """A file below this file's folder, by fields there are. Items cannot add folders to it."""
    if UNPRINTABLE.search(pattern):
        raise ValueError("file: a path holds no control characters")
    unknown = [name for name in FIELD.findall(pattern) if name not in FIELDS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise ValueError(f"file: names {{{unknown[0]}}}, which there is not; known: {known}")
    inside = posixpath.normpath(pattern)
    if inside.startswith(("/", "~", "../")) or inside in (".", ".."):
        raise ValueError(
            f"file:{pattern} points outside the folder of this file; files are only written inside"
        )


def file_target(deliver: str, *, job: str) -> str:
    """The relative file a delivery writes, its job's name filled in; empty for other deliveries."""
    kind, _, pattern = deliver.partition(":")
    return pattern.replace("{job}", job) if kind == "file" else ""


def folder_of(path: str) -> str:
    """The folder of a file as it is written, for comparing: `./a/b/../c` lies in `a`."""
    return posixpath.dirname(posixpath.normpath(path))


def check_cron(expression: str) -> str:
    """What is wrong with a cron expression; empty if nothing is."""
    from cronsim import CronSim, CronSimError

    try:
        CronSim(expression, EPOCH)
    except CronSimError as exc:
        return str(exc)
    return ""


def known_model_names(models: Iterable[str]) -> set[str]:
    """How clients call configured models: as written, a path by its last part."""
    names: set[str] = set()
    for model in models:
        names |= {model, Path(model).stem if model.startswith(("/", "~", ".")) else model}
        names |= {STARTER_REF} if model == STARTER else set()
    return names


Seconds = Annotated[float, BeforeValidator(duration_seconds)]
Limit = Annotated[float, BeforeValidator(duration_seconds), Field(gt=0)]
Usd = Annotated[Decimal, Field(ge=0, le=USD_MAX)]
SecretPlace = Annotated[str, BeforeValidator(secret_place)]
Zone = Annotated[str, BeforeValidator(known_zone)]
HttpUrl = Annotated[str, AfterValidator(http_url)]
OwnerName = Annotated[str, AfterValidator(owner)]
Port = Annotated[int, Field(ge=1, le=65535)]
ListenHost = Annotated[str, AfterValidator(listen_host)]
HostName = Annotated[str, AfterValidator(host_name)]
Origin = Annotated[str, AfterValidator(origin)]
PublicUrl = Annotated[str, AfterValidator(public_url)]
FolderPath = Annotated[str, AfterValidator(folder_path)]
TierName = Annotated[str, AfterValidator(tier_name)]
RuleName = Annotated[str, AfterValidator(rule_name)]
