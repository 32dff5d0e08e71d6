"""Triage, what is done with chosen mails, as forms: flag, archive, delete, move."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core.errors import DomainError
from webapp.core.words import _
from webapp.mailboxes.in_words import in_words
from webapp.operators.access import Scope, requires
from webapp.triage import acting
from webapp.triage.acting import Changed

bp = Blueprint("acting", __name__)


@bp.post("/triage/act")
@requires(Scope.WRITE)
def act() -> ResponseReturnValue:
    """Do something with the chosen mails, and offer the way back."""
    form = request.form
    action, back = form.get("do", ""), back_of(form.get("back", ""))
    words = form.getlist("mails")
    try:
        if action == "delete" and "sure" not in form:
            doomed = acting.goes_for_good(words)
            if doomed:
                return render_template(
                    "triage/delete.html", count=doomed, words=words, back=back
                )
        with in_words():
            changed = acting.change(words, action, form.get("to", ""))
    except DomainError as error:
        flash(error.words)
        return redirect(back, 303)
    for line in changed.troubles:
        flash(line)
    flash(_toast(action, changed, back))
    return redirect(_list_of(back) if action in acting.MOVES else back, 303)


def _toast(action: str, changed: Changed, back: str) -> Any:
    if not changed.count:
        return _("Nothing to change: the mails are like that already, or gone.")
    words = _done(action, changed.count)
    if changed.marked:
        marked = _(
            "The server cannot remove single mails: %(n)s stay, marked as deleted.",
            n=changed.marked,
        )
        words = f"{words} {marked}"
    if not changed.words:
        return words
    fields = {"mails": changed.words, "do": changed.undo, "back": back}
    return {"words": words, "undo": url_for("acting.act"), "fields": fields}


def back_of(target: str) -> str:
    """Return where to go after a change: a page of triage and nowhere else."""
    is_ours = target == "/triage" or target.startswith(("/triage/", "/triage?"))
    return target if is_ours and "\\" not in target else url_for("triage.index")


def _list_of(back: str) -> str:
    """Return the list of an open mail's page: the mail itself has just gone."""
    path, mark, query = back.partition("?")
    parts = path.strip("/").split("/")
    if len(parts) != len(("triage", "mailbox", "folder", "mail")):
        return back
    view = request.args.get("view") or _asked(query, "view")
    if view:
        return url_for("triage.index", view=view)
    return "/" + "/".join(parts[:3]) + (mark + query if mark else "")


def _asked(query: str, name: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&"))
    return next((value for key, _is, value in pairs if key == name), "")


def _done(action: str, count: int) -> str:
    words = {
        "read": _("%(n)s marked as read.", n=count),
        "unread": _("%(n)s marked as unread.", n=count),
        "flag": _("%(n)s flagged.", n=count),
        "unflag": _("%(n)s no longer flagged.", n=count),
        "archive": _("%(n)s archived.", n=count),
        "delete": _("%(n)s deleted.", n=count),
        "move": _("%(n)s moved.", n=count),
        "put_back": _("%(n)s put back.", n=count),
    }
    return words[action]
