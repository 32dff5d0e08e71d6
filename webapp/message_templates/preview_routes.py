"""The preview of a message template for one row, side by side with its other forms.

The HTML of a message is never part of a page: it is a document of its own, in a
sandboxed frame, with a policy that lets nothing run and nothing load but pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Blueprint, Response, g, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.composing.addresses import AddressError
from webapp.composing.letter import Address, ComposeError, Letter
from webapp.composing.mime import compose
from webapp.core import blobs, forms
from webapp.core.clock import now
from webapp.core.db import db
from webapp.message_templates import previewing, service
from webapp.message_templates.delivered import Check, Delivered, checks
from webapp.message_templates.forms import MessageTemplateForm
from webapp.message_templates.links import PROBLEMS
from webapp.message_templates.lint import needed_names
from webapp.message_templates.models import MessageTemplate
from webapp.message_templates.pictures import with_pictures
from webapp.message_templates.previewing import Preview, Row
from webapp.message_templates.reading import undeclared
from webapp.message_templates.rendering import Rendered
from webapp.message_templates.skeleton import without_images
from webapp.message_templates.source import PART_WORDS, Source
from webapp.operators.access import Scope, requires
from webapp.recipients.models import RecipientTable
from webapp.senders.models import Sender

bp = Blueprint("message_template_previews", __name__)

FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
VIEWS = ("text", "html", "headers", "source", "links", "delivered")
WIDTHS = ("320", "375", "600", "full")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the address of a preview page asks for."""

    table: RecipientTable | None
    view: str
    width: str
    dark: bool
    images: bool


@bp.get("/message-templates/<int:message_template_id>/preview")
@requires(Scope.READ)
def show(message_template_id: int) -> ResponseReturnValue:
    """Show a message template for one row of a recipient table."""
    template = service.get(message_template_id)
    source = service.source_of(service.newest(template))
    asked = _asked()
    row = _row(asked.table, source)
    made = _made(source, asked.table, row)
    here = _addresses(template, asked, row)
    from_ = _from()
    mime = _mime(made.rendered, row, from_) if made.rendered else None
    return render_template(
        "message_templates/preview.html",
        template=template,
        source=source,
        asked=asked,
        row=row,
        made=made,
        tables=previewing.tables(),
        here=here,
        frame=here(where=".frame"),
        used=undeclared(source),
        missing=previewing.count_missing(asked.table, source) if asked.table else 0,
        findings=_findings(made, asked.table, source),
        next_good=_next_good(source, asked.table, row) if made.failure else None,
        mime=mime,
        delivered=_delivered(mime, from_),
        from_=from_,
        parts=PART_WORDS,
        problems=PROBLEMS,
        widths=WIDTHS,
        views=VIEWS,
        needed=needed_names(source),
        no_match=g.get("no_match", False),
    )


@bp.get("/message-templates/<int:message_template_id>/preview/frame")
@requires(Scope.READ)
def frame(message_template_id: int) -> ResponseReturnValue:
    """Return the HTML of one row's message as a document of its own."""
    version = service.newest(service.get(message_template_id))
    source = service.source_of(version)
    asked = _asked()
    made = _made(source, asked.table, _row(asked.table, source))
    return _document(made, _pictures(version.attachments), images=asked.images)


@bp.post("/message-templates/draft")
@requires(Scope.WRITE)
def draft() -> ResponseReturnValue:
    """Return findings and text of what the editor holds, before it is saved."""
    form = forms.from_page(MessageTemplateForm)
    source = form.source()
    table = _asked().table
    made = _made(source, table, _row(table, source))
    fragment = render_template(
        "message_templates/_draft.html",
        made=made,
        findings=_findings(made, table, source),
        parts=PART_WORDS,
        template=None,
        form=form,
    )
    return jsonify(ok=made.rendered is not None, fragment=fragment)


@bp.post("/message-templates/draft/frame")
@requires(Scope.WRITE)
def draft_frame() -> ResponseReturnValue:
    """Return the HTML of what the editor holds as a document of its own."""
    source = forms.from_page(MessageTemplateForm).source()
    table = _asked().table
    number = request.values.get("template", type=int)
    files = service.newest(service.get(number)).attachments if number else []
    made = _made(source, table, _row(table, source))
    return _document(made, _pictures(files), images=False)


def _asked() -> _Asked:
    tables = previewing.tables()
    wanted = request.values.get("table", type=int)
    if wanted:
        table: RecipientTable | None = previewing.table_of(wanted)
    else:
        table = tables[0] if tables else None
    view, width = request.values.get("view"), request.values.get("width")
    return _Asked(
        table,
        view if view in VIEWS else VIEWS[0],
        width if width in WIDTHS else "375",
        dark=request.values.get("dark") == "on",
        images=request.values.get("images") == "on",
    )


def _row(table: RecipientTable | None, source: Source) -> Row | None:
    if table is None:
        return None
    number = request.values.get("row", 1, type=int)
    search = request.values.get("q", "").strip()
    how = request.values.get("pick") or ("search" if search else "")
    if how:
        found = previewing.find_row(table, how, source, search, number)
        g.no_match = found is None
        number = found or number
    return previewing.row_at(table, number)


def _made(source: Source, table: RecipientTable | None, row: Row | None) -> Preview:
    return previewing.preview(source, row.values if row else {}, table)


def _findings(made: Preview, table: RecipientTable | None, source: Source) -> list[Any]:
    missing = previewing.missing_findings(table, source) if table else []
    if missing:
        kept = [one for one in made.findings if one.code != "V03"]
        return [*missing, *kept]
    return list(made.findings)


def _next_good(
    source: Source, table: RecipientTable | None, row: Row | None
) -> int | None:
    """Return the number of the next row that can be rendered, looking 20 ahead."""
    if table is None or row is None:
        return None
    for number in range(row.number + 1, min(row.number + 21, row.total + 1)):
        other = previewing.row_at(table, number)
        if other and previewing.preview(source, other.values, None).rendered:
            return number
    return None


def _addresses(template: MessageTemplate, asked: _Asked, row: Row | None) -> Any:
    """Return a function that makes the address of this page, a little changed."""
    kept: dict[str, Any] = {
        "table": asked.table.id if asked.table else None,
        "row": row.number if row else None,
        "view": asked.view if asked.view != VIEWS[0] else None,
        "width": asked.width if asked.width != WIDTHS[1] else None,
        "dark": "on" if asked.dark else None,
        "images": "on" if asked.images else None,
    }

    def here(where: str = ".show", **changed: Any) -> str:
        there = {**kept, **changed}
        return url_for(where, message_template_id=template.id, **there)

    return here


def _from() -> Address:
    """Return who writes, as long as no campaign has chosen: the newest sender."""
    query = sa.select(Sender).where(Sender.archived_at.is_(None))
    sender = db.session.scalar(query.order_by(Sender.id.desc()).limit(1))
    if sender:
        return Address(sender.from_name, sender.from_address)
    return Address("", f"sender@{_host()}")


def _host() -> str:
    return urlsplit(previewing.base_url()).hostname or "localhost"


def _mime(rendered: Rendered, row: Row | None, from_: Address) -> tuple[str, str] | str:
    """Return header and whole source of the message, or why it cannot be composed."""
    try:
        to = Address("", row.recipient.address) if row else from_
        letter = Letter(
            from_=from_,
            to=(to,),
            subject=rendered.subject,
            text=rendered.text or None,
            html=rendered.html,
            message_id=f"<preview@{_host()}>",
            date=now(),
        )
        whole = compose(letter).data.decode("utf-8", "replace")
    except (ComposeError, AddressError) as error:
        return str(error)
    return whole.partition("\r\n\r\n")[0], whole


def _delivered(mime: tuple[str, str] | str | None, from_: Address) -> list[Check]:
    """Return what a receiving server would see; nothing without a message."""
    if not isinstance(mime, tuple):
        return []
    return checks(Delivered(mime[1].encode(), from_.addr))


def _pictures(files: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the images that go along, by their Content-ID."""
    named = {one["content_id"]: one["sha256"] for one in files if one["content_id"]}
    return {cid: b"".join(blobs.read(sha256)) for cid, sha256 in named.items()}


def _document(
    made: Preview, pictures: Mapping[str, bytes], *, images: bool
) -> Response:
    """Return a rendered message as a document that can do nothing."""
    if made.rendered is None:
        body = render_template("message_templates/_no_frame.html", made=made)
    elif made.rendered.html is None:
        body = render_template("message_templates/_text_frame.html", made=made)
    else:
        body = with_pictures(made.rendered.html, pictures)
        body = body if images else without_images(body)
    answer = Response(body, mimetype="text/html")
    allowed = "data: https: http:" if images else "data:"
    answer.headers["Content-Security-Policy"] = FRAME_POLICY.format(images=allowed)
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
