"""Chosen mails in one word each: ``folder.uidvalidity.uids``. Pure.

A checkbox names one mail, an undo names all that were changed; both are the same word.
Where mails were moved, the undo names the folder to move them back to: ``…>folder``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.mailboxes.query import uid_set

MOST_WORDS = 1000
MOST_UIDS = 10_000
LARGEST_UID = 2**32 - 1

_WORD = re.compile(
    r"(\d{1,12})\.(\d{1,10})\.(\d[\d,:]{0,10000})(?:>(\d{1,12}))?", re.ASCII
)
_RANGE = re.compile(r"(\d{1,10})(?::(\d{1,10}))?", re.ASCII)


class NotChosen(ValueError):
    """The words name no mails."""


@dataclass(frozen=True)
class Chosen:
    """Mails of one folder, in one numbering, and the folder that they came from."""

    folder_id: int
    uidvalidity: int
    uids: tuple[int, ...]
    home: int | None = None

    @property
    def word(self) -> str:
        """The one word that names them.

        >>> Chosen(3, 99, (1, 2, 3, 7)).word
        '3.99.1:3,7'
        """
        home = "" if self.home is None else f">{self.home}"
        uids = uid_set(self.uids).decode()
        return f"{self.folder_id}.{self.uidvalidity}.{uids}{home}"


def read(words: Sequence[str]) -> list[Chosen]:
    """Read words, grouped by folder.

    Raises
    ------
    NotChosen
        If a word is none of ours, or there are too many.

    Examples
    --------
    >>> read(["3.99.1:2", "3.99.7", "4.5.1"])[0]
    Chosen(folder_id=3, uidvalidity=99, uids=(1, 2, 7), home=None)
    """
    flat = [word for text in words for word in text.split()]
    if len(flat) > MOST_WORDS:
        raise NotChosen
    found: dict[tuple[int, int, int | None], list[int]] = {}
    for word in flat:
        match = _WORD.fullmatch(word)
        if not match:
            raise NotChosen
        home = int(match[4]) if match[4] else None
        uids = found.setdefault((int(match[1]), int(match[2]), home), [])
        uids += _uids(match[3], MOST_UIDS - len(uids))
    return [
        Chosen(folder_id, uidvalidity, tuple(sorted(set(uids))), home)
        for (folder_id, uidvalidity, home), uids in found.items()
    ]


def _uids(text: str, most: int) -> list[int]:
    uids: list[int] = []
    for piece in text.split(","):
        match = _RANGE.fullmatch(piece)
        if not match:
            raise NotChosen
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 < first <= last <= LARGEST_UID or last - first + len(uids) >= most:
            raise NotChosen
        uids += range(first, last + 1)
    return uids
