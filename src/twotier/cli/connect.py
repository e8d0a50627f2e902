"""`twotier connect`: a client's settings, printed or written, tried out, and taken back.

Nothing is written without `--write`. A key that is made for a client goes into a file for its
owner alone and into the client's own settings, never to the terminal unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

from twotier.cli.connect_given import given_of, home_here
from twotier.cli.connect_keys import Keys
from twotier.cli.connect_paid import paid_how
from twotier.cli.connect_trip import tried
from twotier.cli.connect_wanted import Wanted
from twotier.cli.models import agreed
from twotier.cli.output import emit, say, show
from twotier.cli.progress import working
from twotier.clock import SystemClock
from twotier.config.paths import paths_of
from twotier.connect.clients import CLIENTS
from twotier.connect.files import Fate, Keeping, Record
from twotier.connect.plan import Client, Given, Home, Plan
from twotier.errors import NotFoundError, UsageError

HEADS = ("CLIENT", "FOUND", "CONNECTED")
FOUND_CHARACTERS_MAX = 40
EVERYTHING = "all it does goes through the gateway"
BESIDE = "beside its own models"
LEFT = "what was left alone is yours: change it by hand"
COLUMNS = 80


def listed(config: Path, *, as_json: bool) -> int:
    """Every client that is here or connected; nothing is asked or written."""
    home, keeping = home_here(), Keeping(paths_of(config).connect)
    told = [about(one, home, keeping=keeping) for one in CLIENTS.values()]
    if as_json:
        emit({"clients": told})
        return 0
    here = [one for one in told if one["found"] or one["connected"]]
    if here:
        show([HEADS, *(row(one) for one in here)])
    others = ", ".join(one["client"] for one in told if one not in here)
    if others:
        talk(f"not found on this machine: {others}; `twotier connect NAME` prints their settings")
    if fresh := next((one["client"] for one in here if not one["connected"]), ""):
        say(f"connect one: `twotier connect {fresh}` shows what --write would write")
    return 0


def about(client: Client, home: Home, *, keeping: Keeping) -> dict[str, Any]:
    """One client: where it is, whether it is connected, and how its files are."""
    record = keeping.read(client.name)
    files = [] if record is None else [*keeping.states(record)]
    return {
        "client": client.name,
        "title": client.title,
        "found": client.found(home),
        "connected": record is not None,
        "all": record is not None and record.everything,
        "at": record.at if record else None,
        "key": record.key if record else "",
        "files": [{"path": one.path, "state": state} for one, state in files],
    }


def row(told: Mapping[str, Any]) -> Sequence[str]:
    """One client as a line."""
    found = told["found"] or "no"
    if len(found) > FOUND_CHARACTERS_MAX:
        found = f"...{found[3 - FOUND_CHARACTERS_MAX :]}"
    if not told["connected"]:
        return told["client"], found, "no"
    states = {one["state"] for one in told["files"]} - {"as written"}
    state = "all" if told["all"] else "yes"
    return told["client"], found, f"{state}, {', '.join(sorted(states))}" if states else state


def connected(config: Path, name: str, *, wanted: Wanted, as_json: bool) -> int:
    """What was asked for one client; printing alone changes nothing."""
    client, keeping = CLIENTS[name], Keeping(paths_of(config).connect)
    if wanted.undo:
        if wanted.write or wanted.test or wanted.everything:
            raise UsageError(f"--undo stands alone: `twotier connect {name} --undo`")
        return undone(config, client, keeping=keeping, as_json=as_json)
    record = keeping.read(name)
    if wanted.test and not wanted.write and record is None:
        raise UsageError(f"{name} is not connected; `twotier connect {name} --write` first")
    everything = wanted.everything or bool(record and record.everything and not wanted.write)
    given = given_of(config, client, keeping=keeping, model=wanted.model, everything=everything)
    keys = Keys(config, keeping, name=name)
    told: dict[str, Any] = {"client": name, "all": given.everything}
    if wanted.write or not wanted.test:
        told |= warned(config, client, given=given, wanted=wanted)
    if wanted.write:
        told |= wrote(client, given, keeping=keeping, keys=keys)
    elif not wanted.test:
        told |= printed(client, given, keys=keys, with_key=wanted.show_key)
    if wanted.test:
        with working("asking as the client will"):
            told["test"] = tried(
                config, given, plan=client.plan(given), model=wanted.model, key=keys.kept()
            )
    if as_json:
        emit(told)
        return 0
    return shown(told, wanted)


def warned(config: Path, client: Client, *, given: Given, wanted: Wanted) -> dict[str, Any]:
    """How it is paid for now; before a flat plan becomes a metered bill a person has to say yes."""
    paid = paid_how(config, client, home=given.home, url=given.url)
    if paid is None:
        return {}
    talk(paid.told)
    if given.everything and (why := paid.warning):
        talk(why)
        if wanted.write:
            agreed("Send all of it through a key all the same?", wanted.yes)
    return {"login": paid.document}


def printed(client: Client, given: Given, *, keys: Keys, with_key: bool) -> dict[str, Any]:
    """The settings of each file by itself, as they would be in a new one."""
    plan = client.plan(given)
    if with_key and plan.keyed:
        plan = client.plan(replace(given, key=keys.made()))
    files = [
        {
            "path": str(one.path),
            "shown": given.home.shown(one.path),
            "there": one.path.exists(),
            "text": one.edit.put(""),
        }
        for one in plan.files
    ]
    return {"settings": files, **after(plan)}


def wrote(client: Client, given: Given, *, keeping: Keeping, keys: Keys) -> dict[str, Any]:
    """Write all of it; a key that was made for it goes again where that fails."""
    plan, name, fresh = client.plan(given), "", False
    if plan.keyed:
        fresh = keys.kept() == ""
        plan = client.plan(replace(given, key=keys.made()))
        name = keys.name_now()
    record = Record(
        client=client.name,
        at=SystemClock().now().isoformat(timespec="seconds"),
        everything=given.everything,
        key=name,
        files=[],
    )
    try:
        fates = keeping.write(record, plan.files)
    except BaseException:
        if fresh:
            keys.end(name)
        raise
    return {"files": [told_of(one, given.home) for one in fates], "key": name, **after(plan)}


def undone(config: Path, client: Client, *, keeping: Keeping, as_json: bool) -> int:
    """Bring back what was there, end the key. Exit code 1 where something was left alone."""
    if keeping.read(client.name) is None:
        raise NotFoundError(f"{client.name} is not connected; `twotier connect` lists what is")
    keys = Keys(config, keeping, name=client.name)
    record, fates = keeping.undo(client.name)
    if record.key:
        keys.end(record.key)
    home = home_here()
    told = [told_of(one, home) for one in fates]
    if as_json:
        emit({"client": client.name, "files": told, "key": record.key})
    else:
        show([fate_row(one) for one in told])
        say(f"{client.title}: nothing of twotier's is left" if whole(fates) else LEFT)
        if record.key:
            say(f"its key {record.key} is ended")
    return 0 if whole(fates) else 1


def whole(fates: Sequence[Fate]) -> bool:
    """Whether all of ours is gone."""
    return not any(one.done == "left alone" for one in fates)


def told_of(fate: Fate, home: Home) -> dict[str, Any]:
    """One file for scripts."""
    return {**asdict(fate), "path": str(fate.path), "shown": home.shown(fate.path)}


def after(plan: Plan) -> dict[str, Any]:
    """What people need to know then."""
    return {"use": plan.use, "notes": list(plan.notes)}


def fate_row(told: Mapping[str, Any]) -> Sequence[str]:
    """One file as a line."""
    because = f" ({told['because']})" if told["because"] else ""
    return told["done"], f"{told['shown']}{because}"


def shown(told: Mapping[str, Any], wanted: Wanted) -> int:
    """All of it for people: settings and files on stdout, talk on stderr."""
    for line in settings_lines(told.get("settings", ())):
        print(line)
    if "files" in told:
        show([fate_row(one) for one in told["files"]])
    for note in told.get("notes", ()):
        talk(f"note: {note}")
    if "use" in told:
        say(f"{EVERYTHING if told['all'] else BESIDE}; then:\n  {told['use']}")
    if told.get("key"):
        say(f"its key is {told['key']}: `twotier key set {told['key']}` limits it")
    if "settings" in told:
        more = " --all" if told["all"] else ""
        say(f"nothing was written yet: `twotier connect {told['client']}{more} --write`")
    elif not wanted.test:
        say(f"try it: `twotier connect {told['client']} --test`; take it back: --undo")
    if test := told.get("test"):
        print(f"{test['wire']}: {test['tier']} answered {test['text']!r}, {test['cost']}")
    return 0


def talk(text: str) -> None:
    """A sentence or two, in lines that fit a terminal."""
    wrap = TextWrapper(
        COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    say(wrap.fill(text))


def settings_lines(settings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each file and what comes into it."""
    for one in settings:
        how = "added to what is there" if one["there"] else "a new file"
        yield f"# {one['shown']} ({how})"
        yield one["text"]
