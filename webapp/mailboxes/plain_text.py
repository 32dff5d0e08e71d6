"""A mail's plain text as paragraphs, quotes and links; the page escapes each piece.

Pure and linear: no markup is ever made here, so there is nothing to escape wrongly
(SECURITY.md 11). Text over the cap stays in the source.
"""

import re
from dataclasses import dataclass
from itertools import groupby

TEXT_SHOWN = 256 * 1024
LINES_SHOWN = 4000
LONGEST_LINE = 20_000

_LINK = re.compile(
    r"(?P<url>https?://[^\s<>\"\x00-\x20]{1,2000})"
    r"|(?P<mail>(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})",
    re.IGNORECASE,
)
#: What a terminal obeys and no reader sees; a turned line would say something else.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_TURNS = re.compile("[\u202d\u202e]")
_QUOTE = re.compile(r"(?:> ?)+")
_TRAILING = ".,;:!?'\"»”)]}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text; with `href` it is a link to what it says."""

    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together; quoted ones are shown folded."""

    quoted: bool
    lines: tuple[tuple[Piece, ...], ...]


def blocks(text: str) -> list[Block]:
    r"""Return the text as blocks.

    Examples
    --------
    >>> [(block.quoted, len(block.lines)) for block in blocks("Hi\n> a\n> b\nbye")]
    [(False, 1), (True, 2), (False, 1)]
    >>> blocks("see https://example.com/a.")[0].lines[0][1]
    Piece(text='https://example.com/a', href='https://example.com/a')
    >>> blocks("a\x1b[0m \u202egnp.exe")[0].lines[0][0].text
    'a[0m �gnp.exe'
    """
    text = text[:TEXT_SHOWN].replace("\r\n", "\n").replace("\r", "\n")
    rows = _TURNS.sub("\ufffd", _CONTROLS.sub("", text)).split("\n")
    grouped = groupby(rows[:LINES_SHOWN], key=lambda row: row.startswith(">"))
    made = (_block(list(lines), quoted=quoted) for quoted, lines in grouped)
    return [block for block in made if block.lines]


def _block(rows: list[str], *, quoted: bool) -> Block:
    """Return a block without the empty lines at its ends."""
    bare = [_QUOTE.sub("", row, count=1) if quoted else row for row in rows]
    while bare and not bare[-1].strip():
        bare.pop()
    first = next((at for at, row in enumerate(bare) if row.strip()), 0)
    return Block(quoted, tuple(pieces(row) for row in bare[first:]))


def is_cut(text: str) -> bool:
    """Say whether `blocks` leaves something out."""
    return len(text) > TEXT_SHOWN or text.count("\n") > LINES_SHOWN


def pieces(line: str) -> tuple[Piece, ...]:
    """Split one line at its links.

    >>> pieces("a@example.com!")
    (Piece(text='a@example.com', href='mailto:a@example.com'), Piece(text='!', href=''))
    """
    found: list[Piece] = []
    at = 0
    line = line[:LONGEST_LINE]
    for match in _LINK.finditer(line):
        link = match[0].rstrip(_TRAILING)
        if "(" in link and match[0].startswith(link + ")"):
            link += ")"
        if match.start() > at:
            found.append(Piece(line[at : match.start()]))
        found.append(Piece(link, link if match["url"] else f"mailto:{link}"))
        at = match.start() + len(link)
    if at < len(line) or not found:
        found.append(Piece(line[at:]))
    return tuple(found)
