"""Every command with its words and its help, on one page. What it does lies in a file of its name.

Each body imports what it needs, so that help and parsing load nothing. `config` is handed in (see
`twotier.cli.take_config`), and every command returns its exit code.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from twotier import __version__
from twotier.cli.approve_words import approve
from twotier.cli.backup_words import backup, restore
from twotier.cli.budget_words import budget
from twotier.cli.chat_words import chat
from twotier.cli.connect_words import connect
from twotier.cli.demo_words import demo
from twotier.cli.engine_words import engine
from twotier.cli.import_words import import_
from twotier.cli.init_words import init
from twotier.cli.job_add_words import job
from twotier.cli.mcp_words import mcp, mcp_servers
from twotier.cli.notify_words import notify
from twotier.cli.outside_words import spend
from twotier.cli.price_words import prices
from twotier.cli.record_words import mark, record
from twotier.cli.rights import Rights as AllRights
from twotier.cli.route_words import route
from twotier.cli.rule_words import replay, rules
from twotier.cli.runs_words import runs
from twotier.cli.security_words import security
from twotier.cli.service_words import service
from twotier.cli.tool_words import tools
from twotier.cli.trial_words import again, diff, forget, revert, set_, shadow, suggest, trials, try_
from twotier.cli.watch_words import watch
from twotier.errors import UsageError

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
Rights = Annotated[AllRights | None, Parameter(name="*")]

# Nothing stands for a flag or a text that is not given: only defaults that say something are shown.
QUIET = Parameter(negative="", show_default=lambda value: str(value) if value else None)

app = App(
    name="twotier",
    version=__version__,
    help="Two models, two jobs: a frontier model by API and a local one, behind one port.",
    help_format="plaintext",
    default_parameter=QUIET,
)
models = App(name="models", help="What can be asked, what lies on this disk, and what fits.")
config_app = App(name="config", help="The configuration file.")
key = App(name="key", help="The keys that clients of the gateway send.")
for group in (job, runs, record, models, engine, prices, config_app, key, budget, notify, import_):
    app.command(group)
for one in (
    approve,
    backup,
    chat,
    connect,
    demo,
    forget,
    init,
    mcp,
    mcp_servers,
    replay,
    restore,
    route,
    rules,
    security,
    service,
    spend,
    tools,
    watch,
):
    app.command(one)
for words in (shadow, trials, suggest, diff, revert):
    job.command(words)
job.command(again, name="test")
runs.command(mark)
job.command(set_, name="set")
models.command(try_, name="try")


@app.command
def up(
    *,
    by_service: Annotated[bool, Parameter(name="--service", negative="", show=False)] = False,
    config: Config,
) -> int:
    """Start everything in the foreground; the first time, write a configuration to start with.

    Parameters
    ----------
    by_service
        Said by launchd or systemd: after a signal the model servers live on for the next start.
    """
    from twotier.cli.up import up

    return up(config, by_service=by_service)


@app.command
def down(*, as_json: Json = False, config: Config) -> int:
    """Stop twotier and wait until it has ended."""
    from twotier.cli.down import down

    return down(config, as_json=as_json)


@app.command
def status(*, watch: bool = False, as_json: Json = False, config: Config) -> int:
    """Tiers and their state, worker, money.

    Parameters
    ----------
    watch
        Go on until Ctrl-C: drawn in place on a terminal, elsewhere whenever something has changed.
    """
    if watch:
        import time

        from twotier.cli import status_watch

        return status_watch.watch(config, as_json=as_json, sleep=time.sleep)
    from twotier.cli.status import status

    return status(config, as_json=as_json)


@app.command
def dashboard(
    *,
    show: Annotated[bool, Parameter(name="--print", negative="")] = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """Open the pages in a browser, logged in.

    Parameters
    ----------
    show
        Print the link and the code instead, for another machine's browser.
    """
    from twotier.cli.dashboard import opened

    return opened(config, show_only=show, as_json=as_json)


@app.command
def ask(
    prompt: str,
    /,
    *,
    model: str = "auto",
    file: tuple[Path, ...] = (),
    split: bool = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """Ask a model; the answer goes to stdout, who gave it and what it cost to stderr.

    Parameters
    ----------
    prompt
        What to ask.
    model
        A tier, an alias, a provider/model, or auto.
    file
        Text that goes with it; several times for several files.
    split
        Have the local tier pick the lines that matter, and the frontier write from them.
    """
    from twotier.cli.ask import ask

    return ask(config, prompt, model=model, files=file, split=split, as_json=as_json)


@app.command
def savings(
    *,
    today: Annotated[bool, Parameter(negative="")] = False,
    days: int | None = None,
    month: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """What the same work would have cost otherwise, this month if nothing else is said.

    Parameters
    ----------
    today
        Since midnight.
    days
        The last days, today included.
    month
        Since the first of the month.
    """
    from twotier.cli.savings import savings

    if sum((today, days is not None, month)) > 1:
        raise UsageError("--today, --days and --month exclude one another; name one")
    return savings(config, days=1 if today else days, as_json=as_json)


@models.command(name="list")
def models_list(*, as_json: Json = False, config: Config) -> int:
    """Every name that clients may ask for, and every model on this disk."""
    from twotier.cli.models import listed

    return listed(config, as_json=as_json)


@models.command(name="fit")
def models_fit(
    name: str,
    /,
    *,
    context: int | None = None,
    parallel: int | None = None,
    memory: str = "",
    as_json: Json = False,
    config: Config,
) -> int:
    """What a model needs in memory, whether it fits, and which setting would make it fit.

    Parameters
    ----------
    name
        A tier, a path, a model on this disk, OWNER/NAME on the hub, or one of the catalogue.
    context
        Tokens of one request, prompt and answer; default: the most that fit.
    parallel
        Requests at the same time; default: 2, or 1 where memory is short.
    memory
        Another machine's memory as it is sold, such as 256GB; default: this machine.
    """
    from twotier.cli.fit import fit

    asked = {"context": context, "parallel": parallel}
    if any(number is not None and number < 1 for number in asked.values()):
        raise UsageError("--context and --parallel are at least 1")
    return fit(config, name, context=context, parallel=parallel, memory=memory, as_json=as_json)


@models.command(name="pull")
def models_pull(name: str = "starter", /, *, yes: Yes = False, as_json: Json = False) -> int:
    """Fetch a model; shows its size, its licence and whether it fits, and asks before it begins.

    Parameters
    ----------
    name
        `starter`, a model of the catalogue, or OWNER/NAME on the hub; `:` and a quantisation, such
        as OWNER/NAME:Q4_K_M, choose among GGUF files.
    """
    from twotier.cli.models import pulled

    return pulled(name, yes=yes, as_json=as_json)


@models.command(name="use")
def models_use(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """Load a standby model in place of the one that runs; returns once it answers.

    Parameters
    ----------
    name
        A tier, an alias, or a tier's model.
    """
    from twotier.cli.models import used

    return used(config, name, as_json=as_json)


@models.command(name="rm")
def models_rm(name: str, /, *, yes: Yes = False, as_json: Json = False, config: Config) -> int:
    """Delete a model from our folder or the hub's cache; asks first, and never one a tier uses.

    Parameters
    ----------
    name
        A model of `twotier models list`.
    """
    from twotier.cli.models import removed

    return removed(config, name, yes=yes, as_json=as_json)


@models.command(name="probe")
def models_probe(
    tier: str,
    /,
    *,
    repeat: int = 3,
    full: Annotated[bool, Parameter(negative="")] = False,
    show: Annotated[bool, Parameter(name="--show", negative="")] = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """How well a tier calls tools, keeps to formats and windows, and how fast it is.

    Parameters
    ----------
    tier
        The tier to ask.
    repeat
        How often each row is asked.
    full
        Fill its whole window, at most 25 minutes for each question.
    show
        Ask nothing; show what its last probe found.
    """
    from twotier.cli.probe import probed, shown

    if show:
        return shown(config, tier, as_json=as_json)
    return probed(config, {"tier": tier, "repeat": repeat, "full": full}, as_json=as_json)


@models.command(name="speed")
def models_speed(*, as_json: Json = False, config: Config) -> int:
    """How fast each tier reads and writes, learned from its answers."""
    from twotier.cli.speed import speed

    return speed(config, as_json=as_json)


@app.command
def doctor(
    *,
    mac: Annotated[bool, Parameter(negative="")] = False,
    report: Path | None = None,
    as_json: Json = False,
    config: Config,
) -> int:
    """Look for what is wrong; every finding ends with the command that mends it.

    Parameters
    ----------
    mac
        What only a Mac can tell as well: Spotlight, sleep, the start after a power failure.
    report
        With --mac: write what macOS says of its memory, power and jobs into this new file, without
        names, paths, serials and keys, so that it can be given to the makers of twotier.
    """
    from twotier.cli.doctor import doctor, evidence

    if report is not None:
        if not mac:
            raise UsageError("--report goes with --mac: `twotier doctor --mac --report FILE`")
        return evidence(config, report, as_json=as_json)
    return doctor(config, as_json=as_json, mac=mac)


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


@key.command(name="add")
def key_add(name: str, /, *, rights: Rights = None, as_json: Json = False, config: Config) -> int:
    """Make a key for one client and print it, this once.

    Parameters
    ----------
    name
        What to call the client: a-z, 0-9, - and _.
    """
    from twotier.cli.key import added

    return added(config, name, rights=rights, as_json=as_json)


@key.command(name="list")
def key_list(*, as_json: Json = False, config: Config) -> int:
    """Every client that has a key, and what it may do; never a key."""
    from twotier.cli.key import listed

    return listed(config, as_json=as_json)


@key.command(name="set")
def key_set(name: str, /, *, rights: Rights = None, as_json: Json = False, config: Config) -> int:
    """Change what a client may do; its key stays. Works for the default one too.

    Parameters
    ----------
    name
        The client.
    """
    from twotier.cli.key import changed

    return changed(config, name, rights=rights, as_json=as_json)


@key.command(name="remove")
def key_remove(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """End a client's key; its next request is refused.

    Parameters
    ----------
    name
        The client.
    """
    from twotier.cli.key import removed

    return removed(config, name, as_json=as_json)


@key.command(name="show")
def key_show(*, as_json: Json = False, config: Config) -> int:
    """Print the default key itself."""
    from twotier.cli.key import shown

    return shown(config, as_json=as_json)


@key.command(name="path")
def key_path(*, as_json: Json = False, config: Config) -> int:
    """Where the default key lies."""
    from twotier.cli.key import where

    return where(config, as_json=as_json)


@app.command
def completion(shell: str = "", /, *, install: bool = False) -> int:
    """What your shell needs to complete commands and flags with the Tab key.

    Parameters
    ----------
    shell
        bash, zsh or fish; default: yours.
    install
        Write it where that shell looks, in place of printing it. No settings of yours are changed.
    """
    from twotier.cli.completion import completion

    return completion(app, shell, install=install)


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
    if command == app.help_print:
        from twotier.cli.help_page import dress

        dress(app)
    extra = {"config": config} if "config" in handed_in else {}
    code = command(*bound.args, **bound.kwargs, **extra)
    return code if isinstance(code, int) else 0
