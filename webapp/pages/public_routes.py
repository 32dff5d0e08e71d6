"""Pages for the people who get messages: unsubscribe, and view in the browser."""

from flask import Blueprint, Response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from markupsafe import escape

from webapp.campaigns import messages, unsubscribing
from webapp.campaigns.models import Message
from webapp.operators.access import public

bp = Blueprint("public", __name__)
VIEW_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


@bp.get("/u/<token>")
@public("people who get messages have no account")
def unsubscribe(token: str) -> ResponseReturnValue:
    """Show one button; looking changes nothing."""
    return _page(unsubscribing.message_of(token))


@bp.post("/u/<token>")
@public("mail clients send this without a session (RFC 8058)")
def do_unsubscribe(token: str) -> ResponseReturnValue:
    """Unsubscribe at once, from the button or from a mail client."""
    message = unsubscribing.message_of(token)
    unsubscribing.unsubscribe(message)
    return _page(message)


@bp.post("/u/<token>/undo")
@public("people who get messages have no account")
def undo(token: str) -> ResponseReturnValue:
    """Take it back, within a quarter of an hour."""
    unsubscribing.take_back(unsubscribing.message_of(token))
    return redirect(url_for("public.unsubscribe", token=token), 303)


@bp.get("/v/<token>")
@public("people who get messages have no account")
def view(token: str) -> ResponseReturnValue:
    """Show a message in the browser, as a document that can do nothing."""
    made = messages.letter(unsubscribing.message_to_view(token))
    body = made.html or f"<pre>{escape(made.text or '')}</pre>"
    answer = Response(body, content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = VIEW_POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def _page(message: Message) -> str:
    campaign = message.campaign
    return render_template(
        "pages/unsubscribe.html",
        address=unsubscribing.masked(message.address),
        whose=campaign.sender_snapshot.get("from_name", "") if campaign else "",
        done=unsubscribing.suppression_of(message) is not None,
    )
