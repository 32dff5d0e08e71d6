"""Texts for people, ready to be translated."""

from typing import Any

from flask_babel import gettext, lazy_gettext


def _(text: str, **values: Any) -> str:
    """Return a text in the operator's language, with ``%(name)s`` filled in."""
    return str(gettext(text, **values))


def _l(text: str, **values: Any) -> Any:
    """Return a text that is looked up when it is shown: for labels of forms."""
    return lazy_gettext(text, **values)
