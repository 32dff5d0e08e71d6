"""The outbox of dry runs, for programs."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from webapp.core.openapi import operation
from webapp.operators.access import Scope, requires
from webapp.pages import outbox
from webapp.pages.outbox_routes import mbox_answer

bp = Blueprint("outbox_api", __name__, url_prefix="/api/v1")
MBOX = {"type": "string", "format": "binary"}


@bp.get("/campaigns/<int:campaign_id>/outbox.mbox")
@requires(Scope.READ)
@operation(answer=MBOX)
def campaign_mbox(campaign_id: int) -> ResponseReturnValue:
    """Return what a dry run of a campaign kept, as one mbox file (mboxrd)."""
    return mbox_answer(outbox.which(campaign_id, None))


@bp.get("/senders/<int:sender_id>/outbox.mbox")
@requires(Scope.READ)
@operation(answer=MBOX)
def sender_mbox(sender_id: int) -> ResponseReturnValue:
    """Return what a dry-run sender kept, as one mbox file (mboxrd)."""
    return mbox_answer(outbox.which(None, sender_id))
