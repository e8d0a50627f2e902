"""Connections are open files, and a process has a limit of those: 256 on a fresh Mac.

A process without any left cannot open its own ledger; met at the start, that was the end of it. So
clients must never get us there: the limit is raised as far as we may, and then shared out.
"""

from __future__ import annotations

import logging
import resource
from contextlib import suppress

log = logging.getLogger("twotier.serve")

OWN_FILES = 128  # databases, logs, sockets, children, modules that are loaded late
# A client, one too many who is told so, and the upstream that answers.
FILES_A_CONNECTION = 3
BACKLOG_MAX = 2_048


def shared_out(files_max: int, connections_max: int) -> tuple[int, int]:
    """How many connections there may be at a time, and how many may wait to be accepted.

    All that wait can be accepted at once, before any of them could be sent away.
    """
    room = max(0, files_max - OWN_FILES)
    backlog = max(1, min(BACKLOG_MAX, room // 4))
    return max(1, min(connections_max, (room - backlog) // FILES_A_CONNECTION)), backlog


def make_room(connections_max: int) -> tuple[int, int]:
    """Raise this process's limit for so many connections as far as the system lets us, and share
    out what it is then, as `shared_out`.
    """
    wanted = OWN_FILES + BACKLOG_MAX + FILES_A_CONNECTION * connections_max
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a system may hold a lower limit than it tells
            allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files_max = wanted if soft == resource.RLIM_INFINITY else soft
    connections, backlog = shared_out(files_max, connections_max)
    if connections < connections_max:
        text = "fewer connections than gateway.connections_max: the limit of open files is low"
        log.warning(text, extra={"connections": connections, "files_max": files_max})
    return connections, backlog
