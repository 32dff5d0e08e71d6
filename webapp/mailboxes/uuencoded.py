"""Files that old programs write into the text itself: uuencode (POSIX.1-2017).

Pure and linear. A block counts only if it looks like one from beginning to end, for
people also begin lines with “begin”.
"""

import binascii
import re
from dataclasses import dataclass

from webapp.core.file_names import clean_file_name

#: What such a part says of its transfer encoding; no standard names it.
ENCODING = "x-uuencode"
ENCODINGS = frozenset({ENCODING, "uuencode", "x-uue", "x-uu"})
MOST = 20

_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,200})\r?\n", re.MULTILINE)
#: A line of a block uses the letters from space to grave accent only.
_LINE = re.compile(rb"[ -`]{1,200}")
_END = re.compile(rb"^end[ \t]{0,20}(?=\r?$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """Where a file stands in a text, and its name."""

    start: int
    end: int
    file_name: str


def blocks(text: bytes) -> list[Block]:
    r"""Return the files in a text.

    >>> blocks(b"Hello\nbegin 644 cat.txt\n#0V%T\n`\nend\n")
    [Block(start=6, end=35, file_name='cat.txt')]
    >>> blocks(b"begin 644 words\nand some more\nend\n")
    []
    """
    found: list[Block] = []
    at = 0
    end = _END.search(text)
    while end is not None and len(found) < MOST:
        begin = _BEGIN.search(text, at)
        if begin is None:
            break
        at = begin.end()
        # Looked for once, however many lines begin before it.
        end = end if end.start() >= at else _END.search(text, at)
        if end is None:
            break
        if _is_line(text[at : text.find(b"\n", at) + 1]):
            name = clean_file_name(begin[1].decode("utf-8", "replace"))
            found.append(Block(begin.start(), end.end(), name))
            at = end.end()
    return found


def decode(block: bytes) -> bytes:
    r"""Return a file; lines that are none are passed over.

    >>> decode(b"begin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\n")
    b'Cat'
    """
    begin = _BEGIN.search(block)
    lines = block[begin.end() if begin else 0 :].split(b"\n")
    pieces = []
    for line in lines:
        if line.rstrip() == b"end":
            break
        pieces.append(_decoded(line.rstrip(b"\r")))
    return b"".join(pieces)


def _is_line(line: bytes) -> bool:
    """Say whether a line's first character tells its length, as in each of them."""
    bare = line.rstrip(b"\r\n")
    if not _LINE.fullmatch(bare):
        return False
    return bare == b"`" or abs(len(bare) - 1 - _length(bare)) <= len("x ")


def _length(line: bytes) -> int:
    """Return how many characters stand for the octets of a line."""
    octets = (line[0] - 0x20) & 0x3F
    return -(-octets // 3) * 4


def _decoded(line: bytes) -> bytes:
    if not line:
        return b""
    try:
        # Some programs add a checksum, others lose the spaces at the end.
        return binascii.a2b_uu(line[: _length(line) + 1])
    except binascii.Error:
        return b""
