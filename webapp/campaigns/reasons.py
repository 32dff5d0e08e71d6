"""Why a message did not arrive: a few classes, words for each, and what can be done.

Delivery decides the class from the server's reply; pages, reports and the API show it.
"""

from enum import StrEnum

from webapp.core.words import _l


class FailureClass(StrEnum):
    """Groups of reasons for *deferred* and *failed*, as `Message.reason_class`."""

    ADDRESS = "address"
    BUSY = "busy"
    POLICY = "policy"
    SENDER = "sender"
    NETWORK = "network"
    CONTENT = "content"
    OTHER = "other"


class SkipClass(StrEnum):
    """Groups of reasons for *skipped*, as `Message.reason_class`."""

    SUPPRESSED = "suppressed"
    DUPLICATE = "duplicate"
    NO_ADDRESS = "no_address"
    BAD_ADDRESS = "bad_address"
    LEFT_OUT = "left_out"


FAILURE_WORDS: dict[str, str] = {
    FailureClass.ADDRESS: _l("Address does not exist"),
    FailureClass.BUSY: _l("Inbox not accepting messages right now"),
    FailureClass.POLICY: _l("Rejected by the receiving system (spam or policy)"),
    FailureClass.SENDER: _l("Your sending server refused us"),
    FailureClass.NETWORK: _l("Could not reach your mail server"),
    FailureClass.CONTENT: _l("This row could not be rendered"),
    FailureClass.OTHER: _l("The server refused it"),
}

SKIP_WORDS: dict[str, str] = {
    SkipClass.SUPPRESSED: _l("Suppressed"),
    SkipClass.DUPLICATE: _l("The same address as an earlier row"),
    SkipClass.NO_ADDRESS: _l("This row has no address"),
    SkipClass.BAD_ADDRESS: _l("The address is not valid"),
    SkipClass.LEFT_OUT: _l("Left out at the check"),
}

#: Trying again can help; an address that does not exist stays so, and what was
#: launched is frozen, so a row that could not be rendered would fail again.
RETRYABLE = frozenset(
    {
        FailureClass.BUSY,
        FailureClass.POLICY,
        FailureClass.SENDER,
        FailureClass.NETWORK,
        FailureClass.OTHER,
    }
)


def words_of(reason_class: str) -> str:
    """Return the words of a class of either kind; nothing for none.

    Examples
    --------
    >>> words_of("")
    ''
    """
    words = FAILURE_WORDS.get(reason_class) or SKIP_WORDS.get(reason_class)
    return str(words) if words else ""
