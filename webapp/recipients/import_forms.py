"""The forms of an import: how the file is read, and what happens to its rows."""

from typing import Any

from wtforms import BooleanField, FileField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from webapp.core import forms
from webapp.core.forms import PostForm
from webapp.core.words import _l
from webapp.recipients.columns import LONGEST_NAME
from webapp.recipients.csv_files import ENCODINGS
from webapp.recipients.models import ImportMode

MODE_WORDS = {
    ImportMode.ADD: _l("Add new rows; leave those out that are there already"),
    ImportMode.UPDATE: _l("Add new rows and change those with the same key"),
    ImportMode.REPLACE: _l("Replace all rows of the table"),
}


class LayoutForm(PostForm):
    """How a file is read."""

    encoding = SelectField(
        _l("Encoding"),
        choices=forms.choices(("", _l("Detect it")), *ENCODINGS.items()),
        default="",
    )
    delimiter = SelectField(
        _l("Cells are separated by"),
        choices=forms.choices(
            ("", _l("Detect it")),
            (",", _l("comma ,")),
            (";", _l("semicolon ;")),
            ("tab", _l("tab")),
            ("|", _l("bar |")),
        ),
        default="",
    )
    header = SelectField(
        _l("First row"),
        choices=forms.choices(
            ("", _l("Detect it")),
            ("yes", _l("is the heading")),
            ("no", _l("is a recipient already")),
        ),
        default="",
    )

    def layout(self) -> dict[str, Any]:
        """Return what a person said of the file; the rest is detected."""
        delimiter = "\t" if self.delimiter.data == "tab" else self.delimiter.data
        return {
            "encoding": self.encoding.data or None,
            "delimiter": delimiter or None,
            "has_header": {"yes": True, "no": False}.get(str(self.header.data)),
        }


class ImportForm(LayoutForm):
    """The whole import in one call."""

    file = FileField(_l("File"), description=_l("CSV or TSV, up to 1 GB."))
    mapping = StringField(
        _l("Mapping"), description=_l("JSON object of file heading to column name.")
    )
    mode = SelectField(
        _l("Rows that are there already"),
        choices=forms.choices(
            *((mode.value, words) for mode, words in MODE_WORDS.items())
        ),
        default=ImportMode.ADD.value,
    )
    key_column = StringField(
        _l("Key"),
        [Length(max=LONGEST_NAME)],
        description=_l("For update: the address column or a unique one."),
    )
    check_only = BooleanField(
        _l("Check only"), description=_l("Count what would happen; import nothing.")
    )


class NewTableForm(LayoutForm):
    """A new table from a file."""

    name = StringField(
        _l("Name of the new table"),
        [InputRequired(_l("Give the table a name.")), Length(max=200)],
    )


class ColumnsForm(PostForm):
    """What happens to the rows, once the columns are chosen."""

    mode = SelectField(
        _l("Rows that are there already"),
        choices=forms.choices(
            *((mode.value, words) for mode, words in MODE_WORDS.items())
        ),
        default=ImportMode.ADD.value,
    )
    key_column = StringField(
        _l("Key"),
        [Length(max=LONGEST_NAME)],
        description=_l(
            "To change rows: the column by which they are found again, the address "
            "when empty. An empty cell of the file changes nothing."
        ),
    )
    typed_name = StringField(
        _l("Name of the table"),
        [Length(max=200)],
        description=_l("Only to replace all rows: type the name of the table."),
    )
