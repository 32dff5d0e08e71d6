"""Text bodies: lines of any language become octets that every server takes.

Most lines of two messages of a campaign are the same. Who fills a message template
knows which, and hands over a `Text`: a text that remembers its blocks of whole lines.
Those that all messages share are a `Block` each, and are encoded and looked at once.

That is allowed because nothing here looks beyond a line: what may stand in it and how
it is quoted (RFC 2045 2.7, 6.7) depends on that line alone. So a text may be cut after
any LF, and the octets of its pieces are those of the whole; a property test says so.
"""

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Sequence

from webapp.composing.letter import ComposeError
from webapp.composing.wire import shared

_BREAK = re.compile(r"\r\n|\r|\n")
_SEVEN_BIT = re.compile(rb"(?:[\t -~]{0,78}\r\n)*")


class _Lines:
    """Whole lines as octets, and how they may leave.

    Attributes
    ----------
    raw
        The lines in UTF-8, each with its CRLF.
    is_seven_bit
        Whether they may leave as they are.
    """

    __slots__ = ("_quoted", "is_seven_bit", "raw")

    def __init__(self, text: str) -> None:
        if "\r" in text:
            text = _BREAK.sub("\n", text)
        try:
            raw = text.replace("\n", "\r\n").encode()
        except UnicodeEncodeError:
            raise ComposeError(
                "A body holds half a character (a lone surrogate)."
            ) from None
        self.raw = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
        self.is_seven_bit = (
            raw.isascii()
            and b"=_" not in raw
            and _SEVEN_BIT.fullmatch(self.raw) is not None
        )
        self._quoted = b""

    @property
    def quoted(self) -> bytes:
        """The lines in quoted-printable."""
        if not self._quoted:
            self._quoted = b2a_qp(self.raw, istext=True)
        return self._quoted

    def keep(self) -> None:
        """Work out and look at all that many messages will ask for."""
        self._quoted = shared(self.quoted)
        if self.is_seven_bit:
            self.raw = shared(self.raw)


class Block(str):
    """Whole lines that many texts share; all but a text's last block end with LF."""

    __slots__ = ("_lines",)
    _lines: _Lines

    @property
    def lines(self) -> _Lines:
        """The block as octets.

        Raises
        ------
        ComposeError
            If it cannot be sent.
        """
        try:
            return self._lines
        except AttributeError:
            lines = _Lines(self)
            lines.keep()
            self._lines = lines
            return lines


class Text(str):
    r"""A text that remembers its blocks; some of them are a `Block`.

    Examples
    --------
    >>> text = Text([Block("Dear all,\n"), "", "Ada\n"])
    >>> text, text.blocks
    ('Dear all,\nAda\n', ('Dear all,\n', 'Ada\n'))
    """

    __slots__ = ("blocks",)
    blocks: tuple[str, ...]

    def __new__(cls, blocks: Sequence[str]) -> "Text":
        """Join the blocks; those that came out empty are left out."""
        made = super().__new__(cls, "".join(blocks))
        made.blocks = tuple([block for block in blocks if block])
        return made


def encoded(text: str) -> tuple[str, list[bytes]]:
    r"""Return a body in the shortest encoding that keeps every character.

    Returns
    -------
    tuple
        The Content-Transfer-Encoding, and the body in pieces of whole lines.

    Raises
    ------
    ComposeError
        If the text cannot be sent.

    Examples
    --------
    >>> encoded("Hello\nAda"), encoded("Grüße")
    (('7bit', [b'Hello\r\nAda\r\n']), ('quoted-printable', [b'Gr=C3=BC=C3=9Fe\r\n']))
    """
    blocks = text.blocks if isinstance(text, Text) and text else (text,)
    pieces = [one.lines if type(one) is Block else _Lines(one) for one in blocks]
    if all(piece.is_seven_bit for piece in pieces):
        return "7bit", [piece.raw for piece in pieces]
    quoted = [piece.quoted for piece in pieces]
    raw = [piece.raw for piece in pieces]
    if sum(map(len, quoted)) > 2 * sum(map(len, raw)):
        return "base64", [in_base64(b"".join(raw))]
    return "quoted-printable", quoted


def in_base64(content: bytes) -> bytes:
    """Return octets in base64, in lines of 76."""
    return encodebytes(content).replace(b"\n", b"\r\n")
