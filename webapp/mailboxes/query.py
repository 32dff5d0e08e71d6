"""What a search asks for: a typed tree and its IMAP form.

Pure. `query_text` reads the search box into the tree, `query_local` says what the tree
means in plain Python.

Three traps decide the IMAP form (RFC 3501 6.4.4):

* Values go out as always-quoted strings, or as literals when they are not ASCII; an
  atom such as ``{5}`` or ``NIL`` would mean something else to the server.
* There are no parentheses. A literal inside parentheses cannot be sent by the client
  library in a legal way, so *and* below *or* or *not* is written by De Morgan's rule:
  ``a and b`` is ``NOT OR NOT a NOT b``.
* A *not* around a flag is written with the flag's own opposite (``UNSEEN``), which old
  servers answer from their index.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class QueryError(ValueError):
    """The query cannot be understood or sent; `words` says why, for a person."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Where(StrEnum):
    """The texts of a mail that a search can look into; the value is IMAP's key."""

    FROM = "FROM"
    TO = "TO"
    CC = "CC"
    BCC = "BCC"
    SUBJECT = "SUBJECT"
    BODY = "BODY"
    TEXT = "TEXT"


class When(StrEnum):
    """How a day is compared: with the day of arrival, or with the Date header."""

    SINCE = "SINCE"
    BEFORE = "BEFORE"
    ON = "ON"
    SENT_SINCE = "SENTSINCE"
    SENT_BEFORE = "SENTBEFORE"
    SENT_ON = "SENTON"


@dataclass(frozen=True, slots=True)
class Contains:
    """The text occurs there, upper and lower case alike."""

    where: Where
    value: str


@dataclass(frozen=True, slots=True)
class Header:
    """A header of this name contains the text; an empty text asks for its presence."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Flagged:
    r"""The mail has this flag: a system flag such as ``\Seen``, or a keyword."""

    flag: str


@dataclass(frozen=True, slots=True)
class Larger:
    """The mail has more octets than this."""

    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """The mail has fewer octets than this."""

    octets: int


@dataclass(frozen=True, slots=True)
class Dated:
    """The mail's day compares so with this one, in a zone of the IANA.

    Without a zone it is the server's own day, or the one that the sender wrote.
    """

    when: When
    day: date
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Uids:
    """The mail's UID is one of these; an empty set finds nothing."""

    uids: frozenset[int]


@dataclass(frozen=True, slots=True)
class UidSpan:
    """The mail's UID is between these two, or one of them."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Query"


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold; none at all means every mail."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds; none at all means no mail."""

    parts: tuple["Query", ...]


Query = (
    Contains
    | Header
    | Flagged
    | Larger
    | Smaller
    | Dated
    | Uids
    | UidSpan
    | Not
    | And
    | Or
)

EVERYTHING = And(())

#: System flag → the key that asks for it, the key that asks for its absence.
FLAG_KEYS: dict[str, tuple[bytes, bytes]] = {
    "\\Seen": (b"SEEN", b"UNSEEN"),
    "\\Answered": (b"ANSWERED", b"UNANSWERED"),
    "\\Flagged": (b"FLAGGED", b"UNFLAGGED"),
    "\\Deleted": (b"DELETED", b"UNDELETED"),
    "\\Draft": (b"DRAFT", b"UNDRAFT"),
    "\\Recent": (b"RECENT", b"OLD"),
}
KEYWORD = re.compile(r"[A-Za-z0-9$_.-]{1,64}", re.ASCII)
HEADER_NAME = re.compile(r"[!-9;-~]{1,64}", re.ASCII)
LARGEST_NUMBER = 2**32 - 1
MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def astring(value: str) -> bytes:
    r"""Return the value as IMAP sends it: quoted, or raw when it must be a literal.

    The client sends what has 8-bit octets as a literal; everything else is quoted here.

    Raises
    ------
    QueryError
        If the value holds CR, LF or NUL: they would end the command.

    Examples
    --------
    >>> astring('a "q" {5}')
    b'"a \\"q\\" {5}"'
    >>> astring("Grüße")
    b'Gr\xc3\xbc\xc3\x9fe'
    >>> astring("x\r\nA1 DELETE INBOX")
    Traceback (most recent call last):
    webapp.mailboxes.query.QueryError: A search text cannot hold a line break or NUL.
    """
    try:
        octets = value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise QueryError("The search text holds a broken character.") from error
    if any(octet in octets for octet in b"\r\n\0"):
        raise QueryError("A search text cannot hold a line break or NUL.")
    if octets.isascii():
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return octets


def imap_day(day: date) -> bytes:
    """Return the day as in RFC 3501 ``date``, whatever the locale.

    >>> imap_day(date(2026, 11, 2))
    b'2-Nov-2026'
    """
    return (
        f"{day.day}-{MONTHS[3 * day.month - 3 : 3 * day.month]}-{day.year:04}".encode()
    )


def uid_set(uids: Sequence[int] | frozenset[int]) -> bytes:
    """Return a sequence set with runs as ranges.

    >>> uid_set([9, 3, 1, 2])
    b'1:3,9'
    """
    runs: list[list[int]] = []
    for uid in sorted(set(uids)):
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(
        str(first) if first == last else f"{first}:{last}" for first, last in runs
    ).encode()


def to_imap(query: Query) -> list[bytes]:
    r"""Return the search keys, one argument each, flat and in prefix order.

    Examples
    --------
    >>> to_imap(And((Flagged("\\Flagged"), Not(Flagged("\\Seen")))))
    [b'FLAGGED', b'UNSEEN']
    >>> b" ".join(to_imap(Or((Larger(9), And((Smaller(5), Flagged("todo")))))))
    b'OR LARGER 9 NOT OR NOT SMALLER 5 UNKEYWORD todo'
    """
    if isinstance(query, And):
        keys = [key for part in query.parts for key in to_imap(part)]
        return keys or [b"ALL"]
    return list(_key(query))


def needs_charset(query: Query) -> bool:
    """Say whether a value is not ASCII; only then may CHARSET be named.

    Exchange and Yahoo refuse any CHARSET, so it is never sent for nothing.
    """
    return any(not key.isascii() for key in to_imap(query))


def _key(query: Query) -> Iterator[bytes]:
    match query:
        case And(parts) if len(parts) == 1:
            yield from _key(parts[0])
        case And(parts):
            yield from _key(Not(Or(tuple(Not(part) for part in parts))))
        case Or(parts):
            yield from _or(parts)
        case Not(Not(part)):
            yield from _key(part)
        case Not(Flagged(flag)):
            yield from _flag_key(flag, absent=True)
        case Not(part):
            yield b"NOT"
            yield from _key(part)
        case _:
            yield from _leaf(query)


def _or(parts: tuple[Query, ...]) -> Iterator[bytes]:
    if not parts:
        yield from (b"NOT", b"ALL")
        return
    for part in parts[:-1]:
        yield b"OR"
        yield from _key(part)
    yield from _key(parts[-1])


def _leaf(query: Query) -> Iterator[bytes]:
    match query:
        case Contains(where, value):
            yield from (where.value.encode(), astring(value))
        case Header(name, value):
            yield from (b"HEADER", header_name(name), astring(value))
        case Flagged(flag):
            yield from _flag_key(flag, absent=False)
        case Larger(octets):
            yield from (b"LARGER", _number(octets))
        case Smaller(octets):
            yield from (b"SMALLER", _number(octets))
        case Dated(when, day):
            yield from (when.value.encode(), imap_day(day))
        case Uids() | UidSpan():
            wanted = _uids(query)
            yield from (b"UID", wanted) if wanted else (b"NOT", b"ALL")


def _uids(query: Uids | UidSpan) -> bytes:
    """Return a sequence set, empty where nothing can be in it.

    >>> _uids(UidSpan(7, LARGEST_NUMBER)), _uids(UidSpan(9, 7))
    (b'7:4294967295', b'')
    """
    if isinstance(query, Uids):
        return uid_set([uid for uid in query.uids if 0 < uid <= LARGEST_NUMBER])
    # Never up to *, which names the last mail even where that is older.
    first, last = max(query.first, 1), min(query.last, LARGEST_NUMBER)
    return b"%d:%d" % (first, last) if first <= last else b""


def _flag_key(flag: str, *, absent: bool) -> tuple[bytes, ...]:
    if flag in FLAG_KEYS:
        return (FLAG_KEYS[flag][absent],)
    if not KEYWORD.fullmatch(flag):
        raise QueryError(f"“{flag}” is not a flag or keyword.")
    return (b"UNKEYWORD" if absent else b"KEYWORD", flag.encode())


def header_name(name: str) -> bytes:
    """Return a header's name, checked by RFC 5322 3.6.8.

    Raises
    ------
    QueryError
        If it is not one.
    """
    if not HEADER_NAME.fullmatch(name):
        raise QueryError(f"“{name}” is not the name of a header.")
    return astring(name)


def _number(octets: int) -> bytes:
    if not 0 <= octets <= LARGEST_NUMBER:
        raise QueryError("Sizes go from 0 to 4 GB.")
    return str(octets).encode()
