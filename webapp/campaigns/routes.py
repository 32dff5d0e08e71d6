"""Campaigns, their messages and their live page, as pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.errors import NotFound
from webapp.operators.access import Scope, requires

bp = Blueprint("campaigns", __name__)


@bp.get("/campaigns")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")
