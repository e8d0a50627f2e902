"""Runs a program where there is nothing but loopback; a program of its own, standard library only.

    unshare -n python inside.py SOCKET PORT CALLED COMMAND...

The new network is empty: loopback is brought up, 127.0.0.1:PORT leads through the Unix socket to
the gateway outside, and everything else the program asks its proxy for is refused and written to
the file CALLED, one line each. Without `unshare` (SOCKET is empty then) only the proxy is left.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
BLOCK_BYTES = 65536


def loopback_up() -> None:
    """As `ip link set lo up`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        asked = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(sock, SIOCGIFFLAGS, asked))
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


async def pump(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    *,
    note: Callable[[bytes], object] = len,
) -> None:
    """One direction, until its end; `note` sees what passes."""
    try:
        while block := await source.read(BLOCK_BYTES):
            note(block)
            sink.write(block)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()


async def run(sock: str, port: int, called: Path, command: list[str]) -> int:
    """The program's exit code."""

    async def to_gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_unix_connection(sock)
        await asyncio.gather(pump(reader, forth), pump(back, writer))

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readline()
        with called.open("ab") as file:
            file.write(first)
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    if sock:
        loopback_up()
        await asyncio.start_server(to_gateway, "127.0.0.1", port)
    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    env = {**os.environ, **dict.fromkeys(names, address)}
    env |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    child = await asyncio.create_subprocess_exec(
        *command, env=env, stdin=asyncio.subprocess.DEVNULL
    )
    return await child.wait()


if __name__ == "__main__":
    _, *where, report = sys.argv[:4]
    sys.exit(asyncio.run(run(where[0], int(where[1]), Path(report), sys.argv[4:])))
