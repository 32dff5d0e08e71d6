"""What a failure means to a person: reply codes to the six classes and their words.

Sources: RFC 5321 4.2.3 (codes), RFC 3463 and the IANA registry (enhanced codes).
Servers that send no enhanced code are read by their words, as far as those are
customary.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from webapp.senders.outcome import Trouble


class FailureClass(StrEnum):
    """Why messages fail, as an operator thinks of it."""

    ADDRESS = "address"
    BUSY = "busy"
    POLICY = "policy"
    SENDER = "sender"
    NETWORK = "network"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Failure:
    """A class of failures.

    Attributes
    ----------
    words
        What an operator reads.
    retryable
        Whether sending the same again can help, maybe after something was mended.
    """

    failure_class: FailureClass
    words: str
    retryable: bool


FAILURES = {
    failure.failure_class: failure
    for failure in (
        Failure(FailureClass.ADDRESS, "Address does not exist", retryable=False),
        Failure(
            FailureClass.BUSY,
            "Inbox not accepting messages right now",
            retryable=True,
        ),
        Failure(
            FailureClass.POLICY,
            "Rejected by the receiving system (spam or policy)",
            retryable=True,
        ),
        Failure(FailureClass.SENDER, "Your sending server refused us", retryable=True),
        Failure(
            FailureClass.NETWORK, "Could not reach your mail server", retryable=True
        ),
        Failure(
            FailureClass.CONTENT, "This row could not be rendered", retryable=False
        ),
    )
}

AUTH_CODES = frozenset({530, 534, 535, 538})

# Code and enhanced code, joined by a space; the first pattern that matches decides.
_BY_CODE = (
    (re.compile(r"(530|534|535|538)\b"), FailureClass.SENDER),
    (re.compile(r"421\b"), FailureClass.NETWORK),
    (re.compile(r"4"), FailureClass.BUSY),
    (re.compile(r"\d+ 5\.1\.[78]$"), FailureClass.SENDER),  # our own address
    (re.compile(r"\d+ 5\.1\."), FailureClass.ADDRESS),
    (re.compile(r"\d+ 5\.2\.1$"), FailureClass.ADDRESS),  # mailbox disabled
    (re.compile(r"\d+ 5\.2\.2$"), FailureClass.BUSY),  # mailbox full
    (re.compile(r"\d+ 5\.(2\.3|3\.4|6\.\d+)$"), FailureClass.CONTENT),  # size, media
    (re.compile(r"\d+ 5\.4\.[346]$"), FailureClass.ADDRESS),  # no route, loop
    (re.compile(r"\d+ 5\.7\."), FailureClass.POLICY),
)
_BY_WORDS = (
    (
        re.compile(r"quota|mailbox (is )?full|over.?limit|insufficient"),
        FailureClass.BUSY,
    ),
    (re.compile(r"too (big|large)|size (limit|exceed)|exceeds"), FailureClass.CONTENT),
    (
        re.compile(
            r"spam|polic|block|black.?list|reputation|denied|relay|spf|dkim|dmarc|"
            r"prohibited|banned|not allowed|virus"
        ),
        FailureClass.POLICY,
    ),
    (
        re.compile(
            r"unknown|no such|not exist|not found|invalid (address|recipient|user)|"
            r"unavailable|disabled|no mailbox|not a valid|unrouteable"
        ),
        FailureClass.ADDRESS,
    ),
)
_BY_CODE_ALONE = {
    550: FailureClass.ADDRESS,
    551: FailureClass.ADDRESS,
    552: FailureClass.BUSY,
    553: FailureClass.ADDRESS,
}


def classify(
    code: int | None,
    enhanced: str | None = None,
    reply: str = "",
    trouble: Trouble | None = None,
) -> Failure:
    """Return the class of a failure.

    Parameters
    ----------
    code, enhanced, reply
        As in `Outcome` or `RecipientOutcome`. No code means that the connection was
        lost.
    trouble
        What ails the server, when it is unwell.

    Examples
    --------
    >>> classify(550, "5.1.1", "No such user").words
    'Address does not exist'
    >>> classify(550, None, "Message blocked as spam").failure_class
    <FailureClass.POLICY: 'policy'>
    >>> classify(None, trouble=Trouble.AUTH).words
    'Your sending server refused us'
    """
    if trouble is not None:
        is_network = trouble is Trouble.NETWORK
        return FAILURES[FailureClass.NETWORK if is_network else FailureClass.SENDER]
    if code is None:
        return FAILURES[FailureClass.NETWORK]
    key = f"{code} {enhanced or ''}"
    for pattern, failure_class in _BY_CODE:
        if pattern.match(key):
            return FAILURES[failure_class]
    by_code = _BY_CODE_ALONE.get(code, FailureClass.POLICY)
    return FAILURES[class_by_words(reply) or by_code]


def class_by_words(reply: str) -> FailureClass | None:
    """Return the class that the words of a permanent reply name, where they name one.

    Examples
    --------
    >>> class_by_words("No such user"), class_by_words("Refused")
    (<FailureClass.ADDRESS: 'address'>, None)
    """
    reply = reply.lower()
    return next((kind for words, kind in _BY_WORDS if words.search(reply)), None)
