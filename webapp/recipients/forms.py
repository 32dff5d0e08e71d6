"""Forms of recipient tables and of their rows, for the pages and the API."""

import re
from typing import Any

from flask import request
from wtforms import BooleanField, FieldList, FormField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.forms import PostForm
from webapp.core.words import _l
from webapp.recipients.columns import LONGEST_NAME, MOST_COLUMNS
from webapp.recipients.kinds import ColumnKind, ColumnSpec

MOST_ROWS_A_CALL = 5_000
KIND_WORDS = {
    ColumnKind.TEXT: _l("Text"),
    ColumnKind.EMAIL: _l("E-mail"),
    ColumnKind.PHONE: _l("Phone"),
    ColumnKind.NUMBER: _l("Number"),
    ColumnKind.DATE: _l("Date"),
    ColumnKind.YES_NO: _l("Yes or no"),
    ColumnKind.URL: _l("Web address"),
    ColumnKind.LONG_TEXT: _l("Long text"),
}


class ColumnForm(PostForm):
    """One column."""

    name = StringField(
        _l("Name"),
        [Length(max=LONGEST_NAME)],
        description=_l("Also the placeholder; made from the label when empty."),
    )
    label = StringField(_l("Label"), [Length(max=200)])
    kind = SelectField(
        _l("Kind"),
        choices=forms.choices(
            *((kind.value, words) for kind, words in KIND_WORDS.items())
        ),
        default=ColumnKind.TEXT.value,
    )
    required = BooleanField(_l("Required"))
    unique = BooleanField(_l("Unique"))
    untrusted = BooleanField(
        _l("Untrusted"),
        description=_l("Strangers fill this in, so messages must not trust it."),
    )

    def spec(self) -> ColumnSpec | None:
        """Return the column; nothing where the form was left blank."""
        given = self.values()
        texts = {key: str(given[key] or "").strip() for key in ("name", "label")}
        if not any(texts.values()):
            return None
        ticks = {key: bool(given[key]) for key in ("required", "unique", "untrusted")}
        return ColumnSpec(
            texts["name"], ColumnKind(given["kind"]), texts["label"], **ticks
        )


class TableForm(PostForm):
    """A recipient table: its name, its columns, and which of them holds the address."""

    name = StringField(
        _l("Name"), [InputRequired(_l("Give the table a name.")), Length(max=200)]
    )
    columns = FieldList(
        FormField(ColumnForm), _l("Columns"), max_entries=MOST_COLUMNS + 1
    )
    address_column = StringField(
        _l("Address column"),
        [Length(max=LONGEST_NAME)],
        description=_l("Where messages go; the first e-mail column when empty."),
    )

    def specs(self) -> list[ColumnSpec]:
        """Return the columns that are filled in."""
        found = [entry.form.spec() for entry in self.columns]
        return [spec for spec in found if spec is not None]

    def asked(self) -> dict[str, Any]:
        """Return the arguments of the service."""
        return {
            "name": str(self.name.data).strip(),
            "columns": self.specs(),
            "address_column": str(self.address_column.data or "").strip(),
        }


class RecipientForm(PostForm):
    """One row, as the API takes it."""

    cells = forms.ObjectField(
        name="values", description=_l("Column name to cell; null empties a cell.")
    )


def rows_from_json() -> tuple[list[dict[str, Any]], bool]:
    """Return the cells of the rows in the body, and whether it was one row alone.

    Raises
    ------
    Invalid
        If the body is neither ``{"values": {…}}`` nor a list of these.
    """
    body = forms.json_body()
    one = isinstance(body, dict) and "items" not in body
    items: Any = body if isinstance(body, list) else [body]
    if isinstance(body, dict) and not one:
        items = body["items"]
    if not isinstance(items, list) or not items or len(items) > MOST_ROWS_A_CALL:
        words = f"Send one row, or a list of 1 to {MOST_ROWS_A_CALL} rows."
        raise Invalid(words, {"items": [words]})
    return [_cells(item, number, one) for number, item in enumerate(items)], one


def cells_from_json() -> dict[str, Any]:
    """Return the cells of the one row in the body.

    Raises
    ------
    Invalid
        If the body is not ``{"values": {…}}``.
    """
    return _cells(forms.json_body(), 0, one=True)


def cells_from_page(columns: list[ColumnSpec]) -> dict[str, Any]:
    """Return the cells that a page posted; its fields are called ``cell-<name>``."""
    posted = {
        column.name: request.form.get(f"cell-{column.name}") for column in columns
    }
    return {name: text for name, text in posted.items() if text is not None}


def asked_version() -> int | None:
    """Return the version that the caller has seen: ``If-Match`` or the page's field.

    Raises
    ------
    Invalid
        If it is none of ours.
    """
    text = request.headers.get("If-Match")
    if text is None and not request.is_json:
        text = request.form.get("version") or None
    if text is None or text.strip() == "*":
        return None
    found = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', text.strip())
    if not found:
        words = "The version must be a whole number."
        raise Invalid(words, {"If-Match": [words]})
    return int(found[1])


def _cells(item: Any, number: int, one: bool) -> dict[str, Any]:
    cells = item.get("values") if isinstance(item, dict) else None
    if not isinstance(cells, dict) or set(item) != {"values"}:
        words = 'A row is an object with "values": an object of column name to cell.'
        raise Invalid(words, {"values" if one else f"{number}.values": [words]})
    return cells
