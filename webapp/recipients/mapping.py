"""Which column of a file goes where, and what becomes of one of its rows. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webapp.core.csv_cells import as_it_was
from webapp.recipients.columns import guess_kind, suggest_name
from webapp.recipients.csv_files import too_long
from webapp.recipients.kinds import ColumnSpec
from webapp.recipients.rows import Row, read_row

STRANGE = "Has a character that this encoding does not know"


@dataclass(frozen=True)
class Plan:
    """What an import does with each row.

    Attributes
    ----------
    columns
        All columns of the table, with those that the import makes.
    targets
        Number of a column of the file to name of a column of the table.
    headings
        Of the file; every row has as many cells.
    """

    columns: tuple[ColumnSpec, ...]
    address_column: str
    targets: Mapping[int, str]
    headings: tuple[str, ...]


@dataclass(frozen=True)
class Reject:
    """Why a row does not get in, and the heading of the cell that is to blame."""

    reason: str
    heading: str = ""
    column: str = ""


def guess_targets(
    headings: Sequence[str], columns: Sequence[ColumnSpec]
) -> dict[int, str]:
    """Return which heading is which column, as far as it can be told.

    Upper case, spaces, ``_`` and ``-`` do not count.

    Examples
    --------
    >>> from webapp.recipients.kinds import ColumnKind
    >>> columns = [ColumnSpec("first_name", ColumnKind.TEXT, "Given name")]
    >>> guess_targets(["E-mail", "First-Name"], columns)
    {1: 'first_name'}
    >>> guess_targets(["GIVEN NAME"], columns)
    {0: 'first_name'}
    """
    free = [
        (_plain(text), spec.name)
        for spec in columns
        for text in (spec.name, spec.label)
    ]
    found: dict[int, str] = {}
    for place, heading in enumerate(headings):
        for plain, name in free:
            if plain and plain == _plain(heading) and name not in found.values():
                found[place] = name
                break
    return found


def new_column(heading: str, values: Sequence[str], taken: Sequence[str]) -> ColumnSpec:
    """Return the column that a heading and its first values suggest.

    Examples
    --------
    >>> column = new_column("E-mail address", ["ada@example.org"], ["city"])
    >>> column.name, column.kind.value, column.label
    ('e_mail_address', 'email', 'E-mail address')
    """
    values = [as_it_was(value) for value in values]
    return ColumnSpec(suggest_name(heading, taken), guess_kind(values), heading[:200])


def raw_cells(plan: Plan, cells: Sequence[str]) -> dict[str, str] | Reject:
    """Return the cells by column, or why the row is none.

    Examples
    --------
    >>> plan = Plan((), "", {0: "email"}, ("E-mail", "City"))
    >>> raw_cells(plan, ["a@example.org", "Rome"])
    {'email': 'a@example.org'}
    >>> raw_cells(plan, ["a@example.org"]).reason
    'Has 1 cell; the heading has 2'
    """
    expected = len(plan.headings)
    if len(cells) < expected or any(cell.strip() for cell in cells[expected:]):
        count = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        return Reject(f"Has {count}; the heading has {expected}")
    long = too_long(cells[:expected])
    if long is not None:
        return Reject("Longer than 32 768 characters", plan.headings[long])
    for place, name in plan.targets.items():
        if "\ufffd" in cells[place]:
            return Reject(STRANGE, plan.headings[place], name)
    return {name: as_it_was(cells[place]) for place, name in plan.targets.items()}


def judge(plan: Plan, raw: Mapping[str, object]) -> Row | Reject:
    """Return the row that these cells make, or the reason of the first bad cell."""
    row = read_row(plan.columns, plan.address_column, raw)
    if not row.problems:
        return row
    by_name = {name: plan.headings[place] for place, name in plan.targets.items()}
    first = next(iter(row.problems))
    return Reject(row.problems[first], by_name.get(first, first), first)


def _plain(heading: str) -> str:
    return re.sub(r"[\s_\-.:]+", "", heading).casefold()
