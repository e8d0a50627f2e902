"""Mail on a real IMAP server becomes items, and stays as unread as it was."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.imap_server import PASSWORD, USER, ImapServer
from tests.jobs.making import HandClock
from tests.toys.mail import certificate
from twotier.domain.label import Label
from twotier.errors import WatchError
from twotier.watch import imap
from twotier.watch.base import Around, Look
from twotier.watch.kinds import labels_of, make

SETTINGS = {
    "kind": "imap",
    "host": "127.0.0.1",
    "security": "plain",
    "user": USER,
    "password": "env:MAIL",
    "folders": ["INBOX"],
    "senders": [],
    "subjects": [],
    "bodies": True,
    "since": None,
    "items_max": 50,
    "item_bytes_max": 2_000,
}


@pytest.fixture
def server() -> Iterator[ImapServer]:
    """A mail server with one old mail."""
    with ImapServer() as one:
        one.deliver(letter("old"))
        yield one


def letter(subject: str, text: str = "hello", *, sender: str = "ann@example.org") -> bytes:
    """A mail as it is delivered."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "me@example.org", subject
    mail["Date"] = "Mon, 02 Mar 2026 12:00:00 +0000"
    mail.set_content(text)
    return mail.as_bytes()


class Home:
    """A watcher and the cursor that a store would keep."""

    def __init__(self, port: int, **changes: Any) -> None:
        self.cursor: Any = None
        self.password = PASSWORD
        around = Around(Path("/nowhere"), HandClock(), secret=lambda _: self.password)
        self.watcher = make({**SETTINGS, "port": port, **changes}, around)

    def look(self) -> Look:
        """Look, and keep the cursor."""
        found = asyncio.run(self.watcher.look(self.cursor))
        self.cursor = found.cursor
        return found

    def titles(self) -> list[str]:
        """Look; the subject of each mail."""
        return [item.title for item in self.look().items]

    def refused(self) -> str:
        """Look in vain; the reason."""
        with pytest.raises(WatchError) as told:
            self.look()
        return told.value.message


def test_mail_that_arrives_is_an_item_once_and_stays_unread(server: ImapServer) -> None:
    """What was there is old; nothing is marked."""
    home = Home(server.port)
    assert home.titles() == []
    server.deliver(letter("new", "how are you?"))
    (item,) = home.look().items
    assert (item.title, item.author, item.at) == ("new", "ann@example.org", "2026-03-02T12:00:00Z")
    assert item.text.splitlines() == [
        "From: ann@example.org",
        "To: me@example.org",
        "Date: 2026-03-02T12:00:00Z",
        "Subject: new",
        "",
        "how are you?",
    ]
    assert home.titles() == []
    assert server.unread() == 2
    assert not [line for line in server.lines if "SELECT" in line or "STORE" in line]


def test_mail_is_private_and_untrusted(server: ImapServer) -> None:
    """Its labels go with it into the run."""
    assert labels_of(SETTINGS) == {Label.PRIVATE, Label.UNTRUSTED}


def test_folders_have_cursors_of_their_own(server: ImapServer) -> None:
    """A folder that is added later begins with its own baseline."""
    server.make_folder("News")
    home = Home(server.port, folders=["INBOX", "News"])
    home.look()
    server.deliver(letter("a"))
    server.deliver(letter("b"), folder="News")
    assert home.titles() == ["a", "b"]
    assert home.titles() == []


def test_a_folder_made_anew_has_a_new_baseline_and_that_is_said(server: ImapServer) -> None:
    """Numbers of another folder mean nothing: neither lost in silence nor read twice."""
    server.make_folder("News")
    home = Home(server.port, folders=["News"])
    home.look()
    server.remake_folder("News")
    server.deliver(letter("between"), folder="News")
    look = home.look()
    assert look.items == ()
    assert ["made the folder News anew" in one.because for one in look.unreadable] == [True]
    server.deliver(letter("after"), folder="News")
    assert home.titles() == ["after"]


def test_only_mail_that_counts_is_read_whole(server: ImapServer) -> None:
    """Headers first; the others' bodies never leave the server."""
    home = Home(server.port, senders=["*@example.org"], subjects=["*Invoice*"])
    home.look()
    server.deliver(letter("invoice 7"))
    server.deliver(letter("invoice 8", sender="x@spam.test"))
    server.deliver(letter("hello"))
    server.lines.clear()
    assert home.titles() == ["invoice 7"]
    assert len([line for line in server.lines if "BODY.PEEK[]" in line]) == 1
    assert home.titles() == []


def test_bodies_may_stay_where_they_are(server: ImapServer) -> None:
    """Who only wants to know that mail came, and from whom."""
    home = Home(server.port, bodies=False)
    home.look()
    server.deliver(letter("new", "the text"))
    (item,) = home.look().items
    assert item.title == "new"
    assert "the text" not in item.text
    assert not [line for line in server.lines if "BODY.PEEK[]" in line]


def test_more_mail_than_one_look_reads_is_read_by_the_next(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of its arrival."""
    monkeypatch.setattr(imap, "MAILS_MAX", 3)
    home = Home(server.port)
    home.look()
    for number in range(7):
        server.deliver(letter(f"m{number}"))
    assert [home.titles() for _ in range(4)] == [
        ["m0", "m1", "m2"],
        ["m3", "m4", "m5"],
        ["m6"],
        [],
    ]


def test_a_huge_mail_is_read_as_far_as_its_beginning(server: ImapServer) -> None:
    """And the item says how much is missing."""
    home = Home(server.port)
    home.look()
    server.deliver(letter("huge", "line of text\n" * 200_000))
    (item,) = home.look().items
    assert len(item.text) <= 2_000
    assert item.bytes_cut > 2_400_000


def test_the_first_look_may_go_back(server: ImapServer) -> None:
    """By days, as IMAP searches."""
    home = Home(server.port, since=86_400.0)
    assert home.titles() == ["old"]
    assert home.titles() == []


def test_what_is_wrong_is_told(server: ImapServer) -> None:
    """The login, the folder, the server: in its own words."""
    home = Home(server.port)
    home.password = "wrong"
    assert "127.0.0.1 refused the login: " in home.refused()
    assert "wrong" not in home.refused()
    home.password = "a\r\nb"
    assert "control character" in home.refused()
    home.password = "pässword"
    assert "127.0.0.1" in home.refused()
    assert "127.0.0.1 said no: " in Home(server.port, folders=["None"]).refused()
    assert "cannot be asked: " in Home(9).refused()
    elsewhere = Home(server.port, host="mail.example.org").refused()
    assert "this machine only" in elsewhere


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait has an end."""
    monkeypatch.setattr(imap, "WAIT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert "did not answer within 0.2 s" in Home(mute.getsockname()[1]).refused()


@pytest.fixture
def shown(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1, and a server's side of TLS with it."""
    if shutil.which("openssl") is None:
        pytest.skip("missing: openssl, to make a certificate")
    path = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, path.parent / "key.pem")
    return path, context


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_tls_checks_the_certificate(
    security: str, shown: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody trusts gets no password."""
    path, context = shown
    made = ImapServer(tls=context) if security == "tls" else ImapServer(starttls=context)
    with made as server:
        home = Home(server.port, security=security)
        assert "no certificate that can be trusted" in home.refused()
        assert not [line for line in server.lines if "LOGIN" in line]
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert home.titles() == []
        server.deliver(letter("secret"))
        assert home.titles() == ["secret"]
