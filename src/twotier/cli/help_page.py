"""How help looks: three groups of commands, the eight most needed first, examples at the end.

A command's group stands in `GROUPS`, its examples in `cli/examples.py`; nothing here is loaded but
for help. A command without a group is shown in the last one, and a test says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from cyclopts import App, Group

from twotier.cli.examples import EXAMPLES

MOST_NEEDED = ("init", "up", "status", "ask", "job", "runs", "spend", "doctor")
GROUPS: dict[str, tuple[str, ...]] = {
    "Most needed": MOST_NEEDED,
    "Work and money": (
        "approve",
        "budget",
        "chat",
        "forget",
        "notify",
        "prices",
        "record",
        "replay",
        "route",
        "rules",
        "savings",
        "watch",
    ),
    "This machine and its clients": (
        "backup",
        "completion",
        "config",
        "connect",
        "dashboard",
        "demo",
        "down",
        "engine",
        "import",
        "key",
        "mcp",
        "mcp-servers",
        "models",
        "restore",
        "security",
        "service",
        "tools",
    ),
}
WHOLE = """\
`--config PATH` names the configuration, before or after a command; default: $TWOTIER_CONFIG, \
./twotier.toml, ~/twotier/twotier.toml. Exit codes: 0 ok, 1 failed, 2 usage, 3 not running, \
4 budget, 5 waits for you, 130 interrupted (Ctrl-C), 141 the reader left.
`twotier COMMAND --help` says more about each, `twotier --version` which twotier this is."""


def dress(app: App) -> None:
    """Give every command its group and its examples. `app` is the whole program."""
    groups = [Group(name, sort_key=place) for place, name in enumerate(GROUPS)]
    for group, names in zip(groups, GROUPS.values(), strict=True):
        for place, name in enumerate(names):
            app[name].group = (group,)
            if names is MOST_NEEDED:
                app[name].sort_key = place
    for flag in (*app.help_flags, *app.version_flags):
        app[flag].show = False  # said below, once
    for path, command in every(app):
        if path not in GROUPED and " " not in path:
            command.group = (groups[-1],)
        command.help_epilogue = examples(path)
    app.help_epilogue = f"{examples('')}\n\n{WHOLE}"


GROUPED = frozenset(name for names in GROUPS.values() for name in names)


def every(group: App, above: str = "") -> Iterator[tuple[str, App]]:
    """All commands below, by their words; flags such as --help are none."""
    for name in group:
        if not name.startswith("-"):
            yield f"{above}{name}", group[name]
            yield from every(group[name], f"{above}{name} ")


def examples(path: str) -> str:
    """The end of a help page; empty where there are none, so that nobody inherits others'."""
    lines = EXAMPLES.get(path, ())
    return "\n".join(["Examples:", *(f"  {line}" for line in lines)]) if lines else ""
