"""The send page: now or at a time, how fast, in which hours; and a schedule's page."""

from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import launching, schedules, service, timing
from webapp.campaigns.checking import changed_since
from webapp.campaigns.estimate import Estimate, estimate
from webapp.campaigns.forms import ConfirmForm
from webapp.campaigns.ladder import ladder
from webapp.campaigns.models import Campaign
from webapp.campaigns.routes import bp, editable
from webapp.campaigns.states import State
from webapp.campaigns.timing import TIMING
from webapp.campaigns.timing_forms import ScheduleForm
from webapp.core import forms
from webapp.core.errors import Invalid, Refused
from webapp.core.presentation import toast, zone
from webapp.core.words import _
from webapp.operators.access import Scope, requires
from webapp.operators.forms import ZONES

__all__ = ["bp"]  # the steps' own: this module adds the last one
HOLDS = (0, 15, 30, 60, 120)
LATE = (15, 60, 240, 1440)


@bp.get("/campaigns/<int:campaign_id>/send")
@requires(Scope.SEND)
def send(campaign_id: int) -> ResponseReturnValue:
    """Show step 5; what is chosen in the query is worked out, and nothing is sent."""
    campaign = editable(campaign_id)
    if "when" not in request.args:
        return _confirm(campaign, ConfirmForm(data=_of_campaign(campaign)), "")
    form = ConfirmForm(request.args)
    found, words = None, ""
    try:
        found = _worked_out(campaign, form)
    except Invalid as error:
        form.show(error)
        lines = [line for name in TIMING for line in error.fields.get(name, ())]
        words = " ".join(lines) or error.words
    if request.args.get("fragment"):
        return render_template("campaigns/estimate.html", estimate=found, problem=words)
    return _confirm(campaign, form, words, found)


@bp.post("/campaigns/<int:campaign_id>/send")
@requires(Scope.SEND)
def launch(campaign_id: int) -> ResponseReturnValue:
    """Launch or schedule the campaign, or ask again with what is missing."""
    campaign = service.get(campaign_id)
    form = forms.from_page(ConfirmForm)
    try:
        form.check()
        shown = request.form.get("shown_recipients", type=int) or 0
        ladder(shown).check(form)
        values = form.values()
        given = {name: values[name] for name in TIMING}
        launching.launch(
            campaign_id, values["expected_recipients"], values["hold_seconds"], given
        )
    except (Invalid, Refused) as error:
        if isinstance(error, Invalid):
            form.show(error)
        return _confirm(campaign, form, error.words), error.status
    return redirect(url_for("campaigns.show", campaign_id=campaign_id), 303)


def _of_campaign(campaign: Campaign) -> dict[str, Any]:
    data = {name: getattr(campaign, name) for name in TIMING}
    if not (campaign.scheduled_at or campaign.windows):
        data["time_zone"] = zone().key
    data["when"] = "at" if campaign.scheduled_at else "now"
    return data


def _worked_out(campaign: Campaign, form: ConfirmForm) -> Estimate:
    """Return what the form's timing comes to.

    Raises
    ------
    Invalid
        If a part of it is wrong; what is confirmed does not matter here.
    """
    if not form.validate():
        wrong = {
            name: lines
            for name, lines in form.problems().items()
            if name.partition(".")[0] in TIMING
        }
        if wrong:
            raise Invalid(" ".join(line for lines in wrong.values() for line in lines))
        form.expected_recipients.errors = []
    values, at = form.values(), timing.database_time()
    given = {name: values[name] for name in TIMING}
    chosen = timing.chosen(campaign, given, at)
    return estimate(campaign, chosen, _count(campaign), at)


def _count(campaign: Campaign) -> int:
    return int(campaign.check_result.get("recipients", 0))


def _confirm(
    campaign: Campaign, form: ConfirmForm, words: str, found: Estimate | None = None
) -> str:
    count = _count(campaign)
    if found is None and not words:
        kept = _of_campaign(campaign)
        found = estimate(campaign, kept, count, timing.database_time())
    return render_template(
        "campaigns/send.html",
        campaign=campaign,
        form=form.with_blank_window(),
        words=words,
        result=campaign.check_result,
        changed=changed_since(campaign),
        count=count,
        ladder=ladder(count),
        holds=HOLDS,
        late=LATE,
        zones=_zones(form.time_zone.data),
        tested=service.was_tested(campaign),
        estimate=found,
        problem="",
    )


def _zones(chosen: str | None) -> list[str]:
    """Return the zones to choose from; one that was chosen elsewhere is among them."""
    return sorted({"UTC", *ZONES, *([chosen] if chosen else [])})


@bp.get("/campaigns/<int:campaign_id>/schedule")
@requires(Scope.SEND)
def schedule(campaign_id: int) -> ResponseReturnValue:
    """Show the time of a scheduled campaign, to be changed."""
    campaign = service.get(campaign_id)
    if campaign.state != State.SCHEDULED:
        raise Refused(_("This campaign is not scheduled any more."))
    data = {"scheduled_at": campaign.scheduled_at, "time_zone": campaign.time_zone}
    return _another_time(campaign, ScheduleForm(data=data), "")


@bp.post("/campaigns/<int:campaign_id>/schedule")
@requires(Scope.SEND)
def reschedule(campaign_id: int) -> ResponseReturnValue:
    """Give a scheduled campaign another time, or ask again."""
    campaign = service.get(campaign_id)
    form = forms.from_page(ScheduleForm)
    try:
        form.check()
        schedules.reschedule(campaign_id, **form.values())
    except (Invalid, Refused) as error:
        if isinstance(error, Invalid):
            form.show(error)
        return _another_time(campaign, form, error.words), error.status
    return redirect(url_for("campaigns.show", campaign_id=campaign_id), 303)


@bp.post("/campaigns/<int:campaign_id>/send-now")
@requires(Scope.SEND)
def send_now(campaign_id: int) -> ResponseReturnValue:
    """Send a scheduled campaign now, after its hold time."""
    schedules.send_now(campaign_id)
    toast(_("It starts now instead of at its time."))
    return redirect(url_for("campaigns.show", campaign_id=campaign_id), 303)


def _another_time(campaign: Campaign, form: ScheduleForm, words: str) -> str:
    return render_template(
        "campaigns/schedule.html",
        campaign=campaign,
        form=form,
        words=words,
        zones=_zones(form.time_zone.data),
        moment=timing.moment_of(campaign),
    )
