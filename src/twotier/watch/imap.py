"""Watches folders of a mailbox: each mail that arrives is an item.

The cursor is the server's number of the last mail seen in each folder, and the folder's own number
(UIDVALIDITY): where that changes, the numbers mean nothing any more, so the folder gets a new
baseline and that is said. Folders are opened for reading only and bodies are peeked at, so nothing
is ever marked as read. Headers come first, a body only where the mail counts, and of it only the
first part. Attachments are named, never opened.

The library blocks, so it works in a thread of its own; each wait has a limit, as has the look.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from imap_tools import BaseMailBox, MailBox, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, MailboxLoginError, UnexpectedCommandStatusError

from twotier.domain.clock import Clock
from twotier.domain.job import Item
from twotier.domain.urls import is_loopback
from twotier.errors import DeliveryError, WatchError
from twotier.notify.apart import apart
from twotier.watch.base import Around, Look, Unreadable
from twotier.watch.cut import cut, mark
from twotier.watch.mail_text import Letter, letter_of
from twotier.watch.visible import reason

LOOK_SECONDS = 120.0
WAIT_SECONDS = 20.0  # of one command
MAILS_MAX = 50  # of one look, all folders together; the next look goes on behind them
BODY_BYTES_MAX = 400_000  # what is read of one mail: text comes first, attachments later
HEADER_BYTES_MAX = 60_000
SIZE = re.compile(rb"RFC822\.SIZE (\d{1,15})")
UID = re.compile(rb"UID (\d{1,12})")
NUMBER = re.compile(rb"\d{1,12}")
# What the library and the one below it raise when a server is gone, rude or talks nonsense.
BROKEN = (imaplib.IMAP4.error, ImapToolsError, OSError, ValueError, EOFError)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the mailbox is. `security` is `tls`, `starttls` or `plain`."""

    host: str
    port: int
    security: str
    user: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Which mails count, by shell patterns on what their headers say; empty for all."""

    senders: tuple[str, ...]
    subjects: tuple[str, ...]

    @property
    def all(self) -> bool:
        """Whether every mail counts."""
        return not (self.senders or self.subjects)

    def has(self, letter: Letter) -> bool:
        """Whether this one does. Both lists must agree where both are given."""
        pairs = ((self.senders, letter.sender), (self.subjects, letter.subject))
        return all(
            not patterns or any(fnmatchcase(said.lower(), one.lower()) for one in patterns)
            for patterns, said in pairs
        )


@dataclass(frozen=True, slots=True)
class ImapWatcher:
    """One account."""

    server: Server
    password_place: str
    folders: tuple[str, ...]
    counts: Counts
    bodies: bool
    since_seconds: float | None
    item_bytes_max: int
    around: Around

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> ImapWatcher:
        """The watcher of a job's `watch` settings."""
        security = str(settings["security"])
        port = int(settings["port"] or (993 if security == "tls" else 143))
        return cls(
            server=Server(str(settings["host"]), port, security, str(settings["user"])),
            password_place=str(settings["password"]),
            folders=tuple(settings["folders"]),
            counts=Counts(tuple(settings["senders"]), tuple(settings["subjects"])),
            bodies=bool(settings["bodies"]),
            since_seconds=settings["since"],
            item_bytes_max=int(settings["item_bytes_max"]),
            around=around,
        )

    @property
    def place(self) -> str:
        """The account. Its folders have cursors of their own."""
        return f"imap:{self.server.user}@{self.server.host}:{self.server.port}"

    async def look(self, cursor: Any) -> Look:
        """New mail, the oldest first. Raises `WatchError`."""
        password = self.around.secret(self.password_place)
        known = cursor if isinstance(cursor, Mapping) else {}
        visit = Visit(self, known, self.around.clock, left=MAILS_MAX)
        host = self.server.host
        try:
            return await apart(lambda: visit.look(password), what=host, seconds=LOOK_SECONDS)
        except DeliveryError as exc:
            raise WatchError(exc.message) from exc
        except ssl.SSLCertVerificationError as exc:
            raise WatchError(f"{host} shows no certificate that can be trusted") from exc
        except UnexpectedCommandStatusError as exc:
            said = server_said(exc)
            if isinstance(exc, MailboxLoginError):
                raise WatchError(
                    f"{host} refused the login: {said}; many providers want a password made for"
                    " programs"
                ) from exc
            raise WatchError(f"{host} said no: {said}") from exc
        except BROKEN as exc:
            said = reason(str(exc)) or type(exc).__name__
            raise WatchError(f"{host}:{self.server.port} cannot be asked: {said}") from exc


@dataclass(slots=True)
class Visit:
    """One look, in its thread."""

    watcher: ImapWatcher
    known: Mapping[str, Any]
    clock: Clock
    left: int

    def look(self, password: str) -> Look:
        """Every folder, one after the other. Raises `WatchError` where one wait was too long."""
        try:
            return self._look(password)
        except TimeoutError as exc:
            host = self.watcher.server.host
            raise WatchError(f"{host} did not answer within {WAIT_SECONDS:g} s") from exc

    def _look(self, password: str) -> Look:
        items: list[Item] = []
        told: list[Unreadable] = []
        moved: dict[str, Any] = {}
        box = connected(self.watcher.server)
        try:
            log_in(box, self.watcher.server.user, password=password)
            for folder in self.watcher.folders:
                at = self.known.get(folder)
                begun = Begun.of(at if isinstance(at, Mapping) else {})
                box.folder.set(folder, readonly=True)
                now = opened(box)
                if begun.validity not in (0, now.validity):
                    told.append(self._made_anew(folder, now))
                if begun.validity != now.validity:
                    begun = Begun(now.validity, self._baseline(box, now, first=not begun.validity))
                found, last = self._mails(box, folder, begun=begun)
                items += found
                moved[folder] = {"validity": now.validity, "last": last}
        finally:
            with contextlib.suppress(*BROKEN):
                box.logout()
        return Look(tuple(items), moved, tuple(told))

    def _baseline(self, box: BaseMailBox, now: Begun, *, first: bool) -> int:
        """The number of the last mail that is old."""
        if first and self.watcher.since_seconds is not None:
            day = self.clock.now() - timedelta(seconds=self.watcher.since_seconds)
            since = numbers(box, f"SINCE {imap_date(day)}")
            return min(since) - 1 if since else now.last
        return now.last

    def _mails(self, box: BaseMailBox, folder: str, *, begun: Begun) -> tuple[list[Item], int]:
        """New mails as items, and the number of the last one that was looked at."""
        # `n:*` always names the last mail, also where its number is lower.
        new = [uid for uid in numbers(box, f"UID {begun.last + 1}:*") if uid > begun.last]
        new = sorted(new)[: self.left]
        self.left -= len(new)
        wanted = new if self.watcher.counts.all else list(self._wanted(box, new))
        items = []
        for uid in wanted:
            raw, size = fetched(box, uid, whole=self.watcher.bodies)
            if raw:
                items.append(self._item(folder, begun.validity, uid=uid, mail=(raw, size)))
        return items, max([begun.last, *new])

    def _wanted(self, box: BaseMailBox, uids: Sequence[int]) -> Iterator[int]:
        """Those that count, by their headers."""
        for uid in uids:
            raw, _ = fetched(box, uid, whole=False)
            if raw and self.watcher.counts.has(letter_of(raw, text_bytes_max=0)):
                yield uid

    def _item(self, folder: str, validity: int, *, uid: int, mail: tuple[bytes, int]) -> Item:
        raw, size = mail
        letter = letter_of(raw, text_bytes_max=self.watcher.item_bytes_max)
        text, left_out = cut(letter.shown, bytes_max=self.watcher.item_bytes_max)
        server = self.watcher.server
        # Where files are attached, what was not read is most likely in them.
        read_all = not self.watcher.bodies or letter.attachments
        unread = 0 if read_all else max(0, size - len(raw))
        return Item(
            mark(server.host, server.user, folder, str(validity), str(uid)),
            letter.subject,
            text,
            f"{folder} of {server.user} at {server.host}",
            bytes_cut=left_out + letter.bytes_cut + unread,
            author=letter.sender,
            at=letter.sent,
        )

    def _made_anew(self, folder: str, now: Begun) -> Unreadable:
        identity = mark(self.watcher.place, folder, str(now.validity))
        return Unreadable(
            Item(identity, folder, "", folder),
            f"the server has made the folder {folder} anew; mail that is in it already counts as"
            " old",
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """How far a folder was read: its own number, and that of the last mail. 0 is not known."""

    validity: int = 0
    last: int = 0

    @classmethod
    def of(cls, cursor: Mapping[str, Any]) -> Begun:
        """From a stored cursor."""
        found = (cursor.get("validity"), cursor.get("last"))
        validity, last = (one if isinstance(one, int) else 0 for one in found)
        return cls(validity, last)


def connected(server: Server) -> BaseMailBox:
    """A connection, its certificate checked. Without TLS only this machine is asked."""
    if server.security == "tls":
        context = ssl.create_default_context()
        return MailBox(server.host, server.port, timeout=WAIT_SECONDS, ssl_context=context)
    if server.security == "starttls":
        context = ssl.create_default_context()
        return MailBoxStartTls(server.host, server.port, timeout=WAIT_SECONDS, ssl_context=context)
    if not is_loopback(server.host):
        raise WatchError('security = "plain" is for this machine only; use tls or starttls')
    return MailBoxUnencrypted(server.host, server.port, timeout=WAIT_SECONDS)


def log_in(box: BaseMailBox, user: str, *, password: str) -> None:
    """Log in; a line end would begin another command."""
    if not (user + password).isprintable():
        raise WatchError("the user or the password holds a line end or another control character")
    if (user + password).isascii():
        box.login(user, password, initial_folder=None)
    else:
        box.login_utf8(user, password, initial_folder=None)


def opened(box: BaseMailBox) -> Begun:
    """What the folder that was just opened says of itself."""
    validity, following = (told_number(box, name) for name in ("UIDVALIDITY", "UIDNEXT"))
    if not validity:
        raise ValueError("its folders have no UIDVALIDITY, which every mail server must say")
    last = following - 1 if following else max(numbers(box, "ALL"), default=0)
    return Begun(validity, last)


def told_number(box: BaseMailBox, name: str) -> int:
    """A number that the server said when the folder was opened; 0 where it said none."""
    _, data = box.client.response(name)
    found = NUMBER.search(data[0]) if data and isinstance(data[0], bytes) else None
    return int(found.group()) if found else 0


def numbers(box: BaseMailBox, criteria: str) -> list[int]:
    """The numbers of mails that a search finds."""
    state, data = box.client.uid("SEARCH", criteria)
    if state != "OK":
        raise UnexpectedCommandStatusError((state, data), "OK")
    return [int(one) for line in data if isinstance(line, bytes) for one in NUMBER.findall(line)]


def fetched(box: BaseMailBox, uid: int, *, whole: bool) -> tuple[bytes, int]:
    """The beginning of a mail, or of its headers, and its whole size; nothing where it is gone."""
    part = (
        f"BODY.PEEK[]<0.{BODY_BYTES_MAX}>" if whole else f"BODY.PEEK[HEADER]<0.{HEADER_BYTES_MAX}>"
    )
    state, data = box.client.uid("FETCH", str(uid), f"(UID RFC822.SIZE {part})")
    if state != "OK":
        raise UnexpectedCommandStatusError((state, data), "OK")
    raw, told = b"", b""
    for line in data:
        if isinstance(line, tuple) and len(line) == 2:
            told += line[0]
            raw = raw or line[1]
        elif isinstance(line, bytes):
            told += line
    named, size = UID.search(told), SIZE.search(told)
    if named is None or int(named.group(1)) != uid:
        return b"", 0
    return raw[:BODY_BYTES_MAX], int(size.group(1)) if size else len(raw)


def server_said(exc: UnexpectedCommandStatusError) -> str:
    """The server's own sentence."""
    data = exc.command_result[1]
    first = data[0] if isinstance(data, list) and data else b""
    said = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
    return reason(said) or "without a word"


def imap_date(day: datetime) -> str:
    """A day as IMAP writes it, in English whatever the locale."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return f"{day.day}-{months[day.month - 1]}-{day.year}"
