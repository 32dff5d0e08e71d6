"""One opened mail as the page shows it. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime

from webapp.core.file_names import warning
from webapp.mailboxes import plain_text
from webapp.mailboxes.fields import decoded_size
from webapp.mailboxes.headers import MailAddress, parse_date
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.plain_text import Block

SHOWN_HEADERS = 200
SHOWS = ("html", "text", "headers")

_REMOTE = re.compile(r"<img\b[^>]{0,2000}?\bsrc\s*=\s*[\"']?\s*https?:", re.IGNORECASE)


@dataclass(frozen=True)
class Attached:
    """An attachment as a button: number, name, type, size and a warning."""

    number: int
    name: str
    mime_type: str
    size: int
    warning: str


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


def reading_of(opened: Opened, show: str = "") -> Reading:
    """Return what a page shows of an opened mail.

    `show` is ``html``, ``text`` or ``headers``; what the mail does not have falls back.
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
    )


def _attached(opened: Opened, html: str) -> list[Attached]:
    """Return the attachments; an image that the HTML shows inside is none."""
    return [
        Attached(
            number=number,
            name=part.file_name or f"part-{part.section}",
            mime_type=part.mime_type,
            size=decoded_size(part),
            warning=warning(
                part.file_name, part.octets()[:64] if part.payload else b""
            ),
        )
        for number, part in enumerate(opened.mail.attachments(), 1)
        if not (part.content_id and f"cid:{part.content_id}" in html)
    ]
