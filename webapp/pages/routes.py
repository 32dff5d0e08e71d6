"""Dashboard, set-up, help, as pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.errors import NotFound
from webapp.operators.access import Scope, requires

bp = Blueprint("pages", __name__)


@bp.get("/")
@requires(Scope.READ)
def dashboard() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")


@bp.get("/help")
@requires(Scope.READ)
def help_page() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")
