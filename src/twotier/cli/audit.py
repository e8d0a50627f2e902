"""`twotier security audit`: what the configuration and its files leave open, worst first.

Nothing here is broken; `twotier doctor` looks for that. Each finding is something that a person may
want and should know: who can reach what, who can read what, what a stranger's text can set off, and
what a stolen key could spend. It only reads, and asks nobody.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from twotier.cli.checks import permissions, quoted
from twotier.cli.finding import Finding, Level
from twotier.cli.output import emit, show
from twotier.config.load import Loaded, load
from twotier.config.secrets import places
from twotier.domain.label import Label
from twotier.domain.urls import is_loopback
from twotier.keys import KeyFile
from twotier.watch.kinds import labels_of

MARKS = {Level.BAD: "BAD", Level.WARN: "warn", Level.OK: "ok"}
GIT_SECONDS_MAX = 10.0
# Programs that fetch what they run, and the form in which a version is pinned.
FETCHERS = {"npx": re.compile(r".@\d"), "bunx": re.compile(r".@\d"), "uvx": re.compile(r"(==|@)\d")}
RUNNERS = ("command", "write_file", "send", "api", "mcp")


def audited(config: Path, *, as_json: bool) -> int:
    """Look, print; exit code 1 if anything is bad. Raises `ConfigError` for an unreadable file."""
    loaded = load(config)
    found = sorted(chain.from_iterable(check(loaded) for check in CHECKS), key=_worst_first)
    bad = any(finding.level is Level.BAD for finding in found)
    if as_json:
        rows = [
            {"name": f.name, "level": f.level.value, "text": f.text, "mend": f.mend} for f in found
        ]
        emit({"ok": not bad, "findings": rows})
        return int(bad)
    for finding in found:
        print(f"{MARKS[finding.level]:5}{finding.name}: {finding.text}")
        if finding.mend:
            print(f"       -> {finding.mend}")
    counts = [(mark, sum(f.level is level for f in found)) for level, mark in MARKS.items()]
    show([tuple(f"{count} {mark}" for mark, count in counts)])
    return int(bad)


def _worst_first(finding: Finding) -> int:
    return list(MARKS).index(finding.level)


def files(loaded: Loaded) -> Iterator[Finding]:
    """State and keys are for the owner alone, nothing in them leads elsewhere."""
    yield from permissions(loaded, None)
    if not loaded.paths.state.exists():
        return
    links = [path for path in loaded.paths.state.rglob("*") if path.is_symlink()]
    for link in links:
        text = f"{link} leads to {link.readlink()}: whoever owns that owns the file"
        yield Finding("link", Level.BAD, text, f"ls -l {quoted(link)}")
    if not links:
        yield Finding("links", Level.OK, "no link in the state folder leads elsewhere")


def configuration(loaded: Loaded) -> Iterator[Finding]:
    """Whoever can write it decides which programs run; what git has seen stays in its history."""
    jobs = (loaded.home / "jobs").glob("*.toml")
    for path in (loaded.path, *jobs):
        mode = path.stat().st_mode & 0o777
        if mode & 0o022:
            text = f"others can write {path} (mode {mode:04o}), and so choose what is run"
            yield Finding("configuration", Level.BAD, text, f"chmod go-w {quoted(path)}")
    for path in secret_files(loaded):
        if path.exists() and path.stat().st_mode & 0o077:
            text = f"{path} holds a secret and is open to others"
            yield Finding("secret file", Level.BAD, text, f"chmod 600 {quoted(path)}")
        if tracked(path):
            text = f"{path} holds a secret and is tracked by git; take it out and change the secret"
            yield Finding("secret file", Level.BAD, text, f"git rm --cached {quoted(path)}")
    if tracked(loaded.paths.client_key):
        mend = f"git rm -r --cached {quoted(loaded.paths.state)}"
        yield Finding("state", Level.BAD, "the state folder is tracked by git", mend)
    for where in shown_secrets(loaded):
        text = f"{where} carries a password or a token in its address"
        mend = f"edit {loaded.path}: name its place instead (env:, file: or keyring:)"
        yield Finding("address", Level.WARN, text, mend)


def secret_files(loaded: Loaded) -> Iterator[Path]:
    """Every file that the configuration names as the place of a secret."""
    for place in places(loaded.config):
        if place.startswith("file:"):
            yield loaded.resolve(place.removeprefix("file:"))


def tracked(path: Path) -> bool:
    """Whether git knows the file; without git nobody does."""
    git = shutil.which("git")
    if git is None or not path.exists():
        return False
    asked = (git, "-C", str(path.parent), "ls-files", "--error-unmatch", path.name)
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(asked, capture_output=True, timeout=GIT_SECONDS_MAX, check=False)
        return done.returncode == 0
    return False


def shown_secrets(loaded: Loaded) -> Iterator[str]:
    """The settings whose address is itself a secret."""
    for name, tier in loaded.config.tiers.items():
        if tier.base_url and urlsplit(tier.base_url).password:
            yield f"tiers.{name}.base_url"


def gateway(loaded: Loaded) -> Iterator[Finding]:
    """Who can knock, and what travels in clear."""
    host = loaded.config.gateway.host
    if is_loopback(host):
        yield Finding("gateway", Level.OK, f"only this machine reaches it ({host})")
    else:
        text = f"other machines reach it ({host}) without encryption: keys and prompts are readable"
        mend = "put a proxy with TLS in front, or use ssh -L, a VPN or Tailscale"
        yield Finding("gateway", Level.WARN, text, mend)
    if loaded.config.gateway.also_without_key:
        text = "also_ports are answered without a key: any program of this machine may ask"
        mend = f"edit {loaded.path}: gateway.also_without_key = false"
        yield Finding("also_ports", Level.WARN, text, mend)
    for origin in loaded.config.gateway.allowed_origins:
        text = f"pages of {origin} may ask with a key they were given"
        yield Finding("origin", Level.WARN, text, f"edit {loaded.path}: gateway.allowed_origins")
    for name, tier in loaded.config.tiers.items():
        at = urlsplit(tier.base_url or "")
        if at.scheme == "http" and not is_loopback(at.hostname or ""):
            text = f"prompts go to {at.hostname} in clear"
            yield Finding(f"{name} address", Level.WARN, text, f"edit {loaded.path}: use https")


def money(loaded: Loaded) -> Iterator[Finding]:
    """What a stolen key, or a job gone wild, could spend."""
    paid = [name for name, tier in loaded.config.tiers.items() if tier.engine is None]
    if not paid:
        return
    limited = [one for one in loaded.config.budgets if one.limit_usd is not None]
    if not limited:
        text = f"{', '.join(paid)} costs money and nothing limits it"
        mend = f"edit {loaded.path}: [[budgets]] with period and limit_usd"
        yield Finding("budget", Level.BAD, text, mend)
    else:
        least = min(one.limit_usd for one in limited if one.limit_usd is not None)
        yield Finding("budget", Level.OK, f"the least limit is ${least}")
    for key in KeyFile(loaded.paths.key_file).read().values():
        if key.limit_microusd is None and key.policy.value != "local-only":
            text = f"the key {key.name} has no limit of its own"
            mend = f"twotier key set {key.name} --budget-usd 5"
            yield Finding("client key", Level.WARN, text, mend)


def jobs(loaded: Loaded) -> Iterator[Finding]:
    """What a stranger's text could set off."""
    for job in loaded.config.jobs:
        settings = {} if job.watch is None else job.watch.model_dump(exclude_none=True)
        strangers = bool(settings) and Label.UNTRUSTED in labels_of(settings)
        if settings.get("trusted") is True:
            text = f"takes what its {settings['kind']} watcher finds for your own words"
            mend = f"edit {loaded.path}: trusted = false, unless only you write there"
            yield Finding(f"job {job.name}", Level.WARN, text, mend)
        acts = [tool for tool in job.tools if tool.partition(":")[0] in RUNNERS]
        if strangers and acts and not job.quarantine:
            text = f"strangers' text is read by a model that has {', '.join(acts)}"
            mend = f"edit {loaded.path}: quarantine = true"
            yield Finding(f"job {job.name}", Level.BAD, text, mend)
        elif strangers and acts:
            text = f"reads strangers' text in quarantine; {', '.join(acts)} may follow from it"
            yield Finding(f"job {job.name}", Level.WARN, text, f"twotier job show {job.name}")


def programs(loaded: Loaded) -> Iterator[Finding]:
    """What is run on this machine, and where it comes from."""
    for name, server in loaded.config.tools.mcp.items():
        if server.command:
            program, rest = Path(server.command[0]).name, server.command[1:]
            pinned = FETCHERS.get(program)
            if pinned and not any(pinned.search(word) for word in rest):
                text = f"{program} fetches whatever version is newest when it starts"
                mend = f"edit {loaded.path}: name the version in tools.mcp.{name}.command"
                yield Finding(f"mcp {name}", Level.WARN, text, mend)
        if bare := [tool for tool in server.tools if tool not in server.labels]:
            text = f"{len(bare)} of its tools have no labels and are held for the worst"
            mend = f"edit {loaded.path}: tools.mcp.{name}.labels"
            yield Finding(f"mcp {name}", Level.WARN, text, mend)
    commands = sorted(
        {t for job in loaded.config.jobs for t in job.tools if t.startswith("command")}
    )
    if commands and not (shutil.which("bwrap") or shutil.which("sandbox-exec")):
        text = f"{', '.join(commands)} may be run by models, and no sandbox is found"
        yield Finding("sandbox", Level.BAD, text, "apt-get install bubblewrap")


CHECKS: tuple[Callable[[Loaded], Iterator[Finding]], ...] = (
    files,
    configuration,
    gateway,
    money,
    jobs,
    programs,
)
