r"""The search box: ``is:unread from:ada larger:6k -subject:"annual report"``.

Pure. A bare word looks into sender, recipients and subject. ``-`` negates, ``OR`` and
parentheses group, quotes keep spaces together. What is wrong is said in a sentence.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from webapp.mailboxes.query import (
    EVERYTHING,
    HEADER_NAME,
    KEYWORD,
    LARGEST_NUMBER,
    And,
    Contains,
    Dated,
    Flagged,
    Header,
    Larger,
    Not,
    Or,
    Query,
    QueryError,
    Smaller,
    Uids,
    UidSpan,
    When,
    Where,
)

LONGEST = 1000
MOST_TERMS = 50
DEEPEST = 12
MOST_UIDS = 10_000

STATES: dict[str, Query] = {
    "unread": Not(Flagged("\\Seen")),
    "unseen": Not(Flagged("\\Seen")),
    "read": Flagged("\\Seen"),
    "seen": Flagged("\\Seen"),
    "flagged": Flagged("\\Flagged"),
    "unflagged": Not(Flagged("\\Flagged")),
    "answered": Flagged("\\Answered"),
    "unanswered": Not(Flagged("\\Answered")),
    "deleted": Flagged("\\Deleted"),
    "draft": Flagged("\\Draft"),
    "recent": Flagged("\\Recent"),
}
TEXTS = {
    "from": Where.FROM,
    "to": Where.TO,
    "cc": Where.CC,
    "bcc": Where.BCC,
    "subject": Where.SUBJECT,
    "body": Where.BODY,
    "text": Where.TEXT,
}
DAYS = {
    "since": When.SINCE,
    "after": When.SINCE,
    "before": When.BEFORE,
    "on": When.ON,
    "sent-since": When.SENT_SINCE,
    "sent-before": When.SENT_BEFORE,
    "sent-on": When.SENT_ON,
}
SIZE = re.compile(r"(\d{1,10})([km]?)b?", re.ASCII | re.IGNORECASE)
FACTORS = {"": 1, "k": 1024, "m": 1024 * 1024}

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<paren>[()])
      | (?P<minus>-(?=[^\s]))
      | (?:(?P<key>[A-Za-z][A-Za-z-]*):)?
        (?: "(?P<quoted>(?:[^"\\]|\\.)*)"
          | (?P<word>[^\s()"]+)
          | (?P<none>(?=[\s()]|$))
        )
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    key: str = ""
    value: str = ""


def parse(text: str, zone: str = "") -> Query:
    r"""Read the text form of a query; its days are those of a zone, if one is given.

    Raises
    ------
    QueryError
        With a sentence that names the term that is not understood.

    Examples
    --------
    >>> parse("is:unread -is:flagged")
    And(parts=(Not(part=Flagged(flag='\\Seen')), Not(part=Flagged(flag='\\Flagged'))))
    >>> parse("larger:6k")
    Larger(octets=6144)
    >>> parse("larger:big")
    Traceback (most recent call last):
    webapp.mailboxes.query.QueryError: “larger:big”: write a size such as 6k or 2m.
    >>> parse("") == EVERYTHING
    True
    """
    if len(text) > LONGEST:
        raise QueryError(f"The search is longer than {LONGEST} characters.")
    if any(letter < " " and letter != "\t" for letter in text):
        raise QueryError("A search text cannot hold a line break or NUL.")
    return _Parser(_tokens(text), zone).whole()


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise QueryError("A quotation mark is open: close it with another one.")
        at = found.end()
        tokens.append(_token(found))
    if len(tokens) > MOST_TERMS * 2:
        raise QueryError(f"A search can have {MOST_TERMS} terms at most.")
    return tokens


def _token(found: re.Match[str]) -> _Token:
    key = (found["key"] or "").lower()
    if found["quoted"] is not None:
        return _Token("term", key, re.sub(r"\\(.)", r"\1", found["quoted"]))
    word = found["word"] or ""
    sign = found["paren"] or found["minus"] or (word in ("OR", "AND") and word)
    return _Token(sign) if sign and not key else _Token("term", key, word)


class _Parser:
    """Recursive descent over few tokens: or-list of and-lists of terms."""

    def __init__(self, tokens: list[_Token], zone: str) -> None:
        self.tokens = tokens
        self.zone = zone
        self.at = 0
        self.depth = 0

    def whole(self) -> Query:
        if not self.tokens:
            return EVERYTHING
        query = self.alternatives()
        if self.at < len(self.tokens):
            raise QueryError("A closing parenthesis has no opening one.")
        return query

    def peek(self) -> str:
        return self.tokens[self.at].kind if self.at < len(self.tokens) else ""

    def alternatives(self) -> Query:
        parts = [self.together()]
        while self.peek() == "OR":
            self.at += 1
            parts.append(self.together())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def together(self) -> Query:
        parts: list[Query] = []
        while self.peek() in ("term", "-", "(", "AND"):
            if self.peek() == "AND":
                self.at += 1
                continue
            parts.append(self.term())
        if not parts:
            raise QueryError("OR and parentheses need a term on both sides.")
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def term(self) -> Query:
        token = self.tokens[self.at] if self.at < len(self.tokens) else _Token("")
        self.at += 1
        if token.kind == "term":
            return self.meaning(token)
        if token.kind not in ("-", "("):
            raise QueryError("A minus needs a term behind it.")
        self.depth += 1
        if self.depth > DEEPEST:
            raise QueryError(f"Parentheses go {DEEPEST} deep at most.")
        query = Not(self.term()) if token.kind == "-" else self.group()
        self.depth -= 1
        return query

    def meaning(self, token: _Token) -> Query:
        query = _meaning(token)
        if isinstance(query, Dated) and self.zone:
            return replace(query, zone=self.zone)
        return query

    def group(self) -> Query:
        query = self.alternatives()
        if self.peek() != ")":
            raise QueryError("A parenthesis is open: close it with “)”.")
        self.at += 1
        return query


def _meaning(token: _Token) -> Query:
    if not token.key:
        return _bare(token.value)
    meaning = _KEYS.get(token.key)
    if meaning is None:
        return _bare(f"{token.key}:{token.value}")
    if not token.value:
        raise QueryError(f"“{token.key}:” needs a value behind the colon.")
    return meaning(token.key, token.value)


def _bare(value: str) -> Query:
    if not value:
        raise QueryError("Quotation marks with nothing between them find nothing.")
    places = (Where.FROM, Where.TO, Where.SUBJECT)
    return Or(tuple(Contains(where, value) for where in places))


def _state(key: str, value: str) -> Query:
    if value.lower() not in STATES:
        raise QueryError(
            f"“{key}:{value}” is not a state: write is:unread, is:read, is:flagged, "
            "is:answered, is:draft or is:deleted."
        )
    return STATES[value.lower()]


def _text(key: str, value: str) -> Query:
    return Contains(TEXTS[key], value)


def _header(key: str, value: str) -> Query:
    name, _, content = value.partition(":")
    name, _, content = value.partition("=") if "=" in name else (name, _, content)
    if not HEADER_NAME.fullmatch(name):
        raise QueryError(f"“{key}:{value}”: write header:Name or header:Name:text.")
    return Header(name, content)


def _keyword(key: str, value: str) -> Query:
    if not KEYWORD.fullmatch(value):
        raise QueryError(
            f"“{key}:{value}”: a keyword has letters, digits, $ _ . and - only."
        )
    return Flagged(value)


def _size(key: str, value: str) -> Query:
    found = SIZE.fullmatch(value)
    octets = int(found[1]) * FACTORS[found[2].lower()] if found else -1
    if not 0 <= octets <= LARGEST_NUMBER:
        raise QueryError(f"“{key}:{value}”: write a size such as 6k or 2m.")
    return Larger(octets) if key == "larger" else Smaller(octets)


def _day(key: str, value: str) -> Query:
    try:
        return Dated(DAYS[key], date.fromisoformat(value))
    except ValueError as error:
        raise QueryError(f"“{key}:{value}”: write a day such as 2026-11-22.") from error


def _uids(key: str, value: str) -> Query:
    wanted: set[int] = set()
    spans: list[Query] = []
    for piece in value.split(","):
        found = re.fullmatch(r"(\d{1,10})(?::(\d{1,10}|\*))?", piece, re.ASCII)
        if not found:
            raise QueryError(f"“{key}:{value}”: write UIDs such as 4,7:9 or 12:*.")
        end = str(LARGEST_NUMBER) if found[2] == "*" else found[2]
        first, last = sorted((int(found[1]), int(end or found[1])))
        if last > LARGEST_NUMBER:
            raise QueryError(f"“{key}:{value}”: UIDs end at {LARGEST_NUMBER}.")
        if last - first + len(wanted) >= MOST_UIDS:
            spans.append(UidSpan(first, last))
        else:
            wanted.update(range(first, last + 1))
    parts = [*([Uids(frozenset(wanted))] if wanted else []), *spans]
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


_KEYS: dict[str, Callable[[str, str], Query]] = {
    "is": _state,
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(DAYS, _day),
    "header": _header,
    "keyword": _keyword,
    "label": _keyword,
    "larger": _size,
    "smaller": _size,
    "uid": _uids,
}
