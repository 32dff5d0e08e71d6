"""Sign-in, sign-out, account, sessions and API tokens, as pages."""

from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.operators import service, sessions
from webapp.operators.access import Scope, public, requires
from webapp.operators.forms import SignInForm

bp = Blueprint("operators", __name__)


@bp.get("/login")
@public("nobody is signed in yet")
def sign_in() -> ResponseReturnValue:
    """Show the sign-in form."""
    return render_template("operators/sign_in.html", form=SignInForm())


@bp.post("/login")
@public("nobody is signed in yet")
def do_sign_in() -> ResponseReturnValue:
    """Sign in, or say the one sentence that fits every failure."""
    form = forms.from_page(SignInForm)
    try:
        form.check()
        operator = service.authenticate(
            form.email.data or "", form.password.data or "", request.remote_addr
        )
    except Invalid as error:
        page = render_template("operators/sign_in.html", form=form, words=error.words)
        return page, 422
    sessions.start(operator)
    db.session.commit()
    return redirect(_local(request.args.get("next")), 303)


@bp.post("/logout")
@requires(Scope.READ)
def sign_out() -> ResponseReturnValue:
    """Sign out."""
    sessions.end()
    db.session.commit()
    return redirect(url_for("operators.sign_in"), 303)


@bp.get("/account")
@requires(Scope.READ)
def account() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")


@bp.get("/activity")
@requires(Scope.READ)
def activity() -> ResponseReturnValue:
    """Show nothing yet."""
    raise NotFound("This page is on its way.")


def _local(target: str | None) -> str:
    """Return the target if it is on this site, or the dashboard."""
    if target and target.startswith("/") and not target.startswith(("//", "/\\")):
        parts = urlsplit(target)
        if not parts.scheme and not parts.netloc:
            return target
    return url_for("pages.dashboard")
