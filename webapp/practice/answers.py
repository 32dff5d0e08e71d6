"""The mails that practice addresses send back: notification, reply, absence, goodbye.

Pure: the message as it was received in, the answering mail out. Nothing automatic is
ever answered (RFC 3834, section 2): no null sender, no ``Auto-Submitted``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, parseaddr
from urllib.parse import parse_qs, unquote, urlsplit

from webapp.practice.lessons import Lesson

DOMAIN = "practice.invalid"
QUOTED_LINES = 20
MAX_LINE = 900


@dataclass(frozen=True)
class Received:
    """A message at the moment of its delivery to one address."""

    mail_from: str
    rcpt_to: str
    source: bytes


@dataclass(frozen=True)
class Stamp:
    """When an answer is written, and what makes its Message-ID unique."""

    at: datetime
    token: str


def answer(lesson: Lesson, received: Received, stamp: Stamp) -> bytes | None:
    """Return the mail that an address sends back, or None if it sends none."""
    if lesson is Lesson.DSN:
        return _notification(received, stamp) if received.mail_from else None
    compose = _LETTERS.get(lesson)
    original = BytesParser(policy=policy.default).parsebytes(received.source)
    if compose is None or not received.mail_from or _is_automatic(original):
        return None
    mail = compose(received, original)
    if mail is None:
        return None
    mail["Date"] = format_datetime(stamp.at)
    mail["Message-ID"] = f"<{stamp.token}@{DOMAIN}>"
    return mail.as_bytes(policy=policy.SMTP)


def _notification(received: Received, stamp: Stamp) -> bytes:
    """Report that the message could not be delivered after all (RFC 3464)."""
    boundary = f"report-{stamp.token}"
    headers = received.source.partition(b"\r\n\r\n")[0]
    report = (
        f"From: Mail Delivery System <mailer-daemon@{DOMAIN}>\n"
        f"To: {_one_line(received.mail_from)}\n"
        "Subject: Undelivered Mail Returned to Sender\n"
        f"Date: {format_datetime(stamp.at)}\n"
        f"Message-ID: <{stamp.token}@{DOMAIN}>\n"
        "Auto-Submitted: auto-replied\n"
        "MIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status;\n"
        f' boundary="{boundary}"\n'
        "\n"
        f"--{boundary}\n"
        "Content-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n"
        "\n"
        "Your message was accepted, but could not be delivered in the end.\n"
        "\n"
        f"<{received.rcpt_to}>: this account was closed\n"
        "\n"
        f"--{boundary}\n"
        "Content-Type: message/delivery-status\n"
        "\n"
        f"Reporting-MTA: dns; {DOMAIN}\n"
        "\n"
        f"Final-Recipient: rfc822; {received.rcpt_to}\n"
        "Action: failed\n"
        "Status: 5.1.1\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 <{received.rcpt_to}>: account closed\n"
        "\n"
        f"--{boundary}\n"
        "Content-Type: text/rfc822-headers\n"
        "\n"
    )
    end = f"\r\n\r\n--{boundary}--\r\n"
    return report.replace("\n", "\r\n").encode() + headers + end.encode()


def _reply(received: Received, original: EmailMessage) -> EmailMessage:
    """Answer as a person would, with the message quoted below."""
    mail = _to_writer(received, original, prefix="Re: ")
    body = original.get_body(("plain", "html"))
    lines = body.get_content().splitlines()[:QUOTED_LINES] if body else []
    quoted = "\n".join(f"> {line[:MAX_LINE]}" for line in lines)
    mail.set_content(
        f"Hello,\n\nthank you, this is just what I was looking for.\n\n{quoted}\n"
    )
    return mail


def _absence(received: Received, original: EmailMessage) -> EmailMessage:
    """Answer as a holiday robot would (RFC 3834)."""
    mail = _to_writer(received, original, prefix="Automatic reply: ")
    mail["Auto-Submitted"] = "auto-replied"
    mail.set_content("I am away until Monday and will read your message then.\n")
    return mail


def _goodbye(received: Received, original: EmailMessage) -> EmailMessage | None:
    """Unsubscribe by mail if the message offers it (RFC 2369, section 3.2)."""
    offered = re.search(r"<(mailto:[^>]+)>", str(original.get("List-Unsubscribe", "")))
    if offered is None:
        return None
    target = urlsplit(offered.group(1))
    wanted = parse_qs(target.query)
    mail = EmailMessage()
    mail["From"] = received.rcpt_to
    mail["To"] = _one_line(unquote(target.path))
    mail["Subject"] = _one_line(wanted.get("subject", ["unsubscribe"])[0])
    mail.set_content(wanted.get("body", ["unsubscribe"])[0] + "\n")
    return mail


_LETTERS: dict[Lesson, Callable[[Received, EmailMessage], EmailMessage | None]] = {
    Lesson.REPLY: _reply,
    Lesson.AWAY: _absence,
    Lesson.STOP: _goodbye,
}


def _to_writer(received: Received, original: EmailMessage, prefix: str) -> EmailMessage:
    """Address an answer to whoever wrote the original, threaded to it."""
    mail = EmailMessage()
    mail["From"] = received.rcpt_to
    writer = parseaddr(str(original.get("Reply-To", original.get("From", ""))))[1]
    mail["To"] = _one_line(writer) or received.mail_from
    mail["Subject"] = prefix + _one_line(str(original.get("Subject", "")))
    message_id = _one_line(str(original.get("Message-ID", "")))
    if message_id:
        mail["In-Reply-To"] = message_id
        mail["References"] = message_id
    return mail


def _is_automatic(original: EmailMessage) -> bool:
    """Say whether a robot wrote this; robots are not answered."""
    return str(original.get("Auto-Submitted", "no")).strip().lower() != "no"


def _one_line(text: str) -> str:
    r"""Return a header value without line breaks and control characters.

    Examples
    --------
    >>> _one_line("Hello\r\nBcc: everybody@example.com")
    'Hello Bcc: everybody@example.com'
    """
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split())
