"""The history of one address, as a page."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from webapp.campaigns.models import Message
from webapp.core.http import page_of
from webapp.operators.access import Scope, requires
from webapp.triage import history

bp = Blueprint("history", __name__)


@bp.get("/triage/history")
@requires(Scope.READ)
def show() -> ResponseReturnValue:
    """Show the messages to `?address=`, the newest first, each with its answers."""
    address = request.args.get("address", "").strip()
    page = page_of(history.messages_to(history.key_of(address)), Message.id)
    return render_template(
        "triage/history.html",
        address=address,
        page=page,
        answers=history.answers_to(page.items),
    )
