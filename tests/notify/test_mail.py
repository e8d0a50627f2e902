"""Mail: what is sent, that nothing secret goes over an open line, what an error gives away."""

from __future__ import annotations

import asyncio
import email
import email.policy
import shutil
import ssl
import threading
from pathlib import Path

import pytest

from tests.toys.mail import MailBox, certificate, mail_server
from twotier.errors import DeliveryError
from twotier.notify import mail
from twotier.notify.apart import apart
from twotier.notify.base import Message
from twotier.notify.mail import Mail, MailServer

PASSWORD = "canary-password-77"
MESSAGE = Message("twotier: x\r\nBcc: thief@example.org", "Grüße\n.\nend", "k1", {})


def channel(box: MailBox, security: str = "none", *, user: str = "") -> Mail:
    password = PASSWORD if user else ""
    return Mail(
        MailServer("localhost", box.port, security, "me@here.example", user=user, password=password)
    )


def test_a_mail_has_one_subject_line_its_key_and_any_text() -> None:
    """A title quotes pages: it must not become a header. A lone dot does not end the mail."""

    async def scenario() -> None:
        async with mail_server() as box:
            said = await channel(box).send("you@there.example", MESSAGE)
            urgent = Message("t", "x", "k2", {"severity": "urgent"})
            await channel(box).send("you@there.example", urgent)
        assert said == "localhost took the mail"
        letter = email.message_from_string(box.mails[0], policy=email.policy.default)
        assert letter["Subject"] == "twotier: x Bcc: thief@example.org"
        assert letter["Bcc"] is None
        assert letter["Message-ID"] == "<k1@twotier.invalid>"
        assert (letter["To"], letter["From"]) == ("you@there.example", "me@here.example")
        assert "X-Priority" not in letter
        assert "X-Priority: 1" in box.mails[1]
        assert letter.get_content() == "Grüße\n.\nend\n"
        assert box.mails[0].isascii()
        assert any("<you@there.example>" in line for line in box.heard)

    asyncio.run(scenario())


def test_a_password_goes_through_tls_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STARTTLS that is not offered ends it before the login; both kinds of TLS work."""
    if shutil.which("openssl") is None:
        pytest.skip("missing: openssl, to make a certificate")
    path = certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(path, path.with_name("key.pem"))

    async def scenario() -> None:
        async with mail_server() as box:
            with pytest.raises(DeliveryError, match=r"localhost offers no STARTTLS; see smtp"):
                await channel(box, "starttls", user="me").send("you@x.example", MESSAGE)
            assert not any("AUTH" in line for line in box.heard)
        async with mail_server(tls=tls) as box:
            with pytest.raises(DeliveryError, match=r"cannot be reached \(SSLCert"):
                await channel(box, "starttls", user="me").send("you@x.example", MESSAGE)
            assert not any("AUTH" in line for line in box.heard)
            monkeypatch.setenv("SSL_CERT_FILE", str(path))
            await channel(box, "starttls", user="me").send("you@x.example", MESSAGE)
            said = dict(zip(box.heard, box.secret, strict=True))
            assert [safe for line, safe in said.items() if line.startswith("AUTH")] == [True]
        async with mail_server(tls=tls, at_once=True) as box:
            await channel(box, "tls", user="me").send("you@x.example", MESSAGE)
            assert all(box.secret)
            assert len(box.mails) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("word", "answer", "match", "refused"),
    [
        ("RCPT", "550 who is you@x.example", r"refused the address \(code 550\)", True),
        ("RCPT", "451 later", r"refused the address \(code 451\)", False),
        ("DATA", "552 too large", r"refused the mail \(code 552\)", True),
        ("AUTH", f"535 not {PASSWORD}", r"refused the login \(code 535\)", True),
    ],
)
def test_a_refusal_says_its_code_and_nothing_that_was_said(
    word: str, answer: str, match: str, refused: bool
) -> None:
    async def scenario() -> None:
        async with mail_server(answers={word: answer}) as box:
            with pytest.raises(DeliveryError, match=match) as error:
                await channel(box, user="me" if word == "AUTH" else "").send(
                    "you@x.example", MESSAGE
                )
        assert error.value.refused is refused
        assert PASSWORD not in str(error.value)
        assert "you@x.example" not in str(error.value)

    asyncio.run(scenario())


def test_a_server_that_says_nothing_is_given_up_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its thread is left behind: `twotier down` does not wait for it."""
    monkeypatch.setattr(mail, "SEND_SECONDS", 0.1)

    async def scenario() -> None:
        async with mail_server(mute=True) as box:
            with pytest.raises(DeliveryError, match=r"cannot be reached \(SMTPServerDisc"):
                await channel(box).send("you@x.example", MESSAGE)
        with pytest.raises(DeliveryError, match=r"cannot be reached \(Connection"):
            await channel(box).send("you@x.example", MESSAGE)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        gate = threading.Event()

        def slow() -> None:
            gate.wait(60)
            loop.call_soon_threadsafe(ended.set)

        with pytest.raises(DeliveryError, match="x did not answer within 0 s"):
            await apart(slow, what="x", seconds=0.01)
        gate.set()
        await ended.wait()

    asyncio.run(scenario())
