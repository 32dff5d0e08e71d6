"""The answers to FETCH that our lists bring, read at once where they are plain. Pure.

The library's reader goes through every octet in Python; for a page of fifty mails that
is half of all processor time. What is not exactly plain is left to it.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from webapp.mailboxes.imap_answers import Answer

_NUMBER = re.compile(rb"(\d{1,10}) \(")
_ITEM = re.compile(
    rb"UID (?P<uid>\d{1,10})"
    rb"|FLAGS \((?P<flags>[^()\"{}\[\]]{0,4000})\)"
    rb"|INTERNALDATE \"(?P<date>[^\"\\]{0,40})\""
    rb"|RFC822\.SIZE (?P<size>\d{1,18})"
    rb"|MODSEQ \((?P<modseq>\d{1,19})\)"
    rb"|(?P<body>BODY\[[^\[\]\"{}]{0,400}\](?:<\d{1,10}>)?) "
    rb"(?:\{(?P<length>\d{1,10})\}\Z|\"(?P<text>[^\"\\\r\n]{0,4000})\"|(?P<nil>NIL))",
)
_DATE = re.compile(
    rb" ?(\d{1,2})-([A-Z][a-z]{2})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"
)
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_END = b")"


def plain_row(group: Sequence[Answer]) -> tuple[int, dict[bytes, Any]] | None:
    r"""Return a mail's number and items, as the library would; None if it is not plain.

    Parameters
    ----------
    group
        What imaplib heard of one mail: pairs of text and literal, then a last text.

    Examples
    --------
    >>> plain_row([(b"7 (UID 9 BODY[TEXT]<0> {2}", b"Hi"), b" FLAGS (\\Seen))"])
    (7, {b'SEQ': 7, b'UID': 9, b'BODY[TEXT]<0>': b'Hi', b'FLAGS': (b'\\Seen',)})
    >>> plain_row([b"7 (UID 9 ENVELOPE (NIL))"])
    """
    first = group[0][0] if isinstance(group[0], tuple) else group[0]
    begun = _NUMBER.match(first)
    if not begun:
        return None
    number, at = int(begun[1]), begun.end()
    items: dict[bytes, Any] = {b"SEQ": number}
    for piece in group:
        text, literal = piece if isinstance(piece, tuple) else (piece, None)
        if not _read(text, at, literal, items):
            return None
        at = 0
    return number, items


def _read(text: bytes, at: int, literal: bytes | None, items: dict[bytes, Any]) -> bool:
    """Read the items of one text; its end is the literal, or the end of the mail."""
    while True:
        if text.startswith(b" ", at):
            at += 1
        if literal is None and text[at:] == _END:
            return True
        found = _ITEM.match(text, at)
        if not found:
            return False
        at = found.end()
        if found["length"] is not None:
            items[found["body"]] = literal
            return literal is not None and int(found["length"]) == len(literal)
        if not _take(found, items):
            return False


def _take(found: re.Match[bytes], items: dict[bytes, Any]) -> bool:
    """Take one item that is no literal."""
    match found.lastgroup:
        case "uid":
            items[b"UID"] = int(found["uid"])
        case "size":
            items[b"RFC822.SIZE"] = int(found["size"])
        case "flags":
            items[b"FLAGS"] = tuple(found["flags"].split())
        case "modseq":
            items[b"MODSEQ"] = (int(found["modseq"]),)
        case "date":
            items[b"INTERNALDATE"] = _date(found["date"])
            return items[b"INTERNALDATE"] is not None
        case "text" | "nil":
            items[found["body"]] = found["text"]
    return True


def _date(text: bytes) -> datetime | None:
    """Read INTERNALDATE (RFC 3501 9, date-time); None if it is none.

    >>> _date(b"20-Nov-2026 07:12:41 -0130").isoformat()
    '2026-11-20T07:12:41-01:30'
    """
    found = _DATE.fullmatch(text)
    if not found or found[2] not in _MONTHS:
        return None
    hours, minutes = int(found[8]), int(found[9])
    zone = timedelta(hours=hours, minutes=minutes) * (-1 if found[7] == b"-" else 1)
    day, year = int(found[1]), int(found[3])
    hour, minute, second = int(found[4]), int(found[5]), int(found[6])
    month = _MONTHS.index(found[2]) + 1
    try:
        where = timezone(zone) if zone else UTC
        return datetime(year, month, day, hour, minute, second, tzinfo=where)
    except ValueError:
        return None
