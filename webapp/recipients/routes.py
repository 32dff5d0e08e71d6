"""Recipient tables, as pages: the list, a table, its columns, its export, its end."""

from typing import Any

import sqlalchemy as sa
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

from webapp.core import forms
from webapp.core.db import db
from webapp.core.errors import Invalid, Refused
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators.access import Scope, requires
from webapp.recipients import exports, import_service, jobs, listing, service
from webapp.recipients.cells import as_text
from webapp.recipients.forms import (
    KIND_WORDS,
    TableForm,
    asked_version,
)
from webapp.recipients.models import Recipient, RecipientTable

bp = Blueprint("recipients", __name__)

bp.add_app_template_filter(as_text, "cell_text")


@bp.app_template_global("recipient_table_names")
def table_names() -> dict[int, str]:
    """Return the names of all tables, for pages of features below this one."""
    return service.names()


STARTER = [
    {"name": "email", "label": "E-mail", "kind": "email", "required": True},
    {"name": "first_name", "label": "First name", "kind": "text"},
    {"name": "last_name", "label": "Last name", "kind": "text"},
]
BLANK: dict[str, Any] = {"name": "", "label": "", "kind": "text"}
BLANKS = 3


@bp.get("/recipient-tables")
@requires(Scope.READ)
def index() -> ResponseReturnValue:
    """Show all recipient tables."""
    tables = list(
        db.session.scalars(service.all_tables().order_by(RecipientTable.name))
    )
    bad = sa.select(Recipient.recipient_table_id, sa.func.count()).where(
        Recipient.has_problems
    )
    by_table = bad.group_by(Recipient.recipient_table_id)
    invalid = {row[0]: row[1] for row in db.session.execute(by_table)}
    return render_template("recipients/index.html", tables=tables, invalid=invalid)


@bp.get("/recipient-tables/new")
@requires(Scope.WRITE)
def new() -> ResponseReturnValue:
    """Show the form of a new table."""
    return _columns_page(TableForm(data={"columns": [*STARTER, *[BLANK] * BLANKS]}))


@bp.post("/recipient-tables/new")
@requires(Scope.WRITE)
def create() -> ResponseReturnValue:
    """Create a table, or show the form again with what is wrong."""
    form = forms.from_page(TableForm)
    if "more" in request.form:
        return _columns_page(_with_blanks(form))
    try:
        form.check()
        table = service.create(**form.asked())
    except Invalid as error:
        return _columns_page(form, words=error), 422
    toast(_("“%(name)s” is there. Now it needs rows.", name=table.name))
    return redirect(url_for("recipients.show", table_id=table.id), 303)


@bp.get("/recipient-tables/<int:table_id>")
@requires(Scope.READ)
def show(table_id: int) -> ResponseReturnValue:
    """Show a table's rows, 50 on a page."""
    table = service.get(table_id)
    wanted = listing.wanted_of(request.args.get("q", ""), request.args.get("only", ""))
    page = listing.page(
        table,
        wanted,
        after=request.args.get("after", type=int),
        before=request.args.get("before", type=int),
    )
    return render_template(
        "recipients/show.html",
        table=table,
        wanted=wanted,
        page=page,
        counts=listing.counts(table),
        badges=listing.badges(table, page.rows),
        filled=listing.filled(table, page.rows),
        kinds=KIND_WORDS,
        Only=listing.Only,
        last_import=import_service.latest(table.id),
    )


@bp.get("/recipient-tables/<int:table_id>/columns")
@requires(Scope.WRITE)
def columns(table_id: int) -> ResponseReturnValue:
    """Show the form of a table's name and columns."""
    table = service.get(table_id)
    found = [spec.__dict__ | {"kind": spec.kind.value} for spec in service.specs(table)]
    form = TableForm(
        data={
            "name": table.name,
            "columns": [*found, *[BLANK] * BLANKS],
            "address_column": table.address_column,
        }
    )
    return _columns_page(form, table)


@bp.post("/recipient-tables/<int:table_id>/columns")
@requires(Scope.WRITE)
def change(table_id: int) -> ResponseReturnValue:
    """Change a table's name and columns, or show the form again with what is wrong."""
    table = service.get(table_id)
    form = forms.from_page(TableForm)
    if "more" in request.form:
        return _columns_page(_with_blanks(form), table)
    try:
        form.check()
        table = service.change(table_id, version=asked_version(), **form.asked())
    except (Invalid, Refused) as error:
        db.session.rollback()
        return _columns_page(form, service.get(table_id), error), error.status
    if table.reread_from is not None:
        jobs.wake_reread(table_id)
    toast(_("Saved."))
    return redirect(url_for("recipients.show", table_id=table.id), 303)


@bp.get("/recipient-tables/<int:table_id>/delete")
@requires(Scope.WRITE)
def confirm_delete(table_id: int) -> ResponseReturnValue:
    """Say what deleting a table does, and ask for its name."""
    return render_template("recipients/delete.html", table=service.get(table_id))


@bp.post("/recipient-tables/<int:table_id>/delete")
@requires(Scope.WRITE)
def delete(table_id: int) -> ResponseReturnValue:
    """Delete a table whose name was typed."""
    try:
        table = service.delete(table_id, request.form.get("name", ""))
    except Invalid as error:
        table = service.get(table_id)
        page = render_template("recipients/delete.html", table=table, words=error.words)
        return page, 422
    toast(
        _("“%(name)s” is deleted.", name=table.name),
        url_for("recipients.restore", table_id=table_id),
    )
    return redirect(url_for("recipients.index"), 303)


@bp.post("/recipient-tables/<int:table_id>/restore")
@requires(Scope.WRITE)
def restore(table_id: int) -> ResponseReturnValue:
    """Bring a deleted table back."""
    table = service.restore(table_id)
    toast(_("“%(name)s” is back.", name=table.name))
    return redirect(url_for("recipients.show", table_id=table_id), 303)


@bp.get("/recipient-tables/<int:table_id>/export.<any(csv, jsonl):form>")
@requires(Scope.READ)
def export(table_id: int, form: str) -> ResponseReturnValue:
    """Hand all rows out: CSV that a spreadsheet opens safely, or raw JSON Lines."""
    table = service.get(table_id)
    lines = exports.csv_lines if form == "csv" else exports.json_lines
    kinds = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
    answer = Response(
        stream_with_context(lines(table.id, service.column_names(table))),
        content_type=kinds[form],
    )
    name = exports.file_name(table.name, form)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


def _with_blanks(form: TableForm) -> TableForm:
    for _blank in range(BLANKS):
        form.columns.append_entry(BLANK)
    return form


def _columns_page(
    form: TableForm,
    table: RecipientTable | None = None,
    words: Invalid | Refused | None = None,
) -> str:
    return render_template(
        "recipients/columns.html", form=form, table=table, problem=words
    )
