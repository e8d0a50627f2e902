"""A group of processes that ends when we do, however we end.

Whoever is killed with -9 cleans nothing up, and a child that ignores the end of its stdin, or has
none, would go on by itself: an MCP server for ever, a command beside its own second try. So a small
shell holds one end of a pipe and we the other. Ours closes when we die, whatever kills us, and the
shell ends the group. It sleeps meanwhile, in a few hundred KB. It works alike on Linux and macOS,
which has no signal of a parent's death, and also for what the child started itself.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

SHELL = "/bin/sh"
GUARD = 'read -r _ || kill -s KILL -- "-$1"'  # a line lets go; the end of the pipe does not
LET_GO = b"\n"
END_SECONDS = 2.0


@contextlib.contextmanager
def tied(group: int) -> Iterator[None]:
    """For as long as the block the group, by its number, ends with us. Raises `OSError` where
    that cannot be had.
    """
    with subprocess.Popen(
        (SHELL, "-c", GUARD, "twotier-lifeline", str(group)),
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    ) as shell:
        try:
            yield
        finally:
            let_go(shell)


def let_go(shell: subprocess.Popen[bytes]) -> None:
    """The group is on its own again; the shell ends at once, or is ended."""
    assert shell.stdin is not None  # noqa: S101 - made with a pipe
    with contextlib.suppress(OSError):  # somebody ended it
        shell.stdin.write(LET_GO)
    try:
        shell.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        shell.kill()
