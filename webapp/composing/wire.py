"""The last gate before the wire: which bytes may leave, and how DATA carries them.

Servers disagree about a bare CR, a bare LF and ``<LF>.<LF>``; where two of them
disagree, one message can become two (SMTP smuggling). So a message is CRLF lines and
nothing else, and the transparency of RFC 5321 4.5.2 is applied in one place.

A message stays in pieces of whole lines (`Octets`). A large file that many messages
carry is one and the same piece in all of them: nobody copies it, and nobody looks at it
twice. What is said of a message line by line may be said of each piece by itself.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby

from webapp.composing.headers import MAX_LINE
from webapp.composing.letter import ComposeError

_FIELD = re.compile(rb"[!-9;-~]+: ")
ONCE = ("from", "to", "subject", "date", "message-id", "mime-version")
NEVER = ("bcc", "return-path")
_LARGE = 32 * 1024
_LOOKS = 2000
_LF = 10
_KEPT = 256


class Gated(bytes):
    """Whole lines that passed the gate; what any operation makes of them has not.

    The base64 of an attachment is such, and the lines that all messages of a campaign
    share: they are looked at once, and remember what was seen.
    """

    @cached_property
    def is_ascii(self) -> bool:
        """Whether any server takes them."""
        return self.isascii()

    @cached_property
    def is_transparent(self) -> bool:
        """Whether no line begins with a dot."""
        return not _has_leading_dot(self)

    @cached_property
    def is_tidy(self) -> bool:
        """Whether DKIM finds no white space to change in them (RFC 6376 3.4.4)."""
        return not any(map(self.count, (b"\t", b"  ", b" \r\n")))


@dataclass(frozen=True, slots=True)
class Octets:
    r"""A message that passed the gate, as `gated` makes it.

    Attributes
    ----------
    pieces
        Whole lines each; a large piece may be shared with other messages.
    size
        Of all of them together.
    is_ascii
        Whether any server takes them.

    Examples
    --------
    >>> message = gated([b"Subject: x\r\n\r\n", b".\r\n"])
    >>> message.size, message.transparent(), bytes(message)[-3:]
    (17, [b'Subject: x\r\n\r\n..\r\n'], b'.\r\n')
    """

    pieces: tuple[bytes, ...]
    size: int
    is_ascii: bool

    def __bytes__(self) -> bytes:
        """Run the pieces together."""
        return b"".join(self.pieces)

    def transparent(self) -> list[bytes]:
        """Return what follows ``DATA`` without the final dot, in pieces."""
        return [transparent(piece) for piece in self.pieces]

    def below(self, lines: bytes) -> "Octets":
        """Return the message with further lines before it.

        Raises
        ------
        ComposeError
            If they do not pass the gate.
        """
        gate(lines)
        is_ascii = self.is_ascii and lines.isascii()
        return Octets((lines, *self.pieces), self.size + len(lines), is_ascii)


def gate(data: bytes) -> None:
    r"""Refuse bytes that a server could read in two ways.

    Raises
    ------
    ComposeError
        If a CR or LF stands alone, there is a NUL or a line over 998 octets, or
        the last line has no end.

    Examples
    --------
    >>> gate(b"Subject: x\r\n\r\nHello\n.\nMAIL FROM:<a@b>\r\n")
    Traceback (most recent call last):
        ...
    webapp.composing.letter.ComposeError: The message holds a CR, LF or NUL on its own.
    """
    if isinstance(data, Gated):
        return
    ends = data.count(b"\r\n")
    if not ends == data.count(b"\r") == data.count(b"\n") or b"\0" in data:
        raise ComposeError("The message holds a CR, LF or NUL on its own.")
    if _has_long_line(data):
        raise ComposeError(f"The message holds a line over {MAX_LINE} octets.")
    if not data.endswith(b"\r\n"):
        raise ComposeError("The message does not end with a line end.")


def shared(data: bytes) -> Gated:
    """Return whole lines that many messages will hold.

    Raises
    ------
    ComposeError
        If they do not pass the gate.
    """
    gate(data)
    return Gated(data)


def gated(pieces: Sequence[bytes]) -> Octets:
    r"""Return pieces of whole lines as a message; those that passed are not looked at.

    Each piece ends a line. So nothing comes about where two of them meet, no line and
    no pair of CR and LF, and they pass together exactly if each of them does.

    Raises
    ------
    ComposeError
        If one of them does not pass.

    Examples
    --------
    >>> gated([b"Hello\r\n", b"Ada\r", b"\n"])
    Traceback (most recent call last):
        ...
    webapp.composing.letter.ComposeError: The message does not end with a line end.
    """
    fresh = [piece for piece in pieces if type(piece) is not Gated]
    if not all(piece.endswith(b"\r\n") for piece in fresh):
        raise ComposeError("The message does not end with a line end.")
    own = b"".join(fresh)
    if fresh:
        gate(own)
    if not any(map(_stays_alone, pieces)):
        whole = own if len(fresh) == len(pieces) else b"".join(pieces)
        return Octets((whole,), len(whole), whole.isascii())
    kept = tuple(_run_together(pieces))
    is_ascii = all(
        piece.is_ascii if type(piece) is Gated else piece.isascii() for piece in kept
    )
    return Octets(kept, sum(map(len, kept)), is_ascii)


def _stays_alone(piece: bytes) -> bool:
    """Whether it costs more to copy a piece than to hand it on by itself."""
    return len(piece) > _LARGE and type(piece) is Gated


def _run_together(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the large shared pieces, and what stands between them as one each."""
    for is_alone, run in groupby(pieces, _stays_alone):
        if is_alone:
            yield from run
        else:
            yield b"".join(run)


def _has_long_line(data: bytes) -> bool:
    """Say whether a line is over 998 octets, without a look at each line.

    Where the next 1000 octets hold a line end, every line up to the last one is short
    enough: so it goes on from there (a 200 KB attachment: a tenth of the time).
    """
    start = 0
    while len(data) - start > MAX_LINE:
        end = data.rfind(b"\r\n", start, start + MAX_LINE + 2)
        if end < 0:
            return True
        start = end + 2
    return False


def gate_headers(data: bytes) -> None:
    """Refuse a message whose header block is not exactly what we meant to write.

    Raises
    ------
    ComposeError
        If a line is no header, a header that must be there once is not, or one is there
        that must never leave (Bcc, Return-Path).
    """
    lines = data.partition(b"\r\n\r\n")[0].split(b"\n")
    if not all(map(bytes.strip, lines)):
        raise ComposeError("The message would have a malformed header line.")
    _check_starts(tuple([line[: line.find(b": ") + 2] for line in lines]))


@lru_cache(maxsize=_KEPT)
def _check_starts(starts: tuple[bytes, ...]) -> None:
    """Check header lines by how they begin; that is the same in a whole campaign.

    Each line is a field or the fold of one, and the first is a field.
    """
    fields = [start for start in starts if not start.startswith((b" ", b"\t"))]
    if fields[:1] != [starts[0]] or not all(map(_FIELD.fullmatch, fields)):
        raise ComposeError("The message would have a malformed header line.")
    seen = [name[:-2].lower().decode("ascii") for name in fields]
    for name in ONCE:
        if seen.count(name) != 1:
            raise ComposeError(f"The message would not have exactly one {name} header.")
    for name in NEVER:
        if name in seen:
            raise ComposeError(f"The message would show a {name} header.")


def dot_stuffed(data: bytes) -> bytes:
    r"""Return what follows ``DATA``: a leading dot doubled, then the final dot.

    Examples
    --------
    >>> dot_stuffed(b".\r\nHello\r\n..\r\n")
    b'..\r\nHello\r\n...\r\n.\r\n'
    """
    return transparent(data) + b".\r\n"


def transparent(data: bytes) -> bytes:
    r"""Return what follows ``DATA`` without the final dot: a leading dot doubled.

    A large message without a leading dot is returned as it is, and not copied. To look
    at its dots is quick, for base64 has none (300 µs became 10 for 270 KB), and what
    messages share is looked at once.

    Examples
    --------
    >>> transparent(b".\r\nHello\r\n..\r\n")
    b'..\r\nHello\r\n...\r\n'
    """
    if len(data) > _LARGE and (
        data.is_transparent if type(data) is Gated else not _has_leading_dot(data)
    ):
        return data
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _has_leading_dot(data: bytes) -> bool:
    """Say whether a line may begin with a dot; with very many dots, that it may."""
    at = -1
    for _look in range(_LOOKS):
        at = data.find(b".", at + 1)
        if at < 0:
            return False
        if at == 0 or data[at - 1] == _LF:
            return True
    return True
