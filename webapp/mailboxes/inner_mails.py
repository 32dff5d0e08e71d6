"""Mails inside mails: forwarded as an attachment, or returned in a bounce.

Pure. A mail inside is named by its place: the numbers of the attachments that lead to
it, from the outside in. ``2.1`` is the first attachment of the second one.
"""

import re
from collections.abc import Sequence

from webapp.mailboxes.mime import DEEPEST, Part, decode_payload

#: RFC 2046 5.2.1, RFC 6532 3.7; header blocks alone are RFC 6522 4 and RFC 6533 6.
MAIL_TYPES = frozenset(
    {
        "message/rfc822",
        "message/global",
        "message/news",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
    }
)
#: Programs that do not know the type of a saved mail call it octets.
UNTYPED = frozenset({"application/octet-stream", "application/x-eml"})

_PLACE = re.compile(r"[1-9][0-9]{0,2}(?:\.[1-9][0-9]{0,2})*", re.ASCII)
_START = 1000

Place = tuple[int, ...]


def is_mail(part: Part) -> bool:
    """Say whether a part is a mail that can be opened on its own."""
    if part.mime_type in MAIL_TYPES:
        return True
    return part.mime_type in UNTYPED and part.file_name.lower().endswith(".eml")


def parse_place(text: str) -> Place | None:
    """Read a place; None where it is none, or deeper than mails are read.

    >>> parse_place("2.1"), parse_place(""), parse_place("2..1"), parse_place("0")
    ((2, 1), (), None, None)
    """
    if not text:
        return ()
    if not _PLACE.fullmatch(text):
        return None
    numbers = tuple(int(number) for number in text.split("."))
    return numbers if len(numbers) <= DEEPEST else None


def place_text(place: Sequence[int]) -> str:
    """Return a place as it stands in an address.

    >>> place_text((2, 1))
    '2.1'
    """
    return ".".join(str(number) for number in place)


def inner_source(part: Part, payload: bytes) -> bytes:
    r"""Return the source of the mail in a part, of which `payload` is still encoded.

    A mail must not be in base64 (RFC 2046 5.2.1), yet some are; and some say so and
    are not. A colon tells them apart: every header has one, base64 has none.
    """
    is_plain = part.encoding == "base64" and b":" in payload[:_START]
    return payload if is_plain else decode_payload(payload, part.encoding)
