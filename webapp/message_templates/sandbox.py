"""The language of message templates: Jinja, cut down to what a mail needs.

A message template is code by somebody only half trusted, a cell is data by anybody.
So nothing is forbidden here by name; only what is listed exists: filters, tests,
functions and methods. Values are plain (text, numbers, dates); there is no loader,
and no constant is computed while a source is only read (``optimized`` is off),
because reading happens outside the limited process.
"""

from collections.abc import Callable
from functools import partial
from types import BuiltinMethodType, MethodType
from typing import Any, NoReturn

from jinja2 import StrictUndefined, Undefined, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing, pass_context

from webapp.message_templates.vocabulary import (
    ATTRIBUTES,
    FILTERS,
    OPERATORS,
    TESTS,
    printable,
    short_range,
)

_MAX_NAME = 100


class MissingValue(UndefinedError):
    """A name without a value was used.

    Parameters
    ----------
    name
        The name.
    empty
        Whether the column exists and only this row's cell is empty.
    message
        Jinja's own words.
    """

    def __init__(self, name: str | None, empty: bool, message: str | None) -> None:
        super().__init__(message)
        self.name = name
        self.empty = empty


class Unknown(StrictUndefined):
    """A name that is neither a column nor anything else: any use of it is an error."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: Any = None,
    ) -> None:
        told: Any = exc or partial(MissingValue, name, False)
        super().__init__(hint, obj, name, told)


class EmptyCell(Undefined):
    """A column whose cell is empty: may be asked about, but not printed.

    ``{% if city %}``, ``city == ""`` and ``city|default("…")`` work; anything else is
    an error that names the column, so that no half sentence is ever sent.
    """

    __slots__ = ()
    __iter__ = __str__ = __len__ = Undefined._fail_with_undefined_error
    __hash__ = Undefined.__hash__

    def __init__(self, name: str) -> None:
        told: Any = partial(MissingValue, name, True)
        super().__init__(name=name, exc=told)

    def __eq__(self, other: object) -> bool:
        return other is None or other == "" or isinstance(other, EmptyCell)


class Piece(str):
    """What a macro of the message template itself made: already in its final form."""

    __slots__ = ()


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja environment in which only what is listed exists.

    Parameters
    ----------
    write
        Turns each printed value into text (or into a place for it).
    url
        The function behind ``url()``.
    autoescape
        Whether this one is for HTML.
    """

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(
        self,
        write: Callable[[object], str] = printable,
        url: Callable[..., str] = str,
        *,
        autoescape: bool = False,
    ) -> None:
        @pass_context
        def finalize(_context: Context, value: object) -> str:
            return write(value)

        super().__init__(
            autoescape=autoescape,
            undefined=Unknown,
            finalize=finalize,
            loader=None,
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
        )
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)
        self.globals = {"url": url, "range": short_range, "namespace": Namespace}
        self._functions = set(self.globals.values())

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a listed attribute, or an item of a mapping."""
        if isinstance(obj, Undefined):
            return getattr(obj, attribute)
        if attribute in ATTRIBUTES.get(type(obj), ()):
            return getattr(obj, attribute)
        if isinstance(obj, Namespace) and not attribute.startswith("_"):
            return getattr(obj, attribute)
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return self._refuse(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item of a text, list or mapping; never an attribute."""
        named = isinstance(argument, str) and not isinstance(obj, dict)
        if isinstance(obj, str | list | tuple | dict | range) and not named:
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(obj=obj, name=str(argument)[:_MAX_NAME])
        if isinstance(obj, Undefined):
            return obj[argument]
        return self._refuse(obj, str(argument)[:_MAX_NAME])

    @staticmethod
    def _refuse(obj: object, attribute: str) -> NoReturn:
        kind = type(obj).__name__
        raise SecurityError(f"{attribute!r} of a {kind} is not available")

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a listed function or method, a macro or a recursive loop."""
        if isinstance(obj, Macro | LoopContext):
            return Piece(context.call(obj, *args, **kwargs))
        method = isinstance(obj, BuiltinMethodType | MethodType)
        if not method and obj not in self._functions:
            raise SecurityError("this cannot be called")
        return context.call(obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply, raise and take remainders only as far as a mail needs it."""
        return OPERATORS[operator](left, right)
