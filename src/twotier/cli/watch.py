"""`twotier watch`: what jobs look at before a model is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twotier.cli.job import path_of
from twotier.cli.output import emit, local_time, show
from twotier.cli.peers import worker_of
from twotier.watch.visible import visible

HEADS = ("JOB", "KIND", "PLACE", "WAITING", "LAST")
TEXT_CHARACTERS_SHOWN = 160


def listed(config: Path, *, as_json: bool) -> int:
    """Every job with a watcher."""
    told = worker_of(config).get("/watchers")
    if as_json:
        emit(told)
    elif told["watchers"]:
        show([HEADS, *(row(one) for one in told["watchers"])])
    else:
        print("no job watches anything; add watch = { kind = ... } to one, see docs/watchers.md")
    return 0


def row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """A watcher as one line."""
    last = one["last_run"] or {}
    ended = f"{last['state']} {local_time(last.get('slot'))}" if last else "never ran"
    place = visible(str(one["place"]).partition(":")[2].partition("#")[0]) or "-"
    begun = "" if one["begun"] else " (no baseline yet)"
    return (one["job"], one["kind"], place, f"{one['waiting']}{begun}", ended)


def tested(config: Path, name: str, *, as_json: bool) -> int:
    """What would be new."""
    worker = worker_of(config)
    told = worker.post(f"{path_of(worker, name)}/look")
    if as_json:
        emit(told)
        return 0
    if told["first"]:
        print("this would be its first look: the baseline, and what `since` brings")
    print(f"{told['new']} new" if told["new"] else "nothing new")
    show_items(told["items"])
    for because in told["unreadable"]:
        print(f"left out: {visible(because)}")
    return 0


def peeked(config: Path, name: str, *, as_json: bool) -> int:
    """What waits."""
    worker = worker_of(config)
    told = worker.get(f"{path_of(worker, name)}/waiting")
    if as_json:
        emit(told)
        return 0
    print(f"{told['waiting']} waiting" if told["waiting"] else "nothing waits")
    show_items(told["items"])
    return 0


def reset(config: Path, name: str, *, as_json: bool) -> int:
    """Begin anew."""
    worker = worker_of(config)
    told = worker.post(f"{path_of(worker, name)}/baseline")
    if as_json:
        emit(told)
    else:
        print(f"the next look of {name} is its baseline; what was found before stays known")
    return 0


def show_items(items: Sequence[Mapping[str, Any]]) -> None:
    """Each with who and when, and the beginning of its text."""
    for item in items:
        about = ", ".join(part for part in (item["author"], local_time(item["at"])) if part)
        print(f"\n{visible(item['title'])}{f' ({visible(about)})' if about else ''}")
        text = " ".join(str(item["text"]).split())
        if text and text != item["title"]:
            print(f"  {visible(text[:TEXT_CHARACTERS_SHOWN])}")
        if item["link"]:
            print(f"  {visible(item['link'])}")
