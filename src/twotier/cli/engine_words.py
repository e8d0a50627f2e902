"""The commands of `twotier engine`, with their words and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Flag = Annotated[bool, Parameter(negative="")]


@dataclass(frozen=True, slots=True)
class AllNamed:
    """How the taken over server is called.

    Parameters
    ----------
    tier
        What to call it; default: the tier that observes it, else local.
    model
        The model it serves, where its command does not say.
    """

    tier: str = ""
    model: str = ""


Named = Annotated[AllNamed | None, Parameter(name="*")]
engine = App(name="engine", help="The model servers of this machine: start, stop, why, logs.")


@engine.command
def start(tier: str = "", /, *, force: Flag = False, as_json: Json = False, config: Config) -> int:
    """Start a tier's server and wait for its first token; also the way out of quarantine.

    Parameters
    ----------
    tier
        The tier; not needed where there is one.
    force
        Start it even if memory says that it does not fit.
    """
    from twotier.cli.engine import order

    return order(config, "start", tier=tier, force=force, as_json=as_json)


@engine.command
def stop(tier: str = "", /, *, as_json: Json = False, config: Config) -> int:
    """Let its requests finish, end a tier's server, and keep it down until it is started.

    Parameters
    ----------
    tier
        The tier; not needed where there is one.
    """
    from twotier.cli.engine import order

    return order(config, "stop", tier=tier, as_json=as_json)


@engine.command
def restart(
    tier: str = "", /, *, force: Flag = False, as_json: Json = False, config: Config
) -> int:
    """Let its requests finish, end a tier's server and start it anew; waits for its first token.

    Parameters
    ----------
    tier
        The tier; not needed where there is one.
    force
        Start it even if memory says that it does not fit.
    """
    from twotier.cli.engine import order

    return order(config, "restart", tier=tier, force=force, as_json=as_json)


@engine.command
def why(tier: str = "", /, *, as_json: Json = False, config: Config) -> int:
    """Why a tier's server is not up, or how it died: one sentence, and the evidence.

    Parameters
    ----------
    tier
        The tier; all of them if none is named.
    """
    from twotier.cli.engine import why

    return why(config, tier=tier, as_json=as_json)


@engine.command
def logs(
    tier: str = "",
    /,
    *,
    lines: Annotated[int, Parameter(name=("--lines", "-n"))] = 40,
    follow: Annotated[bool, Parameter(name=("--follow", "-f"), negative="")] = False,
    config: Config,
) -> int:
    """What a kept server has written, its last lines.

    Parameters
    ----------
    tier
        The tier; not needed where there is one.
    lines
        How many.
    follow
        Go on with what it writes, until Ctrl-C.
    """
    from twotier.cli.engine import logs

    return logs(config, tier=tier, lines=lines, follow=follow)


@engine.command
def upgrade(
    engine: str = "",
    /,
    *,
    lock: Path | None = None,
    as_json: Json = False,
    config: Config,
) -> int:
    """Make an engine's environment anew from a newer lock, ask it for a token, then switch to it.

    Parameters
    ----------
    engine
        The engine, such as mlx_lm; not needed where there is one.
    lock
        A lock with hashes; without it the one that came with this twotier.
    """
    from twotier.cli.engine_upgrade import upgrade

    return upgrade(config, engine, lock=lock, as_json=as_json)


@engine.command
def rollback(engine: str = "", /, *, as_json: Json = False, config: Config) -> int:
    """Go back to the environment that an engine had before its upgrade.

    Parameters
    ----------
    engine
        The engine, such as mlx_lm; not needed where there is one.
    """
    from twotier.cli.engine_upgrade import rollback

    return rollback(config, engine, as_json=as_json)


@engine.command(name="take-over")
def take_over(
    label: str,
    /,
    *,
    named: Named = None,
    yes: Flag = False,
    undo: Flag = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """Make a server of launchd's or systemd's ours: the same command, kept by twotier; or undo it.

    Parameters
    ----------
    label
        The job's label or the unit's name; launchd:LABEL or systemd:UNIT where both could be meant.
    yes
        Do it; without this it is only said what would be done.
    undo
        Give it back to its owner, everything as it was.
    """
    from twotier.cli import takeover

    if undo:
        return takeover.undo(config, label, as_json=as_json)
    names = named or AllNamed()
    wanted = {"tier": names.tier, "model": names.model}
    return takeover.take_over(config, label, **wanted, yes=yes, as_json=as_json)
