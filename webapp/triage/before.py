"""What a mail was before a change, in one word: the way back of an undo. Pure.

A word is the id of our row, a letter, and a value: ``s`` the state (1 is done), ``a``
the assignee, ``z`` the end of a snooze, ``l`` a label to put on, ``x`` one to take off,
``u`` a suppression of the sender to undo.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

_WORD = re.compile(r"(\d{1,18})([sazlxu])(\d{0,12})", re.ASCII)
LAST = 253402300799  # the last second that a date can be


@dataclass(frozen=True)
class Was:
    """What one mail was."""

    mail_id: int
    what: str
    value: int | None

    @property
    def instant(self) -> datetime | None:
        """The value as an instant."""
        if self.value is None:
            return None
        return datetime.fromtimestamp(min(self.value, LAST), UTC)


def written(before: Iterable[Was]) -> str:
    """Return the words.

    >>> written([Was(7, "s", 0), Was(8, "a", None)])
    '7s0 8a'
    """
    return " ".join(
        f"{one.mail_id}{one.what}{'' if one.value is None else one.value}"
        for one in before
    )


def read(words: str, most: int) -> list[Was]:
    """Read the words.

    Raises
    ------
    ValueError
        If one is none of ours, or there are none or too many.

    Examples
    --------
    >>> read("7s0 8a", 2)[1]
    Was(mail_id=8, what='a', value=None)
    """
    found = [_WORD.fullmatch(word) for word in words.split()]
    if not found or len(found) > most:
        raise ValueError
    return [_was(match) for match in found]


def _was(match: re.Match[str] | None) -> Was:
    if match is None:
        raise ValueError
    return Was(int(match[1]), match[2], int(match[3]) if match[3] else None)
