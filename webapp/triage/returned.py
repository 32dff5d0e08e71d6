"""What a bounce or complaint encloses of the message that it is about. Pure."""

import re

from webapp.mailboxes.headers import Headers, parse_headers
from webapp.mailboxes.mime import Parsed, Part

ENCLOSED = frozenset(
    {
        "message/rfc822",
        "message/global",
        "message/global-headers",
        "text/rfc822-headers",
        "message/rfc822-headers",
    }
)
#: Where our names stand; relays that write a Message-ID of their own keep ours there.
NAMES = (
    "message-id",
    "return-path",
    "x-original-message-id",
    "x-gmail-original-message-id",
    "x-google-original-message-id",
    "x-microsoft-original-message-id",
)
HEADERS_CAP = 64 * 1024
TEXT_CAP = 256 * 1024
#: A line of the header of a message that stands in a text.
_FIELD = re.compile(
    r"(?:received|return-path|message-id|from|to|subject|date|mime-version): *\S",
    re.IGNORECASE,
)
#: So many of them, near each other, are a header.
_FIELDS, _NEAR = 3, 30


def enclosed(mail: Parsed) -> list[Headers]:
    """Return the header blocks of the messages that a mail encloses."""
    found = []
    for part in mail.root.walk():
        if part.mime_type in ENCLOSED:
            octets = part.octets()[:HEADERS_CAP]
            found.append(parse_headers(octets.lstrip(b"\r\n")))
    return found


def ids_in(headers: Headers) -> list[str]:
    """Return the values of enclosed headers that can hold one of our names."""
    return [value for name in NAMES for value in headers.all(name)]


def texts(mail: Parsed) -> list[str]:
    """Return the texts of a mail, of which a bounce may be made."""
    return [part.text()[:TEXT_CAP] for part in mail.root.walk() if _is_text(part)]


def parted(text: str) -> tuple[str, str]:
    r"""Return what a text says itself, and the message that it holds after that.

    Examples
    --------
    >>> parted("It failed: 550\n\nReceived: by x 505)\nFrom: a@b\nTo: c@d\n\nHi")
    ('It failed: 550\n', 'Received: by x 505)\nFrom: a@b\nTo: c@d\n\nHi')
    >>> parted("Subject: only one\n\nIt failed.")
    ('Subject: only one\n\nIt failed.', '')
    """
    lines = text.splitlines()
    at = [place for place, line in enumerate(lines) if _FIELD.match(line)]
    for first, last in zip(at, at[_FIELDS - 1 :], strict=False):
        if last - first <= _NEAR:
            return "\n".join(lines[:first]), "\n".join(lines[first:])
    return text, ""


def _is_text(part: Part) -> bool:
    return part.mime_type in {"text/plain", "text/html"} and not part.is_container
