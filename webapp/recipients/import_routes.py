"""Imports into recipient tables, as pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.errors import NotFound
from webapp.operators.access import Scope, requires

bp = Blueprint("recipient_imports", __name__)


@bp.get("/recipient-tables/import")
@requires(Scope.WRITE)
def start() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")


@bp.get("/recipient-tables/<int:table_id>/import")
@requires(Scope.WRITE)
def choose(table_id: int) -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound(f"This page is on its way for table {table_id}.")
