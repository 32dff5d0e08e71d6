"""The DKIM keys of a sender, as pages."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.composing.dkim import record_pieces
from webapp.core import forms
from webapp.core.errors import Invalid
from webapp.core.words import _
from webapp.operators.access import Scope, requires
from webapp.senders import asking_dns, keys, service
from webapp.senders.key_forms import KeyForm
from webapp.senders.signing import unopened

bp = Blueprint("sender_keys", __name__)


@bp.get("/senders/<int:sender_id>/keys")
@requires(Scope.READ)
def index(sender_id: int) -> ResponseReturnValue:
    """Show the keys of a sender's From domain, and what to publish."""
    return _page(sender_id, KeyForm())


@bp.post("/senders/<int:sender_id>/keys")
@requires(Scope.MANAGE)
def make(sender_id: int) -> ResponseReturnValue:
    """Make a key."""
    form = forms.from_page(KeyForm)
    try:
        form.check()
        key = keys.make(sender_id, form.values())
    except Invalid as error:
        form.show(error)
        return _page(sender_id, form), 422
    flash(_("The key %(name)s was made. Publish its record.", name=key.selector))
    return _back(sender_id)


@bp.post("/senders/<int:sender_id>/keys/<int:key_id>/activate")
@requires(Scope.MANAGE)
def activate(sender_id: int, key_id: int) -> ResponseReturnValue:
    """Sign with a key from now on."""
    key = keys.activate(sender_id, key_id)
    flash(_("%(name)s signs from now on.", name=key.selector))
    return _back(sender_id)


@bp.post("/senders/<int:sender_id>/keys/<int:key_id>/retire")
@requires(Scope.MANAGE)
def retire(sender_id: int, key_id: int) -> ResponseReturnValue:
    """Sign with a key no more."""
    key = keys.retire(sender_id, key_id)
    flash(_("%(name)s signs no more.", name=key.selector))
    return _back(sender_id)


@bp.get("/senders/<int:sender_id>/keys/<int:key_id>/delete")
@requires(Scope.MANAGE)
def ask_delete(sender_id: int, key_id: int) -> ResponseReturnValue:
    """Ask whether to delete a key."""
    return render_template(
        "senders/key_delete.html",
        sender=service.get(sender_id),
        key=keys.get_key(sender_id, key_id),
    )


@bp.post("/senders/<int:sender_id>/keys/<int:key_id>/delete")
@requires(Scope.MANAGE)
def delete(sender_id: int, key_id: int) -> ResponseReturnValue:
    """Delete a key that does not sign."""
    keys.delete(sender_id, key_id)
    flash(_("The key was deleted. Its DNS record can go now."))
    return _back(sender_id)


@bp.post("/senders/<int:sender_id>/dns")
@requires(Scope.MANAGE)
def ask_dns(sender_id: int) -> ResponseReturnValue:
    """Ask DNS about the From domain, within seconds, and show what it said."""
    asking_dns.ask(sender_id)
    return redirect(url_for("sender_keys.index", sender_id=sender_id) + "#dns", 303)


def _page(sender_id: int, form: KeyForm) -> str:
    sender = service.get(sender_id)
    found = keys.keys_of(sender)
    return render_template(
        "senders/keys.html",
        sender=sender,
        domain=keys.domain_of(sender),
        keys=found,
        closed={key.id for key in unopened(found)},
        pieces=record_pieces,
        findings=asking_dns.findings_of(sender),
        form=form,
    )


def _back(sender_id: int) -> ResponseReturnValue:
    return redirect(url_for("sender_keys.index", sender_id=sender_id), 303)
