"""Sign-in, sign-out, account, sessions, API tokens and the audit log, as pages."""

from datetime import timedelta

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms, presentation
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.http import app_response, local_target, page_of
from webapp.core.words import _
from webapp.operators import access, audit, service, sessions, tokens
from webapp.operators.access import Scope, actor, public, requires
from webapp.operators.forms import AccountForm, PasswordForm, SignInForm, TokenForm
from webapp.operators.models import AuditEntry

bp = Blueprint("operators", __name__)


@bp.get("/login")
@public("nobody is signed in yet")
def sign_in() -> ResponseReturnValue:
    """Show the sign-in form."""
    return render_template(
        "operators/sign_in.html", form=SignInForm(), nobody=not service.any_operator()
    )


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
        wait = service.seconds_to_wait(form.email.data or "", request.remote_addr)
        page = render_template(
            "operators/sign_in.html", form=form, words=error.words, wait=wait
        )
        return page, 422
    sessions.start(operator)
    access.act_as(operator)
    audit.record("operator.signed_in", "operator", operator.id, operator.name)
    db.session.commit()
    return redirect(local_target() or url_for("pages.dashboard"), 303)


@bp.post("/logout")
@requires(Scope.READ)
def sign_out() -> ResponseReturnValue:
    """Sign out."""
    who = actor()
    sessions.end()
    session.clear()
    audit.record("operator.signed_out", "operator", who.operator.id, who.name)
    db.session.commit()
    return redirect(url_for("operators.sign_in"), 303)


@bp.get("/account")
@requires(Scope.READ)
def account() -> ResponseReturnValue:
    """Show the profile and the password form."""
    form = AccountForm(obj=actor().operator)
    return _account(form, PasswordForm())


@bp.post("/account")
@requires(Scope.READ)
def change_account() -> ResponseReturnValue:
    """Save the profile; the theme also in a cookie, for pages before the sign-in."""
    form = forms.from_page(AccountForm)
    try:
        form.check()
        operator = service.change_profile(actor().operator.id, **form.values())
    except Invalid as error:
        form.show(error)
        return _account(form, PasswordForm()), 422
    flash(_("Saved."))
    answer = app_response(redirect(url_for("operators.account"), 303))
    presentation.remember_theme(answer, operator.theme)
    return answer


@bp.post("/account/password")
@requires(Scope.READ)
def change_password() -> ResponseReturnValue:
    """Change the password; all other sessions end."""
    form = forms.from_page(PasswordForm)
    try:
        form.check()
        service.change_password(actor().operator.id, **form.values())
    except Invalid as error:
        form.show(error)
        return _account(AccountForm(obj=actor().operator), form), 422
    flash(_("The password is changed. Other browsers are signed out."))
    return redirect(url_for("operators.account"), 303)


def _account(form: AccountForm, password: PasswordForm) -> str:
    return render_template("operators/account.html", form=form, password=password)


@bp.get("/account/sessions")
@requires(Scope.READ)
def sessions_page() -> ResponseReturnValue:
    """Show where this operator is signed in."""
    who = actor()
    return render_template(
        "operators/sessions.html",
        rows=sessions.live(who.operator.id),
        mine=who.session_id,
    )


@bp.post("/account/sessions/end-others")
@requires(Scope.READ)
def end_other_sessions() -> ResponseReturnValue:
    """Sign the other browsers out."""
    who = actor()
    sessions.end_others(who.operator.id)
    audit.record("session.others_ended", "operator", who.operator.id, who.name)
    db.session.commit()
    flash(_("All other browsers are signed out."))
    return redirect(url_for("operators.sessions_page"), 303)


@bp.post("/account/sessions/<int:session_id>/end")
@requires(Scope.READ)
def end_session(session_id: int) -> ResponseReturnValue:
    """Sign one browser out."""
    sessions.end_one(actor().operator.id, session_id)
    audit.record("session.ended", "session", session_id)
    db.session.commit()
    flash(_("That browser is signed out."))
    return redirect(url_for("operators.sessions_page"), 303)


@bp.get("/account/tokens")
@requires(Scope.READ)
def tokens_page() -> ResponseReturnValue:
    """Show the API tokens of this operator, and the form for a new one."""
    return _tokens(TokenForm())


@bp.post("/account/tokens")
@requires(Scope.READ)
def create_token() -> ResponseReturnValue:
    """Make a token and show it, this once."""
    form = forms.from_page(TokenForm)
    if not form.validate():
        return _tokens(form), 422
    operator = service.get(actor().operator.id)
    until = now() + timedelta(days=int(form.days.data or tokens.LIFETIMES[0]))
    _token, text = tokens.create(
        operator, form.name.data or "", form.scopes.data or [], until
    )
    return _tokens(TokenForm(), text)


@bp.post("/account/tokens/<int:token_id>/revoke")
@requires(Scope.READ)
def revoke_token(token_id: int) -> ResponseReturnValue:
    """Revoke a token."""
    tokens.revoke(actor().operator.id, token_id)
    flash(_("The token is revoked. It opens nothing any more."))
    return redirect(url_for("operators.tokens_page"), 303)


def _tokens(form: TokenForm, text: str = "") -> str:
    allowed = access.SCOPES_OF[actor().operator.role]
    return render_template(
        "operators/tokens.html",
        form=form,
        text=text,
        rows=tokens.of(actor().operator.id),
        allowed={scope.value for scope in allowed},
    )


@bp.get("/activity")
@requires(Scope.MANAGE)
def activity() -> ResponseReturnValue:
    """Show the audit log, the newest entry first."""
    action = request.args.get("action", "")
    entries = sa.select(AuditEntry)
    if action:
        entries = entries.where(AuditEntry.action == action)
    kinds = sa.select(AuditEntry.action).distinct().order_by(AuditEntry.action)
    return render_template(
        "operators/activity.html",
        page=page_of(entries, AuditEntry.id),
        action=action,
        actions=db.session.scalars(kinds).all(),
    )
