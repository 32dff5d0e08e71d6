"""Numbers as people write them, read without guessing."""

import math
import re

from webapp.recipients.reasons import CellProblem

_PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_BLANKS = re.compile("(?<=[0-9])[ \u00a0\u202f\u2009'\u2019](?=[0-9]{3}(?![0-9]))")
_DIGITS = 15  # what a double, and so a spreadsheet, keeps


def parse_number(text: str) -> int | float:
    """Return a number.

    Raises
    ------
    CellProblem
        If it is none, could be two, or has more digits than a number keeps.

    Examples
    --------
    >>> texts = ("12", "1 234,5", "1.234.567", "1,234.50", "-.5")
    >>> [parse_number(text) for text in texts]
    [12, 1234.5, 1234567, 1234.5, -0.5]
    >>> parse_number("1,234")
    Traceback (most recent call last):
        ...
    webapp.recipients.reasons.CellProblem: 1234 or 1.234? Write it without the comma
    """
    plain = _point_only(_BLANKS.sub("", text.strip()).replace("\u2212", "-"))
    if not _PLAIN.fullmatch(plain):
        raise CellProblem("Not a number")
    if len(re.sub("[^0-9]", "", plain).lstrip("0")) > _DIGITS and not _is_float(plain):
        raise CellProblem("Too many digits for a number; make this a text column")
    if not _is_float(plain):
        return int(plain)
    number = float(plain)
    if not math.isfinite(number):
        raise CellProblem("Not a number")
    return number


def number_text(number: float) -> str:
    """Return a number as `parse_number` reads it back.

    Examples
    --------
    >>> [number_text(number) for number in (12, 0.5, 1e-07)]
    ['12', '0.5', '1e-07']
    """
    return repr(number)


def _is_float(plain: str) -> bool:
    return any(sign in plain for sign in ".eE")


def _point_only(text: str) -> str:
    """Return the number with a point for its decimals, and no thousands parted."""
    if "," not in text:
        return _joined(text, ".") if text.count(".") > 1 else text
    if "." not in text:
        if text.count(",") > 1:
            return _joined(text, ",")
        whole, _, rest = text.partition(",")
        if re.fullmatch("[+-]?[1-9][0-9]{0,2}", whole) and len(rest) == 3:  # noqa: PLR2004 - a group of thousands
            raise CellProblem(
                f"{whole}{rest} or {whole}.{rest}? Write it without the comma"
            )
        return f"{whole}.{rest}"
    thousands, decimal = (",", ".") if text.rfind(".") > text.rfind(",") else (".", ",")
    whole, _, rest = text.rpartition(decimal)
    return f"{_joined(whole, thousands)}.{rest}"


def _joined(text: str, thousands: str) -> str:
    groups = text.split(thousands)
    if any(len(group) != 3 for group in groups[1:]) or len(groups[0]) > 4:  # noqa: PLR2004 - groups of thousands, one sign
        raise CellProblem("Not a number")
    return "".join(groups)
