"""Mail by SMTP, with the standard library.

`tls` speaks TLS from the first byte (port 465), `starttls` asks for it before anything else is said
and gives up where it is refused (port 587), `none` is for a server on this machine. The key of a
message is its Message-ID, which is what mail programs know a repeat by.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate

from twotier.errors import DeliveryError
from twotier.notify.apart import apart
from twotier.notify.base import SEND_SECONDS, Message, one_line

NO_ATOM = re.compile(r"[^A-Za-z0-9_-]+")
PERMANENT = 500  # from this code on the server will not take it later either


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail goes. `password` is empty where the server asks for none."""

    host: str
    port: int
    security: str
    sender: str
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """Sends a mail through one server."""

    server: MailServer

    async def send(self, target: str, message: Message) -> str:
        """Send to the address `target`."""
        letter = letter_of(message, sender=self.server.sender, receiver=target)
        return await apart(lambda: hand_over(letter, self.server), what=self.server.host)


def letter_of(message: Message, *, sender: str, receiver: str) -> EmailMessage:
    """The mail: plain text, its subject on one line."""
    letter = EmailMessage()
    letter["From"] = sender
    letter["To"] = receiver
    letter["Subject"] = one_line(message.title)
    letter["Date"] = formatdate(localtime=True)
    # A Message-ID knows no colon: with one, mail programs read half of it.
    letter["Message-ID"] = f"<{NO_ATOM.sub('.', message.key).strip('.')}@twotier.invalid>"
    letter["Auto-Submitted"] = "auto-generated"
    if message.facts.get("severity") == "urgent":
        letter["X-Priority"] = "1"
    # Half a surrogate pair has no encoding, and not every server takes 8 bits.
    text = message.text.encode("utf-8", "replace").decode()
    letter.set_content(text, cte="quoted-printable")
    return letter


def hand_over(letter: EmailMessage, server: MailServer) -> str:
    """Blocking. What the server answered; raises `DeliveryError`."""
    try:
        with connected(server) as smtp:
            if server.security == "starttls":
                smtp.starttls(context=ssl.create_default_context())
            if server.user:
                smtp.login(server.user, server.password)
            smtp.send_message(letter)
    except smtplib.SMTPNotSupportedError as exc:
        raise DeliveryError(
            f"{server.host} offers no {'STARTTLS' if server.security == 'starttls' else 'login'};"
            ' see smtp.security ("tls" for port 465) and smtp.user'
        ) from exc
    except smtplib.SMTPRecipientsRefused as exc:
        codes = sorted({code for code, _ in exc.recipients.values()})
        raise DeliveryError(
            f"{server.host} refused the address (code {codes[0]})", refused=codes[0] >= PERMANENT
        ) from exc
    except smtplib.SMTPResponseException as exc:
        # Its text may quote the address or the user; the code says enough.
        what = "the login" if isinstance(exc, smtplib.SMTPAuthenticationError) else "the mail"
        raise DeliveryError(
            f"{server.host} refused {what} (code {exc.smtp_code})",
            refused=exc.smtp_code >= PERMANENT,
        ) from exc
    except (smtplib.SMTPException, OSError, ValueError) as exc:
        raise DeliveryError(f"{server.host} cannot be reached ({type(exc).__name__})") from exc
    return f"{server.host} took the mail"


def connected(server: MailServer) -> smtplib.SMTP:
    """A connection, every wait on it with a limit."""
    if server.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=SEND_SECONDS, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=SEND_SECONDS)
