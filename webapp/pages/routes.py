"""Dashboard, set-up, help and health, as pages."""

from flask import (
    Blueprint,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

import config
from webapp.core import forms
from webapp.core.db import db
from webapp.core.errors import Forbidden, Invalid
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators import sessions, setup
from webapp.operators.access import Scope, public, requires
from webapp.operators.forms import SetupForm
from webapp.pages import attention, checklist, glossary, health, overview, service

bp = Blueprint("pages", __name__)

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


@bp.get("/")
@requires(Scope.READ)
def dashboard() -> ResponseReturnValue:
    """Show what is wrong, what is running, and what is next."""
    now = {
        "attention": attention.everything(),
        "running": overview.running(),
        "mailboxes": overview.unread(),
    }
    if request.args.get("fragment") == "now":
        return render_template("pages/now.html", **now)
    steps = [] if service.is_checklist_hidden() else checklist.steps()
    return render_template(
        "pages/dashboard.html",
        chart=overview.last_days(),
        reasons=overview.why_failed(),
        steps=steps,
        done=sum(1 for step in steps if step.done),
        **now,
    )


@bp.post("/first-steps/hide")
@requires(Scope.WRITE)
def hide_first_steps() -> ResponseReturnValue:
    """Hide the first steps; the toast brings them back."""
    service.hide_checklist()
    undo = url_for("pages.show_first_steps")
    toast(_("The first steps are hidden."), undo)
    return redirect(url_for("pages.dashboard"), 303)


@bp.post("/first-steps/show")
@requires(Scope.WRITE)
def show_first_steps() -> ResponseReturnValue:
    """Bring the first steps back."""
    service.show_checklist()
    return redirect(url_for("pages.dashboard"), 303)


@bp.app_context_processor
def navigation_counts() -> dict[str, object]:
    """Give the navigation its figures, counted only where it is shown."""
    return {"counts": overview.NavigationCounts()}


@bp.get("/help")
@requires(Scope.READ)
def help_page() -> ResponseReturnValue:
    """Show the tasks, the keys, and every word of a state with what it means."""
    return render_template(
        "pages/help.html",
        keys=glossary.KEYS,
        practice_addresses=glossary.PRACTICE_ADDRESSES,
        statuses=glossary.STATUSES,
        states=glossary.STATES,
        failures=glossary.failures(),
    )


@bp.get("/setup")
@public("guarded by the one-time token that the start prints")
def set_up() -> ResponseReturnValue:
    """Show the form for the first operator."""
    _refuse_strangers()
    setup.check_token(request.args.get("token", ""))
    return _set_up_page(SetupForm())


@bp.post("/setup")
@public("guarded by the one-time token that the start prints")
def do_set_up() -> ResponseReturnValue:
    """Create the first operator, make the practice kit, and open the desk."""
    _refuse_strangers()
    token = request.args.get("token", "")
    setup.check_token(token)
    form = forms.from_page(SetupForm)
    try:
        form.check()
        values = form.values()
        practice = values.pop("practice") and current_app.config["POSTROOM"].practice
        operator = service.set_up(token, **values)
    except Invalid as error:
        form.show(error)
        return _set_up_page(form), 422
    sessions.start(operator)
    db.session.commit()
    if practice and not service.make_practice_kit(operator):
        toast(_("The example could not be laid out; the rest of the desk works."))
    return redirect(url_for("pages.dashboard"), 303)


def _set_up_page(form: SetupForm) -> str:
    practice = current_app.config["POSTROOM"].practice
    return render_template("pages/setup.html", form=form, offer_practice=practice)


def _refuse_strangers() -> None:
    """Let only this machine in: no other address, nothing that a proxy passes on."""
    proxies = current_app.config["POSTROOM"].trusted_proxies
    passed_on = not proxies and any(name in request.headers for name in FORWARDED)
    if passed_on or not config.is_loopback(request.remote_addr or ""):
        raise Forbidden(
            "Set-up is open on the machine itself only. From elsewhere, run there: "
            "flask --app webapp operator create"
        )


@bp.get("/healthz")
@public("for load balancers; says yes or no, and no detail")
def healthz() -> ResponseReturnValue:
    """Say whether pages and API can do their work."""
    well = health.look().is_serving
    return jsonify(status="ok" if well else "unwell"), 200 if well else 503
