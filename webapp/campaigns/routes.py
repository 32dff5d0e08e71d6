"""Campaigns until their launch, as pages: the list and the five steps."""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import (
    attaching,
    leaving_out,
    live,
    messages,
    own_files,
    service,
    testing,
    uploads,
)
from webapp.campaigns.audience import first_people
from webapp.campaigns.checking import changed_since, is_clean
from webapp.campaigns.forms import (
    AttachForm,
    CampaignForm,
    RowsForm,
    TestForm,
)
from webapp.campaigns.models import Campaign
from webapp.campaigns.presenting import chosen
from webapp.campaigns.states import EDITABLE, State
from webapp.campaigns.workers import trouble
from webapp.core import forms
from webapp.core.errors import Invalid, Refused
from webapp.core.http import page_of, takes_up_to
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators.access import Scope, actor, requires

bp = Blueprint("campaigns", __name__)
LARGEST_AT_ONCE = 100 * 1024 * 1024  # octets of files for single recipients
FORM_ROOM = 256 * 1024  # octets of a form beside its file
STEP_FIELDS = {
    "recipients": ("name", "recipient_table_id"),
    "message": (
        "message_template_id",
        "sender_id",
        "reply_to",
        "cc",
        "bcc",
        "headers",
        "base_url",
        "attachment_column",
        "throttle",
    ),
}
FILE_FIELDS = ("file", "content_id", "attachments", "own_files")
NEXT = {"recipients": "message", "message": "preview"}


@bp.get("/campaigns")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """List the campaigns, the newest first."""
    state, words = request.args.get("state", ""), request.args.get("q", "").strip()
    page = page_of(service.listing(state, words), Campaign.id)
    return render_template(
        "campaigns/index.html",
        page=page,
        totals=live.totals([one.id for one in page.items]),
        state=state,
        words=words,
        filtered=bool(state or words or request.args.get("cursor")),
    )


@bp.get("/campaigns/new")
@requires(Scope.WRITE)
def new() -> ResponseReturnValue:
    """Show the first step of a campaign that does not exist yet."""
    form = CampaignForm(
        data={"recipient_table_id": request.args.get("table", type=int)}
    )
    return render_template("campaigns/recipients.html", **_step(form, None))


@bp.post("/campaigns/new")
@requires(Scope.WRITE)
def create() -> ResponseReturnValue:
    """Create a campaign, or show the first step again with what is wrong."""
    form = forms.from_page(CampaignForm)
    try:
        form.check()
        campaign = service.create(
            actor().operator, **_values(form, STEP_FIELDS["recipients"])
        )
    except Invalid as error:
        page = render_template(
            "campaigns/recipients.html", **_step(form, None, words=error.words)
        )
        return page, 422
    return redirect(url_for("campaigns.message", campaign_id=campaign.id), 303)


@bp.post("/campaigns/example")
@requires(Scope.WRITE)
def example() -> ResponseReturnValue:
    """Make the example campaign, once, and show its check."""
    campaign = service.example_campaign(actor().operator)
    target = "campaigns.check" if campaign.state in EDITABLE else "campaigns.show"
    return redirect(url_for(target, campaign_id=campaign.id), 303)


@bp.get("/campaigns/<int:campaign_id>/recipients")
@requires(Scope.WRITE)
def recipients(campaign_id: int) -> ResponseReturnValue:
    """Show step 1: whom."""
    campaign = editable(campaign_id)
    form = CampaignForm(data=chosen(campaign))
    return render_template("campaigns/recipients.html", **_step(form, campaign))


@bp.get("/campaigns/<int:campaign_id>/message")
@requires(Scope.WRITE)
def message(campaign_id: int) -> ResponseReturnValue:
    """Show step 2: what, and as whom."""
    campaign = editable(campaign_id)
    form = CampaignForm(data=chosen(campaign))
    return render_template("campaigns/message.html", **_step(form, campaign))


@bp.post("/campaigns/<int:campaign_id>/<any(recipients, message):step>")
@requires(Scope.WRITE)
@takes_up_to(LARGEST_AT_ONCE + FORM_ROOM)
def save(campaign_id: int, step: str) -> ResponseReturnValue:
    """Save a step, or show it again with what is wrong."""
    campaign = editable(campaign_id)
    form = forms.from_page(CampaignForm)
    if step != "recipients":
        form.name.data = campaign.name
    try:
        form.check()
        version = request.form.get("version", type=int)
        values = _values(form, STEP_FIELDS[step])
        service.edit(campaign_id, version, **values)
        stays = step == "message" and _attachments_changed(campaign_id)
    except (Invalid, Refused) as error:
        page = render_template(
            f"campaigns/{step}.html", **_step(form, campaign, words=_said(error))
        )
        return page, error.status
    following = step if stays else NEXT[step]
    return redirect(url_for(f"campaigns.{following}", campaign_id=campaign_id), 303)


def _said(error: Invalid | Refused) -> str:
    """Return what is wrong; about files in its own words, they are no fields here."""
    fields = error.fields if isinstance(error, Invalid) else {}
    ours = [fields.get(name, []) for name in FILE_FIELDS]
    return " ".join(line for lines in ours for line in lines) or error.words


def _attachments_changed(campaign_id: int) -> bool:
    """Attach the file that came along, or take one off; whether a button asked so."""
    sha256, _colon, content_id = request.form.get("remove", "").partition(":")
    if sha256:
        attaching.detach(campaign_id, sha256, content_id)
        return True
    if taken := request.form.get("take_away"):
        attaching.take_away(campaign_id, uploads.get(uploads.id_of(taken)))
        return True
    own = [one for one in request.files.getlist("own_files") if one.filename]
    if own:
        files = [(str(one.filename), one.read()) for one in own]
        attaching.give(campaign_id, actor().operator, files)
    given = request.files.get("file")
    if given is not None and given.filename:
        form = forms.from_page(AttachForm)
        form.check()
        content = given.read()
        cid = form.content_id.data or ""
        attaching.attach(campaign_id, actor().operator, given.filename, content, cid)
    return "attach" in request.form


@bp.get("/campaigns/<int:campaign_id>/preview")
@requires(Scope.READ)
def preview(campaign_id: int) -> ResponseReturnValue:
    """Show step 3: the message as one row would get it."""
    campaign = editable(campaign_id)
    after = request.args.get("after", 0, type=int)
    row = request.args.get("row", 0, type=int)
    people = first_people(campaign, after, row)
    shown = messages.preview(campaign, people[0]) if people else None
    return render_template(
        "campaigns/preview.html",
        campaign=campaign,
        delivered=messages.delivered(campaign, people[0]) if people else (),
        person=people[0] if people else None,
        following=people[0] if len(people) > 1 else None,
        shown=shown,
    )


@bp.post("/campaigns/<int:campaign_id>/test")
@requires(Scope.SEND)
def test(campaign_id: int) -> ResponseReturnValue:
    """Send one row to the operator."""
    form = forms.from_page(TestForm)
    form.check()
    sent = testing.send_to(actor().operator, campaign_id, form.recipient_id.data)
    toast(_("On its way to %(address)s.", address=sent.address))
    return redirect(request.form.get("back_to_row") or _preview(campaign_id), 303)


@bp.get("/campaigns/<int:campaign_id>/check")
@requires(Scope.READ)
def check(campaign_id: int) -> ResponseReturnValue:
    """Show step 4: what the check found, or how far it is."""
    campaign = editable(campaign_id)
    result = campaign.check_result
    checking = campaign.state == State.CHECKING
    template = "check_result" if request.args.get("fragment") else "check"
    return render_template(
        f"campaigns/{template}.html",
        campaign=campaign,
        result=result,
        changed=changed_since(campaign),
        clean=is_clean(result),
        checking=checking,
        trouble=trouble() if checking else "",
    )


@bp.post("/campaigns/<int:campaign_id>/check")
@requires(Scope.WRITE)
def begin_check(campaign_id: int) -> ResponseReturnValue:
    """Check the campaign."""
    service.check(campaign_id)
    return redirect(url_for("campaigns.check", campaign_id=campaign_id), 303)


@bp.post("/campaigns/<int:campaign_id>/leave-out")
@requires(Scope.WRITE)
def leave_out(campaign_id: int) -> ResponseReturnValue:
    """Leave one row, or all that the check shows as problems, out of the campaign."""
    if request.form.get("all"):
        leaving_out.leave_out_problems(campaign_id)
    else:
        leaving_out.leave_out(campaign_id, _rows())
        undo = url_for("campaigns.put_back", campaign_id=campaign_id)
        toast(_("The row is left out."), undo, **{"recipient_ids-0": _rows()[0]})
    return redirect(url_for("campaigns.check", campaign_id=campaign_id), 303)


@bp.post("/campaigns/<int:campaign_id>/put-back")
@requires(Scope.WRITE)
def put_back(campaign_id: int) -> ResponseReturnValue:
    """Take rows in again that were left out."""
    leaving_out.put_back(campaign_id, _rows())
    return redirect(url_for("campaigns.check", campaign_id=campaign_id), 303)


@bp.post("/campaigns/<int:campaign_id>/duplicate")
@requires(Scope.WRITE)
def duplicate(campaign_id: int) -> ResponseReturnValue:
    """Make a new draft from a campaign."""
    made = service.duplicate(campaign_id, actor().operator)
    return redirect(url_for("campaigns.recipients", campaign_id=made.id), 303)


@bp.post("/campaigns/<int:campaign_id>/archive")
@requires(Scope.WRITE)
def archive(campaign_id: int) -> ResponseReturnValue:
    """Take a campaign off the list, or put it back."""
    undo = bool(request.form.get("put_back"))
    service.archive(campaign_id, undo=undo)
    if not undo:
        undone = url_for("campaigns.archive", campaign_id=campaign_id)
        toast(_("Archived."), undone, put_back="1")
    return redirect(url_for("campaigns.index"), 303)


@bp.get("/campaigns/<int:campaign_id>/delete")
@requires(Scope.WRITE)
def ask_delete(campaign_id: int) -> ResponseReturnValue:
    """Ask before a draft is deleted."""
    campaign = editable(campaign_id)
    return render_template("campaigns/delete.html", campaign=campaign)


@bp.post("/campaigns/<int:campaign_id>/delete")
@requires(Scope.WRITE)
def delete(campaign_id: int) -> ResponseReturnValue:
    """Delete a draft."""
    service.delete(campaign_id)
    toast(_("The draft is deleted."))
    return redirect(url_for("campaigns.index"), 303)


def editable(campaign_id: int) -> Campaign:
    """Return a campaign that is not launched.

    Who comes back to a step of a launched one, by the browser's button or by an old
    address, lands on its page, which is what the campaign is now.

    Raises
    ------
    Refused
        If a step was posted: it cannot be taken any more.
    """
    campaign = service.get(campaign_id)
    if campaign.state not in EDITABLE:
        words = _("This campaign was launched; its steps cannot be changed.")
        if request.method == "POST":
            raise Refused(words)
        toast(words)
        abort(redirect(url_for("campaigns.show", campaign_id=campaign_id), 303))
    return campaign


def _values(form: CampaignForm, names: tuple[str, ...]) -> dict[str, Any]:
    values = form.values()
    return {name: values[name] for name in names}


def _step(
    form: CampaignForm, campaign: Campaign | None, words: str = ""
) -> dict[str, Any]:
    table = campaign.recipient_table if campaign else None
    return {
        "form": form,
        "campaign": campaign,
        "words": words,
        "pool": own_files.pool_of(campaign.id) if campaign else (),
        "columns": [column.name for column in table.columns] if table else [],
        **service.choices(),
    }


def _rows() -> list[int]:
    form = forms.from_page(RowsForm)
    form.check()
    return [int(one or 0) for one in form.recipient_ids.data]


def _preview(campaign_id: int) -> str:
    return url_for("campaigns.preview", campaign_id=campaign_id)
