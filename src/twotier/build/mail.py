"""From the configuration to the mail server, for alerts and for jobs."""

from __future__ import annotations

from twotier.config.alerts import SmtpConfig
from twotier.notify.mail import Mail, MailServer


def mail_by(config: SmtpConfig, password: str) -> Mail:
    """The channel of the server in `[smtp]`; the password is empty where there is none."""
    sender = config.sender or config.user
    return Mail(
        MailServer(
            config.host, config.port, config.security, sender, user=config.user, password=password
        )
    )
