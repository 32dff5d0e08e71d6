"""Mailboxes, as pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.errors import NotFound
from webapp.operators.access import Scope, requires

bp = Blueprint("mailboxes", __name__)


@bp.get("/mailboxes")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")
