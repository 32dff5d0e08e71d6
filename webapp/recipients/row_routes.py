"""The rows of a recipient table, as pages: add, edit, delete, undo."""

import uuid

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.http import local_target
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators.access import Scope, requires
from webapp.recipients import row_service, service
from webapp.recipients.cells import as_text
from webapp.recipients.forms import KIND_WORDS, asked_version, cells_from_page
from webapp.recipients.models import Recipient, RecipientTable

bp = Blueprint(
    "recipient_rows", __name__, url_prefix="/recipient-tables/<int:table_id>"
)


@bp.get("/recipients/new")
@requires(Scope.WRITE)
def new(table_id: int) -> ResponseReturnValue:
    """Show the form of a new row."""
    return _page(service.get(table_id), None, {})


@bp.post("/recipients/new")
@requires(Scope.WRITE)
def add(table_id: int) -> ResponseReturnValue:
    """Add a row, or show the form again with what is wrong."""
    table = service.get(table_id)
    cells = cells_from_page(service.specs(table))
    try:
        (row,) = row_service.add(table_id, [cells])
    except Invalid as error:
        return _page(table, None, cells, error), 422
    return _saved(row, _("1 row added"))


@bp.get("/recipients/<int:recipient_id>")
@requires(Scope.READ)
def edit(table_id: int, recipient_id: int) -> ResponseReturnValue:
    """Show a row, cell by cell."""
    row = row_service.get(table_id, recipient_id)
    cells = {name: as_text(cell) for name, cell in row.row_values.items()}
    return _page(service.get(table_id), row, cells)


@bp.post("/recipients/<int:recipient_id>")
@requires(Scope.WRITE)
def change(table_id: int, recipient_id: int) -> ResponseReturnValue:
    """Change a row, or show the form again with what is wrong."""
    table = service.get(table_id)
    cells = cells_from_page(service.specs(table))
    try:
        row = row_service.change(table_id, recipient_id, cells, asked_version())
    except (Invalid, Refused) as error:
        db.session.rollback()
        row = row_service.get(table_id, recipient_id)
        return _page(service.get(table_id), row, cells, error), error.status
    return _saved(row, _("Saved."))


@bp.post("/recipients/delete")
@requires(Scope.WRITE)
def delete(table_id: int) -> ResponseReturnValue:
    """Delete the rows that were ticked, and offer to bring them back."""
    ids = request.form.getlist("id", type=int)
    back = redirect(url_for("recipients.show", table_id=table_id), 303)
    try:
        batch, gone = row_service.delete(table_id, ids)
    except NotFound:
        toast(_("Nothing was deleted: tick the rows first."))
        return back
    words = _("1 row deleted") if gone == 1 else _("%(n)s rows deleted", n=gone)
    toast(
        words,
        url_for("recipient_rows.restore", table_id=table_id),
        batch=str(batch),
    )
    return back


@bp.post("/recipients/suppress")
@requires(Scope.WRITE)
def suppress(table_id: int) -> ResponseReturnValue:
    """Never write again to the rows that were ticked."""
    ids = request.form.getlist("id", type=int)
    source = _("Recipient table %(name)s", name=service.get(table_id).name)
    try:
        count = row_service.suppress(table_id, ids, source)
    except NotFound:
        toast(_("Nobody was suppressed: tick rows with an address first."))
    else:
        words = _("We never write to these %(n)s addresses any more.", n=count)
        if count == 1:
            words = _("We never write to this address any more.")
        toast(words)
    return redirect(url_for("recipients.show", table_id=table_id), 303)


@bp.post("/recipients/restore")
@requires(Scope.WRITE)
def restore(table_id: int) -> ResponseReturnValue:
    """Bring back what was deleted together."""
    try:
        batch = uuid.UUID(request.form.get("batch", ""))
    except ValueError as error:
        raise NotFound("There is nothing to bring back.") from error
    back = row_service.restore(table_id, batch)
    toast(_("1 row is back") if back == 1 else _("%(n)s rows are back", n=back))
    return redirect(url_for("recipients.show", table_id=table_id), 303)


def _saved(row: Recipient, words: str) -> ResponseReturnValue:
    if row.problems:
        count = len(row.problems)
        more = _("1 cell needs your attention.")
        if count > 1:
            more = _("%(n)s cells need your attention.", n=count)
        words = f"{words.rstrip('.')}. {more}"
    toast(words)
    table_id = row.recipient_table_id
    if not row.problems:
        back = local_target() or url_for("recipients.show", table_id=table_id)
        return redirect(back, 303)
    again = url_for(
        "recipient_rows.edit",
        table_id=table_id,
        recipient_id=row.id,
        next=local_target(),
    )
    return redirect(again, 303)


def _page(
    table: RecipientTable,
    row: Recipient | None,
    cells: dict[str, str],
    error: Invalid | Refused | None = None,
) -> str:
    fields = error.fields if isinstance(error, Invalid) else {}
    problems = {
        name.partition(".")[2]: " ".join(lines) for name, lines in fields.items()
    }
    if row is not None and error is None:
        problems = dict(row.problems)
    return render_template(
        "recipients/row.html",
        table=table,
        row=row,
        cells=cells,
        problems=problems,
        error=error,
        theirs=row.row_values if row is not None and isinstance(error, Refused) else {},
        kinds=KIND_WORDS,
        back=local_target() or url_for("recipients.show", table_id=table.id),
    )
