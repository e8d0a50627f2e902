"""`twotier key`: the keys that clients of the gateway send.

A key is printed when it is made, and the default one whenever it is asked for. The key file is
changed here, under its lock; a main that runs is told afterwards, and when it has answered, the
change is in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twotier import keys
from twotier.cli.output import dollars, emit, local_time, say, show
from twotier.cli.peers import main_of
from twotier.cli.rights import Rights
from twotier.clock import SystemClock
from twotier.config.paths import paths_of
from twotier.config.secrets import from_file
from twotier.errors import NotFoundError, NotRunningError, TwotierError, UsageError
from twotier.keys import DEFAULT, ClientKey, KeyFile, digest, new_key, told

HEADS = ("NAME", "POLICY", "BUDGET", "SPENT", "MADE", "LAST ASKED")


def added(config: Path, name: str, *, rights: Rights | None, as_json: bool) -> int:
    """Make a key, print it once."""
    if not config.exists():
        raise NotFoundError(f"no configuration at {config}; `twotier up` writes one")
    paths = paths_of(config)
    paths.make()
    key, now = new_key(), SystemClock().now()
    entry = ClientKey(
        name=name, digest=digest(key).hex(), created=now, **(rights or Rights()).changes()
    )
    KeyFile(paths.key_file).add(entry)
    if as_json:
        emit({"key": key, **told(entry)})
    else:
        print(key, flush=True)
        say(f"the key of {name}: {rights_text(entry)}. It is not shown again.")
    return take_in(config)


def changed(config: Path, name: str, *, rights: Rights | None, as_json: bool) -> int:
    """Change what a key may do; the key itself stays."""
    changes = (rights or Rights()).changes()
    if not changes:
        raise UsageError("nothing to change; see `twotier key set --help`")
    file = KeyFile(paths_of(config).key_file)
    entry = file.change(name, changes, now=SystemClock().now())
    if as_json:
        emit(told(entry))
    else:
        print(f"{name}: {rights_text(entry)}")
    return take_in(config)


def removed(config: Path, name: str, *, as_json: bool) -> int:
    """End a key."""
    paths = paths_of(config)
    if name == DEFAULT:
        raise UsageError(
            f"the default key lies in {paths.client_key}; remove that file and start twotier again"
            " to have a new one"
        )
    KeyFile(paths.key_file).remove(name)
    if as_json:
        emit({"name": name, "removed": True})
    else:
        print(f"removed {name}")
    return take_in(config)


def listed(config: Path, *, as_json: bool) -> int:
    """Every client that has a key, and what it may do. Never a key."""
    used, spent = seen(config)
    clients = keys.listed(KeyFile(paths_of(config).key_file).read(), used, spent=spent)
    if as_json:
        emit({"keys": clients})
        return 0
    show([HEADS, *(row(client) for client in clients)])
    return 0


def shown(config: Path, *, as_json: bool) -> int:
    """The default key itself."""
    path = paths_of(config).client_key
    token = from_file(path)
    if token is None:
        raise NotFoundError(f"no token at {path} yet; `twotier up` makes it")
    if as_json:
        emit({"key": token})
    else:
        print(token)
    return 0


def where(config: Path, *, as_json: bool) -> int:
    """The path of the file that holds it."""
    path = paths_of(config).client_key
    if as_json:
        emit({"path": str(path), "exists": path.exists()})
    else:
        print(path)
    return 0


def take_in(config: Path) -> int:
    """Have a main that runs read the file again; the next start reads it anyway."""
    try:
        main_of(config).post("/control/keys/reload")
    except NotRunningError:
        return 0
    except TwotierError as exc:
        say(f"twotier: written, but not yet in force: {exc.message}; `twotier down`, then `up`")
        return exc.exit_code
    return 0


def seen(config: Path) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """When each client asked last, and what it has spent of its budget; only a main can tell."""
    main = main_of(config)
    try:
        used = main.get("/control/keys")["used"]
        budgets = main.get("/control/status")["budgets"]
    except NotRunningError:
        return {}, {}
    return used, {one["client"]: one["spent_usd"] for one in budgets or () if one.get("of_key")}


def row(client: Mapping[str, Any]) -> tuple[str, ...]:
    """One client as a line."""
    return (
        client["name"],
        client["policy"],
        budget_text(client["budget"]),
        dollars(client["spent_usd"]) if client["spent_usd"] else "-",
        local_time(client["created_at"]) or "-",
        local_time(client["used_at"]) or "-",
    )


def rights_text(key: ClientKey) -> str:
    """Policy and budget in one line."""
    return f"policy {key.policy.value}, budget {budget_text(told(key)['budget'])}"


def budget_text(budget: Mapping[str, str] | None) -> str:
    """A budget in words."""
    if budget is None:
        return "none"
    return f"{dollars(budget['limit_usd'])} per {budget['period']}, then {budget['at_limit']}"
