"""The team: who may sign in, what they may do, and the link that lets somebody in."""

from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from webapp.core import forms
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators import service, sessions, team
from webapp.operators.access import Scope, actor, public, requires
from webapp.operators.forms import ROLES, InviteForm, JoinForm, RoleForm
from webapp.operators.models import Operator, Role

bp = Blueprint("team", __name__)


@bp.get("/team")
@requires(Scope.MANAGE)
def index() -> ResponseReturnValue:
    """Show the operators, and the form to invite one."""
    return _page(InviteForm())


@bp.post("/team")
@requires(Scope.MANAGE)
def invite() -> ResponseReturnValue:
    """Invite an operator, and show the link, this once."""
    form = forms.from_page(InviteForm)
    try:
        form.check()
        operator, token = team.invite(**form.values())
    except Invalid as error:
        form.show(error)
        return _page(form), 422
    return _page(InviteForm(), operator, token)


@bp.post("/team/<int:operator_id>/link")
@requires(Scope.MANAGE)
def new_link(operator_id: int) -> ResponseReturnValue:
    """Make a new link for an operator who has none or forgot the password."""
    token = team.new_link(operator_id)
    return _page(InviteForm(), service.get(operator_id), token)


@bp.post("/team/<int:operator_id>/role")
@requires(Scope.MANAGE)
def change_role(operator_id: int) -> ResponseReturnValue:
    """Give an operator another role; they have to sign in again."""
    form = forms.from_page(RoleForm)
    form.check()
    changed = service.change_role(operator_id, Role(form.role.data))
    words = _("%(name)s is a %(role)s now.", name=changed.name, role=changed.role.value)
    flash(words)
    return redirect(url_for("team.index"), 303)


@bp.post("/team/<int:operator_id>/lock-out")
@requires(Scope.MANAGE)
def lock_out(operator_id: int) -> ResponseReturnValue:
    """Lock an operator out, with a way to take it back."""
    locked = team.lock_out(operator_id, actor().operator.id)
    undo = url_for("team.let_in", operator_id=operator_id)
    toast(_("%(name)s is locked out.", name=locked.name), undo)
    return redirect(url_for("team.index"), 303)


@bp.post("/team/<int:operator_id>/let-in")
@requires(Scope.MANAGE)
def let_in(operator_id: int) -> ResponseReturnValue:
    """Let an operator in again."""
    back = team.let_in(operator_id)
    toast(_("%(name)s can sign in again.", name=back.name))
    return redirect(url_for("team.index"), 303)


@bp.get("/join")
@public("the link of an invitation is the key")
def ask_password() -> ResponseReturnValue:
    """Show the form in which an invited operator chooses a password."""
    return _join_page(JoinForm())


@bp.post("/join")
@public("the link of an invitation is the key")
def join() -> ResponseReturnValue:
    """Set the password, sign in, and open the desk."""
    token = request.args.get("token", "")
    team.whose(token)
    form = forms.from_page(JoinForm)
    try:
        form.check()
        operator = team.join(token, form.password.data or "")
    except Invalid as error:
        form.show(error)
        return _join_page(form), 422
    sessions.start(operator)
    db.session.commit()
    return redirect(url_for("pages.dashboard"), 303)


def _page(form: InviteForm, invited: Operator | None = None, token: str = "") -> str:
    base = current_app.config["POSTROOM"].base_url
    return render_template(
        "operators/team.html",
        form=form,
        members=team.members(),
        invited=invited,
        link=f"{base}{url_for('team.ask_password', token=token)}" if token else "",
        roles=ROLES,
    )


def _join_page(form: JoinForm) -> str:
    whom = team.whose(request.args.get("token", ""))
    return render_template("operators/join.html", form=form, whom=whom)
