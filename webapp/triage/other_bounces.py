"""Bounces without an RFC 3464 report: a gate, then flufl.bounce, then words. Pure.

flufl.bounce 6.0 knows the free texts of many servers, but it reads the text of any mail
as if it were a bounce and raises where From is missing or not ASCII. So it is asked
behind a gate only, on a copy with a plain From, few and short lines, and what it raises
is an answer of nothing.
"""

from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message as StandardMessage

from flufl.bounce import all_failures

from webapp.mailboxes.headers import BLOCK_CAP, Headers, message_ids
from webapp.mailboxes.mime import Parsed
from webapp.triage import auto_replies
from webapp.triage.hardness import Hardness, code_in, enhanced_in, hardness
from webapp.triage.phrases import (
    BOUNCE_SUBJECTS,
    DAEMON_ADDRESSES,
    DAEMON_NAMES,
    DELAYS,
    FAILURES,
)
from webapp.triage.returned import enclosed, texts

MOST_LINES = 2000
LINE_CAP = 500
MOST_PARTS = 50
WORDS_CAP = 20_000


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a bounce in free words says; `is_delay` of one that gave nothing up."""

    addresses: tuple[str, ...]
    hardness: Hardness
    status: str
    words: str
    is_delay: bool = False


def may_be_bounce(headers: Headers) -> bool:
    """Say whether a mail passes the gate; most mails must not.

    >>> may_be_bounce(Headers((("from", "MAILER-DAEMON@example.org"),)))
    True
    >>> may_be_bounce(Headers((("from", "Ada <ada@example.org>"),)))
    False
    """
    return _is_of_a_machine(headers) or _has_null_sender(headers)


def _is_of_a_machine(headers: Headers) -> bool:
    if headers.first("x-failed-recipients"):
        return True
    kind = headers.first("content-type").lower()
    if kind.startswith("multipart/report") or "delivery-status" in kind[:200]:
        return True
    return any(
        DAEMON_ADDRESSES.search(one.addr)
        or (DAEMON_NAMES.fullmatch(one.name) or DAEMON_NAMES.fullmatch(one.addr))
        for one in headers.addresses("from")
    )


def _has_null_sender(headers: Headers) -> bool:
    found = headers.all("return-path")
    return bool(found) and found[0].strip() in {"<>", ""}


def bounce_in(mail: Parsed, source: bytes) -> Bounce | None:
    """Return the bounce that a mail is, or None if it is none, or says too little."""
    headers = mail.headers
    if not may_be_bounce(headers):
        return None
    subject = headers.text("subject")
    if auto_replies.is_subject_of_one(subject):
        return None
    text = "\n".join(texts(mail))[:WORDS_CAP]
    temporary, permanent = _flufl(mail, source)
    says = bool(BOUNCE_SUBJECTS.search(subject))
    strong = _is_of_a_machine(headers)
    if not _is_convincing(mail, text, strong=strong, says=says, found=permanent):
        warns = DELAYS.search(f"{subject}\n{text}") and (says or FAILURES.search(text))
        if strong and (temporary or warns):
            return _made(headers, text, temporary, is_delay=True)
        return None
    is_delay = not permanent and bool(DELAYS.search(f"{subject}\n{text[:2000]}"))
    return _made(headers, text, permanent or temporary, is_delay=is_delay)


def _is_convincing(
    mail: Parsed, text: str, *, strong: bool, says: bool, found: list[str]
) -> bool:
    fails = bool(FAILURES.search(text) or enhanced_in(text))
    if strong:
        return (
            bool(found and (says or fails))
            or (says and fails)
            or ((says or fails) and _answers_something(mail))
        )
    # Only the empty sender speaks for it: vacation robots use that as well.
    return says and (fails or bool(found))


def _answers_something(mail: Parsed) -> bool:
    headers = mail.headers
    return bool(
        message_ids(headers.first("in-reply-to"))
        or message_ids(headers.first("references"))
        or enclosed(mail)
    )


def _made(
    headers: Headers, text: str, addresses: list[str], *, is_delay: bool
) -> Bounce:
    failed = [one.addr for one in headers.addresses("x-failed-recipients")]
    both = dict.fromkeys([*failed, *addresses])
    status = enhanced_in(text)
    if not status and (code := code_in(text)):
        status = f"{str(code)[0]}.0.0"
    return Bounce(
        tuple(one[:320] for one in both if "@" in one)[:20],
        hardness(status, text),
        status,
        _line_of(text, status),
        is_delay,
    )


def _line_of(text: str, status: str) -> str:
    """Return the line that says why, for a person."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in lines:
        if (status and status in line) or code_in(line) or FAILURES.search(line):
            return line[:300]
    return ""


def _flufl(mail: Parsed, source: bytes) -> tuple[list[str], list[str]]:
    """Ask flufl.bounce, within caps; return temporary and permanent addresses."""
    count = sum(1 for _part in mail.root.walk())
    if count > MOST_PARTS or mail.is_cut:
        return [], []
    try:
        temporary, permanent = all_failures(_plain(source))
        return _addresses(temporary), _addresses(permanent)
    except Exception:  # noqa: BLE001 - it raises many kinds on strangers' mails
        return [], []


def _plain(source: bytes) -> StandardMessage:
    """Return a mail for the standard parser: few and short lines, a From in ASCII."""
    head, empty, body = source.replace(b"\r\n", b"\n").partition(b"\n\n")
    head_lines = head[:BLOCK_CAP].split(b"\n")
    kept = [line[:LINE_CAP] for line in head_lines]
    body_lines = [line[:LINE_CAP] for line in body.split(b"\n")[:MOST_LINES]]
    message = message_from_bytes(b"\n".join(kept) + empty + b"\n".join(body_lines))
    sender = str(message.get("From", ""))
    if not sender.strip() or not sender.isascii():
        del message["From"]
        message["From"] = "unknown@invalid"
    return message


def _addresses(found: object) -> list[str]:
    octets = sorted(one for one in found if isinstance(one, bytes))  # type: ignore[attr-defined]  # a set, untyped
    return [one.decode("ascii", "replace").strip("<> ") for one in octets]
