"""A process that looks like a main from outside: it holds the lock and answers on the socket.

`python -m tests.cli.toy_main STATE [deaf | broken]`; deaf: it has no socket, as one that is coming
up; broken: it answers every request with an error, and does nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

from twotier.config.paths import Paths
from twotier.lock import only_one


async def serve(paths: Paths, *, deaf: bool, broken: bool) -> None:
    """Until it is told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        await reader.readexactly(int(length[1]) if length else 0)
        body = json.dumps({"schema_version": 1, "pid": os.getpid()}).encode()
        status = b"500 Broken" if broken else b"200 OK"
        writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()
        if head.startswith(b"POST /control/stop") and not broken:
            stop.set()

    if deaf:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stop.wait()
        return
    async with await asyncio.start_unix_server(answer, paths.main_socket):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    here = Paths(Path(sys.argv[1]))
    here.make()
    with only_one(here.lock):
        asyncio.run(serve(here, deaf="deaf" in sys.argv, broken="broken" in sys.argv))
