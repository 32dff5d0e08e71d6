"""The fields of a mail, as the API gives them; only what is asked for is fetched."""

import base64
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any

from webapp.core.errors import Invalid
from webapp.mailboxes.authentication import checks
from webapp.mailboxes.calendar_parts import Event, When, events_of
from webapp.mailboxes.headers import MailAddress, message_ids
from webapp.mailboxes.hints import hints_of_mail
from webapp.mailboxes.inner_mails import is_mail, place_text
from webapp.mailboxes.mime import Part
from webapp.mailboxes.opening import Opened
from webapp.mailboxes.protection import protection_of
from webapp.mailboxes.rows import SYSTEM_FLAGS, MailRow


def address(value: MailAddress) -> dict[str, str]:
    """Return an address object."""
    return {"name": value.name, "address": value.addr}


def _addresses(name: str) -> Callable[[MailRow], Any]:
    return lambda row: [address(one) for one in row.headers.addresses(name)]


def _flag(name: str) -> Callable[[MailRow], Any]:
    return lambda row: row.has(name)


def _ids(name: str) -> Callable[[MailRow], Any]:
    return lambda row: message_ids(row.headers.first(name))


def _sender(row: MailRow) -> Any:
    return address(row.sender) if row.sender else None


#: Name → how a row answers. Content, attachments and source need the mail opened.
OF_ROW: dict[str, Callable[[MailRow], Any]] = {
    "uid": lambda row: row.uid,
    **{name: _flag(name) for name in SYSTEM_FLAGS},
    "keywords": lambda row: row.keywords,
    "created": lambda row: row.created.isoformat() if row.created else None,
    "received": lambda row: row.received.isoformat() if row.received else None,
    "to": _addresses("to"),
    "cc": _addresses("cc"),
    "bcc": _addresses("bcc"),
    "from": _addresses("from"),
    "sender": _sender,
    "reply_to": _addresses("reply-to"),
    "size": lambda row: row.size,
    "subject": lambda row: row.subject,
    "mime": lambda row: row.headers.text("content-type"),
    "message_id": lambda row: row.message_id,
    "in_reply_to": _ids("in-reply-to"),
    "references": _ids("references"),
    "snippet": lambda row: row.snippet,
    "readable": lambda row: row.readable,
}
OF_OPENED = (
    "content",
    "attachments",
    "encoding",
    "parts",
    "hints",
    "events",
    "checks",
    "protection",
)
IN_LISTS = (*OF_ROW, "uidvalidity")
ALL = (*IN_LISTS, *OF_OPENED, "email")


def wanted(text: str, known: Sequence[str]) -> list[str]:
    """Read ``?fields=``; nothing means all.

    Raises
    ------
    Invalid
        If a field is not known here.

    Examples
    --------
    >>> wanted("uid, subject", IN_LISTS)
    ['uid', 'subject']
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        words = f"There is no field “{unknown[0][:40]}” here."
        raise Invalid(words, {"fields": [words]})
    return names or list(known)


def show_row(row: MailRow, uidvalidity: int, names: Sequence[str]) -> dict[str, Any]:
    """Return the asked fields of a mail in a list."""
    shown = {name: OF_ROW[name](row) for name in names if name in OF_ROW}
    if "uidvalidity" in names:
        shown["uidvalidity"] = uidvalidity
    return shown


def show_opened(
    opened: Opened, names: Sequence[str], own: Collection[str] = ()
) -> dict[str, Any]:
    """Return the asked fields of an opened mail.

    `own` are the names of the operator's own mail server; see `authentication`.
    """
    row = MailRow(
        uid=opened.row.uid,
        flags=opened.row.flags,
        received=opened.row.received,
        size=opened.row.size,
        headers=opened.mail.headers,
        snippet=opened.row.snippet,
        readable=opened.row.readable,
    )
    shown = show_row(row, opened.uidvalidity, names)
    bodies = [*opened.mail.bodies("plain"), *opened.mail.bodies("html")]
    more: dict[str, Callable[[], Any]] = {
        "content": lambda: [_body(part) for part in bodies],
        "attachments": lambda: attachments(opened),
        "encoding": lambda: bodies[0].charset if bodies else "",
        "parts": lambda: _tree(opened.mail.root),
        "events": lambda: [_event(event) for event in events_of(opened.mail)],
        "hints": lambda: [asdict(hint) for hint in hints_of_mail(opened.mail, own)],
        "checks": lambda: [asdict(one) for one in checks(opened.mail.headers, own)],
        "protection": lambda: protection_of(opened.mail) or "",
    }
    return {**shown, **{name: more[name]() for name in names if name in more}}


def attachments(opened: Opened) -> list[dict[str, Any]]:
    """Return what is attached, without payloads; `number` is the one to ask for.

    Of an attached mail, `inside` is the place at which it opens.
    """
    return [
        {
            "number": number,
            "filename": part.file_name,
            "type": part.mime_type,
            "disposition": part.disposition,
            "size": decoded_size(part),
            "content_id": part.content_id,
            "inside": place_text((*opened.place, number)) if is_mail(part) else "",
        }
        for number, part in enumerate(opened.mail.attachments(), 1)
    ]


def decoded_size(part: Part) -> int:
    """Return the size of a part without its transfer encoding, about so for base64."""
    if part.payload:
        return len(part.octets())
    return part.size * 3 // 4 if part.encoding == "base64" else part.size


def as_text(source: bytes) -> str:
    """Return octets for JSON."""
    return base64.b64encode(source).decode()


def _body(part: Part) -> dict[str, str]:
    return {"type": part.mime_type, "charset": part.charset, "text": part.text()}


def _tree(part: Part) -> dict[str, Any]:
    return {
        "section": part.section,
        "type": part.mime_type,
        "charset": part.charset,
        "size": part.size,
        "parts": [_tree(child) for child in part.parts],
    }


def _event(event: Event) -> dict[str, Any]:
    shown = asdict(event)
    return {**shown, "start": _when(event.start), "end": _when(event.end)}


def _when(when: When | None) -> dict[str, Any] | None:
    """Return a time as its day, its instant where that is known, and the wall clock."""
    if when is None:
        return None
    if when.is_day:
        return {"day": when.wall.date().isoformat()}
    return {
        "instant": when.instant.isoformat() if when.instant else None,
        "wall": when.wall.replace(tzinfo=None).isoformat(),
        "zone": when.zone,
    }
