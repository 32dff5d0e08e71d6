"""Replies of an SMTP server, read strictly (RFC 5321 4.2, RFC 2034)."""

import re
from dataclasses import dataclass
from functools import lru_cache

_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})([ -]|$)(.*)", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")


class Lost(Exception):
    """The connection broke, fell silent, or the server stopped speaking SMTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code, its enhanced code if any, and its text without the codes."""

    code: int
    enhanced: str | None
    text: str

    @property
    def is_yes(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.code < 300  # noqa: PLR2004 - RFC 5321 4.2.1

    def __str__(self) -> str:
        """Return it as the server said it, on one line."""
        return " ".join(filter(None, [str(self.code), self.text]))


def parse_reply(lines: list[bytes]) -> Reply:
    r"""Read the lines of one reply.

    Raises
    ------
    Lost
        If they are no SMTP reply.

    Examples
    --------
    >>> parse_reply([b"550-5.1.1 No such", b"550 5.1.1 user"])
    Reply(code=550, enhanced='5.1.1', text='5.1.1 No such user')
    """
    if len(lines) == 1:
        return _of_one_line(lines[0])
    return _of_lines(lines)


@lru_cache(maxsize=256)
def _of_one_line(line: bytes) -> Reply:
    """Read what servers say again and again."""
    return _of_lines([line])


def _of_lines(lines: list[bytes]) -> Reply:
    codes: set[bytes] = set()
    texts: list[str] = []
    enhanced: str | None = None
    for line in lines:
        match = _REPLY_LINE.fullmatch(line)
        if match is None:
            raise Lost("The server's answer is no SMTP.")
        codes.add(match[1])
        text = printable(match[3])
        found = _ENHANCED.match(text)
        if found and enhanced == found[1]:
            text = text[found.end() :].lstrip()
        enhanced = enhanced or (found[1] if found else None)
        texts.append(text)
    if len(codes) != 1:
        raise Lost("The server's answer is no SMTP.")
    return Reply(int(codes.pop()), enhanced, " ".join(filter(None, texts))[:1000])


def printable(raw: bytes) -> str:
    """Return what a server said, without anything that could move a cursor."""
    text = raw.decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "�" for char in text).strip()
