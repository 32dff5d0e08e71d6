"""What the practice servers teach: special addresses that behave as real ones do.

Any address is accepted and ends in the one practice mailbox. These local parts, at any
domain and with any ``+tag``, do something more:

========  =============================================================
bounce    refused while the message is handed over: 550 5.1.1
full      not accepted now: 452 4.2.2
slow      the server takes 5 seconds to answer
later     deferred once (451 4.7.1), then accepted
dsn       accepted; 15 seconds later a delivery status notification comes
reply     a person answers
away      an automatic reply comes
stop      unsubscribes by mail, through List-Unsubscribe
========  =============================================================
"""

from enum import StrEnum


class Lesson(StrEnum):
    """What an address teaches; `PLAIN` only receives."""

    PLAIN = "plain"
    BOUNCE = "bounce"
    FULL = "full"
    SLOW = "slow"
    LATER = "later"
    DSN = "dsn"
    REPLY = "reply"
    AWAY = "away"
    STOP = "stop"


REFUSALS = {
    Lesson.BOUNCE: "550 5.1.1 <{}>: there is no such mailbox here",
    Lesson.FULL: "452 4.2.2 <{}>: the mailbox is full, try again later",
}
"""What RCPT TO answers for the addresses that never get the message (RFC 3463)."""

ANSWERING = frozenset({Lesson.DSN, Lesson.REPLY, Lesson.AWAY, Lesson.STOP})
"""The lessons that send a mail back."""


def lesson_of(address: str) -> Lesson:
    """Return what this address teaches.

    Examples
    --------
    >>> lesson_of("bounce@example.com")
    <Lesson.BOUNCE: 'bounce'>
    >>> lesson_of("Full+winter@example.org")
    <Lesson.FULL: 'full'>
    >>> lesson_of("ada@bounce.example")
    <Lesson.PLAIN: 'plain'>
    """
    local = address.rpartition("@")[0].partition("+")[0].casefold()
    try:
        return Lesson(local)
    except ValueError:
        return Lesson.PLAIN
