"""The commands of `twotier service`, with their words and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from twotier.service.program import NAME

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
Flag = Annotated[bool, Parameter(negative="")]
Name = Annotated[str, Parameter(help="Another one, where there are several on one machine.")]

service = App(name="service", help="Run twotier at login or boot, by launchd or systemd.")


@dataclass(frozen=True, slots=True)
class AllWanted:
    """How it is to be installed.

    Parameters
    ----------
    dry_run
        Show what would be written and done, and do nothing.
    move_keys
        Move secrets that are only in this terminal to where a service finds them.
    linger
        systemd: start it at boot, before anybody logs in.
    daemon
        launchd: one of the machine's own, which starts at boot; says what root has to do.
    unchecked
        Do not look afterwards with the service's own rights.
    """

    dry_run: Flag = False
    move_keys: Literal["file", "keyring"] | None = None
    linger: Flag = False
    daemon: Flag = False
    unchecked: Flag = False


@service.command
def install(
    *,
    wanted: Annotated[AllWanted | None, Parameter(name="*")] = None,
    name: Name = NAME,
    as_json: Json = False,
    config: Config,
) -> int:
    """Have it started by the system from now on, and start it; a second time changes nothing."""
    from twotier.cli.service import Wanted, install

    asked = wanted or AllWanted()
    return install(
        config,
        Wanted(
            name=name,
            daemon=asked.daemon,
            linger=asked.linger,
            dry_run=asked.dry_run,
            check=not asked.unchecked,
            keys=asked.move_keys or "",
        ),
        as_json=as_json,
    )


@service.command
def uninstall(*, name: Name = NAME, as_json: Json = False, config: Config) -> int:
    """End it and take it away; settings, ledger and models stay."""
    from twotier.cli.service import uninstall

    return uninstall(config, name=name, as_json=as_json)


@service.command
def status(*, name: Name = NAME, as_json: Json = False, config: Config) -> int:
    """Whether it is installed, starts by itself and runs, how it ended last, where its logs are."""
    from twotier.cli.service_status import status

    return status(config, name=name, as_json=as_json)


@service.command
def check(
    *, name: Name = NAME, report: Path | None = None, as_json: Json = False, config: Config
) -> int:
    """Look with the service's own rights whether it reaches its folders, keys and tiers.

    Parameters
    ----------
    report
        Said by the service manager: look as we are, and write what was found into this file.
    """
    from twotier.cli.service_check import check, written

    if report is not None:
        return written(config, report)
    return check(config, name=name, as_json=as_json)


@service.command
def upgrade(
    version: str = "",
    /,
    *,
    yes: Yes = False,
    engine_may_restart: Flag = False,
    name: Name = NAME,
    as_json: Json = False,
    config: Config,
) -> int:
    """Another version of twotier, while the model server goes on; by itself back where it fails.

    Parameters
    ----------
    version
        Which one; of a checkout a tag, branch or commit. Default: the newest.
    engine_may_restart
        It is well if a model server is started anew: the new version may start it otherwise.
    """
    from twotier.cli.service_upgrade import Wish, upgrade

    wish = Wish(name, version, may_restart=engine_may_restart, yes=yes)
    return upgrade(config, wish, as_json=as_json)


@service.command
def rollback(*, yes: Yes = False, name: Name = NAME, as_json: Json = False, config: Config) -> int:
    """The version and packages from before the last upgrade; the model server goes on."""
    from twotier.cli.service_upgrade import Wish, rollback

    return rollback(config, Wish(name, yes=yes), as_json=as_json)
