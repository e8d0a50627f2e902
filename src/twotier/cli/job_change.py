"""`twotier job set`, `job diff`, `job revert`: a job's settings, now and as they were.

The file is changed as a person would change it, comments stay, and the whole configuration has to
be right with it. A worker that runs takes it at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.output import emit, local_time, say
from twotier.cli.peers import worker_of
from twotier.config.job_place import JobPlace, place_of
from twotier.config.job_text import shown, typed, unhidden, with_key
from twotier.errors import NotFoundError, NotRunningError, TwotierError, UsageError

RELOAD_SECONDS_MAX = 60.0
NEVER = frozenset({"name"})  # its past goes by its name


def changed(config: Path, name: str, *, settings: Sequence[str], as_json: bool) -> int:
    """Settings as `key=value`, into the job's file."""
    place = place_of(config, name)
    before = text = place.text
    for setting in settings:
        key, equals, to = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{setting!r} is no setting; write for example tier=local-only")
        if key in NEVER:
            raise UsageError(f"{key} cannot be set here; write it by hand in {place.path}")
        text = with_key(text, key.strip(), to=typed(to.strip()))
    place.put(text)
    return told(config, place, before=before, as_json=as_json)


def told(config: Path, place: JobPlace, *, before: str, as_json: bool) -> int:
    """What is different, and whether the worker has it."""
    lines = difference(before, place.text, names=("before", "now"))
    taken = reloaded(config)
    if as_json:
        emit({"job": place.name, "path": str(place.path), "diff": lines, "reloaded": taken == ""})
        return 0
    print("\n".join(lines) or "nothing is different")
    say(f"{place.path} is written; {taken or 'the worker has it'}")
    return 0


def reloaded(config: Path) -> str:
    """Have the worker take it; why not, where it did not."""
    try:
        worker_of(config).post("/reload", seconds=RELOAD_SECONDS_MAX)
    except NotRunningError:
        return "it counts from the next `twotier up` on"
    except TwotierError as exc:
        return f"the worker has not taken it: {exc.message}"
    return ""


def difference(one: str, other: str, *, names: tuple[str, str]) -> list[str]:
    """As `diff -u` has it, without secrets."""
    before, after = (shown(text).splitlines() for text in (one, other))
    return list(difflib.unified_diff(before, after, names[0], names[1], lineterm=""))


def diffed(config: Path, name: str, *, revision: int, as_json: bool) -> int:
    """What was changed last, or since a revision."""
    found = revisions(config, name)
    now = place_of(config, name).text
    numbers = [one["number"] for one in found]
    if revision:
        base = by_number(found, revision)
    else:
        earlier = [one for one in found if one["text"] != shown(now)]
        base = earlier[0] if earlier else found[0]
    head = f"revision {base['number']} of {local_time(base['seen_at'])}"
    lines = difference(base["text"], now, names=(head, "now"))
    if as_json:
        emit({"job": name, "base": base["number"], "revisions": numbers, "diff": lines})
        return 0
    print("\n".join(lines) or f"nothing is different from {head}")
    say(f"revisions: {', '.join(map(str, numbers))}")
    return 0


def reverted(config: Path, name: str, *, revision: int, as_json: bool) -> int:
    """Back to the settings before the last change, or to those of a revision."""
    place, found = place_of(config, name), revisions(config, name)
    before = place.text
    earlier = [one for one in found if one["text"] != shown(before)]
    if not revision and not earlier:
        raise NotFoundError(f"{name} has never been anything else; there is nothing to go back to")
    base = by_number(found, revision) if revision else earlier[0]
    place.put(unhidden(base["text"], before))
    return told(config, place, before=before, as_json=as_json)


def revisions(config: Path, name: str) -> list[dict[str, Any]]:
    """Those the worker has seen, the newest first. Raises `NotFoundError`."""
    worker = worker_of(config)
    found: list[dict[str, Any]] = worker.get(f"/jobs/{quote(name, safe='')}/revisions")["revisions"]
    if not found:
        raise NotFoundError(f"no revision of {name!r} is known; see `twotier job list`")
    return found


def by_number(found: Sequence[dict[str, Any]], number: int) -> dict[str, Any]:
    """The revision of this number. Raises `NotFoundError`."""
    for one in found:
        if one["number"] == number:
            return one
    known = ", ".join(str(one["number"]) for one in found)
    raise NotFoundError(f"there is no revision {number}; there are: {known}")
