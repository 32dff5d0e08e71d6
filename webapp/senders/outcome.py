"""What became of a message that was handed over: exactly as much as is proven.

======== =================================================== =====================
kind     proven                                              what may be done
======== =================================================== =====================
ACCEPTED the server said yes after the final dot             nothing more
DEFERRED it did not take it: a 4xx, or the connection was    try again later
         lost before the final dot
REFUSED  it will not take it: a 5xx, or we may not send it   tell a person
UNKNOWN  nothing: silence after the final dot                a person decides
UNWELL   it was never offered: no connection, no sign-in     wait, costs no try
======== =================================================== =====================
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How much is known; the table above."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNWELL = "unwell"


class Trouble(StrEnum):
    """What ails a server that is UNWELL."""

    NETWORK = "network"
    AUTH = "auth"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """What became of one envelope recipient; never UNWELL on its own."""

    addr: str
    kind: Kind
    code: int | None
    reply: str
    enhanced: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message.

    Attributes
    ----------
    kind
        ACCEPTED as soon as one recipient was accepted: look at ``recipients`` for the
        rest.
    code, enhanced
        Of the reply that decided, such as 550 and ``5.1.1`` (RFC 3463).
    reply
        The server's own words, or one sentence of ours where it said nothing.
    recipients
        One for each address offered, in that order.
    trouble
        Only when UNWELL.
    """

    kind: Kind
    code: int | None
    enhanced: str | None
    reply: str
    recipients: tuple[RecipientOutcome, ...]
    trouble: Trouble | None = None

    @property
    def costs_a_try(self) -> bool:
        """Whether the server had a say; a lost connection is no verdict."""
        return self.kind in {Kind.DEFERRED, Kind.REFUSED} and self.code is not None
