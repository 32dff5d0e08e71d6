"""Suppressions, as pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.errors import NotFound
from webapp.operators.access import Scope, requires

bp = Blueprint("suppressions", __name__)


@bp.get("/suppressions")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")
