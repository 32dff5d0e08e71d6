"""Write to one person, as pages: the form, and what became of the message."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.campaigns import given_files, messages, service, single
from webapp.campaigns.forms import WriteForm
from webapp.campaigns.live_routes import VIEWS, framed
from webapp.campaigns.models import Message, Upload
from webapp.campaigns.single_api import AROUND
from webapp.campaigns.timeline import timeline
from webapp.composing.addresses import written
from webapp.composing.letter import Address
from webapp.core import forms
from webapp.core.errors import Invalid, NotFound
from webapp.core.http import page_of, takes_up_to
from webapp.core.words import _
from webapp.operators.access import Scope, requires

bp = Blueprint("single", __name__)


@bp.get("/messages")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """List the messages without a campaign, the newest first."""
    page = page_of(messages.singles(), Message.id)
    return render_template("campaigns/singles.html", page=page)


@bp.get("/messages/new")
@requires(Scope.SEND)
def write() -> ResponseReturnValue:
    """Show the form; `?like=` takes person and sender over from another message."""
    like = request.args.get("like", type=int)
    data: dict[str, Any] = {}
    if like:
        other = messages.get(like)
        box = Address(other.name, other.address)
        data = {"to": [written(box)], "sender_id": other.sender_id}
    return _form(WriteForm(data=data), [])


@bp.post("/messages/new")
@requires(Scope.SEND)
@takes_up_to(single.LARGEST_TOGETHER + AROUND)
def send() -> ResponseReturnValue:
    """Queue the message, or show the form again with what is wrong; files are kept."""
    form = forms.from_page(WriteForm)
    attached = given_files.chosen(form.attachments.data)
    try:
        attached += given_files.stored()
        form.check()
        chosen = [{"upload_id": str(one.public_id)} for one in attached]
        values = {**form.values(), "attachments": chosen}
        message = single.send(values)
    except Invalid as error:
        form.show(error)
        return _form(form, attached, error), 422
    return redirect(url_for("single.show", message_id=message.id), 303)


@bp.get("/messages/<int:message_id>")
@requires(Scope.READ)
def show(message_id: int) -> ResponseReturnValue:
    """Show what happened to a message without a campaign, and the message itself."""
    message = messages.get(message_id)
    if message.campaign_id is not None:
        place = url_for(
            "messages.show_message",
            campaign_id=message.campaign_id,
            message_id=message_id,
        )
        return redirect(place, 303)
    view = request.args.get("view", "html")
    return render_template(
        "campaigns/timeline.html",
        campaign=None,
        message=message,
        lines=timeline(message),
        neighbours=(None, None),
        addresses=messages.addresses_of(message),
        shown=messages.shown(message),
        view=view if view in VIEWS else "html",
    )


@bp.get("/messages/<int:message_id>/frame")
@requires(Scope.READ)
def frame(message_id: int) -> ResponseReturnValue:
    """Serve the HTML of the message for the frame."""
    message = messages.get(message_id)
    if message.campaign_id is not None:
        raise NotFound(_("There is no such message."))
    return framed(messages.html_of(messages.letter(message)))


def _form(form: WriteForm, attached: list[Upload], error: Invalid | None = None) -> str:
    elsewhere = [
        line
        for name, lines in (error.fields if error else {}).items()
        for line in lines
        if name not in form
    ]
    return render_template(
        "campaigns/write.html",
        form=form,
        attached=attached,
        words=" ".join(elsewhere) or (error.words if error else ""),
        senders=service.choices()["senders"],
    )
