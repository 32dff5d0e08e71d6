"""How final a refusal is: from status codes and words. Pure.

One rule for what a server says while a message is handed over and for the bounce that
comes later. Only *hard* says that the address is dead. A mailbox that is full, a filter
that does not like us, a letter that is too large: the address is alive, and stays.

A bare code names no reason. 550 is "mailbox not found, no access, or command rejected
for policy reasons" (RFC 5321 4.2.3), and 5.0.0 that "something went wrong" (RFC 3463
3.1): the message has failed, but nobody is written to no more for that. Where they come
again and again they count as soft bounces do.

Sources: RFC 3463 and the IANA registry of enhanced status codes; the words are those
that large providers use where their codes say little.
"""

import re
from enum import StrEnum

from webapp.senders.phrases import FULL, LATER, NO_SUCH_ADDRESS, TOO_LARGE
from webapp.senders.replies import FailureClass, class_by_words, classify


class Hardness(StrEnum):
    """What a bounce says of the address."""

    HARD = "hard"
    SOFT = "soft"
    FULL = "full"
    BLOCKED = "blocked"


_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?=[ \-#:,;>)]|$)")
_HARD = frozenset(
    {"1.0", "1.1", "1.2", "1.3", "1.4", "1.6", "1.9", "1.10", "2.1", "4.1"}
)
_HARD_ROUTE = frozenset({"4.3", "4.4", "4.6"})
_BLOCKED = re.compile(r"7\.|6\.|3\.4$|2\.3$|1\.[78]$|3\.5$|5\.")


def enhanced_in(text: str) -> str:
    """Return the first enhanced status code in a text that is no success, or nothing.

    >>> enhanced_in("smtp; 550-5.1.1 gone, 127.0.0.1"), enhanced_in("all is well")
    ('5.1.1', '')
    """
    for found in _ENHANCED.finditer(text):
        if found[1] != "2":
            return found[0]
    return ""


def code_in(text: str) -> int | None:
    """Return the first reply code of a refusal in a text.

    >>> code_in("Remote host said: 550 no"), code_in("1550 letters")
    (550, None)
    """
    for found in _CODE.finditer(text):
        if found[1][0] != "2":
            return int(found[1])
    return None


def hardness(status: str, words: str) -> Hardness:
    """Say how final a failure is.

    Parameters
    ----------
    status
        The enhanced status code of a report; may be empty or say nothing (5.0.0).
    words
        The diagnostic, or what else the mail says about it.

    Examples
    --------
    >>> hardness("5.1.1", "").value, hardness("5.2.2", "").value
    ('hard', 'full')
    >>> hardness("5.7.1", "Message blocked").value, hardness("4.4.7", "").value
    ('blocked', 'soft')
    >>> hardness("5.7.1", "550 5.1.1 User unknown").value
    'hard'
    >>> hardness("5.1.1", "550 max message size exceeded").value
    'blocked'
    >>> hardness("5.0.0", "550 No").value, hardness("", "550 No such user").value
    ('soft', 'hard')
    """
    status = _telling(status, words)
    detail = status[2:]
    rules = (
        (detail == "2.2", Hardness.FULL),
        (not detail.startswith("1.") and FULL.search(words), Hardness.FULL),
        (status.startswith("4"), Hardness.SOFT),
        (TOO_LARGE.search(words), Hardness.BLOCKED),
        (detail in _HARD or NO_SUCH_ADDRESS.search(words), Hardness.HARD),
        (_BLOCKED.match(detail), Hardness.BLOCKED),
        (detail == "4.7" or LATER.search(words), Hardness.SOFT),
        (detail in _HARD_ROUTE, Hardness.HARD),
    )
    decided = next((kind for holds, kind in rules if holds), None)
    return decided or _by_words(status, words)


def _telling(status: str, words: str) -> str:
    """Return the more exact one of the report's code and the one in its words."""
    in_words = enhanced_in(words)
    if not status or (status.endswith(".0.0") and in_words):
        return in_words or status
    return status


def _by_words(status: str, words: str) -> Hardness:
    """Read the words, and of codes alone only that it is no matter of the address."""
    code = code_in(words) or (550 if status.startswith("5") else None)
    kind = classify(code or 550, status or None, words).failure_class
    if code is None and kind is not FailureClass.POLICY:
        return Hardness.SOFT
    if kind is FailureClass.ADDRESS and class_by_words(words) is not kind:
        return Hardness.SOFT
    return {
        FailureClass.ADDRESS: Hardness.HARD,
        FailureClass.POLICY: Hardness.BLOCKED,
        FailureClass.CONTENT: Hardness.BLOCKED,
        FailureClass.SENDER: Hardness.BLOCKED,
    }.get(kind, Hardness.SOFT)


def is_dead_address(code: int | None, enhanced: str | None, reply: str) -> bool:
    """Say whether a refusal at sending says itself that there is no such address.

    Examples
    --------
    >>> is_dead_address(550, "5.1.1", "5.1.1 No"), is_dead_address(550, None, "No")
    (True, False)
    """
    if code is None:
        return False
    status = enhanced or f"{str(code)[0]}.0.0"
    return hardness(status, f"{code} {reply}") is Hardness.HARD
