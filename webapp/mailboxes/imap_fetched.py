"""The answers to FETCH: an unreadable mail costs itself alone. Pure.

A server may tell that mails left the folder while it answers a command with UIDs
(RFC 3501 7.4.1); the numbers of the mails then shift in the middle of the answer, and
only a UID says of which mail it speaks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from imapclient.response_parser import (  # type: ignore[import-untyped]  # ships no types
    parse_fetch_response,
)

from webapp.mailboxes.imap_answers import Answer
from webapp.mailboxes.imap_rows import plain_row

_HEAD = re.compile(rb"(\d{1,10}) \(")
_UID = re.compile(rb"\bUID (\d{1,10})")


@dataclass(frozen=True)
class Fetched:
    """The answer to FETCH.

    Attributes
    ----------
    items
        By UID, oldest first.
    unreadable
        UIDs of which the rest could not be read, with their numbers in the folder.
    has_shifted
        Whether mails left the folder meanwhile: the numbers are good for nothing then.
    """

    items: dict[int, dict[bytes, Any]]
    unreadable: dict[int, int] = field(default_factory=dict)
    has_shifted: bool = False

    @property
    def numbers(self) -> dict[int, int]:
        """The sequence number of each mail, by its UID."""
        told = {uid: items[b"SEQ"] for uid, items in self.items.items()}
        return {**self.unreadable, **told}


def read_fetch(
    answers: Sequence[Answer | None], *, has_shifted: bool = False
) -> Fetched:
    r"""Read the answers to FETCH, as imaplib keeps them, one mail at a time.

    Examples
    --------
    A mail left after the first answer, and another one has its number now.

    >>> told = [b"2 (UID 7 RFC822.SIZE 5)", b"2 (UID 8 FLAGS ())", b"3 (FLAGS ())"]
    >>> found = read_fetch(told, has_shifted=True).items
    >>> sorted(found), found[7].get(b"FLAGS"), found[8].get(b"RFC822.SIZE")
    ([7, 8], None, None)
    """
    pieces: list[tuple[int, dict[bytes, Any]]] = []
    unreadable: dict[int, int] = {}
    group: list[Answer] = []
    for answer in answers:
        if answer is None:
            continue
        group.append(answer)
        if isinstance(answer, tuple):
            continue
        try:
            pieces.append(plain_row(group) or _by_library(group))
        except Exception:  # noqa: BLE001 - the parser raises eight kinds, RecursionError too
            unreadable.update(_named(group))
        group = []
    items = _joined(pieces, has_shifted=has_shifted)
    lost = {uid: number for uid, number in unreadable.items() if uid not in items}
    return Fetched(items, lost, has_shifted)


def _joined(
    pieces: Sequence[tuple[int, dict[bytes, Any]]], *, has_shifted: bool
) -> dict[int, dict[bytes, Any]]:
    """Join what was told of one mail: by its UID, or by its number while that holds."""
    uids = {} if has_shifted else {n: _uid(told) for n, told in pieces if _uid(told)}
    items: dict[int, dict[bytes, Any]] = {}
    for number, told in pieces:
        uid = _uid(told) or uids.get(number)
        if uid:
            items.setdefault(uid, {}).update(told)
    for uid, told in items.items():
        told[b"UID"] = uid
    return dict(sorted(items.items()))


def _uid(told: dict[bytes, Any]) -> int:
    uid = told.get(b"UID")
    return uid if isinstance(uid, int) else 0


def _by_library(group: list[Answer]) -> tuple[int, dict[bytes, Any]]:
    """Read what is not plain; raises many kinds, RecursionError too."""
    found: dict[int, dict[bytes, Any]] = parse_fetch_response(
        group, normalise_times=False, uid_is_key=False
    )
    return next(iter(found.items()))


def _named(group: Sequence[Answer]) -> dict[int, int]:
    """Return at least the UID and the number of a mail that is not readable."""
    head = b" ".join(p[0] if isinstance(p, tuple) else p for p in group)
    begun, found = _HEAD.match(head), _UID.search(head)
    return {int(found[1]): int(begun[1])} if begun and found else {}
