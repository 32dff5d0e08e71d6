"""Triage: mails in three panes, as pages."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.errors import NotFound
from webapp.operators.access import Scope, requires

bp = Blueprint("triage", __name__)


@bp.get("/triage")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")
