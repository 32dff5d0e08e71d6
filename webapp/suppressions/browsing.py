"""Who may see the whole list of suppressions: whoever works on it.

The others ask for one address at a time, and are told whether it is there.
"""

from typing import Any

import sqlalchemy as sa

from webapp.operators.access import SCOPES_OF, Scope, actor
from webapp.suppressions import service


def may_browse() -> bool:
    """Whether the operator sees the list, and not only the address that they know."""
    return Scope.WRITE in SCOPES_OF[actor().operator.role]


def searched(q: str, reason: str) -> "tuple[sa.Select[Any], sa.Select[Any] | None]":
    """Return the query of what an operator sees, and of what is searched in."""
    if may_browse():
        return service.all_suppressions(q, reason), service.window_of(q, reason)
    return service.of_exactly(q), None
