"""The command that explains a route, with its words and its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from twotier.cli.rights import Policy

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Headers = Annotated[tuple[str, ...], Parameter(name="--header", negative="")]
# The kinds of `router.rules.KINDS`; that module would cost every command 20 ms of imports.
Kind = Literal["polling", "bulk-write", "frontier-reasoning", "read-report"]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who would ask, and how.

    Parameters
    ----------
    model
        A tier, an alias, a provider/model, or auto.
    policy
        The tiers that may be used.
    kind
        The kind of work; without it the router reads it from the prompt.
    job
        As this job would ask: its trigger, policy, model, tools, record.
    client
        As this client would ask, by the name of its key.
    header
        A header of the request, such as "x-team: ops"; may be given again.
    file
        A whole request body in place of a prompt; - reads it from stdin.
    path
        Where the body would be asked, such as /v1/messages; default: by its shape.
    """

    model: str = ""
    policy: Policy = "auto"
    kind: Kind | None = None
    job: str = ""
    client: str = ""
    header: Headers = ()
    file: Path | None = None
    path: str = ""


USUAL = Asker()
AskerWords = Annotated[Asker, Parameter(name="*")]


def route(
    prompt: str = "", /, *, by: AskerWords = USUAL, as_json: Json = False, config: Config
) -> int:
    """Which tier this would go to and why, rule by rule; asks no model, spends nothing.

    Parameters
    ----------
    prompt
        What would be asked; with --job its own prompt, where none is given.
    """
    from twotier.cli.route import Asked, route

    asked = Asked(prompt, by.model, by.policy, by.kind or "", file=by.file, path=by.path)
    return route(config, asked, job=by.job, client=by.client, headers=by.header, as_json=as_json)
