"""One row: from raw cells to typed values, the reasons of bad cells, and its address.

A bad cell keeps its text, so that a person sees what to mend. Cells that are empty are
absent from the values.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from webapp.recipients.cells import LONGEST_CELL, Cell, as_text, parse_cell
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.reasons import CellProblem

LONGEST_SEARCH = 2_000
EMPTY = "Required and empty"


@dataclass(frozen=True)
class Row:
    """What is stored of a row.

    Attributes
    ----------
    values
        Column name to typed value, or to the text of a bad cell.
    problems
        Column name to the reason.
    address, address_key
        Where it is written to, and what two spellings have in common; empty where the
        row has no good one.
    keys
        Of each unique column that is filled well: what tells its values apart.
    search
        All cells, case-folded.
    """

    values: dict[str, Cell]
    problems: dict[str, str]
    address: str
    address_key: str
    keys: dict[str, str]
    search: str


def read_row(
    columns: Sequence[ColumnSpec], address_column: str, raw: Mapping[str, object]
) -> Row:
    """Return the row that these cells make; cells of no column are left out.

    Examples
    --------
    >>> columns = [ColumnSpec("email", ColumnKind.EMAIL, unique=True),
    ...            ColumnSpec("age", ColumnKind.NUMBER, required=True)]
    >>> row = read_row(columns, "email", {"email": "Ada@Example.org", "age": " 36"})
    >>> row.values, row.keys
    ({'email': 'Ada@example.org', 'age': 36}, {'email': 'ada@example.org'})
    >>> bad = read_row(columns, "email", {"email": "ada(at)example.org"})
    >>> bad.values, bad.problems["age"], bad.address
    ({'email': 'ada(at)example.org'}, 'Required and empty', '')
    """
    values: dict[str, Cell] = {}
    problems: dict[str, str] = {}
    keys: dict[str, str] = {}
    for column in columns:
        given = raw.get(column.name)
        try:
            value = parse_cell(column.kind, given)
        except CellProblem as problem:
            values[column.name] = kept_text(given)
            problems[column.name] = str(problem)
            continue
        if value is not None:
            values[column.name] = value
            if column.unique:
                keys[column.name] = key_of(column.kind, value)
        elif column.required:
            problems[column.name] = EMPTY
    address, key = _address(columns, address_column, values, problems)
    return Row(values, problems, address, key, keys, search_text(values.values()))


def key_of(kind: ColumnKind, value: Cell) -> str:
    """Return what two spellings of one value have in common.

    Examples
    --------
    >>> key_of(ColumnKind.EMAIL, "Ada@example.org"), key_of(ColumnKind.TEXT, "Straße")
    ('ada@example.org', 'strasse')
    """
    text = as_text(value)
    if kind is not ColumnKind.EMAIL:
        return text.casefold()[:320]
    # As `address_key` does, but without parsing a second time what is parsed already.
    local, _at, domain = text.rpartition("@")
    return f"{local.casefold()}@{domain}"


def kept_text(given: object) -> str:
    r"""Return the text of a bad cell, as far as it can be stored.

    Examples
    --------
    >>> kept_text("a\0b"), kept_text({"a": 1})
    ('a\ufffdb', '{"a": 1}')
    """
    try:
        text = as_text(given)
    except CellProblem:
        text = json.dumps(given, default=str)
    text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "\ufffd")[:LONGEST_CELL]


def search_text(values: Iterable[Cell]) -> str:
    r"""Return what a search looks into.

    Examples
    --------
    >>> search_text(["Straße", 12])
    'strasse\n12'
    """
    text = "\n".join(as_text(value).casefold() for value in values)
    return text[:LONGEST_SEARCH]


def template_values(
    values: Mapping[str, Cell], problems: Mapping[str, str]
) -> dict[str, Cell]:
    """Return what a message template may use of a row: its good cells.

    A cell that is empty or bad is absent, so a placeholder for it is an undefined name:
    an error of this row, unless the message template says ``default``. Dates are ISO
    8601 texts.

    Examples
    --------
    >>> template_values({"name": "Ada", "age": "old"}, {"age": "Not a number"})
    {'name': 'Ada'}
    """
    return {name: cell for name, cell in values.items() if name not in problems}


def _address(
    columns: Sequence[ColumnSpec],
    address_column: str,
    values: Mapping[str, Cell],
    problems: Mapping[str, str],
) -> tuple[str, str]:
    for column in columns:
        if column.name != address_column or column.name in problems:
            continue
        value = values.get(column.name)
        if isinstance(value, str):
            return value, key_of(column.kind, value)
    return "", ""
