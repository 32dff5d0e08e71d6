"""Suppressions, as pages."""

from typing import Any

from flask import (
    Blueprint,
    Response,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue

from webapp.core import forms, http
from webapp.core.clock import now
from webapp.core.errors import Invalid
from webapp.core.file_names import clean_file_name
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators.access import Scope, requires
from webapp.suppressions import files, lists, service
from webapp.suppressions.browsing import may_browse, searched
from webapp.suppressions.forms import REASON_WORDS, ScopeForm, SuppressionForm
from webapp.suppressions.models import Reason, Suppression

bp = Blueprint("suppressions", __name__)


@bp.get("/suppressions")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show whom we never write to, with a search and a form to add one."""
    return _page(SuppressionForm(), request.args.get("q", ""))


@bp.post("/suppressions")
@requires(Scope.WRITE)
def suppress() -> ResponseReturnValue:
    """Add one, or show the form again with what is wrong."""
    form = forms.from_page(SuppressionForm)
    try:
        form.check()
        known = service.standing(*form.asked())
        row = service.suppress(*form.asked())
    except Invalid as error:
        form.show(error)
        return _page(form, ""), 422
    if known:
        day = f"{row.created_at:%-d %B %Y}"
        toast(_("%(who)s is suppressed since %(day)s.", who=row.address_key, day=day))
    else:
        words = _("We never write to %(who)s any more.", who=row.address_key)
        toast(words, url_for("suppressions.undo", suppression_id=row.id))
    return redirect(url_for("suppressions.index"), 303)


@bp.post("/suppressions/import")
@requires(Scope.WRITE)
def import_file() -> ResponseReturnValue:
    """Suppress everybody whom a file names, and show the lines that name nobody."""
    file, form = request.files.get("file"), forms.from_page(ScopeForm)
    try:
        form.check()
        done = lists.import_file(
            file.stream.read() if file else b"",
            form.recipient_table_id.data,
            clean_file_name(file.filename or "") if file else "",
        )
    except Invalid as error:
        scope = form.recipient_table_id.data
        return _page(SuppressionForm(), "", refused=error.words, scope=scope), 422
    words = _("%(n)s added, %(m)s were there.", n=done.added, m=done.already)
    if done.rejects:
        return _page(SuppressionForm(), "", imported=done, words=words)
    toast(words)
    return redirect(url_for("suppressions.index"), 303)


@bp.get("/suppressions/export.csv")
@requires(Scope.WRITE)  # readers ask for one address at a time, and see no list
def export() -> ResponseReturnValue:
    """Stream all that hold, safe to open in a spreadsheet."""
    lines = stream_with_context(files.lines_of(lists.exported()))
    answer = Response(lines, content_type="text/csv; charset=utf-8")
    name = f"suppressions-{now():%Y-%m-%d}.csv"
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


@bp.post("/suppressions/<int:suppression_id>/undo")
@requires(Scope.WRITE)
def undo(suppression_id: int) -> ResponseReturnValue:
    """Let one hold no more, and offer to take that back."""
    row = service.undo(suppression_id, request.form.get("why", ""))
    words = _("%(who)s may get messages again.", who=row.address_key)
    toast(words, url_for("suppressions.redo", suppression_id=row.id))
    return redirect(url_for("suppressions.index"), 303)


@bp.post("/suppressions/<int:suppression_id>/redo")
@requires(Scope.WRITE)
def redo(suppression_id: int) -> ResponseReturnValue:
    """Take an undoing back."""
    row = service.redo(suppression_id)
    toast(_("We never write to %(who)s any more.", who=row.address_key))
    return redirect(url_for("suppressions.index"), 303)


def _page(form: SuppressionForm, q: str, **more: Any) -> str:
    reason = request.args.get("reason", "") if may_browse() else ""
    query, window = searched(q, reason)
    page = http.page_of(query, Suppression.id, window=window)
    return render_template(
        "suppressions/index.html",
        form=form,
        q=q,
        reason=reason if reason in set(Reason) else "",
        page=page,
        words_of=REASON_WORDS,
        may_browse=may_browse(),
        **more,
    )
