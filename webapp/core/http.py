"""What answers have in common: errors in words, lists by cursor, headers that defend.

Under ``/api/`` an error is problem JSON (RFC 9457), elsewhere a page; both say the same
sentence and carry a reference that is in the log too. No traceback ever leaves.
"""

import base64
import binascii
import json
import logging
import re
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import (
    Flask,
    Request,
    Response,
    current_app,
    g,
    jsonify,
    render_template,
    request,
)
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.routing import IntegerConverter, Map

from webapp.core.db import db
from webapp.core.errors import DomainError, Invalid

log = logging.getLogger(__name__)
Row = TypeVar("Row")
View = TypeVar("View", bound=Callable[..., Any])

API = "/api/"
MAX_LIMIT = 500
WINDOW = 10_000  # rows that a search without an index looks at for one page
SMALL_UPLOAD = 512 * 1024  # octets of a file that stay in memory
DEFAULT_LIMIT = 50
LARGEST_ID = 2**63 - 1
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
WORDS = {
    400: "The request could not be understood.",
    401: "Please sign in.",
    403: "You may not do this.",
    404: "There is nothing at this address.",
    405: "This address does not know that method.",
    413: "That is too large.",
    415: "The API takes JSON; send Content-Type: application/json.",
    429: "Too many requests. Please wait a little and try again.",
    503: "This is not available just now. Please try again in a moment.",
}
#: What a page is called where HTTP's own phrase is jargon.
TITLES = {404: "Not found", 405: "Not possible this way", 413: "Too large"}
SAFE = {
    403: "Nothing was changed. Ask a manager if you need this.",
    404: "Nothing was changed. The address may be mistyped, or the thing is deleted.",
    409: "Nothing was changed. Go back, look how things stand now, and try again.",
    413: "Nothing was stored. Send a smaller file, or less text at a time.",
    422: "Nothing was changed. Go back and mend what is named here.",
    429: "Nothing is lost.",
    500: "If it happens again, give the reference to whoever runs this installation.",
    503: "What is waiting is safe and goes on by itself; reading works meanwhile.",
}
NOTHING_CHANGED = "Nothing was changed. Go back and try again."
BEYOND = (
    "A number or a text in the request is beyond what can be kept. Nothing was changed."
)
UNEXPECTED = (
    "Something went wrong on our side. Nothing was half done; please try again."
)


class IdConverter(IntegerConverter):
    """An id in an address: one that no database can hold is nobody's, so 404."""

    regex = "[0-9]{1,19}"

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=LARGEST_ID)


@dataclass(frozen=True)
class Page:
    """One page of a list and the cursor of the next one."""

    items: Sequence[Any]
    next: str | None


def page_of(
    query: "sa.Select[Any]",
    key: Any,
    *,
    descending: bool = True,
    show: Callable[[Any], Any] = lambda row: row,
    window: "sa.Select[Any] | None" = None,
) -> Page:
    """Return one page of a query, by keyset on a unique integer column.

    ``?limit=`` (at most 500) and ``?cursor=`` come from the request.

    Parameters
    ----------
    window
        The rows among which is searched, where no index helps to find those of the
        query: a page looks at `WINDOW` of them and leads on to the next ones, so it
        may have few rows or none, and takes as long for a million as for a thousand.

    Raises
    ------
    Invalid
        If the limit or the cursor is none.
    """
    limit, cursor = asked_limit(), request.args.get("cursor")
    if cursor:
        (last,) = decode_cursor(cursor, int)
        beyond = key < last if descending else key > last
        query = query.where(beyond)
        window = window.where(beyond) if window is not None else None
    order = key.desc() if descending else key.asc()
    bound = end_of_window(window, key, order) if window is not None else None
    if bound is not None:
        query = query.where(key >= bound if descending else key <= bound)
    query = query.order_by(order).limit(limit + 1)
    rows = list(db.session.scalars(query))
    following = encode_cursor(bound) if bound is not None else None
    if len(rows) > limit:
        following = encode_cursor(getattr(rows[limit - 1], key.key))
    return Page([show(row) for row in rows[:limit]], following)


def end_of_window(window: "sa.Select[Any]", key: Any, order: Any) -> int | None:
    """Return the key of the last row that a search looks at; none if it is the last."""
    place = window.with_only_columns(key).order_by(order).offset(WINDOW).limit(1)
    found: int | None = db.session.scalar(place)
    return found


def asked_limit() -> int:
    """Return ``?limit=``.

    Raises
    ------
    Invalid
        If it is not a whole number from 1 to 500.
    """
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch("[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_LIMIT:
        words = f"The limit must be a whole number from 1 to {MAX_LIMIT}."
        raise Invalid(words, {"limit": [words]})
    return int(text)


def encode_cursor(*values: int | str) -> str:
    """Return an opaque cursor.

    Examples
    --------
    >>> decode_cursor(encode_cursor(7, "x"), int, str)
    (7, 'x')
    """
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode_cursor(text: str, *kinds: type) -> tuple[Any, ...]:
    """Read a cursor back.

    Raises
    ------
    Invalid
        If it is not one of ours.
    """
    wrong = Invalid(
        "The cursor is not valid.", {"cursor": ["The cursor is not valid."]}
    )
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise wrong from error
    if not isinstance(values, list) or [type(v) for v in values] != list(kinds):
        raise wrong
    if any(isinstance(value, int) and abs(value) > LARGEST_ID for value in values):
        raise wrong
    return tuple(values)


def local_target() -> str | None:
    """Return the ``?next=`` of this request, if it is a path of this site."""
    target = request.args.get("next", "")
    if not target.startswith("/") or target.startswith(("//", "/\\")):
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target


def takes_up_to(octets: int) -> Callable[[View], View]:
    """Let a view take a body that is larger than the usual limit.

    The guard of `webapp.operators.access` raises the limit, and only for who may call
    the view: of a stranger, nobody reads a large body.
    """

    def mark(view: View) -> View:
        view.max_octets = octets  # type: ignore[attr-defined]  # a mark on a function
        return view

    return mark


def wants_json() -> bool:
    """Whether this request speaks JSON: the API, and the status of live pages."""
    return request.path.startswith(API) or request.path.endswith(".json")


def problem(
    status: int, title: str, detail: str, **more: object
) -> tuple[Response, int]:
    """Return problem details (RFC 9457)."""
    answer = jsonify(
        type="about:blank", title=title, status=status, detail=detail, **more
    )
    answer.content_type = "application/problem+json"
    return answer, status


class DeskRequest(Request):
    """A request whose uploads rest on the disk of this desk while they are read.

    The usual place, ``/tmp``, is memory on many machines; a file of 1 GB would fill it.
    """

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        del total_content_length, content_type, filename, content_length
        directory = current_app.config["POSTROOM"].data_dir
        # It has no name on the disk and ends with the request that closes it.
        return tempfile.SpooledTemporaryFile(SMALL_UPLOAD, dir=directory)


def init_app(app: Flask) -> None:
    """Install the error handlers and the headers."""
    app.request_class = DeskRequest
    app.url_map.converters["int"] = IdConverter
    app.before_request(_number_the_request)
    app.after_request(_defend)
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(SecurityError, _foreign_host)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(OverflowError, _beyond)
    app.register_error_handler(sa.exc.DataError, _beyond)
    app.register_error_handler(Exception, _unexpected)


def _number_the_request() -> None:
    g.reference = secrets.token_hex(4)


def reference() -> str:
    """Return the id of this request, which is in the log and on error pages."""
    number: str = g.get("reference", "none")
    return number


def _answer(
    status: int, title: str, words: str, fields: dict[str, list[str]] | None = None
) -> ResponseReturnValue:
    db.session.rollback()
    if wants_json():
        more: dict[str, object] = {"reference": reference()}
        if fields is not None:
            more["fields"] = fields
        return problem(status, title, words, **more)
    page = render_template(
        "pages/error.html",
        status=status,
        title=title,
        words=words,
        safe=SAFE.get(status, NOTHING_CHANGED),
        fields=fields or {},
        reference=reference(),
    )
    return page, status


def _domain_error(error: DomainError) -> ResponseReturnValue:
    fields = error.fields if isinstance(error, Invalid) else None
    return _answer(error.status, error.title, error.words, fields)


def _csrf_error(error: CSRFError) -> ResponseReturnValue:
    del error
    return session_ended()


def session_ended() -> ResponseReturnValue:
    """Say that the session ended, and give the posted text back to be copied.

    Raises
    ------
    RequestEntityTooLarge
        If the body is larger than what anybody may send.
    """
    words = "Your session ended before this was saved. Your text is below."
    if wants_json():
        return _answer(400, "Session ended", words)
    db.session.rollback()
    kept = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name != "csrf_token" and "password" not in name and value
    ]
    return render_template("pages/session_ended.html", words=words, kept=kept), 400


def _foreign_host(error: SecurityError) -> ResponseReturnValue:
    """Answer a Host that is not ours; without a host no page can make its links."""
    del error
    words = "This address is not served here; BASE_URL says which one is."
    return Response(words, HTTPStatus.BAD_REQUEST, mimetype="text/plain")


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < HTTPStatus.BAD_REQUEST:
        return error
    title = TITLES.get(status, HTTPStatus(status).phrase)
    answer = app_response(_answer(status, title, WORDS.get(status, UNEXPECTED)))
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After", "WWW-Authenticate"}:
            answer.headers[name] = value
    return answer


def app_response(answer: ResponseReturnValue) -> Response:
    """Return a response object for what a view returned."""
    return current_app.make_response(answer)


def _beyond(error: Exception) -> ResponseReturnValue:
    """Answer a number too large, or a text that the database cannot hold."""
    log.warning("request %s: %s", reference(), type(error).__name__)
    return _domain_error(Invalid(BEYOND))


def _unexpected(error: Exception) -> ResponseReturnValue:
    log.error("request %s to %s failed", reference(), request.endpoint, exc_info=error)
    return _answer(500, "Something went wrong", UNEXPECTED)


def _defend(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
    return response
