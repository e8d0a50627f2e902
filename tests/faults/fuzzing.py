"""Lets atheris at our readers: `python -m tests.faults.fuzzing SITE FOLDER RUNS SECONDS [NAME...]`.

SITE is where atheris is installed. With RUNS all readers share one row of tries: the first byte of
an input says whose it is. Else each has SECONDS for itself, in a process of its own forked from
one, because looking into every module takes longer than many a look. Inputs that led somewhere new
stay in FOLDER; one that crashed lies there as `NAME-crash-...`, and the exit status is not 0.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BYTES_MAX = 4_096
HANGS_SECONDS = 120


def inputs(target: Any) -> list[bytes]:
    """What a reader's row begins with."""
    return [*target.seeds, *(within("abc") for within in target.within)]


def shared(targets: Mapping[str, Any]) -> Callable[[bytes], None]:
    """All readers as one."""
    readers = list(targets.values())
    return lambda data: readers[data[0] % len(readers)].take(data[1:]) if data else None


def look(atheris: Any, take: Callable[[bytes], None], *, folder: Path, options: list[str]) -> int:
    """One row of tries in a fork; its exit status."""
    if (child := os.fork()) == 0:
        atheris.Setup(
            [
                *("fuzzing", "-seed=1", f"-max_len={BYTES_MAX}", f"-timeout={HANGS_SECONDS}"),
                *("-rss_limit_mb=3000", f"-artifact_prefix={folder}-", *options, str(folder)),
            ],
            take,
        )
        atheris.Fuzz()
        os._exit(1)  # it ends the process by itself
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(site: str, folder: str, runs: str, seconds: str, *names: str) -> int:
    """The readers of these names, or all of them."""
    sys.path.insert(0, site)
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["twotier"]):
        targets: dict[str, Any] = importlib.import_module("tests.faults.foreign").TARGETS
    chosen = {name: targets[name] for name in names or targets}
    if int(runs):
        corpus = Path(folder, "all")
        corpus.mkdir(parents=True)
        for at, target in enumerate(chosen.values()):
            for number, data in enumerate(inputs(target)):
                (corpus / f"{at:03}-{number}").write_bytes(bytes([at]) + data)
        return look(atheris, shared(chosen), folder=corpus, options=[f"-runs={runs}"])
    failed = 0
    for name, target in chosen.items():
        corpus = Path(folder, name.replace(" ", "_"))
        corpus.mkdir(parents=True)
        for number, data in enumerate(inputs(target)):
            (corpus / str(number)).write_bytes(data)
        sys.stderr.write(f"reader: {name}\n")
        sys.stderr.flush()
        failed |= look(atheris, target.take, folder=corpus, options=[f"-max_total_time={seconds}"])
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
