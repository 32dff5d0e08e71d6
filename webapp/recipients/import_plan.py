"""How the file of an import is read, and where its columns go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.core import blobs
from webapp.core.csv_cells import as_it_was
from webapp.core.errors import Invalid
from webapp.core.presentation import visible
from webapp.recipients import service
from webapp.recipients.columns import ADDRESS_KINDS, suggest_name
from webapp.recipients.csv_files import Layout, first_rows, headings
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.mapping import Plan, guess_targets, new_column
from webapp.recipients.models import ImportMode, RecipientImport

LEFT_OUT = ""
NEW = "new:"


@dataclass(frozen=True)
class Line:
    """A column of a file, as the page shows it.

    `choice` is the name of a column, `NEW` or `LEFT_OUT`; `name` and `kind` are those
    of the column that would be made.
    """

    heading: str
    values: Sequence[str]
    choice: str
    name: str
    kind: str


def file_of(found: RecipientImport) -> blobs.BlobFile:
    """Return the file as one to read."""
    return blobs.BlobFile(found.file_sha256, found.file_size)


def layout_of(found: RecipientImport) -> Layout:
    """Return how the file is read."""
    return Layout(found.encoding, found.delimiter, found.has_header)


def headings_of(found: RecipientImport) -> list[str]:
    """Return the headings of the file."""
    return headings(file_of(found), layout_of(found))


def sample_of(found: RecipientImport, count: int = 5) -> list[list[str]]:
    """Return the first rows of the file."""
    return first_rows(file_of(found), layout_of(found), count)


def suggested_mapping(found: RecipientImport) -> dict[str, Any]:
    """Return where each column of the file goes: what is known by name, the rest new.

    In a table that has columns already, unknown ones are left out.
    """
    columns = service.specs(service.get(found.recipient_table_id))
    names, sample = headings_of(found), sample_of(found)
    known = guess_targets(names, columns)
    mapping: dict[str, Any] = {}
    taken = [column.name for column in columns]
    for place, heading in enumerate(names):
        if place in known:
            mapping[str(place)] = known[place]
            continue
        mapping[str(place)] = LEFT_OUT
        if not columns:
            values = [row[place] for row in sample if place < len(row)]
            spec = new_column(heading, values, taken)
            taken.append(spec.name)
            mapping[str(place)] = {
                "new": spec.name,
                "kind": spec.kind,
                "label": heading,
            }
    return mapping


def plan_of(found: RecipientImport) -> Plan:
    """Return what the import does with each row.

    Raises
    ------
    Invalid
        If the kind of a new column is none.
    """
    table = service.get(found.recipient_table_id)
    columns = service.specs(table)
    targets: dict[int, str] = {}
    for place, target in found.mapping.items():
        if isinstance(target, dict):
            spec = _new_spec(target, [column.name for column in columns])
            columns.append(spec)
            targets[int(place)] = spec.name
        elif target:
            targets[int(place)] = target
    address = table.address_column or next(
        (spec.name for spec in columns if spec.kind in ADDRESS_KINDS), ""
    )
    return Plan(tuple(columns), address, targets, tuple(headings_of(found)))


def problems_of(plan: Plan, mode: ImportMode, key_column: str) -> list[str]:
    """Return why an import cannot begin like this; nothing where it can."""
    wrong = _mapping_problems(plan)
    if mode is ImportMode.UPDATE:
        return wrong + _key_problems(plan, key_column)
    return wrong + _missing(plan)


def lines_of(found: RecipientImport, mapping: Mapping[str, Any]) -> list[Line]:
    """Return the columns of the file as a person chooses where they go."""
    sample = sample_of(found)
    columns = service.specs(service.get(found.recipient_table_id))
    taken = [column.name for column in columns]
    lines: list[Line] = []
    for place, heading in enumerate(headings_of(found)):
        values = [row[place] for row in sample if place < len(row)]
        guess = new_column(heading, values, taken)
        target = mapping.get(str(place), LEFT_OUT)
        new = target if isinstance(target, dict) else {}
        taken.append(guess.name)
        lines.append(
            Line(
                heading,
                [visible(as_it_was(value))[:60] for value in values],
                NEW if new else str(target),
                str(new.get("new") or guess.name),
                str(new.get("kind") or guess.kind),
            )
        )
    return lines


def _new_spec(target: Mapping[str, Any], taken: Sequence[str]) -> ColumnSpec:
    label = str(target.get("label", ""))
    try:
        kind = ColumnKind(target.get("kind", "text"))
    except ValueError as error:
        words = "There is no such kind of column."
        raise Invalid(words, {"mapping": [words]}) from error
    return ColumnSpec(target.get("new") or suggest_name(label, taken), kind, label)


def _mapping_problems(plan: Plan) -> list[str]:
    names = {column.name for column in plan.columns}
    wrong = [
        f"The table has no column “{name}”."
        for name in plan.targets.values()
        if name not in names
    ]
    used = list(plan.targets.values())
    twice = sorted({name for name in used if used.count(name) > 1})
    wrong += [f"Two columns of the file go to “{name}”." for name in twice]
    if not used:
        wrong.append("All columns of the file are left out.")
    if any(place >= len(plan.headings) for place in plan.targets):
        wrong.append("The file has fewer columns.")
    return wrong


def _missing(plan: Plan) -> list[str]:
    used = set(plan.targets.values())
    return [
        f"“{column.name}” is required, but no column of the file goes there."
        for column in plan.columns
        if column.required and column.name not in used
    ]


def _key_problems(plan: Plan, key_column: str) -> list[str]:
    keys = {column.name for column in plan.columns if column.unique}
    if key_column not in keys | {plan.address_column}:
        return ["Rows are found again by the address or by a unique column."]
    if key_column not in plan.targets.values():
        return [f"No column of the file goes to “{key_column}”, the key."]
    return []
