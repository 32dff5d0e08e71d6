"""Cells of a CSV file that a spreadsheet will open: no text becomes a formula.

A cell that begins with a sign of formulas gets an apostrophe before it, which the
import takes off again. So that this can be told from a text that has one of its own,
such a text gets another one: export, then import, is the identity. After OWASP, "CSV
Injection".
"""

import re

_FORMULA = re.compile("'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
_NEUTRALISED = re.compile("'+[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")


def neutralised(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    Examples
    --------
    >>> [neutralised(text) for text in ("=1+1", "'=1+1", "it's", "")]
    ["'=1+1", "''=1+1", "it's", '']
    """
    return f"'{text}" if _FORMULA.match(text) else text


def as_it_was(text: str) -> str:
    """Return the text that `neutralised` was given.

    Examples
    --------
    >>> [as_it_was(text) for text in ("'=1+1", "''=1+1", "'quoted'")]
    ['=1+1', "'=1+1", "'quoted'"]
    """
    return text[1:] if _NEUTRALISED.match(text) else text
