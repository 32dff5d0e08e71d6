"""Message templates without logic, as literal segments with places for values.

Most message templates are text and plain placeholders, perhaps with a common filter.
Those need no sandbox for each row: the limited child reads them once, does all that is
the same for all rows (Markdown, styles, links, the text part), and answers with
segments; filling them is a join (a fifth of what the sandbox and the way to it take:
bench/rendering.py).

What is not plain stays in the child. So does every row out of the ordinary (a name
without a value, a cell that is no plain value, a result that is too large): `fill`
returns nothing for it, and the sandbox finds the words. Thus whatever fails, fails
there, within its limits.
"""

import html
from collections.abc import Mapping, Sequence

from webapp.composing.bodies import Block, Text
from webapp.message_templates.skeleton import Address
from webapp.message_templates.slots import Slot, is_cheap
from webapp.message_templates.source import MAX_OUTPUT, Rendered

MAX_SLOTS = 200
MAX_PLACES = 500
#: Characters of one row's values together.
MAX_VALUES = 64 * 1024

# Fewer characters are not worth a block of their own.
_SHORT = 100

#: A literal, the number of a slot, or ``(n,)`` for address *n*.
Piece = str | int | tuple[int]


class _Part:
    """One part: blocks of lines that are the same for all rows, and those with places.

    Parameters
    ----------
    pieces
        Literals and places, in their order.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)
        self.places = [piece for piece in pieces if type(piece) is not str]
        self._literals = sum(len(piece) for piece in pieces if type(piece) is str)
        self._blocks: list[tuple[Block | list[str], slice]] = []
        end = 0
        for block in blocks_of(pieces):
            if isinstance(block, Block):
                self._blocks.append((block, slice(0)))
                continue
            made, count = _alternating(block)
            self._blocks.append((made, slice(end, end + count)))
            end += count

    def filled(
        self, values: Sequence[str], addresses: Sequence[str]
    ) -> list[str] | None:
        """Return the text in blocks; nothing where a mail may not be as large."""
        given = [
            values[place] if type(place) is int else addresses[place[0]]  # type: ignore[index]  # no int is the tuple
            for place in self.places
        ]
        if self._literals + sum(map(len, given)) > MAX_OUTPUT:
            return None
        blocks: list[str] = []
        for block, own in self._blocks:
            if isinstance(block, Block):
                blocks.append(block)
            else:
                made = block[:]
                made[1::2] = given[own]
                blocks.append("".join(made))
        return blocks


def _alternating(pieces: Sequence[Piece]) -> tuple[list[str], int]:
    r"""Return literals with a gap between each two for a place, and the count of gaps.

    Examples
    --------
    >>> _alternating(["Dear ", 0, 1, "\n"])
    (['Dear ', '', '', '', '\n'], 2)
    """
    made = [""]
    for piece in pieces:
        if type(piece) is str:
            made[-1] += piece
        else:
            made += ["", ""]
    return made, len(made) // 2


def blocks_of(pieces: Sequence[Piece]) -> list[Block | list[Piece]]:
    r"""Cut pieces after line ends: whole lines alone, and what stands around places.

    Examples
    --------
    >>> same = "A line that is the same for all of them.\n" * 4
    >>> blocks_of(["Dear ", 0, ",\n" + same]) == [["Dear ", 0, ",\n"], same]
    True
    """
    made: list[Block | list[Piece]] = []
    begun: list[Piece] = []
    for piece in pieces:
        if type(piece) is not str:
            begun.append(piece)
            continue
        end = piece.find("\n") + 1 if begun else 0
        last = piece.rfind("\n") + 1
        if last - end < _SHORT:
            begun.append(piece)
            continue
        if begun:
            made.append([*begun, piece[:end]])
        made.append(Block(piece[end:last]))
        begun = [piece[last:]] if piece[last:] else []
    return [*made, begun] if begun else made


class Segments:
    """One message template, read once.

    Parameters
    ----------
    slots
        All that is asked for.
    parts
        Pieces by the name of the part; ``html_text`` is the text made from the HTML.
    addresses
        The addresses in the HTML, with numbers of slots among their pieces.

    Raises
    ------
    ValueError
        If it holds more than is allowed, or a number leads nowhere.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        parts: Mapping[str, Sequence[Piece]],
        addresses: Sequence[Address],
    ) -> None:
        self.slots = tuple(slots)
        self.addresses = tuple(addresses)
        self._parts = {name: _Part(pieces) for name, pieces in parts.items()}
        self._check()

    @property
    def parts(self) -> dict[str, tuple[Piece, ...]]:
        """The pieces by the name of the part."""
        return {name: part.pieces for name, part in self._parts.items()}

    def fill(self, values: Mapping[str, object], base: str | None) -> Rendered | None:
        """Render one row; nothing where the sandbox has to do it."""
        try:
            texts = self._texts(values)
        except Exception:  # noqa: BLE001 - whatever a filter raises, the sandbox says it in words
            return None
        if texts is None or sum(map(len, texts)) > MAX_VALUES:
            return None
        line = self._parts["subject"].filled(texts, ())
        body = self._parts["text"].filled(texts, ()) if "text" in self._parts else ()
        if line is None or body is None:
            return None
        subject = " ".join("".join(line).splitlines())
        if "html" not in self._parts:
            return Rendered(subject, Text(body), None)
        return self._with_html(subject, body, texts, base)

    def _texts(self, values: Mapping[str, object]) -> list[str] | None:
        texts: list[str] = []
        for slot in self.slots:
            text = slot.text(values)
            if text is None:
                return None
            texts.append(text)
        return texts

    def _with_html(
        self, subject: str, text: Sequence[str], texts: Sequence[str], base: str | None
    ) -> Rendered | None:
        links = [address.resolved(texts, base) for address in self.addresses]
        new = [link.new for link in links]
        escaped = [html.escape(one) for one in texts]
        made = self._parts["html"].filled(escaped, [html.escape(one) for one in new])
        plain = text if any(text) else self._parts["html_text"].filled(texts, new)
        if made is None or plain is None:
            return None
        return Rendered(subject, Text(plain), Text(made), tuple(links))

    def _check(self) -> None:
        pieces = [piece for part in self._parts.values() for piece in part.places]
        named = [n for address in self.addresses for n in address.pieces]
        if len(self.slots) > MAX_SLOTS or len(pieces) + len(named) > MAX_PLACES:
            raise ValueError("this has more places than are filled here")
        if not all(is_cheap(*call) for slot in self.slots for call in slot.calls):
            raise ValueError("this filter belongs into the child")
        numbers = [(number, len(self.slots)) for number in named if type(number) is int]
        for place in pieces:
            if isinstance(place, tuple):
                numbers.append((place[0], len(self.addresses)))
            elif isinstance(place, int):
                numbers.append((place, len(self.slots)))
        if not all(0 <= number < count for number, count in numbers):
            raise ValueError("a place leads nowhere")
        if "subject" not in self._parts or ("html" in self._parts) != (
            "html_text" in self._parts
        ):
            raise ValueError("a part is missing")
