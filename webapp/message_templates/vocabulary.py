"""What the language of message templates has: filters, tests, attributes, functions.

Whatever is not in these tables does not exist in a message template.
"""

import operator
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as _JINJA_FILTERS
from jinja2.runtime import LoopContext
from jinja2.tests import TESTS as _JINJA_TESTS

_MAX_RANGE = 10_000
_MAX_REPEAT = 10_000
_MAX_BITS = 4_096
_MAX_FORMAT = 100

_FROM_JINJA = (
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "first",
    "float",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "max",
    "min",
    "replace",
    "reverse",
    "round",
    "sort",
    "sum",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
)
_TESTS = (
    "boolean",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "greaterthan",
    "in",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "lessthan",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "string",
    "true",
    "undefined",
    "upper",
    "==",
)
_TEXT = frozenset(
    {
        "capitalize",
        "casefold",
        "count",
        "endswith",
        "find",
        "isalnum",
        "isalpha",
        "isdigit",
        "islower",
        "isnumeric",
        "isspace",
        "istitle",
        "isupper",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "swapcase",
        "title",
        "upper",
    }
)
_DATE = frozenset({"year", "month", "day", "weekday", "isoweekday", "isoformat"})
_LIST = frozenset({"index", "count"})
_LOOP = frozenset(
    {
        "index",
        "index0",
        "first",
        "last",
        "length",
        "revindex",
        "revindex0",
        "previtem",
        "nextitem",
        "depth",
        "depth0",
        "changed",
        "cycle",
    }
)

#: Attributes and methods that a value of each type has.
ATTRIBUTES: dict[type, frozenset[str]] = {
    str: _TEXT,
    date: _DATE,
    datetime: _DATE | {"hour", "minute", "second", "date"},
    dict: frozenset({"items", "keys", "values", "get"}),
    list: _LIST,
    tuple: _LIST,
    LoopContext: _LOOP,
}


def printable(value: object) -> str:
    """Return a value as it appears in a message.

    Raises
    ------
    SecurityError
        For anything that is not text, number, yes/no or date.

    Examples
    --------
    >>> printable(True), printable(12.5), printable(date(2027, 3, 14))
    ('yes', '12.5', '2027-03-14')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float | Decimal | date | Undefined):
        return str(value)
    if value is None:
        return ""
    raise SecurityError(f"a {type(value).__name__} cannot be written into a message")


def format_date(value: object, pattern: str = "%-d %B %Y") -> str:
    """Return a date in words, the ``date`` filter.

    Examples
    --------
    >>> format_date(date(2027, 3, 14))
    '14 March 2027'
    """
    if not isinstance(value, date):
        if isinstance(value, Undefined):
            str(value)
        raise TypeError("the filter date needs a date")
    if len(pattern) > _MAX_FORMAT:
        raise ValueError("the pattern of the filter date is too long")
    return value.strftime(pattern)


def format_number(value: Any, decimals: int = 0, separator: str = ",") -> str:
    """Return a number with its thousands parted, the ``number`` filter.

    Examples
    --------
    >>> format_number(12345.5, 2)
    '12,345.50'
    """
    if isinstance(value, Undefined):
        str(value)
    if not 0 <= decimals <= _MAX_FORMAT:
        raise ValueError("the filter number takes up to 100 decimals")
    number = value if isinstance(value, int | Decimal) else float(value)
    return f"{number:,.{decimals}f}".replace(",", separator)


def _unchanged(value: object) -> object:
    """Stand for ``e`` and ``escape``: HTML parts are escaped anyway, others never."""
    return value


def short_range(*limits: int) -> range:
    """Return a range of at most 10 000 numbers: ``range()`` of the language."""
    numbers = range(*limits)
    if len(numbers) > _MAX_RANGE:
        raise OverflowError(f"range() makes at most {_MAX_RANGE} numbers")
    return numbers


def _multiply(left: Any, right: Any) -> Any:
    numbers = [value for value in (left, right) if isinstance(value, int | float)]
    if len(numbers) == 1 and not isinstance(left, Decimal):
        other = right if numbers[0] is left else left
        if len(other) * numbers[0] > _MAX_REPEAT:
            raise OverflowError("a text may not be repeated that often")
    return operator.mul(left, right)


def _power(left: Any, right: Any) -> Any:
    if not isinstance(right, int | float) or abs(right) > _MAX_BITS:
        raise OverflowError("the power is too high")
    if isinstance(left, int) and left.bit_length() * abs(right) > _MAX_BITS:
        raise OverflowError("the power is too high")
    return operator.pow(left, right)


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        raise SecurityError("'%' with a text is not available")
    return operator.mod(left, right)


#: Operators that are computed only as far as a mail needs them.
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "*": _multiply,
    "**": _power,
    "%": _remainder,
}

#: Filters by name.
FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _JINJA_FILTERS[name] for name in _FROM_JINJA},
    "date": format_date,
    "number": format_number,
    "e": _unchanged,
    "escape": _unchanged,
}

#: Tests by name.
TESTS: dict[str, Any] = {name: _JINJA_TESTS[name] for name in _TESTS}
