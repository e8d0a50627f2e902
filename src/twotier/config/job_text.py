"""The text of one job, in a file of its own or as `[[jobs]]` of the main file: found, changed, put
back. Pure.

Comments, order and all that is not the job's stay. What cannot be changed safely is refused with
the line to write by hand.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress

from twotier.config.edit import comment_of, key_of, name_of, value
from twotier.domain.urls import HIDDEN, shown_target, shown_url
from twotier.errors import NOT_READABLE, ConfigError

HEADING = re.compile(r"^\s*\[")
JOBS = re.compile(r"^\s*\[\[\s*jobs\s*\]\]\s*(#.*)?$")
OF_JOBS = re.compile(r"^\s*\[\s*jobs\s*\.")
TARGET = re.compile(r'^(\s*deliver\s*=\s*")([^"]*)(".*)$')


def blocks(text: str) -> Iterator[tuple[int, int]]:
    """Where each `[[jobs]]` of a main file begins and ends, in lines; its own tables belong to it,
    and comments right above the next heading do not.
    """
    lines = text.splitlines()
    begin: int | None = None
    for number, line in enumerate([*lines, "[end]"]):
        if not HEADING.match(line) or (begin is not None and OF_JOBS.match(line)):
            continue
        if begin is not None:
            yield begin, tail(lines, number, begin=begin)
        begin = number if JOBS.match(line) else None


def tail(lines: Sequence[str], end: int, *, begin: int) -> int:
    """Without blank lines, and comments of what comes next."""
    while end > begin + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return end


def block_of(text: str, name: str) -> tuple[int, int]:
    """Where the job of this name stands. Raises `ConfigError`."""
    lines = text.splitlines()
    for begin, end in blocks(text):
        with suppress(*NOT_READABLE):
            table = tomllib.loads("\n".join(lines[begin:end]))
            if table["jobs"][0].get("name") == name:
                return begin, end
    raise ConfigError(f"no [[jobs]] in the file has the name {name!r}; see `twotier job list`")


def job_in(text: str, name: str) -> str:
    """The text of a job of a main file."""
    begin, end = block_of(text, name)
    return "\n".join(text.splitlines()[begin:end]) + "\n"


def with_job(text: str, name: str, *, job: str) -> str:
    """A main file with another text for one of its jobs."""
    begin, end = block_of(text, name)
    lines = text.splitlines()
    return "\n".join([*lines[:begin], *job.splitlines(), *lines[end:]]) + "\n"


def with_key(job: str, key: str, *, to: object) -> str:
    """The text of a job, of either form, with one of its own settings changed or added."""
    lines = job.splitlines()
    begin = next((number + 1 for number, line in enumerate(lines) if JOBS.match(line)), 0)
    end = next(
        (number for number in range(begin, len(lines)) if HEADING.match(lines[number])), len(lines)
    )
    line = f"{name_of(key)} = {value(to)}"
    for number in range(begin, end):
        if key_of(lines[number]) == key:
            if not whole(lines[number]):
                raise ConfigError(f"{key} spans lines; write it by hand: {line}")
            lines[number] = line + comment_of(lines[number])
            return "\n".join(lines) + "\n"
    last = tail(lines, end, begin=begin) if end > begin else end
    return "\n".join([*lines[:last], line, *lines[last:]]) + "\n"


def whole(line: str) -> bool:
    """Whether a setting stands on this one line."""
    try:
        tomllib.loads(line)
    except NOT_READABLE:
        return False
    return True


def typed(text: str) -> object:
    """A value as it was typed: what TOML reads as one, else a text (`local-only`, `30m`)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except NOT_READABLE:
        return text


def shown(job: str) -> str:
    """The text without the secrets of its addresses, to be kept and shown."""
    return "\n".join(shown_line(line) for line in job.splitlines()) + "\n"


def shown_line(line: str) -> str:
    """One line; where messages go, the path may be the secret."""
    if match := TARGET.match(line):
        return f"{match[1]}{shown_target(match[2])}{match[3]}"
    return shown_url(line)


def unhidden(kept: str, present: str) -> str:
    """A kept text with the secrets that the present one still has. Raises `ConfigError` where one
    is not there any more.
    """
    known = {shown_line(line): line for line in present.splitlines()}
    lines = [known.get(line, line) for line in kept.splitlines()]
    for line in lines:
        if HIDDEN in line and shown_line(line) == line and line not in present.splitlines():
            raise ConfigError(
                f"a secret of that revision was not kept; write this line by hand: {line.strip()}"
            )
    return "\n".join(lines) + "\n"
