"""A mail server that takes mail and says what it heard; with TLS if it is given a certificate."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class MailBox:
    """`answers` replace the usual ones, by the first word of a command; `mute` never greets."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    answers: dict[str, str] = field(default_factory=dict)
    mute: bool = False
    heard: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    secret: list[bool] = field(default_factory=list)  # whether a command came through TLS

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            if self.mute:
                await reader.read()
                return
            writer.write(b"220 toy ESMTP\r\n")
            while line := (await reader.readline()).decode().rstrip():
                word = line.split()[0].upper()
                self.heard.append(line)
                self.secret.append(writer.get_extra_info("ssl_object") is not None)
                writer.write(self.answers.get(word, self.usual(word)).encode() + b"\r\n")
                await writer.drain()
                if word == "STARTTLS" and self.tls is not None:
                    await writer.start_tls(self.tls)
                if word == "DATA" and "DATA" not in self.answers:
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    text = mail[:-3].decode().replace("\r\n", "\n")
                    self.mails.append(text.replace("\n..", "\n."))
                    writer.write(b"250 taken\r\n")
                if word == "QUIT":
                    return
        finally:
            writer.close()

    def usual(self, word: str) -> str:
        """What a mail server says to a command that it likes."""
        offers = ["250-toy", *(["250-STARTTLS"] if self.tls else []), "250 AUTH PLAIN"]
        usual = {"EHLO": "\r\n".join(offers), "DATA": "354 go on", "QUIT": "221 bye"}
        usual |= {"STARTTLS": "220 go ahead", "AUTH": "235 welcome"}
        return usual.get(word, "250 well")


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, at_once: bool = False, **more: object
) -> AsyncIterator[MailBox]:
    """A mail server on a free port; `at_once`: TLS from the first byte."""
    box = MailBox(tls=tls, **more)  # type: ignore[arg-type]
    server = await asyncio.start_server(box.talk, "127.0.0.1", 0, ssl=tls if at_once else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


def certificate(folder: Path, *, name: str = "localhost") -> Path:
    """A certificate for a name and 127.0.0.1, signed by itself; its key lies beside it."""
    path, key = folder / "certificate.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={name}"]
    names = ["-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"]
    subprocess.run(
        [*words, *names, "-keyout", str(key), "-out", str(path)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return path
