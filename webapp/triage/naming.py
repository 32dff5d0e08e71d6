"""Which messages of ours a mail names, by tokens that we signed. Pure.

Anybody can write any header, so a name counts only with our MAC in it (SECURITY.md 42).
Where a mail names us says what that is worth: the address that a bounce was sent to
(VERP) was known to the servers on the way alone; a Message-ID to whoever saw the
message.
"""

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from webapp.campaigns.message_tokens import BOUNCE, LENGTH, MESSAGE_ID, UNSUBSCRIBE
from webapp.mailboxes.headers import Headers, message_ids

#: Reads a token for a purpose: the public id of its message, or None.
Read = Callable[[str, str], uuid.UUID | None]

MOST = 40
#: Fields in which servers keep the address that a mail was delivered to.
ENVELOPE = (
    "delivered-to",
    "x-original-to",
    "x-envelope-to",
    "envelope-to",
    "x-delivered-to",
    "x-rcpt-to",
    "x-apparently-to",
    "to",
    "cc",
    "received",
)
_TOKEN = rf"[A-Za-z0-9]{{{LENGTH}}}"
_PLUS = re.compile(rf"[+=-]({_TOKEN})@", re.ASCII)
_ID = re.compile(rf"(?<![A-Za-z0-9])({_TOKEN})@", re.ASCII)
_SUBJECT = re.compile(rf"unsubscribe[ :]+({_TOKEN})", re.ASCII | re.IGNORECASE)


def sent_to(headers: Headers, read: Read) -> list[uuid.UUID]:
    """Return the messages whose bounce address this mail was delivered to."""
    values = (value for name in ENVELOPE for value in headers.all(name))
    return _read(_found(_PLUS, values), BOUNCE, read)


def answered(headers: Headers, read: Read) -> list[uuid.UUID]:
    """Return the messages that a mail answers, the nearest first (RFC 5322 3.6.4)."""
    ids = message_ids(" ".join(headers.all("in-reply-to")))
    ids += reversed(message_ids(" ".join(headers.all("references"))))
    return _read(_found(_ID, ids), MESSAGE_ID, read)


def itself(headers: Headers, read: Read) -> list[uuid.UUID]:
    """Return the message that this mail is: one of ours, as it arrived."""
    ids = message_ids(headers.first("message-id"))
    return _read(_found(_ID, ids), MESSAGE_ID, read)


def quoted(texts: Iterable[str], read: Read) -> list[uuid.UUID]:
    """Return the messages whose Message-ID or bounce address stands in these texts."""
    kept = list(texts)
    found = _read(_found(_ID, kept), MESSAGE_ID, read)
    found += _read(_found(_PLUS, kept), BOUNCE, read)
    return list(dict.fromkeys(found))


def taken_leave_of(headers: Headers, read: Read) -> list[uuid.UUID]:
    """Return the messages whose mail link to unsubscribe was used.

    >>> taken_leave_of(Headers((("subject", "Re: unsubscribe " + "a" * 38),)), print)
    []
    """
    subject = headers.text("subject").strip()
    whole = _SUBJECT.fullmatch(subject)
    tokens = [whole[1]] if whole else []
    values = (value for name in ENVELOPE[:-1] for value in headers.all(name))
    tokens += _found(_PLUS, values)
    return _read(tokens, UNSUBSCRIBE, read)


def _found(pattern: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    tokens: dict[str, None] = {}
    for text in texts:
        for match in pattern.finditer(text):
            tokens[match[1]] = None
            if len(tokens) == MOST:
                return list(tokens)
    return list(tokens)


def _read(tokens: Iterable[str], purpose: str, read: Read) -> list[uuid.UUID]:
    found = (read(token, purpose) for token in tokens)
    return list(dict.fromkeys(public_id for public_id in found if public_id))


@dataclass(frozen=True, slots=True)
class Proof:
    """The message that a mail is about, and what proves it."""

    public_id: uuid.UUID
    by: str


VERP, TOKEN, BY_MESSAGE_ID = "verp", "token", "message_id"


def proof_of_bounce(verp: list[uuid.UUID], named: list[uuid.UUID]) -> Proof | None:
    """Return whose bounce it is; nobody's if the mail contradicts itself.

    Examples
    --------
    >>> one, other = uuid.UUID(int=1), uuid.UUID(int=2)
    >>> proof_of_bounce([one], [one]).by, proof_of_bounce([one], [other])
    ('verp', None)
    >>> proof_of_bounce([], [one, other]) is None, proof_of_bounce([], [one]).by
    (True, 'message_id')
    """
    if len(set(verp)) > 1 or len(set(named)) > 1:
        return None
    if verp and named and verp != named:
        return None
    if verp:
        return Proof(verp[0], VERP)
    return Proof(named[0], BY_MESSAGE_ID) if named else None
