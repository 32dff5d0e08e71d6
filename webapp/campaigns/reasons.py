"""Why a message was not sent: the classes of failures and of skipped rows, in words.

What a server's reply means is decided in `webapp.senders.replies`; here is what the
pages, reports and the API say about it.
"""

from enum import StrEnum

from webapp.core.words import _, _l
from webapp.senders.replies import FAILURES


class SkipClass(StrEnum):
    """Groups of reasons for *skipped*, as `Message.reason_class`."""

    SUPPRESSED = "suppressed"
    DUPLICATE = "duplicate"
    NO_ADDRESS = "no_address"
    BAD_ADDRESS = "bad_address"
    LEFT_OUT = "left_out"


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
    failure.failure_class.value for failure in FAILURES.values() if failure.retryable
) | {""}

#: What a person can do about a class of failures.
ADVICE: dict[str, str] = {
    "address": _l("Final. Mend or remove these rows in the recipient table."),
    "busy": _l("It was tried for as long as the sender's settings say."),
    "policy": _l("Check SPF, DKIM and the content."),
    "sender": _l("Mend the sender, then retry."),
    "network": _l("Check the server's name and port, then retry."),
    "content": _l("Open the row to see what is missing."),
}


def words_of(reason_class: str) -> str:
    """Return the words of a class of either kind; of an unknown one, that it failed.

    Examples
    --------
    >>> words_of("address")
    'Address does not exist'
    """
    for kind, failure in FAILURES.items():
        if kind.value == reason_class:
            return _(failure.words)
    return str(SKIP_WORDS.get(reason_class) or _l("The server refused it"))
