"""One opened mail as the page shows it. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from webapp.core.file_names import warning
from webapp.mailboxes import plain_text
from webapp.mailboxes.authentication import Check, checks
from webapp.mailboxes.calendar_parts import Event, events_of, is_calendar
from webapp.mailboxes.fields import decoded_size
from webapp.mailboxes.headers import (
    BLOCK_CAP,
    MailAddress,
    parse_date,
    parse_headers,
)
from webapp.mailboxes.hints import Hint, hints_of
from webapp.mailboxes.inner_mails import inner_source, is_mail, place_text
from webapp.mailboxes.mime import Part
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.plain_text import Block
from webapp.mailboxes.protection import Protection, protection_of

SHOWN_HEADERS = 200
TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})

_REMOTE = re.compile(r"<img\b[^>]{0,2000}?\bsrc\s*=\s*[\"']?\s*https?:", re.IGNORECASE)


@dataclass(frozen=True)
class Attached:
    """An attachment as a button: number, name, type, size and a warning.

    One that is a mail has a place where it opens.
    """

    number: int
    name: str
    mime_type: str
    size: int
    warning: str
    inside: str
    is_tnef: bool


@dataclass(frozen=True)
class Reading:
    """What the third pane shows."""

    opened: Opened
    subject: str
    sender: MailAddress | None
    to: list[MailAddress]
    cc: list[MailAddress]
    reply_to: list[MailAddress]
    created: datetime | None
    show: str
    shows: list[str]
    blocks: list[Block]
    is_cut: bool
    has_remote_images: bool
    attached: list[Attached]
    headers: list[tuple[str, str]]
    around: list[tuple[str, str]]
    hints: list[Hint]
    checks: list[Check]
    protection: Protection | None
    events: list[Event]

    @property
    def inside(self) -> str:
        """The place inside another mail, or nothing."""
        return place_text(self.opened.place)

    def has_hint(self, kind: str) -> bool:
        """Say whether there is a hint of this kind."""
        return any(hint.kind == kind for hint in self.hints)


def reading_of(opened: Opened, show: str = "", own: Collection[str] = ()) -> Reading:
    """Return what a page shows of an opened mail.

    `show` is ``html``, ``text`` or ``headers``; what the mail does not have falls back.
    `own` are the names of the operator's own mail server; see `authentication`.
    """
    mail = opened.mail
    html = "".join(part.text() for part in mail.bodies("html"))
    text = "\n".join(part.text() for part in mail.bodies("plain"))
    shows = [kind for kind, has in (("html", html), ("text", text)) if has.strip()]
    shows = [*(shows or ["text"]), "headers"]
    headers = mail.headers
    return Reading(
        opened=opened,
        subject=headers.text("subject"),
        sender=next(iter(headers.addresses("from")), None),
        to=headers.addresses("to"),
        cc=headers.addresses("cc"),
        reply_to=headers.addresses("reply-to"),
        created=parse_date(headers.first("date")) or opened.row.received,
        show=show if show in shows else shows[0],
        shows=shows,
        blocks=plain_text.blocks(text),
        is_cut=mail.is_cut or plain_text.is_cut(text),
        has_remote_images=bool(_REMOTE.search(html)),
        attached=_attached(opened, html),
        headers=headers.shown()[:SHOWN_HEADERS],
        hints=hints_of(headers, html, text, own),
        checks=checks(headers, own),
        protection=protection_of(mail),
        events=events_of(mail),
        around=[
            (subject, place_text(opened.place[:depth]))
            for depth, subject in enumerate(opened.around)
        ],
    )


def _attached(opened: Opened, html: str) -> list[Attached]:
    """Return the attachments; an image that the HTML shows inside is none."""
    return [
        Attached(
            number=number,
            name=_name(part, number),
            mime_type=part.mime_type,
            size=decoded_size(part),
            warning=warning(
                part.file_name, part.octets()[:64] if part.payload else b""
            ),
            inside=place_text((*opened.place, number)) if is_mail(part) else "",
            is_tnef=part.mime_type in TNEF or part.file_name.lower() == "winmail.dat",
        )
        for number, part in enumerate(opened.mail.attachments(), 1)
        if not (part.content_id and f"cid:{part.content_id}" in html)
    ]


def _name(part: Part, number: int) -> str:
    """Return what a button says; a mail without a name of its own has its subject."""
    if is_calendar(part) and not part.file_name:
        return "calendar.ics"
    if part.file_name or not (is_mail(part) and part.payload):
        return part.file_name or f"part-{part.section}"
    start = inner_source(part, part.payload[:BLOCK_CAP])
    return parse_headers(start).text("subject") or f"mail-{number}"
