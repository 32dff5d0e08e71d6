"""Senders, as pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.errors import NotFound
from webapp.operators.access import Scope, requires

bp = Blueprint("senders", __name__)


@bp.get("/senders")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")


@bp.get("/senders/new")
@requires(Scope.READ)
def new() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")
