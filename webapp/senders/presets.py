"""Hosts and ports of well-known providers, to fill the form with."""

from dataclasses import dataclass
from enum import StrEnum

from webapp.senders.server import Security


class Authentication(StrEnum):
    """Whether we sign in; *none* is said explicitly, never guessed."""

    PASSWORD = "password"  # noqa: S105 - the word, not a password
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Preset:
    """Where one provider takes mail."""

    key: str
    name: str
    host: str
    port: int
    security: Security


PRESETS = (
    Preset("gmail", "Gmail", "smtp.gmail.com", 465, Security.TLS),
    Preset("m365", "Microsoft 365", "smtp.office365.com", 587, Security.STARTTLS),
    Preset("fastmail", "Fastmail", "smtp.fastmail.com", 465, Security.TLS),
    Preset("icloud", "iCloud", "smtp.mail.me.com", 587, Security.STARTTLS),
    Preset("mailgun", "Mailgun", "smtp.mailgun.org", 587, Security.STARTTLS),
    Preset("sendgrid", "SendGrid", "smtp.sendgrid.net", 587, Security.STARTTLS),
)


def find(key: str | None) -> Preset | None:
    """Return the preset of this key.

    Examples
    --------
    >>> find("gmail").host
    'smtp.gmail.com'
    """
    return next((preset for preset in PRESETS if preset.key == key), None)
