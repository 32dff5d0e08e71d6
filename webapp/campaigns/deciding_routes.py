"""Retry and resolve, as pages: each asks first, with the numbers, then does it."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import deciding, messages, service
from webapp.campaigns.deciding import Decision
from webapp.campaigns.forms import DecisionForm, ResolveForm, RetryForm
from webapp.campaigns.models import Campaign
from webapp.campaigns.reasons import words_of
from webapp.campaigns.states import State
from webapp.core import forms
from webapp.core.presentation import figure, toast
from webapp.core.words import _
from webapp.operators.access import Scope, requires

bp = Blueprint("deciding", __name__)


@bp.get("/campaigns/<int:campaign_id>/retry-failed")
@requires(Scope.SEND)
def ask_retry(campaign_id: int) -> ResponseReturnValue:
    """Ask before failed messages are sent again, with the numbers."""
    campaign = service.get(campaign_id)
    reason_class = request.args.get("reason_class", "")
    return render_template(
        "campaigns/retry.html",
        campaign=campaign,
        reason_class=reason_class,
        reason=words_of(reason_class) if reason_class else "",
        effect=deciding.effect_of_retry(campaign_id, reason_class),
    )


@bp.post("/campaigns/<int:campaign_id>/retry-failed")
@requires(Scope.SEND)
def retry_failed(campaign_id: int) -> ResponseReturnValue:
    """Send failed messages again, all or those of one class of reasons."""
    form = forms.from_page(RetryForm)
    form.check()
    count = deciding.retry_failed(campaign_id, form.reason_class.data or "")
    toast(_again_words(service.get(campaign_id), count))
    return _to_campaign(campaign_id)


@bp.get("/campaigns/<int:campaign_id>/resolve-unknown")
@requires(Scope.SEND)
def ask_resolve(campaign_id: int) -> ResponseReturnValue:
    """Ask before something is decided for all unknown messages."""
    campaign = service.get(campaign_id)
    went = request.args.get("decision") == Decision.WENT
    decision = Decision.WENT if went else Decision.SEND_AGAIN
    return render_template(
        "campaigns/resolve.html",
        campaign=campaign,
        decision=decision.value,
        effect=deciding.effect_of_decision(campaign_id, decision),
    )


@bp.post("/campaigns/<int:campaign_id>/resolve-unknown")
@requires(Scope.SEND)
def resolve_unknown(campaign_id: int) -> ResponseReturnValue:
    """Decide for unknown messages: some, or all of them."""
    form = forms.from_page(ResolveForm)
    form.check()
    ids = [int(one or 0) for one in form.message_ids.data] or None
    decision = Decision(form.decision.data or "")
    count = deciding.resolve_unknown(campaign_id, decision, ids)
    words = _("Decided: %(n)s went.", n=figure(count))
    again = decision is Decision.SEND_AGAIN
    toast(_again_words(service.get(campaign_id), count) if again else words)
    return _to_campaign(campaign_id)


@bp.post("/messages/<int:message_id>/retry")
@requires(Scope.SEND)
def retry_message(message_id: int) -> ResponseReturnValue:
    """Send one failed message again."""
    deciding.retry_message(message_id)
    campaign = messages.get(message_id).campaign
    toast(_again_words(campaign, 1))
    return redirect(url_for("single.show", message_id=message_id), 303)


@bp.post("/messages/<int:message_id>/resolve")
@requires(Scope.SEND)
def resolve_message(message_id: int) -> ResponseReturnValue:
    """Decide for one unknown message: it went, or it is sent again."""
    form = forms.from_page(DecisionForm)
    form.check()
    decision = Decision(form.decision.data or "")
    deciding.resolve_message(message_id, decision)
    again = _again_words(messages.get(message_id).campaign, 1)
    toast(_("Decided: it went.") if decision is Decision.WENT else again)
    return redirect(url_for("single.show", message_id=message_id), 303)


def _again_words(campaign: Campaign | None, count: int) -> str:
    if campaign is not None and campaign.state == State.PAUSED:
        return _(
            "%(n)s wait to be sent again, when the campaign is resumed.",
            n=figure(count),
        )
    return (
        _("%(n)s are sent again.", n=figure(count))
        if count != 1
        else _("It is sent again.")
    )


def _to_campaign(campaign_id: int) -> ResponseReturnValue:
    return redirect(url_for("campaigns.show", campaign_id=campaign_id), 303)
