"""The command line: asks main and worker over their private sockets, prints, and nothing else.

What must stay true: data goes to stdout and talk to stderr; an error is one line that says what to
do next, never a traceback; and the commands that people and scripts call all day (`status`, `ask`,
`runs`, `spend`, `route`) import nothing heavy.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from twotier.cli.output import emit, say
from twotier.config.paths import find, paths_of
from twotier.errors import ConfigError, NotFoundError, TwotierError, UsageError

# What shells report for a program that ended by SIGINT and by SIGPIPE.
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141

BY_CODE = {
    "budget_reached": "twotier budget list",
    "model_not_found": "twotier models list",
    "price_unknown": "twotier prices show",
    "tier_unavailable": "twotier status",
    "upstream_error": "twotier status",
}
# Where what is not there is listed.
LISTS = {
    "approve": "twotier approve list",
    "chat": "twotier chat list",
    "engine": "twotier status",
    "forget": "twotier job list",
    "job": "twotier job list",
    "key": "twotier key list",
    "models": "twotier models list",
    "notify": "twotier notify list",
    "runs": "twotier runs",
    "tools": "twotier tools list",
    "watch": "twotier watch list",
}


def main() -> NoReturn:
    """The entry point `twotier`."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows only ASCII
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """One command, from its words to its exit code."""
    try:
        code = answer(words)
        sys.stdout.flush()
        return code
    except TwotierError as exc:
        return explain(exc, words)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        drop_output()  # nobody reads on (`twotier runs | head`)
        return EXIT_PIPE
    except OSError as exc:
        # A folder that cannot be written, a full disk: the system's own sentence says most.
        drop_output()
        return explain(TwotierError(f"{exc}; see `twotier doctor`"), words)
    except Exception as exc:  # noqa: BLE001 - the top: a defect of ours is one line like the rest
        return defect(exc, words)


def drop_output() -> None:
    """Print what waits; what cannot be printed goes nowhere, and Python's exit has no complaint."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def defect(error: Exception, words: Sequence[str]) -> int:
    """Say that this is our fault and where more is to be read; all of it with `TWOTIER_TRACE=1`."""
    if os.environ.get("TWOTIER_TRACE") == "1":
        import traceback

        traceback.print_exception(error)
    try:
        logs = str(paths_of(find(take_config(words)[1])).logs)
    except (TwotierError, OSError):
        logs = "the folder `logs` of its state"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    message = (
        f"{what}; this is a defect of twotier, not of yours."
        f" The log is in {logs}; to see where: `TWOTIER_TRACE=1 twotier ...`"
    )
    return explain(TwotierError(message), words)


def answer(words: Sequence[str]) -> int:
    """Run the command that these words name."""
    if sys.stdout is None:  # closed by the caller (`>&-`)
        raise UsageError("there is no stdout to print to; use `>/dev/null` to see nothing")
    rest, named = take_config(words)
    if any(not is_text(word) for word in rest):
        raise UsageError("a word of this command is not UTF-8 text; convert it, see `man iconv`")
    config = find(named)
    if rest and rest[0] == "status" and set(rest[1:]) <= {"--json"}:
        # Prompts and bars call this every few seconds; the parser alone would be two thirds of it.
        from twotier.cli.status import status

        return status(config, as_json="--json" in rest)
    from twotier.cli.commands import dispatch

    return dispatch(rest, config)


def is_text(word: str) -> bool:
    """Python hands on bytes that are no UTF-8 as lone surrogates, which nothing can encode."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


def take_config(words: Sequence[str]) -> tuple[list[str], str | None]:
    """The words without `--config PATH`, which may stand anywhere before a `--`, and the path."""
    rest: list[str] = []
    named: str | None = None
    left = iter(words)
    for word in left:
        if word == "--":
            return [*rest, word, *left], named
        if word == "--config":
            named = next(left, "")
        elif word.startswith("--config="):
            named = word.partition("=")[2]
        else:
            rest.append(word)
    if named == "":
        raise UsageError("--config needs a path; for example `twotier --config twotier.toml up`")
    return rest, named


def explain(error: TwotierError, words: Sequence[str] = ()) -> int:
    """Say what went wrong, to people and, with `--json`, to scripts; the exit code. People are told
    what to type next where the sentence itself does not say it.
    """
    as_json = "--json" in words
    if as_json:
        emit({"error": {"code": error.code, "message": error.message}})
        drop_output()  # at its own exit Python would complain of a reader that left
    way = "" if "`" in error.message else f"; see `{next_command(error, words)}`"
    say(f"twotier: {error.message}{way}")
    return error.exit_code


def next_command(error: TwotierError, words: Sequence[str]) -> str:
    """What helps on: the help of what was typed wrong, the list of what is not there."""
    named = [word for word in words if word.isidentifier()][:1]
    if isinstance(error, UsageError):
        return " ".join(["twotier", *named, "--help"])
    if isinstance(error, ConfigError):
        return "twotier config check"
    if isinstance(error, NotFoundError) and named and named[0] in LISTS:
        return LISTS[named[0]]
    return BY_CODE.get(error.code, "twotier doctor")


__all__ = ["main", "run"]
