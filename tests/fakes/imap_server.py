"""A real IMAP server (pymap, in memory) on loopback, in a thread, for as long as a `with`.

Mail comes in by APPEND, as a delivery agent puts it there; nothing here is played but the people.
"""

from __future__ import annotations

import asyncio
import imaplib
import ssl
import threading
from argparse import Namespace
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import DictBackend
from pymap.imap import IMAPServer
from pysasl.hashing import BuiltinHash

USER, PASSWORD = "owner", "correct horse battery"
START_SECONDS_MAX = 60.0


class ImapServer:
    """One account. `tls` from the first byte, `starttls` on demand; `lines` are what was asked."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None
    ) -> None:
        self.port = 0
        self.lines: list[str] = []
        self.connections = 0
        self._tls, self._starttls = tls, starttls
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pymap", daemon=True)

    def deliver(self, raw: bytes, *, folder: str = "INBOX") -> None:
        """Put a mail into a folder, unread."""
        self._as_agent(lambda agent: agent.append(folder, "", "", raw))

    def make_folder(self, name: str) -> None:
        """A new folder."""
        self._as_agent(lambda agent: agent.create(name))

    def remake_folder(self, name: str) -> None:
        """Delete a folder and make it again: its numbers start anew."""
        self._as_agent(lambda agent: agent.delete(name))
        self.make_folder(name)

    def unread(self, folder: str = "INBOX") -> int:
        """How many mails nobody has read."""
        found: list[int] = []

        def ask(agent: imaplib.IMAP4) -> None:
            agent.select(folder, readonly=True)
            _, data = agent.search(None, "UNSEEN")
            found.append(len(data[0].split()))

        self._as_agent(ask)
        return found[0]

    def _as_agent(self, work: Callable[[imaplib.IMAP4], Any]) -> None:
        before = len(self.lines)
        agent = imaplib.IMAP4("127.0.0.1", self.port, timeout=60) if not self._tls else None
        if agent is None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            agent = imaplib.IMAP4_SSL("127.0.0.1", self.port, ssl_context=context, timeout=60)
        with agent:
            if self._starttls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                agent.starttls(context)
            agent.login(USER, PASSWORD)
            work(agent)
        del self.lines[before:]

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(START_SECONDS_MAX), "the IMAP server did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS_MAX)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        settings = Namespace(
            host="127.0.0.1",
            port=0,
            debug=False,
            cert=None,
            key=None,
            tls=self._starttls is not None,
            demo_data=False,
            demo_user=USER,
            demo_password=PASSWORD,
            passlib_cfg=None,
            proxy_protocol=None,
        )
        cheap = BuiltinHash(rounds=1)
        backend, config = await DictBackend.init(
            settings, hash_context=cheap, ssl_context=self._starttls, invalid_user_sleep=0.0
        )
        config.apply_context()
        imap = IMAPServer(backend.login, config)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            peer = SocketInfo.get(writer, None, unique_id=b"1")
            await imap(Listening(reader, self.lines), writer, peer)  # type: ignore[arg-type]

        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._stop.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Listening:
    """A reader that notes each line."""

    def __init__(self, reader: asyncio.StreamReader, lines: list[str]) -> None:
        self._reader = reader
        self._lines = lines

    async def readline(self) -> bytes:
        line = await self._reader.readline()
        self._lines.append(line.decode("latin-1").strip())
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)
