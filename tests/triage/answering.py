"""Mails that come back, in the manner of many servers; all of it our own wording."""

import hashlib
from dataclasses import dataclass

from tests.triage.conftest import token_of
from webapp.campaigns.message_tokens import BOUNCE, UNSUBSCRIBE
from webapp.campaigns.models import Message

CRLF = "\r\n"


@dataclass(frozen=True)
class About:
    """What a server that answers knows of a message."""

    message_id: str
    to: str
    bounce_address: str
    leave: str

    @property
    def returned(self) -> str:
        """The headers of the message, as a server encloses them."""
        return (
            f"Return-Path: <{self.bounce_address}>\n"
            "From: Harbour Library <desk@desk.example>\n"
            f"To: {self.to}\n"
            "Subject: Your November\n"
            f"Message-ID: {self.message_id}\n"
        )


def about(message: Message) -> About:
    """Return what the servers on the way know of a message."""
    return About(
        message.message_id_header,
        message.address,
        f"bounces+{token_of(message, BOUNCE)}@desk.example",
        f"unsubscribe {token_of(message, UNSUBSCRIBE)}",
    )


def octets(text: str) -> bytes:
    """Return a mail as it travels."""
    return text.replace("\n", CRLF).encode("utf-8")


def plain(head: str, text: str) -> bytes:
    """Return a mail in plain text."""
    return octets(
        f"{head.strip()}\nMIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset=utf-8\n\n{text}\n"
    )


def person(sender: str, subject: str, text: str, answers: str = "") -> bytes:
    """Return what a person writes; `answers` is a Message-ID."""
    head = f"From: {sender}\nTo: desk@desk.example\nSubject: {subject}\n"
    head += f"Message-ID: <{_digest(sender, subject, text, answers)}@person.example>\n"
    if answers:
        head += f"In-Reply-To: {answers}\nReferences: <x@y> {answers}\n"
    return plain(head, text)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Dsn:
    """A delivery status notification (RFC 3464), with what servers vary."""

    recipient: str
    action: str = "failed"
    status: str = "5.1.1"
    diagnostic: str = "smtp; 550 5.1.1 no such user here"
    sender: str = "Mail Delivery System <mailer-daemon@mx.example>"
    subject: str = "Undelivered Mail Returned to Sender"
    to: str = "desk@desk.example"
    text: str = "Your message could not be delivered."
    extra: str = ""
    enclosed_type: str = "text/rfc822-headers"
    returned: str = ""
    head: str = "Auto-Submitted: auto-replied\n"

    def octets(self) -> bytes:
        """Return the notification."""
        fields = (
            f"Final-Recipient: rfc822; {self.recipient}\n" if self.recipient else ""
        )
        fields += f"Action: {self.action}\n" if self.action else ""
        fields += f"Status: {self.status}\n" if self.status else ""
        if self.diagnostic:
            fields += f"Diagnostic-Code: {self.diagnostic}\n"
        return octets(
            f"Return-Path: <>\nFrom: {self.sender}\nTo: {self.to}\n"
            f"Subject: {self.subject}\n{self.head}MIME-Version: 1.0\n"
            "Content-Type: multipart/report; report-type=delivery-status;\n"
            ' boundary="=_b"\n\n'
            f"--=_b\nContent-Type: text/plain\n\n{self.text}\n\n"
            "--=_b\nContent-Type: message/delivery-status\n\n"
            f"Reporting-MTA: dns; mx.example\n\n{fields}{self.extra}\n"
            f"--=_b\nContent-Type: {self.enclosed_type}\n\n{self.returned}\n\n--=_b--\n"
        )


def feedback(
    recipient: str, returned: str, kind: str = "abuse", extra: str = ""
) -> bytes:
    """Return a complaint (RFC 5965)."""
    named = f"Original-Rcpt-To: <{recipient}>\n" if recipient else ""
    return octets(
        "From: Feedback loop <feedback@provider.example>\nTo: desk@desk.example\n"
        "Subject: Complaint about a message\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=feedback-report;\n"
        ' boundary="=_f"\n\n'
        "--=_f\nContent-Type: text/plain\n\nA member marked this as unwanted.\n\n"
        "--=_f\nContent-Type: message/feedback-report\n\n"
        f"Feedback-Type: {kind}\nUser-Agent: Loop/1\nVersion: 1\n{named}{extra}\n"
        f"--=_f\nContent-Type: message/rfc822\n\n{returned}\n\nHello\n\n--=_f--\n"
    )
