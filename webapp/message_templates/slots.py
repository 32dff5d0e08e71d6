"""What the plain placeholders of a message template ask for. Pure.

A placeholder is plain when it is a name, perhaps with filters that have constant
arguments and cannot cost much. Everything else is logic, and stays in the sandbox.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jinja2 import nodes

from webapp.message_templates.sandbox import EmptyCell
from webapp.message_templates.skeleton import without_inner
from webapp.message_templates.vocabulary import FILTERS, printable

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
# What Jinja itself puts into the context of a template.
_NOT_VALUES = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})
# A column may have the name of a function, and then hides it.
_FUNCTIONS = frozenset({"url", "range", "namespace"})

#: A filter: its name, and its constant arguments.
Call = tuple[str, tuple[Any, ...]]


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
