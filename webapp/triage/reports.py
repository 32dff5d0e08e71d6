"""Delivery status notifications (RFC 3464, RFC 6533), as servers really write them.

Pure. What a report must have, many lack: blank lines between the groups, the type
before an address, an action, a status that says anything. So each field is taken where
it stands, and what is missing is read from the diagnostic.
"""

import re
from dataclasses import dataclass

from webapp.core.one_line import one_line
from webapp.mailboxes.headers import Headers, parse_headers
from webapp.mailboxes.mime import Parsed, Part
from webapp.senders.hardness import code_in, enhanced_in

TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
RECEIPTS = frozenset(
    {"message/disposition-notification", "message/global-disposition-notification"}
)
#: Fields of a report that name the message itself.
IDS = ("original-message-id", "x-original-message-id", "original-envelope-id")
MOST_RECIPIENTS = 100
REPORT_CAP = 128 * 1024
FAILED = frozenset({"failed", "failure", "error", "fail"})
_ACTION = re.compile(r"[a-z]+")
_STATUS = re.compile(r"(?<!\d)([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
_HEXPOINT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_XTEXT = re.compile(r"\+([2-7][0-9A-F])")
_GROUPS = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one recipient; the addresses may be empty."""

    final: str
    original: str
    action: str
    status: str
    diagnostic: str

    @property
    def is_failure(self) -> bool:
        """Whether it was given up; a delay or a relay is none."""
        return self.action in FAILED

    @property
    def addresses(self) -> tuple[str, ...]:
        """The recipient's addresses, the original first, as xtext and without it.

        The original may stand there as it came with ORCPT (RFC 3461 4.2).
        """
        found = (self.original, _XTEXT.sub(_octet, self.original), self.final)
        return tuple(dict.fromkeys(one for one in found if one))


def reports_in(mail: Parsed) -> list[Report]:
    """Return what a notification says of each recipient; nothing if it is none."""
    found: list[Report] = []
    is_report = mail.root.mime_type == "multipart/report"
    for part in mail.root.walk():
        if part.mime_type in TYPES or (is_report and _looks_like(part)):
            found += _read(part.octets()[:REPORT_CAP].decode("utf-8", "replace"))
    return found[:MOST_RECIPIENTS]


def is_receipt(mail: Parsed) -> bool:
    """Whether it only says that a mail was shown, or deleted unread (RFC 8098).

    A refusal on delivery (Sieve's reject, RFC 5429 2.2) has the same form; Dovecot,
    which writes most of them, says so in ``Auto-Submitted``.
    """
    if "(rejected)" in mail.headers.first("auto-submitted").lower():
        return False
    is_report = mail.root.mime_type == "multipart/report"
    return is_report and any(part.mime_type in RECEIPTS for part in mail.root.walk())


def original_ids(mail: Parsed) -> list[str]:
    """Return what reports and receipts name the message that they are about."""
    blocks = [
        parse_headers(group.encode())
        for part in mail.root.walk()
        if part.mime_type in TYPES | RECEIPTS
        for group in _groups(part.octets()[:REPORT_CAP].decode("utf-8", "replace"))
    ]
    return [value for block in blocks for name in IDS for value in block.all(name)]


def _looks_like(part: Part) -> bool:
    """Whether a part of a report is its status under another type."""
    is_leaf = part.mime_type in {"text/plain", "application/octet-stream"}
    start = part.octets()[:2000].lstrip().lower() if is_leaf else b""
    return start.startswith((b"reporting-mta:", b"final-recipient:"))


def _read(text: str) -> list[Report]:
    groups = [parse_headers(one.encode()) for one in _groups(text)]
    return [report for group in groups if (report := _report(group)) is not None]


def _groups(text: str) -> list[str]:
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return _GROUPS.split(text)[: MOST_RECIPIENTS + 1]


def _report(group: Headers) -> Report | None:
    final = group.first("final-recipient") or group.first("x-actual-recipient")
    original = group.first("original-recipient")
    if not (final or original or group.first("action")):
        return None
    diagnostic = one_line(
        " ".join(group.all("diagnostic-code") or group.all("x-supplementary-info")),
        1000,
    )
    status = _status(group.first("status"), diagnostic)
    return Report(
        address_in(final),
        address_in(original),
        _action(group.first("action"), status),
        status,
        diagnostic,
    )


def _status(said: str, diagnostic: str) -> str:
    found = _STATUS.search(said)
    status = found[0] if found else ""
    if status and not status.endswith(".0.0"):
        return status
    exact = enhanced_in(diagnostic)
    if exact:
        return exact
    code = code_in(diagnostic)
    return status or (f"{str(code)[0]}.0.0" if code else "")


def _action(said: str, status: str) -> str:
    """Return the action; where none is named, what the status makes likely."""
    found = _ACTION.search(said.lower())
    if found:
        return found[0]
    return {"5": "failed", "4": "delayed", "2": "delivered"}.get(status[:1], "failed")


def address_in(value: str) -> str:
    r"""Return the address of a recipient field (RFC 3464 2.3.2, RFC 6533 3).

    >>> address_in("rfc822; <Ada@Example.org>"), address_in("ada@example.org")
    ('Ada@Example.org', 'ada@example.org')
    >>> address_in(r"utf-8; \x{4E2D}@example.org"), address_in("x400; /G=Ada")
    ('中@example.org', '')
    """
    _kind, has_kind, rest = value.partition(";")
    text = (rest if has_kind else value).strip().strip("<>\"' ")
    text = _HEXPOINT.sub(_letter, text)
    text = one_line(text, 320)
    return text if "@" in text.strip("@") and " " not in text else ""


def _octet(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def _letter(found: re.Match[str]) -> str:
    point = int(found[1], 16)
    is_letter = point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF  # noqa: PLR2004 - the end of Unicode, and its surrogates
    return chr(point) if is_letter else ""
