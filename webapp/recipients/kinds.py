"""What a column can hold; apart from the models, for the pure modules."""

from dataclasses import dataclass
from enum import StrEnum


class ColumnKind(StrEnum):
    """What a cell holds."""

    TEXT = "text"
    EMAIL = "email"
    PHONE = "phone"
    NUMBER = "number"
    DATE = "date"
    YES_NO = "yes_no"
    URL = "url"
    LONG_TEXT = "long_text"


@dataclass(frozen=True)
class ColumnSpec:
    """A column as the pure modules see it.

    `name` is also the name of its placeholder, so it is a Python identifier.
    """

    name: str
    kind: ColumnKind
    label: str = ""
    required: bool = False
    unique: bool = False
    untrusted: bool = False
