"""Recipient tables, rows and imports, as pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.errors import NotFound
from webapp.operators.access import Scope, requires

bp = Blueprint("recipients", __name__)


@bp.get("/recipient-tables")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")
