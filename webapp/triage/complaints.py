"""Complaints, by way of the recipients' providers (ARF, RFC 5965, and worse). Pure."""

from dataclasses import dataclass

from webapp.mailboxes.headers import Headers, parse_headers
from webapp.mailboxes.mime import Parsed
from webapp.triage.reports import address_in
from webapp.triage.returned import enclosed

TYPE = "message/feedback-report"
#: Types of feedback by which a person says: no more of this (RFC 5965, RFC 6650).
OURS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "complaint", ""})
#: Fields by which providers without ARF name the person who complained.
BY_HEADER = ("x-hmxmroriginalrecipient", "x-yahoo-complaint", "x-complaint-recipient")
REPORT_CAP = 64 * 1024


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a report of feedback says. `is_ours` is false of what is no complaint."""

    kind: str
    recipient: str
    mail_from: str
    is_ours: bool


def complaint_in(mail: Parsed) -> Complaint | None:
    """Return the complaint that a mail reports, or None if it is no such report."""
    for part in mail.root.walk():
        if part.mime_type == TYPE:
            octets = part.octets()[:REPORT_CAP].replace(b"\r\n\r\n", b"\r\n")
            return _read(parse_headers(octets.strip()))
    return _without_arf(mail)


def _read(fields: Headers) -> Complaint:
    kind = fields.first("feedback-type").strip().lower()[:40]
    return Complaint(
        kind,
        address_in(fields.first("original-rcpt-to")),
        address_in(fields.first("original-mail-from")),
        kind in OURS,
    )


def _without_arf(mail: Parsed) -> Complaint | None:
    for headers in enclosed(mail):
        for name in BY_HEADER:
            if headers.first(name):
                address = address_in(headers.first(name))
                return Complaint("abuse", address, "", is_ours=True)
    return None
