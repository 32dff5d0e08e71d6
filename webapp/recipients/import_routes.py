"""Imports into recipient tables, as pages: file, columns, check, progress, summary."""

import io
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import forms, http
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.presentation import toast
from webapp.core.words import _
from webapp.operators.access import Scope, requires
from webapp.recipients import import_plan, import_service, service
from webapp.recipients.csv_files import DELIMITERS, ENCODINGS
from webapp.recipients.forms import KIND_WORDS
from webapp.recipients.import_api import LARGEST_BODY, import_json, rejects_response
from webapp.recipients.import_forms import (
    MODE_WORDS,
    ColumnsForm,
    LayoutForm,
    NewTableForm,
)
from webapp.recipients.models import ImportMode, ImportState, RecipientImport

bp = Blueprint("recipient_imports", __name__)

REJECTS_SHOWN = 50


@bp.get("/recipient-tables/import")
@requires(Scope.WRITE)
def start() -> ResponseReturnValue:
    """Ask for a file and the name of the table that it becomes."""
    return render_template("recipients/import_file.html", form=NewTableForm())


@bp.post("/recipient-tables/import")
@requires(Scope.WRITE)
@http.takes_up_to(LARGEST_BODY)
def start_from_file() -> ResponseReturnValue:
    """Make a table whose columns come from a file."""
    form = forms.from_page(NewTableForm)
    try:
        form.check()
        file = _posted_file()
        table = service.create(str(form.name.data).strip(), [])
    except Invalid as error:
        form.show(error)
        page = render_template("recipients/import_file.html", form=form, problem=error)
        return page, 422
    try:
        found = import_service.upload(table.id, *file, form.layout())
    except Invalid as error:
        service.discard_empty(table.id)
        page = render_template("recipients/import_file.html", form=form, problem=error)
        return page, 422
    return redirect(url_for("recipient_imports.show", import_id=found.id), 303)


@bp.get("/recipient-tables/<int:table_id>/import")
@requires(Scope.WRITE)
def choose(table_id: int) -> ResponseReturnValue:
    """Ask for a file."""
    table = service.get(table_id)
    return render_template(
        "recipients/import_file.html", form=LayoutForm(), table=table
    )


@bp.post("/recipient-tables/<int:table_id>/import")
@requires(Scope.WRITE)
@http.takes_up_to(LARGEST_BODY)
def upload(table_id: int) -> ResponseReturnValue:
    """Keep a file and show its columns, or say why it is none."""
    form = forms.from_page(LayoutForm)
    try:
        form.check()
        found = import_service.upload(table_id, *_posted_file(), form.layout())
    except Invalid as error:
        db.session.rollback()
        table = service.get(table_id)
        page = render_template(
            "recipients/import_file.html", form=form, table=table, problem=error
        )
        return page, 422
    return redirect(url_for("recipient_imports.show", import_id=found.id), 303)


@bp.get("/recipient-tables/imports/<int:import_id>")
@requires(Scope.READ)
def show(import_id: int) -> ResponseReturnValue:
    """Show where an import is: its columns, its progress, what it found."""
    found = import_service.get(import_id)
    if found.state is ImportState.UPLOADED:
        form = ColumnsForm(data={"mode": found.mode, "key_column": found.key_column})
        return _columns_page(found, form)
    table = service.get(found.recipient_table_id)
    rejects = import_service.rejects_after(found.id, 0, REJECTS_SHOWN)
    return render_template(
        "recipients/import_state.html",
        found=found,
        table=table,
        told=import_json(found),
        rejects=rejects,
        left_out=found.rejected + found.duplicates + found.duplicates_in_table,
        encodings=ENCODINGS,
        delimiters=DELIMITERS,
        modes=MODE_WORDS,
    )


@bp.get("/recipient-tables/imports/<int:import_id>/status.json")
@requires(Scope.READ)
def status(import_id: int) -> ResponseReturnValue:
    """Say how far an import is, for the live page."""
    return jsonify(import_json(import_service.get(import_id)))


@bp.post("/recipient-tables/imports/<int:import_id>/layout")
@requires(Scope.WRITE)
def change_layout(import_id: int) -> ResponseReturnValue:
    """Read the file in another way."""
    form = forms.from_page(LayoutForm)
    form.check()
    import_service.change_layout(import_id, form.layout())
    return redirect(url_for("recipient_imports.show", import_id=import_id), 303)


@bp.post("/recipient-tables/imports/<int:import_id>/check")
@requires(Scope.WRITE)
def check(import_id: int) -> ResponseReturnValue:
    """Take the columns as chosen and count what would happen."""
    form = forms.from_page(ColumnsForm)
    found = import_service.get(import_id)
    try:
        form.check()
        import_service.prepare(
            import_id,
            _mapping(found),
            ImportMode(form.mode.data),
            str(form.key_column.data or ""),
            str(form.typed_name.data or ""),
        )
    except Invalid as error:
        form.show(error)
        return _columns_page(import_service.get(import_id), form, error), 422
    import_service.check(import_id)
    return redirect(url_for("recipient_imports.show", import_id=import_id), 303)


@bp.post("/recipient-tables/imports/<int:import_id>/columns")
@requires(Scope.WRITE)
def again(import_id: int) -> ResponseReturnValue:
    """Go back from the counts to the columns."""
    import_service.back_to_columns(import_id)
    return redirect(url_for("recipient_imports.show", import_id=import_id), 303)


@bp.post("/recipient-tables/imports/<int:import_id>/start")
@requires(Scope.WRITE)
def begin(import_id: int) -> ResponseReturnValue:
    """Import the good rows."""
    import_service.start(import_id)
    return redirect(url_for("recipient_imports.show", import_id=import_id), 303)


@bp.post("/recipient-tables/imports/<int:import_id>/stop")
@requires(Scope.WRITE)
def stop(import_id: int) -> ResponseReturnValue:
    """Stop; rows that are in stay in."""
    import_service.stop(import_id)
    toast(_("The import stops after the rows that it is at."))
    return redirect(url_for("recipient_imports.show", import_id=import_id), 303)


@bp.get("/recipient-tables/imports/<int:import_id>/rejects.csv")
@requires(Scope.READ)
def rejects(import_id: int) -> ResponseReturnValue:
    """Hand out the rows that were left out."""
    return rejects_response(import_service.get(import_id))


def _posted_file() -> tuple[Any, str]:
    """Return the file that was chosen, or the cells that were pasted."""
    file, pasted = request.files.get("file"), request.form.get("pasted", "")
    if file is None or not file.filename:
        if pasted.strip():
            return io.BytesIO(pasted.encode("utf-8", "replace")), _("pasted cells")
        words = _("Choose a file first, or paste cells.")
        raise Invalid(words, {"file": [words]})
    return file.stream, file.filename


def _mapping(found: RecipientImport) -> dict[str, Any]:
    """Return where the page says that each column of the file goes.

    A choice is the name of a column, ``new`` (then name and kind stand in fields of
    their own), or nothing: left out.
    """
    mapping: dict[str, Any] = {}
    for place, heading in enumerate(import_plan.headings_of(found)):
        choice = request.form.get(f"column-{place}", "")
        mapping[str(place)] = choice
        if choice == "new:":
            mapping[str(place)] = {
                "new": request.form.get(f"name-{place}", "").strip(),
                "kind": request.form.get(f"kind-{place}", "text"),
                "label": heading,
            }
    return mapping


def _columns_page(
    found: RecipientImport, form: ColumnsForm, problem: Invalid | None = None
) -> str:
    table = service.get(found.recipient_table_id)
    mapping = _mapping(found) if request.method == "POST" else found.mapping
    return render_template(
        "recipients/import_columns.html",
        found=found,
        table=table,
        form=form,
        problem=problem,
        lines=import_plan.lines_of(found, mapping),
        kinds=KIND_WORDS,
        encodings=ENCODINGS,
        delimiters=DELIMITERS,
    )
