"""Every command with its words and its help, on one page. What it does lies in a file of its name.

Each body imports what it needs, so that help and parsing load nothing. `config` is handed in (see
`twotier.cli.take_config`), and every command returns its exit code.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from twotier import __version__
from twotier.errors import UsageError

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
# The words of `domain.tier.TierPolicy`; that module would cost every command 20 ms of imports.
Policy = Literal["auto", "local-only", "local-then-frontier", "frontier"]
# The kinds of `router.rules.KINDS`, for the same reason.
Kind = Literal["polling", "bulk-write", "frontier-reasoning", "read-report"]
By = Literal["tier", "model", "job", "client", "rule", "day"]

app = App(
    name="twotier",
    version=__version__,
    help="Two models, two jobs: a frontier model by API and a local one, behind one port.",
    help_epilogue=(
        "`--config PATH` names the configuration; default: $TWOTIER_CONFIG, ./twotier.toml,"
        " ~/twotier/twotier.toml. Exit codes: 0 ok, 1 failed, 2 usage, 3 not running, 4 budget,"
        " 130 interrupted (Ctrl-C), 141 the reader left."
    ),
)
job = App(name="job", help="Scheduled work: list it, look at it, run it now.")
models = App(name="models", help="What can be asked, and the model to start with.")
config_app = App(name="config", help="The configuration file.")
key = App(name="key", help="The token that clients of the gateway send.")
for group in (job, models, config_app, key):
    app.command(group)


@app.command
def up(*, config: Config) -> int:
    """Start everything in the foreground; the first time, write a configuration to start with."""
    from twotier.cli.up import up

    return up(config)


@app.command
def down(*, as_json: Json = False, config: Config) -> int:
    """Stop twotier and wait until it has ended."""
    from twotier.cli.down import down

    return down(config, as_json=as_json)


@app.command
def status(*, as_json: Json = False, config: Config) -> int:
    """Tiers and their state, worker, money."""
    from twotier.cli.status import status

    return status(config, as_json=as_json)


@app.command
def ask(prompt: str, /, *, model: str = "auto", as_json: Json = False, config: Config) -> int:
    """Ask a model; the answer goes to stdout, who gave it and what it cost to stderr.

    Parameters
    ----------
    prompt
        What to ask.
    model
        A tier, an alias, a provider/model, or auto.
    """
    from twotier.cli.ask import ask

    return ask(config, prompt, model=model, as_json=as_json)


@app.command
def route(
    prompt: str,
    /,
    *,
    model: str = "auto",
    policy: Policy = "auto",
    kind: Kind | None = None,
    as_json: Json = False,
    config: Config,
) -> int:
    """Which tier this would go to and why; asks no model, spends nothing.

    Parameters
    ----------
    prompt
        What would be asked.
    model
        A tier, an alias, a provider/model, or auto.
    policy
        The tiers that may be used.
    kind
        The kind of work; without it the router reads it from the prompt.
    """
    from twotier.cli.route import route

    wanted = {"prompt": prompt, "model": model, "policy": policy, "kind": kind or ""}
    return route(config, wanted, as_json=as_json)


@job.command(name="list")
def job_list(*, as_json: Json = False, config: Config) -> int:
    """Every job: its trigger, its next slot, how it went last."""
    from twotier.cli.job import listed

    return listed(config, as_json=as_json)


@job.command(name="show")
def job_show(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """One job in full."""
    from twotier.cli.job import shown

    return shown(config, name, as_json=as_json)


@job.command(name="run")
def job_run(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """Run a job now and wait for its end; exit code 1 if it failed."""
    from twotier.cli.job import ran

    return ran(config, name, as_json=as_json)


@app.command
def runs(
    run: str = "",
    /,
    *,
    job: str = "",
    limit: int = 20,
    as_json: Json = False,
    config: Config,
) -> int:
    """The latest runs of jobs, or one run in full.

    Parameters
    ----------
    run
        The id of one run.
    job
        Only runs of this job.
    limit
        How many.
    """
    from twotier.cli.runs import latest, one

    if run:
        return one(config, run, as_json=as_json)
    return latest(config, job=job, limit=limit, as_json=as_json)


@app.command
def spend(
    *,
    by: By = "tier",
    today: Annotated[bool, Parameter(negative="")] = False,
    days: int | None = None,
    month: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """What was spent, today if nothing else is said.

    Parameters
    ----------
    by
        What the sums are over.
    today
        Since midnight.
    days
        The last days, today included.
    month
        Since the first of the month.
    """
    from twotier.cli.spend import spend

    if sum((today, days is not None, month)) > 1:
        raise UsageError("--today, --days and --month exclude one another; name one")
    return spend(config, by=by, days=1 if days is None else days, month=month, as_json=as_json)


@models.command(name="list")
def models_list(*, as_json: Json = False, config: Config) -> int:
    """Every name that clients may ask for."""
    from twotier.cli.models import listed

    return listed(config, as_json=as_json)


@models.command(name="pull")
def models_pull(name: Literal["starter"] = "starter", /, *, as_json: Json = False) -> int:
    """Fetch the starter model, check its hash, and say where it lies.

    Parameters
    ----------
    name
        What to fetch.
    """
    from twotier.cli.models import pulled

    del name  # the only one there is; said by the type
    return pulled(as_json=as_json)


@app.command
def doctor(*, as_json: Json = False, config: Config) -> int:
    """Look for what is wrong; every finding ends with the command that mends it."""
    from twotier.cli.doctor import doctor

    return doctor(config, as_json=as_json)


@config_app.command(name="check")
def config_check(*, as_json: Json = False, config: Config) -> int:
    """Read the file and say what is wrong with it; exit code 2 if anything is."""
    from twotier.cli.config import checked

    return checked(config, as_json=as_json)


@config_app.command(name="show")
def config_show(*, as_json: Json = False, config: Config) -> int:
    """Every setting in force, defaults included; secrets are only named by their place."""
    from twotier.cli.config import shown

    return shown(config, as_json=as_json)


@config_app.command(name="path")
def config_path(*, as_json: Json = False, config: Config) -> int:
    """Where the file is, or would be written."""
    from twotier.cli.config import where

    return where(config, as_json=as_json)


@config_app.command(name="schema")
def config_schema(*, as_json: Json = False) -> int:
    """The JSON schema of the file: every setting, its default and its sentence."""
    from twotier.cli.config import schema

    del as_json  # it is JSON either way
    return schema()


@key.command(name="show")
def key_show(*, as_json: Json = False, config: Config) -> int:
    """Print the token itself."""
    from twotier.cli.key import shown

    return shown(config, as_json=as_json)


@key.command(name="path")
def key_path(*, as_json: Json = False, config: Config) -> int:
    """Where the token lies."""
    from twotier.cli.key import where

    return where(config, as_json=as_json)


def way_out(words: Sequence[str]) -> str:
    """What to do about words that cannot be read. A text that looks like an option is one."""
    text = next((word for word in words[1:] if word.startswith("-") and " " in word), None)
    if text and words[0] in ("ask", "route"):
        return f"Put `--` before such a text: `twotier {words[0]} -- {shlex.quote(text)}`."
    return "See `twotier --help`."


def dispatch(words: Sequence[str], config: Path) -> int:
    """Parse the words, run the command they name. Raises `UsageError` for words it cannot read."""
    try:
        command, bound, handed_in = app.parse_args(
            list(words), exit_on_error=False, print_error=False
        )
    except CycloptsError as exc:
        said = " ".join(str(exc).split())
        raise UsageError(f"{said} {way_out(words)}") from exc
    extra = {"config": config} if "config" in handed_in else {}
    code = command(*bound.args, **bound.kwargs, **extra)
    return code if isinstance(code, int) else 0
