"""A campaign on its way, as pages: live page, steering, messages, report."""

import hashlib
import json
from typing import Any

from flask import (
    Blueprint,
    Response,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue

from webapp.campaigns import (
    coming_back,
    launching,
    live,
    messages,
    report,
    service,
    steering,
)
from webapp.campaigns.models import Campaign
from webapp.campaigns.routes import bp as steps
from webapp.campaigns.states import EDITABLE, OVER, WAITING, Status
from webapp.campaigns.timeline import timeline
from webapp.core.http import DEFAULT_LIMIT, Page, page_of
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.message_templates.skeleton import without_images
from webapp.operators.access import Scope, requires
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel

bp = Blueprint("messages", __name__)
VIEWS = frozenset({"html", "text", "source"})
FRAGMENTS = frozenset(
    {"all", "notices", "progress", "counts", "chart", "failures", "messages"}
)
FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; sandbox"
)


@steps.get("/campaigns/<int:campaign_id>")
@requires(Scope.READ)
def show(campaign_id: int) -> ResponseReturnValue:
    """Show the live page; before the launch, the step that comes next."""
    campaign = service.get(campaign_id)
    if campaign.state in EDITABLE:
        return redirect(_next_step(campaign), 303)
    fragment = request.args.get("fragment", "")
    if fragment in FRAGMENTS:
        page = _live_page(campaign, fragment)
        return render_template("campaigns/fragment.html", fragment=fragment, **page)
    return render_template("campaigns/live.html", **_live_page(campaign, "all"))


def _live_page(campaign: Campaign, fragment: str) -> dict[str, Any]:
    with_chart = fragment in {"all", "chart"}
    args = request.args
    status, reason = args.get("status", ""), args.get("class", "")
    words, answer = args.get("q", "").strip(), args.get("answer", "")
    page = Page([], None)
    plain = not any(
        (status, reason, words, answer, args.get("cursor"), args.get("order"))
    )
    newest = plain and campaign.state not in OVER
    if fragment in {"all", "messages"} and newest:
        page = Page(messages.latest(campaign.id, DEFAULT_LIMIT), None)
    elif fragment in {"all", "messages"}:
        query, key, window = messages.listing(
            campaign.id, status, reason, words, answer
        )
        page = page_of(query, key, descending=False, window=window)
    return {
        "campaign": campaign,
        "live": live.live(campaign, with_chart=with_chart),
        "page": page,
        "status": status if status in set(Status) else "",
        "reason": reason,
        "words": words,
        "answer": answer if answer in coming_back.KINDS else "",
        "kinds": coming_back.KINDS,
        "came_back": coming_back.kinds_of([one.id for one in page.items]),
        "cursor": args.get("cursor", ""),
        "newest": newest,
        "order": args.get("order", ""),
    }


def _next_step(campaign: Campaign) -> str:
    step = "check"
    if campaign.recipient_table_id is None:
        step = "recipients"
    elif campaign.message_template_id is None or campaign.sender_id is None:
        step = "message"
    return url_for(f"campaigns.{step}", campaign_id=campaign.id)


@steps.get("/campaigns/<int:campaign_id>/status.json")
@requires(Scope.READ)
def status(campaign_id: int) -> ResponseReturnValue:
    """Return the status for the live page; unchanged ones cost no body (ETag)."""
    found = live.status_of(service.get(campaign_id))
    fixed = {name: value for name, value in found.items() if name != "updated_at"}
    digest = hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()
    answer = make_response(jsonify(found))
    answer.set_etag(digest[:32])
    answer.headers["Cache-Control"] = "no-cache, private"
    return answer.make_conditional(request)


@steps.post("/campaigns/<int:campaign_id>/stop")
@requires(Scope.SEND)
def stop(campaign_id: int) -> ResponseReturnValue:
    """Take the launch back in its hold time."""
    launching.stop(campaign_id)
    toast(_("Stopped. Nothing has left."))
    return redirect(url_for("campaigns.send", campaign_id=campaign_id), 303)


@steps.post("/campaigns/<int:campaign_id>/pause")
@requires(Scope.SEND)
def pause(campaign_id: int) -> ResponseReturnValue:
    """Pause the campaign."""
    steering.pause(campaign_id)
    return _back(campaign_id)


@steps.post("/campaigns/<int:campaign_id>/resume")
@requires(Scope.SEND)
def resume(campaign_id: int) -> ResponseReturnValue:
    """Go on with the campaign."""
    steering.resume(campaign_id)
    return _back(campaign_id)


@steps.get("/campaigns/<int:campaign_id>/cancel")
@requires(Scope.SEND)
def ask_cancel(campaign_id: int) -> ResponseReturnValue:
    """Ask before the rest is cancelled, with the numbers."""
    campaign = service.get(campaign_id)
    counts = live.status_of(campaign)["counts"]
    left = sum(counts[one.value] for one in WAITING)
    return render_template(
        "campaigns/cancel.html", campaign=campaign, counts=counts, left=left
    )


@steps.post("/campaigns/<int:campaign_id>/cancel")
@requires(Scope.SEND)
def cancel(campaign_id: int) -> ResponseReturnValue:
    """Cancel what has not left."""
    count = steering.cancel(campaign_id)
    toast(_("Cancelled. %(n)s messages will not be sent.", n=count))
    return _back(campaign_id)


@steps.get("/campaigns/<int:campaign_id>/report.csv")
@requires(Scope.READ)
def download_report(campaign_id: int) -> ResponseReturnValue:
    """Stream the report, safe to open in a spreadsheet."""
    campaign = service.get(campaign_id)
    with_bom = request.args.get("bom") == "1"
    lines = stream_with_context(report.stream(campaign, with_bom=with_bom))
    answer = Response(lines, content_type="text/csv; charset=utf-8")
    name = report.file_name(campaign)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


@bp.get("/campaigns/<int:campaign_id>/messages/<int:message_id>")
@requires(Scope.READ)
def show_message(campaign_id: int, message_id: int) -> ResponseReturnValue:
    """Show what happened to one message, and the message itself."""
    message = messages.get(message_id, campaign_id)
    view = request.args.get("view", "html")
    return render_template(
        "campaigns/timeline.html",
        campaign=message.campaign,
        message=message,
        lines=timeline(message),
        neighbours=messages.neighbours(message),
        addresses=messages.addresses_of(message),
        shown=messages.shown(message),
        view=view if view in VIEWS else "html",
    )


@bp.post("/campaigns/<int:campaign_id>/messages/<int:message_id>/suppress")
@requires(Scope.WRITE)
def suppress(campaign_id: int, message_id: int) -> ResponseReturnValue:
    """Never write to this address again, and offer to take that back."""
    message = messages.get(message_id, campaign_id)
    row = suppressions.suppress(
        Channel.EMAIL, message.address, source=_("Campaign %(id)s", id=campaign_id)
    )
    words = _("We never write to %(who)s any more.", who=row.address_key)
    toast(words, url_for("suppressions.undo", suppression_id=row.id))
    place = url_for(
        "messages.show_message", campaign_id=campaign_id, message_id=message_id
    )
    return redirect(place, 303)


@bp.get("/campaigns/<int:campaign_id>/messages/<int:message_id>/frame")
@requires(Scope.READ)
def frame(campaign_id: int, message_id: int) -> ResponseReturnValue:
    """Serve the HTML of one message for the frame: no script, nothing from outside."""
    made = messages.letter(messages.get(message_id, campaign_id))
    return framed(messages.html_of(made))


@steps.get("/campaigns/<int:campaign_id>/preview/frame")
@requires(Scope.READ)
def preview_frame(campaign_id: int) -> ResponseReturnValue:
    """Serve the HTML of one row's preview for the frame."""
    row = request.args.get("row", 0, type=int)
    return framed(messages.preview_html(service.get(campaign_id), row))


def framed(html: str) -> Response:
    """Return a mail's HTML as a document that can do nothing."""
    answer = Response(without_images(html), content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = FRAME_POLICY
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _back(campaign_id: int) -> ResponseReturnValue:
    return redirect(url_for("campaigns.show", campaign_id=campaign_id), 303)
