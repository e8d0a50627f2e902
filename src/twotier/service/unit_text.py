"""The text of a systemd unit for twotier. Pure.

What must stay true: a model server that main has started lives on when main is ended by its manager
(`KillMode=process`), whatever the reason, because the next main adopts it and a large model takes
minutes to load. The kernel that ends such a server for its memory does not end the service
(`OOMPolicy=continue`): main sees it, and says why. Only `twotier down` ends with 0, and that is the
one end after which it stays down.
"""

from __future__ import annotations

from twotier.errors import ServiceError
from twotier.service import program
from twotier.service.program import MARK, Program

TEMPLATE = """\
# {mark}; `twotier service status` says what is different
[Unit]
Description=twotier: a frontier model and a local one behind one port
StartLimitIntervalSec={starts_seconds}
StartLimitBurst={starts_max}

[Service]
Type=notify
NotifyAccess=main
ExecStart={start}
ExecReload={reload}
WorkingDirectory={folder}
{env}Restart=on-failure
RestartSec={restart_seconds}
SuccessExitStatus={told}
RestartForceExitStatus={told}
TimeoutStartSec={start_seconds}
TimeoutStopSec={stop_seconds}
WatchdogSec={watchdog_seconds}
KillMode=process
OOMPolicy=continue
MemoryHigh={memory_percent}%
UMask=0077

[Install]
WantedBy=default.target
"""


def unit_text(asked: Program, *, reload: tuple[str, ...]) -> str:
    """The whole file. `reload` is the command by which it reads its jobs anew. Raises
    `ServiceError` for a folder that no unit can name.
    """
    if asked.folder.endswith("\\"):
        raise ServiceError(f"a unit cannot name the folder {asked.folder}: rename it")
    return TEMPLATE.format(
        mark=MARK,
        start=command(asked.argv),
        reload=command(reload),
        folder=escaped(asked.folder),
        env="".join(
            f"Environment={quoted(f'{name}={value}')}\n"
            for name, value in sorted(asked.env.items())
        ),
        told=program.EXIT_TOLD,
        starts_max=program.STARTS_MAX,
        starts_seconds=program.STARTS_SECONDS,
        restart_seconds=program.RESTART_SECONDS,
        start_seconds=program.START_SECONDS,
        stop_seconds=program.STOP_SECONDS,
        watchdog_seconds=program.WATCHDOG_SECONDS,
        memory_percent=asked.memory_percent,
    )


def command(argv: tuple[str, ...]) -> str:
    """A command line of a unit: there a dollar begins a variable."""
    return " ".join(quoted(word).replace("$", "$$") for word in argv)


def quoted(word: str) -> str:
    """One word, in quotes where it needs them."""
    text = escaped(word)
    plain = text and not any(one in text for one in " \t\"'\\;")
    if plain:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def escaped(text: str) -> str:
    """A percent sign begins a specifier in any setting."""
    return text.replace("%", "%%")
