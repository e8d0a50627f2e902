"""The command line: asks main and worker over their private sockets, prints, and nothing else.

What must stay true: data goes to stdout and talk to stderr; an error is one line that says what to
do next, never a traceback; and the commands that people and scripts call all day (`status`, `ask`,
`runs`, `spend`, `route`) import nothing heavy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from twotier.cli.output import emit, say
from twotier.config.paths import find
from twotier.errors import TwotierError, UsageError

# What shells report for a program that ended by SIGINT and by SIGPIPE.
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141


def main() -> NoReturn:
    """The entry point `twotier`."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """One command, from its words to its exit code."""
    try:
        code = answer(words)
        sys.stdout.flush()
    except TwotierError as exc:
        return explain(exc, as_json="--json" in words)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Nobody reads on (`twotier runs | head`). Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except OSError as exc:
        # A folder that cannot be written, a full disk: the system's own sentence says most.
        say(f"twotier: {exc}; see `twotier doctor`")
        return 1
    return code


def answer(words: Sequence[str]) -> int:
    """Run the command that these words name."""
    rest, named = take_config(words)
    config = find(named)
    if rest and rest[0] == "status" and set(rest[1:]) <= {"--json"}:
        # Prompts and bars call this every few seconds; the parser alone would be two thirds of it.
        from twotier.cli.status import status

        return status(config, as_json="--json" in rest)
    from twotier.cli.commands import dispatch

    return dispatch(rest, config)


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


def explain(error: TwotierError, *, as_json: bool) -> int:
    """Say what went wrong, to people and, with `--json`, to scripts; the exit code."""
    if as_json:
        emit({"error": {"code": error.code, "message": error.message}})
    say(f"twotier: {error.message}")
    return error.exit_code


__all__ = ["main", "run"]
