"""Header fields: one function makes every one of them, and it trusts no value.

A cell may hold line breaks (CR, LF, but also NEL, LS, PS and others that Python or a
mail server takes for one), or a whole encoded word such as ``=?utf-8?q?a=0ABcc:…?=``
which the standard library would decode into a real header. So control characters are
refused, and a value in which ``=?`` occurs is itself encoded: the reader sees what the
cell says.

An address is never inside an encoded word (RFC 2047 5), only the name beside it is.
"""

import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import quote

from webapp.composing.letter import Address, ComposeError

MAX_LINE = 998  # octets without CRLF, RFC 5322 2.1.1
_FOLD_AT = 78  # octets, RFC 5322 2.1.1
_WORD = 70  # octets of an encoded word; RFC 2047 2 allows 75, the name needs room too
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+")
_PRINTED = re.compile(r"[!-~]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+\-^_`{|}~.]+")
_Q_SAFE = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/"
)
# What is the same in all messages of a campaign is written once.
_KEPT = 1024


def field(name: str, words: Sequence[str], *, utf8: bool = False) -> bytes:
    r"""Return one header field, folded between words, with its CRLF.

    Every header that leaves passes through here.

    Parameters
    ----------
    name
        The field's name.
    words
        What stands between single spaces; a fold may fall on each of these.
    utf8
        Whether the words may hold raw UTF-8 (an address under SMTPUTF8, RFC 6532).

    Raises
    ------
    ComposeError
        If the name is none, a word holds white space or a control character, or a line
        would be longer than 998 octets.

    Examples
    --------
    >>> field("Subject", ["Hello", "Ada"])
    b'Subject: Hello Ada\r\n'
    """
    if not _is_field_name(name):
        raise ComposeError(f"“{_shown(name)}” is not a header name.")
    whole = f"{name}: {' '.join(words)}"
    # Printable ASCII in which no word holds a space: what most fields are.
    is_common = whole.isascii() and whole.isprintable() and words
    if is_common and whole.count(" ") == len(words):
        if len(whole) <= _FOLD_AT:
            return f"{whole}\r\n".encode()
    else:
        for word in words:
            if not _is_word(word, utf8=utf8):
                why = "a character that may not be there"
                raise ComposeError(f"The header {name} holds {why}: “{_shown(word)}”.")
    octets = _folded(f"{name}:".encode(), [word.encode() for word in words])
    if max(map(len, octets)) > MAX_LINE:
        raise ComposeError(f"The header {name} is too long for one line.")
    return b"\r\n".join(octets) + b"\r\n"


def _folded(start: bytes, words: Sequence[bytes]) -> list[bytes]:
    """Lay words out in lines; the first word stands beside the name."""
    lines: list[bytes] = []
    line = start
    for at, word in enumerate(words):
        if at and len(line) + 1 + len(word) > _FOLD_AT:
            lines.append(line)
            line = b""
        line += b" " + word
    return [*lines, line]


@lru_cache(maxsize=_KEPT)
def text_field(name: str, value: str) -> bytes:
    r"""Return a field of free text, such as a subject, in any language.

    Raises
    ------
    ComposeError
        If the value holds a line break or another control character.

    Examples
    --------
    >>> text_field("Subject", "Grüße")
    b'Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n'
    """
    value = checked(name, value)
    return field(name, value.split(" ") if _is_plain(value) else encoded_words(value))


def address_field(name: str, addresses: Iterable[Address]) -> bytes:
    r"""Return a field of mailboxes; of none, the empty group (RFC 5322 3.4).

    Raises
    ------
    ComposeError
        If a name holds a line break or another control character.

    Examples
    --------
    >>> address_field("To", [Address("Lovelace, Ada", "ada@example.org")])
    b'To: "Lovelace, Ada" <ada@example.org>\r\n'
    """
    return _address_field(name, tuple(addresses))


@lru_cache(maxsize=_KEPT)
def _address_field(name: str, addresses: tuple[Address, ...]) -> bytes:
    mailboxes = [_mailbox(name, address) for address in addresses]
    words: list[str] = []
    for mailbox in mailboxes:
        words.extend(mailbox[:-1])
        words.append(f"{mailbox[-1]},")
    if words:
        words[-1] = words[-1].removesuffix(",")
    else:
        words = ["undisclosed-recipients:;"]
    return field(name, words, utf8=True)


def parameter(name: str, value: str) -> str:
    """Return one parameter of Content-Type or Content-Disposition (RFC 2231).

    Raises
    ------
    ComposeError
        If the value holds a line break or another control character.

    Examples
    --------
    >>> parameter("filename", "plan.pdf"), parameter("filename", "Übersicht.pdf")
    ('filename="plan.pdf"', "filename*=utf-8''%C3%9Cbersicht.pdf")
    """
    value = checked(name, value)
    if _TOKEN.fullmatch(value):
        return f'{name}="{value}"'
    return f"{name}*=utf-8''{quote(value, safe='')}"


def checked(name: str, value: str) -> str:
    """Return ``value`` with tabs as spaces, if no character in it can break a line.

    Raises
    ------
    ComposeError
        If there is one, naming the header.
    """
    value = value.replace("\t", " ")
    if value.isprintable():  # so it holds none of them
        return value
    for char in value:
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}:
            words = f"a line break or control character (U+{ord(char):04X})"
            raise ComposeError(f"The header {name} would hold {words}.")
    return value


def encoded_words(value: str) -> list[str]:
    """Return ``value`` as encoded words of UTF-8 (RFC 2047), no character split.

    Examples
    --------
    >>> encoded_words("=?utf-8?q?x?=")
    ['=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=']
    """
    as_q = [*map(_Q.__getitem__, value)]
    whole = "".join(as_q)
    if len(whole) <= min(2 * len(value), _WORD - 12):
        return [f"=?utf-8?q?{whole}?="]
    sizes = [*map(len, as_q)]
    if sum(sizes) <= 2 * len(value):
        return [f"=?utf-8?q?{chunk}?=" for chunk in _chunks(as_q, sizes, _WORD - 12)]
    sizes = [len(char.encode()) for char in value]
    octets = _chunks(value, sizes, (_WORD - 12) // 4 * 3)
    return [f"=?utf-8?b?{b64encode(chunk.encode()).decode()}?=" for chunk in octets]


def _mailbox(header: str, address: Address) -> list[str]:
    """Return the words of one mailbox; the address is always the last, in clear.

    Runs of spaces in a name mean one space (RFC 5322 3.2.5), so they become one.
    """
    name = " ".join(filter(None, checked(header, address.name).split(" ")))
    if not name:
        return [address.addr]
    if not _is_plain(name):
        phrase = encoded_words(name)
    elif _ATOMS.fullmatch(name):
        phrase = name.split(" ")
    else:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        phrase = f'"{escaped}"'.split(" ")
    return [*phrase, f"<{address.addr}>"]


@lru_cache(maxsize=_KEPT)
def _is_field_name(name: str) -> bool:
    return _FIELD_NAME.fullmatch(name) is not None


def _is_plain(value: str) -> bool:
    """Say whether ``value`` can stand as it is: folding would not change it."""
    return (
        value.isascii()
        and "=?" not in value
        and "  " not in value
        and value == value.strip(" ")
        and max(map(len, value.split(" "))) < MAX_LINE - _FOLD_AT
    )


def _is_word(word: str, *, utf8: bool) -> bool:
    """Say whether ``word`` can stand in a header line and not end it."""
    if word.isascii():
        return not word or _PRINTED.fullmatch(word) is not None
    return utf8 and word.isprintable() and not any(char.isspace() for char in word)


class _QEncoding(dict[str, str]):
    """Characters in the Q encoding (RFC 2047 4.2); those of most texts are kept."""

    def __missing__(self, char: str) -> str:
        made = "".join(
            chr(octet) if octet in _Q_SAFE else f"={octet:02X}"
            for octet in char.encode()
        )
        if len(self) < _KEPT:
            self[char] = made
        return made


_Q = _QEncoding({" ": "_"})


def _chunks(pieces: Sequence[str], sizes: Sequence[int], limit: int) -> list[str]:
    """Join ``pieces`` of these sizes to texts of at most ``limit``."""
    chunks: list[str] = []
    start = size = 0
    for at, octets in enumerate(sizes):
        size += octets
        if size > limit:
            chunks.append("".join(pieces[start:at]))
            start, size = at, octets
    return [*chunks, "".join(pieces[start:])]


def _shown(text: str) -> str:
    """Return a value, short and printable, for a sentence about it."""
    return "".join(char if char.isprintable() else "�" for char in text)[:80]
