"""`twotier doctor`: findings, each with the command that mends it. Works with main up or down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from twotier.cli import checks
from twotier.cli.finding import MARKS, Finding, Level, row_of
from twotier.cli.output import emit, say, show
from twotier.cli.progress import working
from twotier.config.load import Loaded, load
from twotier.errors import ConfigError, TwotierError


def doctor(config: Path, *, as_json: bool, mac: bool = False) -> int:
    """Look, print; exit code 1 if anything is bad. `mac`: what only a Mac can tell as well."""
    with working("looking"):
        findings = [*look(config), *(look_at_mac(config) if mac else ())]
    bad = any(finding.level is Level.BAD for finding in findings)
    if as_json:
        emit({"ok": not bad, "findings": [row_of(finding) for finding in findings]})
    else:
        show(lines(findings))
    return int(bad)


def look(config: Path) -> Iterator[Finding]:
    """Every check that can be made; a file that cannot be read ends those that need it."""
    yield checks.python()
    if not config.exists():
        text = f"no configuration at {config} yet"
        yield Finding("config", Level.WARN, text, "twotier up")
        return
    try:
        loaded = load(config)
    except ConfigError as exc:
        yield Finding("config", Level.BAD, exc.message, "twotier config check")
        return
    yield Finding("config", Level.OK, f"{config} is valid")
    status = checks.ask_main(loaded)
    for check in (*checks.CHECKS, service):
        try:
            yield from check(loaded, status)
        except (OSError, TwotierError) as exc:  # what cannot be looked at is a finding too
            mend = f"ls -ld {checks.quoted(loaded.paths.state)}"
            yield Finding(check.__name__, Level.BAD, f"cannot be looked at: {exc}", mend)


def service(loaded: Loaded, status: checks.Status) -> Iterator[Finding]:
    """Whether the system starts it, and what it then has not."""
    from twotier.cli.service_status import findings  # it needs `checks` itself

    yield from findings(loaded, status)


def look_at_mac(config: Path) -> Iterator[Finding]:
    """Spotlight, sleep, the start after a power failure."""
    from twotier.cli import mac

    with contextlib.suppress(ConfigError):  # said above
        yield from mac.findings(load(config))


def evidence(config: Path, file: Path, *, as_json: bool) -> int:
    """Write what this Mac says into a file that can be given away."""
    from twotier.cli import mac

    loaded = None
    with contextlib.suppress(ConfigError):
        loaded = load(config)
    size = mac.report(loaded, file)
    if as_json:
        emit({"file": str(file), "bytes": size})
    else:
        say(f"wrote {file} ({size} bytes): names, paths, serials and keys are taken out")
        say("read it before you send it to anybody")
    return 0


def lines(findings: Iterable[Finding]) -> Iterator[tuple[str, ...]]:
    """A finding for people: what, and after it what to do."""
    for finding in findings:
        mend = f"  ->  {finding.mend}" if finding.mend else ""
        yield (MARKS[finding.level], finding.name, " ".join(finding.text.split()) + mend)
