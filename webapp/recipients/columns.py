"""Names and kinds of columns: what they may be, what a heading or values suggest."""

import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence

from webapp.recipients.cells import parse_cell
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.reasons import CellProblem

MOST_COLUMNS = 200
LONGEST_NAME = 64
ADDRESS_KINDS = frozenset({ColumnKind.EMAIL, ColumnKind.PHONE})
NAME_WORDS = (
    "Letters a to z, digits and _ only, no digit first: it names the placeholder too."
)
_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
# Names that mean something else in a message template: its words, globals and links.
RESERVED = frozenset(
    [
        "true",
        "false",
        "none",
        "loop",
        "self",
        "super",
        "varargs",
        "kwargs",
        "caller",
        "range",
        "dict",
        "lipsum",
        "cycler",
        "joiner",
        "namespace",
        "url",
        "unsubscribe_url",
        "view_url",
        "sender",
        "campaign",
        "recipient",
        "and",
        "or",
        "not",
        "in",
        "is",
        "if",
        "else",
        "elif",
        "for",
        "endfor",
        "endif",
        "set",
        "block",
        "include",
        "import",
        "extends",
    ]
)
_GUESSES = (
    ColumnKind.EMAIL,
    ColumnKind.URL,
    ColumnKind.DATE,
    ColumnKind.PHONE,
)


def name_problem(name: str) -> str | None:
    """Return why a name is none for a column, or nothing.

    Examples
    --------
    >>> name_problem("first_name")
    >>> name_problem("first name")
    'Letters a to z, digits and _ only, no digit first: it names the placeholder too.'
    >>> name_problem("loop")
    'This name means something else in message templates; choose another one.'
    """
    if not _NAME.fullmatch(name) or not name.isascii():
        return NAME_WORDS
    if len(name) > LONGEST_NAME:
        return f"At most {LONGEST_NAME} characters."
    if name.startswith("_") or keyword.iskeyword(name) or name.lower() in RESERVED:
        return (
            "This name means something else in message templates; choose another one."
        )
    return None


def suggest_name(heading: str, taken: Iterable[str] = ()) -> str:
    """Return a column name for a heading.

    Examples
    --------
    >>> suggest_name("First name"), suggest_name("Prénom"), suggest_name("2nd")
    ('first_name', 'prenom', 'column_2nd')
    >>> suggest_name("City", {"city"}), suggest_name("姓名")
    ('city_2', 'column')
    """
    ascii_only = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore")
    name = re.sub("[^a-z0-9]+", "_", ascii_only.decode().lower()).strip("_")
    name = name[: LONGEST_NAME - 12].rstrip("_") or "column"
    if name_problem(name):
        name = f"column_{name}"
    used, number = set(taken), 1
    candidate = name
    while candidate in used:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def guess_kind(values: Sequence[str]) -> ColumnKind:
    """Return the kind that all these texts have, as far as they are filled.

    Numbers that begin with 0 are rather codes, so they stay text.

    Examples
    --------
    >>> samples = (["a@example.org", ""], ["1", "2.5"], ["007"], ["yes", "no"])
    >>> [guess_kind(sample).value for sample in samples]
    ['email', 'number', 'text', 'yes_no']
    """
    filled = [value for value in values if value.strip()]
    if not filled:
        return ColumnKind.TEXT
    for kind in _GUESSES:
        if all(_fits(kind, value) for value in filled):
            return kind
    if all(_fits(ColumnKind.NUMBER, value) for value in filled):
        coded = any(re.match("0[0-9]", value.strip()) for value in filled)
        return ColumnKind.TEXT if coded else ColumnKind.NUMBER
    if all(_fits(ColumnKind.YES_NO, value) for value in filled):
        return ColumnKind.YES_NO
    long = any("\n" in value or len(value) > 500 for value in filled)  # noqa: PLR2004 - more than a line of text
    return ColumnKind.LONG_TEXT if long else ColumnKind.TEXT


def _fits(kind: ColumnKind, value: str) -> bool:
    try:
        parse_cell(kind, value)
    except CellProblem:
        return False
    return True
