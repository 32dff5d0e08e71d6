"""One cell: from what was typed, pasted or read to a typed JSON value, and back.

A value is a string, a number, true or false. A date is ISO 8601, a phone number E.164,
an address has its domain in A-labels. What fits no reading is a `CellProblem` with a
reason; nothing is guessed.
"""

import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from webapp.composing.addresses import AddressError, parse_address
from webapp.recipients.dates import parse_date
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.numbers import number_text, parse_number
from webapp.recipients.reasons import CellProblem
from webapp.suppressions.keys import phone_key

Cell: TypeAlias = str | int | float | bool

# Unicode Cc and Cs, without the tab; a class is ten times as quick as looking each up.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
LONGEST_TEXT = 4_000
LONGEST_CELL = 32 * 1024
LONGEST_URL = 2_048
YES = frozenset(
    ["yes", "y", "true", "t", "1", "on", "ja", "j", "oui", "si", "sí", "sim"]
)
NO = frozenset(["no", "n", "false", "f", "0", "off", "nein", "non", "nao", "não"])


def parse_cell(kind: ColumnKind, raw: object) -> Cell | None:
    """Return the typed value of a cell; ``None`` where it is empty.

    Parameters
    ----------
    raw
        Text, or the value that a JSON call gives.

    Raises
    ------
    CellProblem
        If the column cannot hold it; its text says why.

    Examples
    --------
    >>> parse_cell(ColumnKind.EMAIL, " Ada@Example.ORG ")
    'Ada@example.org'
    >>> parse_cell(ColumnKind.PHONE, "0049 30 901820")
    '+4930901820'
    >>> parse_cell(ColumnKind.YES_NO, "ja"), parse_cell(ColumnKind.NUMBER, "1.5")
    (True, 1.5)
    >>> parse_cell(ColumnKind.TEXT, "  ") is None
    True
    >>> parse_cell(ColumnKind.URL, "javascript:alert(1)")
    Traceback (most recent call last):
        ...
    webapp.recipients.reasons.CellProblem: Not a web address (https://…)
    """
    if raw is None:
        return None
    text = as_text(raw)
    if not text.strip():
        return None
    if len(text) > LONGEST_CELL:
        raise CellProblem("Longer than 32 768 characters")
    return _PARSERS[kind](text)


def as_text(raw: object) -> str:
    """Return a value as the text that `parse_cell` reads the same value from.

    Raises
    ------
    CellProblem
        If it is an object or a list.

    Examples
    --------
    >>> [as_text(raw) for raw in (True, 12, 0.5, "x", None)]
    ['yes', '12', '0.5', 'x', '']
    """
    if raw is None:
        return ""
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    if isinstance(raw, int | float):
        return number_text(raw)
    if not isinstance(raw, str):
        raise CellProblem("This must be one value")
    return raw


def _text(text: str) -> str:
    text = text.strip()
    if "\n" in text or "\r" in text:
        raise CellProblem(
            "Has line breaks; make this a long text column, or close the quotation "
            'mark (") before it'
        )
    if _CONTROL.search(text):
        raise CellProblem("Has control characters")
    if len(text) > LONGEST_TEXT:
        raise CellProblem("Longer than 4 000 characters; make this a long text column")
    return text


def _long_text(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _CONTROL_BUT_LINES.search(text):
        raise CellProblem("Has control characters")
    return text


def _email(text: str) -> str:
    try:
        return parse_address(text.strip())
    except AddressError as error:
        raise CellProblem(error.words.rstrip(".")) from error


def _phone(text: str) -> str:
    try:
        return phone_key(text)
    except AddressError as error:
        raise CellProblem(error.words.rstrip(".")) from error


def _yes_no(text: str) -> bool:
    word = text.strip().casefold()
    if word in YES or word in NO:
        return word in YES
    raise CellProblem("Neither yes nor no")


def _url(text: str) -> str:
    text = text.strip()
    wrong = CellProblem("Not a web address (https://…)")
    if _CONTROL.search(text) or any(char.isspace() for char in text):
        raise CellProblem("A web address has no spaces")
    if len(text) > LONGEST_URL:
        raise CellProblem("Longer than 2 048 characters")
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        raise wrong from None
    if parts.scheme not in {"https", "http"} or not host:
        raise wrong
    return text


_PARSERS: dict[ColumnKind, Callable[[str], Cell]] = {
    ColumnKind.TEXT: _text,
    ColumnKind.EMAIL: _email,
    ColumnKind.PHONE: _phone,
    ColumnKind.NUMBER: parse_number,
    ColumnKind.DATE: parse_date,
    ColumnKind.YES_NO: _yes_no,
    ColumnKind.URL: _url,
    ColumnKind.LONG_TEXT: _long_text,
}
