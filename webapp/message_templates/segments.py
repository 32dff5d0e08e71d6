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
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jinja2 import nodes

from webapp.composing.bodies import Block, Text
from webapp.message_templates.sandbox import EmptyCell
from webapp.message_templates.skeleton import Address, without_inner
from webapp.message_templates.source import MAX_OUTPUT, Rendered
from webapp.message_templates.vocabulary import FILTERS, printable

MAX_SLOTS = 200
MAX_PLACES = 500
#: Characters of one row's values together.
MAX_VALUES = 64 * 1024

_PLAIN_TYPES = frozenset({str, int, float, bool, Decimal, date, datetime})
_CONSTANTS = (str, int, float)
_DEFAULTS = frozenset({"default", "d"})
_WITHOUT_ARGUMENTS = frozenset(
    {
        *("upper", "lower", "title", "capitalize", "trim", "urlencode"),
        *("date", "number", "e", "escape"),
    }
)
# A width in a pattern could ask for gigabytes.
_DATE_PATTERN = re.compile(r"(?:[^%]|%-?[a-zA-Z]|%%)*")
_MOST_DECIMALS = 20
_LONG = 8
# Fewer characters are not worth a block of their own.
_SHORT = 100
# What Jinja itself puts into the context of a template.
_NOT_VALUES = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})
# A column may have the name of a function, and then hides it.
_FUNCTIONS = frozenset({"url", "range", "namespace"})

Call = tuple[str, tuple[Any, ...]]
#: A literal, the number of a slot, or ``(n,)`` for address *n*.
Piece = str | int | tuple[int]


@dataclass(frozen=True, slots=True)
class Slot:
    """What one placeholder asks for: a name, and the filters on its value."""

    name: str
    calls: tuple[Call, ...] = ()

    def text(self, values: Mapping[str, object]) -> str | None:
        """Return what is printed, or nothing where the sandbox has to look at it."""
        value = values.get(self.name)
        if type(value) is str and value:
            if not value.isprintable():
                # As the wire to the child does it.
                value = without_inner(value.encode("utf-8", "replace").decode())
            if not self.calls:
                return value
        elif value is None or value == "":
            is_function = self.name in _FUNCTIONS and self.name not in values
            if is_function or not self.calls or self.calls[0][0] not in _DEFAULTS:
                return None
            value = EmptyCell(name=self.name)
        elif type(value) not in _PLAIN_TYPES:
            return None
        for name, arguments in self.calls:
            value = FILTERS[name](value, *arguments)
        return printable(value)


def slots_of(tree: nodes.Template) -> list[str | Slot] | None:
    """Return literals and slots of a part that has no logic, else nothing.

    Examples
    --------
    >>> from webapp.message_templates.reading import parse
    >>> slots_of(parse("Dear {{ name|default('friend') }},"))
    ['Dear ', Slot(name='name', calls=(('default', ('friend',)),)), ',']
    >>> slots_of(parse("{% if name %}x{% endif %}")) is None
    True
    """
    found: list[str | Slot] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                found.append(node.data)
                continue
            slot = _slot(node)
            if slot is None:
                return None
            found.append(slot)
    return found


def _slot(node: nodes.Expr) -> Slot | None:
    calls: list[Call] = []
    while isinstance(node, nodes.Filter):
        call = _call(node)
        if call is None or node.node is None:
            return None
        calls.append(call)
        node = node.node
    if not isinstance(node, nodes.Name) or node.name in _NOT_VALUES:
        return None
    return Slot(node.name, tuple(reversed(calls)))


def _call(node: nodes.Filter) -> Call | None:
    """Return a filter with constant arguments, if it is one that cannot cost much."""
    arguments = [
        one.value
        for one in node.args
        if isinstance(one, nodes.Const) and isinstance(one.value, _CONSTANTS)
    ]
    if len(arguments) < len(node.args) or node.kwargs or node.dyn_args:
        return None
    call = (node.name, tuple(arguments))
    return call if node.dyn_kwargs is None and is_cheap(*call) else None


def is_cheap(name: str, arguments: Sequence[Any]) -> bool:
    """Whether a filter may run outside the limited child.

    Examples
    --------
    >>> is_cheap("date", ("%-d %B",)), is_cheap("date", ("%999999999d",))
    (True, False)
    """
    match arguments:
        case []:
            return name in _WITHOUT_ARGUMENTS
        case [str(pattern)] if name == "date":
            return _DATE_PATTERN.fullmatch(pattern) is not None
        case [int(decimals), *rest] if name == "number":
            short = all(isinstance(one, str) and len(one) < _LONG for one in rest)
            return 0 <= decimals <= _MOST_DECIMALS and short
    return name in _DEFAULTS


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


def numbered(
    parts: Mapping[str, Sequence[str | Slot]],
) -> tuple[list[Slot], dict[str, list[str | int]]]:
    """Return the distinct slots of all parts, and the parts with their numbers."""
    numbers: dict[Slot, int] = {}
    made: dict[str, list[str | int]] = {
        name: [
            one if isinstance(one, str) else numbers.setdefault(one, len(numbers))
            for one in pieces
        ]
        for name, pieces in parts.items()
    }
    return list(numbers), made


def packed_segments(found: Segments) -> list[object]:
    """Return segments as a list for JSON."""
    slots = [[slot.name, [[n, list(a)] for n, a in slot.calls]] for slot in found.slots]
    addresses = [[list(one.pieces), one.kind] for one in found.addresses]
    return [slots, {k: list(v) for k, v in found.parts.items()}, addresses]


def unpacked_segments(row: Any) -> Segments:
    """Return the segments in a list, every field checked for its type.

    Raises
    ------
    ValueError
        When the list is not that.
    """
    match row:
        case [list(slots), dict(parts), list(addresses)]:
            return Segments(
                [_slot_in(one) for one in slots],
                {str(name): [*_pieces(pieces)] for name, pieces in parts.items()},
                [_address_in(one) for one in addresses],
            )
    raise ValueError("these are not segments")


def _slot_in(row: Any) -> Slot:
    match row:
        case [str(name), list(calls)]:
            return Slot(name, tuple((str(n), tuple(a)) for n, a in calls))
    raise ValueError("this is not a slot")


def _address_in(row: Any) -> Address:
    match row:
        case [list(pieces), str(kind)]:
            plain = [one for one in _pieces(pieces) if not isinstance(one, tuple)]
            return Address(tuple(plain), kind)
    raise ValueError("this is not an address")


def _pieces(row: Any) -> Iterator[Piece]:
    for one in row:
        match one:
            case bool():
                raise ValueError("this is not a piece")
            case str() | int():
                yield one
            case [int(number)]:
                yield (number,)
            case _:
                raise ValueError("this is not a piece")
