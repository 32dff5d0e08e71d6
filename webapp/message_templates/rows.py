"""One recipient's cells as the values that a message template sees."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

_YES = frozenset({"yes", "true", "1", "y"})


def typed_row(
    values: Mapping[str, object], kinds: Mapping[str, str]
) -> dict[str, object]:
    """Return cells as stored (JSON) with dates, numbers and yes/no as such.

    A column without a cell is an empty one; a cell that is not what its column says
    stays text.

    Parameters
    ----------
    values
        Column name to cell.
    kinds
        Column name to kind, as in `webapp.recipients.models.ColumnKind`.

    Examples
    --------
    >>> typed_row({"born": "2001-02-03"}, {"born": "date", "city": "text"})
    {'born': datetime.date(2001, 2, 3), 'city': None}
    """
    row: dict[str, object] = dict(values)
    for name, kind in kinds.items():
        cell = values.get(name)
        read = _READERS.get(str(kind))
        row[name] = read(cell) if read and isinstance(cell, str) and cell else cell
    return row


def _date(cell: str) -> object:
    try:
        return date.fromisoformat(cell)
    except ValueError:
        return cell


def _number(cell: str) -> object:
    try:
        number = Decimal(cell)
    except InvalidOperation:
        return cell
    if not number.is_finite():
        return cell
    return int(cell) if cell.lstrip("-").isdigit() else number


def _yes_no(cell: str) -> object:
    return cell.lower() in _YES


_READERS: dict[str, Callable[[str], object]] = {
    "date": _date,
    "number": _number,
    "yes_no": _yes_no,
}
