"""Campaigns, their messages and their live page, as JSON."""

import re
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import (
    coming_back,
    deciding,
    launching,
    leaving_out,
    live,
    messages,
    schedules,
    service,
    steering,
    testing,
)
from webapp.campaigns.attachments import (
    LARGEST_ATTACHMENTS,
    attachments_listed,
    check_attachments,
)
from webapp.campaigns.deciding import Decision
from webapp.campaigns.forms import (
    CampaignForm,
    DecisionForm,
    LaunchForm,
    ResolveForm,
    RetryForm,
    RowsForm,
    TestForm,
)
from webapp.campaigns.models import Campaign
from webapp.campaigns.presenting import (
    CAMPAIGN,
    CAMPAIGNS,
    MESSAGE,
    MESSAGES,
    STATUS,
    campaign_json,
    check_json,
    chosen,
    message_json,
    messages_json,
    whole_message_json,
)
from webapp.campaigns.states import State, Status
from webapp.campaigns.timing import TIMING
from webapp.campaigns.timing_forms import ScheduleForm
from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.http import page_of
from webapp.core.openapi import LIST_QUERY, operation, schema_object
from webapp.core.words import _
from webapp.operators.access import Scope, actor, requires
from webapp.operators.idempotency import idempotent

bp = Blueprint("campaigns_api", __name__, url_prefix="/api/v1")
DONE = schema_object(messages="integer")


@bp.get("/campaigns")
@requires(Scope.READ)
@operation(
    answer=CAMPAIGNS,
    query={**LIST_QUERY, "state": "Only this state.", "q": "A word of the name."},
)
def index() -> ResponseReturnValue:
    """List the campaigns, the newest first."""
    state = _one_of("state", [one.value for one in State] + ["archived"])
    query = service.listing(state, request.args.get("q", ""))
    page = page_of(query, Campaign.id, show=campaign_json)
    return {"items": page.items, "next": page.next}


@bp.post("/campaigns")
@requires(Scope.WRITE)
@operation(body=CampaignForm, answer=CAMPAIGN, status=201)
@idempotent
def create() -> ResponseReturnValue:
    """Create a campaign."""
    values = _with_attachments(forms.from_json(CampaignForm).values())
    campaign = service.create(actor().operator, **values)
    place = url_for("campaigns_api.show", campaign_id=campaign.id)
    return campaign_json(campaign), 201, {"Location": place}


@bp.get("/campaigns/<int:campaign_id>")
@requires(Scope.READ)
@operation(answer=CAMPAIGN)
def show(campaign_id: int) -> ResponseReturnValue:
    """Return a campaign."""
    campaign = service.get(campaign_id)
    return campaign_json(campaign), 200, {"ETag": f'"{campaign.version}"'}


@bp.patch("/campaigns/<int:campaign_id>")
@requires(Scope.WRITE)
@operation(body=CampaignForm, answer=CAMPAIGN, partial=True)
def edit(campaign_id: int) -> ResponseReturnValue:
    """Change a campaign that is not launched.

    With `If-Match` only if its version is still that one.
    """
    campaign = service.get(campaign_id)
    given = forms.json_object()
    values = forms.from_json(CampaignForm, base=chosen(campaign)).values()
    if "attachments" in given:
        values = _with_attachments(values)
    changes = {name: value for name, value in values.items() if name in given}
    return campaign_json(service.edit(campaign_id, _if_match(), **changes))


@bp.delete("/campaigns/<int:campaign_id>")
@requires(Scope.WRITE)
@operation(status=204)
def delete(campaign_id: int) -> ResponseReturnValue:
    """Delete a campaign that was never launched."""
    service.delete(campaign_id)
    return "", 204


@bp.post("/campaigns/<int:campaign_id>/check")
@requires(Scope.WRITE)
@operation(status=202)
def check(campaign_id: int) -> ResponseReturnValue:
    """Begin to check a campaign: who gets it, who does not and why, which rows fail."""
    return check_json(service.check(campaign_id)), 202


@bp.get("/campaigns/<int:campaign_id>/check")
@requires(Scope.READ)
@operation()
def check_result(campaign_id: int) -> ResponseReturnValue:
    """Return what the check found, or how far it is."""
    return check_json(service.get(campaign_id))


@bp.post("/campaigns/<int:campaign_id>/leave-out")
@requires(Scope.WRITE)
@operation(body=RowsForm, answer=CAMPAIGN)
def leave_out(campaign_id: int) -> ResponseReturnValue:
    """Leave rows of the recipient table out of a campaign."""
    rows = forms.from_json(RowsForm).recipient_ids.data
    return campaign_json(leaving_out.leave_out(campaign_id, rows))


@bp.post("/campaigns/<int:campaign_id>/test")
@requires(Scope.SEND)
@operation(body=TestForm, answer=MESSAGE, status=202)
@idempotent
def test(campaign_id: int) -> ResponseReturnValue:
    """Send one row to the operator of the token."""
    recipient_id = forms.from_json(TestForm).recipient_id.data
    message = testing.send_to(actor().operator, campaign_id, recipient_id)
    return message_json(message), 202


@bp.post("/campaigns/<int:campaign_id>/launch")
@requires(Scope.SEND)
@operation(body=LaunchForm, answer=CAMPAIGN, status=202)
@idempotent
def launch(campaign_id: int) -> ResponseReturnValue:
    """Launch a checked campaign, now or at a time.

    It begins to send when the hold time is over. With `scheduled_at`, a wall time in
    `time_zone`, it waits for that time, at most 30 days. What is not given stays as the
    campaign has it; an empty `scheduled_at` sends now.
    """
    asked = forms.json_object()
    values = forms.from_json(LaunchForm).values()
    given = {name: values[name] for name in TIMING if name in asked}
    made = launching.launch(
        campaign_id, values["expected_recipients"], values["hold_seconds"], given
    )
    return campaign_json(made), 202


@bp.post("/campaigns/<int:campaign_id>/schedule")
@requires(Scope.SEND)
@operation(body=ScheduleForm, answer=CAMPAIGN)
def reschedule(campaign_id: int) -> ResponseReturnValue:
    """Give a scheduled campaign another time."""
    values = forms.from_json(ScheduleForm).values()
    return campaign_json(schedules.reschedule(campaign_id, **values))


@bp.post("/campaigns/<int:campaign_id>/send-now")
@requires(Scope.SEND)
@operation(answer=CAMPAIGN)
def send_now(campaign_id: int) -> ResponseReturnValue:
    """Send a scheduled campaign now, after its hold time."""
    schedules.send_now(campaign_id)
    return campaign_json(service.get(campaign_id))


@bp.post("/campaigns/<int:campaign_id>/stop")
@requires(Scope.SEND)
@operation(answer=CAMPAIGN)
def stop(campaign_id: int) -> ResponseReturnValue:
    """Take a launch back in its hold time."""
    launching.stop(campaign_id)
    return campaign_json(service.get(campaign_id))


@bp.post("/campaigns/<int:campaign_id>/pause")
@requires(Scope.SEND)
@operation(answer=STATUS)
def pause(campaign_id: int) -> ResponseReturnValue:
    """Pause a campaign."""
    steering.pause(campaign_id)
    return live.status_of(service.get(campaign_id))


@bp.post("/campaigns/<int:campaign_id>/resume")
@requires(Scope.SEND)
@operation(answer=STATUS)
def resume(campaign_id: int) -> ResponseReturnValue:
    """Go on with a paused campaign."""
    steering.resume(campaign_id)
    return live.status_of(service.get(campaign_id))


@bp.post("/campaigns/<int:campaign_id>/cancel")
@requires(Scope.SEND)
@operation(answer=STATUS)
def cancel(campaign_id: int) -> ResponseReturnValue:
    """Cancel what has not left."""
    steering.cancel(campaign_id)
    return live.status_of(service.get(campaign_id))


@bp.post("/campaigns/<int:campaign_id>/retry-failed")
@requires(Scope.SEND)
@operation(body=RetryForm, answer=DONE)
def retry_failed(campaign_id: int) -> ResponseReturnValue:
    """Send failed messages again, all or those of one class of reasons."""
    reason = forms.from_json(RetryForm).reason_class.data or ""
    return {"messages": deciding.retry_failed(campaign_id, reason)}


@bp.post("/campaigns/<int:campaign_id>/resolve-unknown")
@requires(Scope.SEND)
@operation(body=ResolveForm, answer=DONE)
def resolve_unknown(campaign_id: int) -> ResponseReturnValue:
    """Decide for unknown messages: `went` or `send_again`; all unless ids are given."""
    form = forms.from_json(ResolveForm)
    decision = Decision(form.decision.data or "")
    ids = form.message_ids.data or None
    return {"messages": deciding.resolve_unknown(campaign_id, decision, ids)}


@bp.get("/campaigns/<int:campaign_id>/status")
@requires(Scope.READ)
@operation(answer=STATUS)
def status(campaign_id: int) -> ResponseReturnValue:
    """Return how far a campaign is; the counts always sum to the total."""
    return live.status_of(service.get(campaign_id))


@bp.get("/campaigns/<int:campaign_id>/messages")
@requires(Scope.READ)
@operation(
    answer=MESSAGES,
    query={
        **LIST_QUERY,
        "status": "Only this status.",
        "class": "Only this class of reasons.",
        "q": "An address, or a part of one.",
        "answer": f"Only of which this came back: {', '.join(coming_back.KINDS)}.",
    },
)
def list_messages(campaign_id: int) -> ResponseReturnValue:
    """List the messages of a campaign, in the order of the rows."""
    service.get(campaign_id)
    status = _one_of("status", [one.value for one in Status])
    reason, words = request.args.get("class", ""), request.args.get("q", "")
    answer = _one_of("answer", list(coming_back.KINDS))
    query, key, window = messages.listing(campaign_id, status, reason, words, answer)
    page = page_of(query, key, descending=False, window=window)
    return {"items": messages_json(page.items), "next": page.next}


@bp.get("/messages/<int:message_id>")
@requires(Scope.READ)
@operation(answer=MESSAGE)
def show_message(message_id: int) -> ResponseReturnValue:
    """Return a message with its addresses, attempts and events."""
    return whole_message_json(messages.get(message_id))


@bp.post("/messages/<int:message_id>/retry")
@requires(Scope.SEND)
@operation(answer=MESSAGE)
def retry_message(message_id: int) -> ResponseReturnValue:
    """Send one failed message again, of a campaign or a single one."""
    deciding.retry_message(message_id)
    return whole_message_json(messages.get(message_id))


@bp.post("/messages/<int:message_id>/resolve")
@requires(Scope.SEND)
@operation(body=DecisionForm, answer=MESSAGE)
def resolve_message(message_id: int) -> ResponseReturnValue:
    """Decide for one unknown message: `went` or `send_again`."""
    form = forms.from_json(DecisionForm)
    deciding.resolve_message(message_id, Decision(form.decision.data or ""))
    return whole_message_json(messages.get(message_id))


@bp.get("/messages/<int:message_id>/source")
@requires(Scope.READ)
@operation(answer={"type": "string"})
def source(message_id: int) -> ResponseReturnValue:
    """Return the source of a message, as message/rfc822."""
    data = messages.source(messages.get(message_id))
    return Response(data, content_type="message/rfc822")


def _one_of(name: str, known: Sequence[str]) -> str:
    """Return a query parameter that names one of a few things; empty where it is not.

    Raises
    ------
    Invalid
        If it names something else.
    """
    value = request.args.get(name, "")
    if value and value not in known:
        words = _("This must be one of: %(known)s.", known=", ".join(known))
        raise Invalid(words, {name: [words]})
    return value


def _if_match() -> int | None:
    """Return the version that the caller saw.

    Raises
    ------
    Invalid
        If the header is none of ours.
    """
    text = request.headers.get("If-Match", "").strip()
    if text in {"", "*"}:
        return None
    number = text.removeprefix("W/").strip('"')
    if not re.fullmatch("[0-9]{1,9}", number):
        words = _("If-Match must be the version of the campaign.")
        raise Invalid(words, {"If-Match": [words]})
    return int(number)


def _with_attachments(values: dict[str, Any]) -> dict[str, Any]:
    found = attachments_listed(values["attachments"])
    check_attachments(found, LARGEST_ATTACHMENTS)
    return {**values, "attachments": found}
