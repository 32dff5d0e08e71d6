"""Pages for the people who get messages: unsubscribe, choose, view in the browser.

The link is signed and names one message, so its pages need no session, and set none: no
cookie, no script. What a scanner of mail does (GET, HEAD) never changes anything.
"""

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import escape

from webapp.campaigns import messages, proving, unsubscribing
from webapp.campaigns.models import Message
from webapp.campaigns.unsubscribing import Wish
from webapp.core.words import _
from webapp.operators.access import Scope, may, public

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
    everywhere = request.form.get("from") == "everything"
    unsubscribing.unsubscribe(message, everywhere=everywhere)
    return _page(message)


@bp.post("/u/<token>/undo")
@public("people who get messages have no account")
def undo(token: str) -> ResponseReturnValue:
    """Take it back, within a quarter of an hour."""
    message = unsubscribing.message_of(token)
    unsubscribing.take_back(message, request.form.get("undo", ""))
    return redirect(url_for("public.unsubscribe", token=token), 303)


@bp.get("/u/<token>/choices")
@public("people who get messages have no account")
def choices(token: str) -> ResponseReturnValue:
    """Show what can be chosen; looking changes nothing."""
    return _page(unsubscribing.message_of(token), "choices")


@bp.post("/u/<token>/choices")
@public("people who get messages have no account")
def choose(token: str) -> ResponseReturnValue:
    """Let hold what was chosen."""
    message = unsubscribing.message_of(token)
    wish = request.form.get("wish", "")
    if wish not in set(Wish):
        return _page(message, "choices", _("Choose one.")), 422
    unsubscribing.choose(message, Wish(wish))
    return redirect(url_for("public.choices", token=token, saved=1), 303)


@bp.get("/v/<token>")
@public("people who get messages have no account")
def view(token: str) -> ResponseReturnValue:
    """Show a message in the browser, as a document that can do nothing."""
    message = unsubscribing.message_to_view(token)
    if not may(Scope.READ):  # an operator has the link without the message
        proving.viewed(message)
    made = messages.letter(message)
    body = messages.html_of(made) or f"<pre>{escape(made.text or '')}</pre>"
    answer = Response(body, content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = VIEW_POLICY
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer


def _page(message: Message, page: str = "unsubscribe", words: str = "") -> Response:
    campaign = message.campaign
    body = render_template(
        f"pages/{page}.html",
        address=unsubscribing.masked(message.address),
        whose=campaign.sender_snapshot.get("from_name", "") if campaign else "",
        is_single=campaign is None,
        standing=unsubscribing.standing_of(message),
        words=words,
    )
    answer = Response(body, content_type="text/html; charset=utf-8")
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Robots-Tag"] = "noindex"
    return answer
