"""Commands about how well a job goes and what is kept of it, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]


def forget(name: str, /, *, yes: Yes = False, as_json: Json = False, config: Config) -> int:
    """Delete all that is known of a job: items, runs, answers, transcripts, how far it has looked.

    What it has delivered stays where it is, and so do the ledger's rows, with the job's name. A job
    that is still in the configuration begins anew. It need not be there any more.

    Parameters
    ----------
    name
        The job.
    """
    from twotier.cli.job_forget import forgotten

    return forgotten(config, name, yes=yes, as_json=as_json)
