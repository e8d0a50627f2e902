"""Main or the worker of the demo, by a clock that is turned.

python -m twotier.demo.process main HANDS CONFIG
python -m twotier.demo.process worker HANDS --config CONFIG
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from twotier.demo.hands import Hands, TurnedClock

MODULE = "twotier.demo.process"


def command(which: str, hands: Path) -> tuple[str, ...]:
    """How one of them is started; its configuration follows."""
    return (sys.executable, "-m", MODULE, which, str(hands))


def main(arguments: Sequence[str]) -> int:
    """Run one of them to its end; returns its exit code."""
    which, hands, *rest = arguments
    clock = TurnedClock(Hands(Path(hands)))
    if which == "worker":
        from twotier.worker import main as work

        return work(rest, clock=clock)
    from twotier.app import run
    from twotier.build.heart import Kept
    from twotier.config.load import load

    loaded = load(Path(rest[0]))
    kept = Kept(clock=clock, worker=command("worker", Path(hands)))
    return run(loaded, on_ready=nothing, on_stopping=nothing, kept=kept)


def nothing(_: object) -> None:
    """Main's words are for people, and here nobody reads them."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
