"""Bounces without an RFC 3464 report: a gate, then flufl.bounce, then words. Pure.

The gate is the sender: a mail system by its name or its address, or nobody at all; an
empty envelope sender; or a subject that opens as those of bounces do. The less the
sender says, the more the text has to.

flufl.bounce 6.0 knows the free texts of many servers, but it reads the text of any mail
as if it were a bounce and raises where From is missing or not ASCII. So it is asked
behind a gate only, on a copy with a plain From, few and short lines, and what it raises
is an answer of nothing.
"""

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message as StandardMessage

from flufl.bounce import all_failures

from webapp.mailboxes.headers import BLOCK_CAP, Headers, message_ids
from webapp.mailboxes.mime import Parsed
from webapp.senders.hardness import Hardness, code_in, enhanced_in, hardness
from webapp.senders.phrases import NO_SUCH_ADDRESS
from webapp.triage import auto_replies
from webapp.triage.phrases import (
    BOUNCE_OPENINGS,
    BOUNCE_SUBJECTS,
    DAEMON_ADDRESSES,
    DAEMON_NAMES,
    DELAYS,
    FAILURES,
)
from webapp.triage.returned import enclosed, parted, texts

MOST_LINES = 2000
LINE_CAP = 500
MOST_PARTS = 50
WORDS_CAP = 20_000
_NO_SENDER = re.compile(r"(?:<(?:mailer-daemon(?:@[^>]*)?)?>)?", re.IGNORECASE)
_NOBODY = re.compile(r"<\s*>\s*$")


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a bounce in free words says; `is_delay` of one that gave nothing up.

    `is_weak` is one that only its subject and what it encloses speak for: anybody can
    write that, and people pass on what they got.
    """

    addresses: tuple[str, ...]
    hardness: Hardness
    status: str
    words: str
    is_delay: bool = False
    is_weak: bool = False


def may_be_bounce(headers: Headers) -> bool:
    """Say whether a mail passes the gate; most mails must not.

    >>> may_be_bounce(Headers((("from", "MAILER-DAEMON@example.org"),)))
    True
    >>> may_be_bounce(Headers((("from", "Ada <ada@example.org>"),)))
    False
    """
    return (
        _is_of_a_machine(headers)
        or _has_null_sender(headers)
        or bool(BOUNCE_OPENINGS.match(headers.text("subject")))
    )


def _is_of_a_machine(headers: Headers) -> bool:
    if headers.first("x-failed-recipients") or _is_report(headers):
        return True
    if _NOBODY.search(headers.first("from")[:LINE_CAP]):
        return True
    return any(
        DAEMON_ADDRESSES.search(one.addr)
        or (DAEMON_NAMES.fullmatch(one.name) or DAEMON_NAMES.fullmatch(one.addr))
        for one in headers.addresses("from")
    )


def _is_report(headers: Headers) -> bool:
    kind = headers.first("content-type").lower()
    return kind.startswith("multipart/report") or "delivery-status" in kind[:200]


def _has_null_sender(headers: Headers) -> bool:
    """Whether the envelope had no sender; sendmail writes MAILER-DAEMON for that."""
    found = headers.all("return-path")
    return bool(found) and bool(_NO_SENDER.fullmatch(found[0].strip()[:LINE_CAP]))


def bounce_in(mail: Parsed, source: bytes) -> Bounce | None:
    """Return the bounce that a mail is, or None if it is none, or says too little."""
    headers = mail.headers
    if not may_be_bounce(headers):
        return None
    subject = headers.text("subject")
    if auto_replies.is_subject_of_one(subject) or _is_of_a_person(mail):
        return None
    text, returned = parted("\n".join(texts(mail))[:WORDS_CAP])
    temporary, permanent = _flufl(mail, source)
    signs = _Signs(
        is_of_a_machine=_is_of_a_machine(headers),
        has_null_sender=_has_null_sender(headers),
        is_report=_is_report(headers),
        says=bool(BOUNCE_SUBJECTS.search(subject)),
        fails=_fails(text),
        names=bool(permanent),
        returns=bool(returned or enclosed(mail)),
        answers=_answers_something(headers),
    )
    if not _is_convincing(signs):
        warns = DELAYS.search(f"{subject}\n{text}") and (
            signs.says or FAILURES.search(text)
        )
        if signs.is_of_a_machine and (temporary or warns):
            return _made(headers, text, temporary, is_delay=True)
        return None
    is_delay = not permanent and bool(DELAYS.search(f"{subject}\n{text[:2000]}"))
    return _made(headers, text, permanent or temporary, is_delay=is_delay)


@dataclass(frozen=True, slots=True)
class _Signs:
    """What speaks for a bounce.

    Attributes
    ----------
    says, fails
        That its subject calls it one; that its text says that something failed.
    names
        That flufl.bounce found whom it is about.
    returns
        That it holds a message, or the header of one.
    answers
        That it refers to another mail.
    """

    is_of_a_machine: bool
    has_null_sender: bool
    is_report: bool
    says: bool
    fails: bool
    names: bool
    returns: bool
    answers: bool


def _fails(text: str) -> bool:
    words = FAILURES.search(text) or NO_SUCH_ADDRESS.search(text)
    return bool(words or enhanced_in(text))


def _is_convincing(signs: _Signs) -> bool:
    if signs.is_of_a_machine:
        refers = signs.returns or signs.answers
        return (
            (signs.names and (signs.says or signs.fails or signs.returns))
            or (signs.says and (signs.fails or signs.is_report))
            or ((signs.says or signs.fails) and refers)
        )
    # Only the empty sender speaks for it (vacation robots use that as well), or only
    # the subject, which anybody can write: then it has to bring the message back.
    is_enough = signs.has_null_sender or signs.returns
    return is_enough and signs.says and (signs.fails or signs.names)


def _is_of_a_person(mail: Parsed) -> bool:
    """Whether somebody passes on a bounce that they got.

    Its subject may stand above it, but a bounce has no envelope sender (RFC 5321 6.1),
    and none of what we sent is a bounce, so none comes back in one.
    """
    headers = mail.headers
    if _is_of_a_machine(headers) or _has_null_sender(headers):
        return False
    has_sender = bool(headers.all("return-path"))
    return has_sender or any(_is_of_a_machine(block) for block in enclosed(mail))


def _answers_something(headers: Headers) -> bool:
    return bool(
        message_ids(headers.first("in-reply-to"))
        or message_ids(headers.first("references"))
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
        is_weak=not (_is_of_a_machine(headers) or _has_null_sender(headers)),
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
