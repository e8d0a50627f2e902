"""The words of `twotier security`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.")]

security = App(name="security", help="What is open, and to whom.")


@security.command(name="audit")
def security_audit(*, as_json: Json = False, config: Config) -> int:
    """What your configuration and its files leave open, worst first; exit code 1 if any is bad.

    It reads and asks nobody. `twotier doctor` looks for what is broken.
    """
    from twotier.cli.audit import audited

    return audited(config, as_json=as_json)
