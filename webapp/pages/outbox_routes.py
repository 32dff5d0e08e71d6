"""The outbox of dry runs, as pages."""

import io

from flask import (
    Blueprint,
    Response,
    render_template,
    request,
    stream_with_context,
)
from flask.typing import ResponseReturnValue

from webapp.campaigns.models import Message
from webapp.core import downloads
from webapp.core.file_names import content_disposition
from webapp.core.http import page_of
from webapp.mailboxes.answers import framed
from webapp.mailboxes.sanitise import frame_document
from webapp.mailboxes.sanitise_limited import TooHard
from webapp.operators.access import Scope, requires
from webapp.pages import outbox

bp = Blueprint("outbox", __name__)
VIEWS = ("html", "text", "headers", "parts", "source")
CHOICES = ("campaign", "sender")
SHOWN_SOURCE = 256 * 1024
TOO_HARD = "<p>This HTML is too complicated to be shown. Look at the text.</p>"


@bp.get("/outbox")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """List what dry runs kept, the newest first; `?campaign=` or `?sender=` chooses."""
    chosen = _chosen()
    page = page_of(chosen.query(), Message.id)
    return render_template(
        "pages/outbox.html",
        lines=outbox.lines(page.items),
        page=page,
        chosen=chosen,
        kept={name: request.args[name] for name in CHOICES if request.args.get(name)},
    )


@bp.get("/outbox.mbox")
@requires(Scope.READ)
def download_mbox() -> ResponseReturnValue:
    """Stream the messages as one mbox file."""
    return mbox_answer(_chosen())


@bp.get("/outbox/<int:message_id>")
@requires(Scope.READ)
def show(message_id: int) -> ResponseReturnValue:
    """Show one message: HTML, text, headers, parts, or source."""
    one = outbox.kept(message_id)
    views = [view for view in VIEWS if view != "html" or one.html.strip()]
    view = request.args.get("view", "")
    return render_template(
        "pages/outbox_message.html",
        one=one,
        message=one.message,
        views=views,
        view=view if view in views else views[0],
        source=one.data[:SHOWN_SOURCE].decode("utf-8", "replace"),
        is_cut=len(one.data) > SHOWN_SOURCE,
    )


@bp.get("/outbox/<int:message_id>/frame")
@requires(Scope.READ)
def frame(message_id: int) -> ResponseReturnValue:
    """Serve the HTML of one message for the sandboxed frame, under its own policy."""
    try:
        document = frame_document(outbox.clean_html(outbox.kept(message_id)))
    except TooHard:
        document = TOO_HARD
    return framed(document, remote_images=False)


@bp.get("/outbox/<int:message_id>/message.eml")
@requires(Scope.READ)
def download(message_id: int) -> ResponseReturnValue:
    """Download one message as it is."""
    data = outbox.kept(message_id).data
    name = f"message-{message_id}.eml"
    return downloads.download(io.BytesIO(data), name, "message/rfc822")


@bp.get("/outbox/<int:message_id>/parts/<section>")
@requires(Scope.READ)
def download_part(message_id: int, section: str) -> ResponseReturnValue:
    """Download the content of one part."""
    part = outbox.part(outbox.kept(message_id), section)
    name = part.file_name or f"part-{section}"
    return downloads.download(io.BytesIO(part.octets()), name, part.mime_type)


def mbox_answer(chosen: outbox.Which) -> Response:
    """Return messages as an mbox file to be saved."""
    entries = stream_with_context(outbox.mbox_of(chosen))
    answer = Response(entries, content_type="application/mbox")
    whose = "all"
    if chosen.campaign is not None:
        whose = f"campaign-{chosen.campaign.id}"
    elif chosen.sender is not None:
        whose = f"sender-{chosen.sender.id}"
    name = content_disposition(f"outbox-{whose}.mbox")
    answer.headers["Content-Disposition"] = name
    answer.headers["Content-Security-Policy"] = downloads.DOWNLOAD_POLICY
    return answer


def _chosen() -> outbox.Which:
    args = request.args
    campaign, sender = args.get("campaign", type=int), args.get("sender", type=int)
    return outbox.which(campaign, sender)
