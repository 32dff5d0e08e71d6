"""Creating calls that may be repeated: the same key has its effect once.

The key's row is written before the view runs and rides in the transaction of the view's
own effect, so that effect and key are there together or not at all; the answer follows
in a second, small transaction. A key whose answer is missing is never run again. After
draft-ietf-httpapi-idempotency-key-header (sections 2.2 to 2.7): another body under a
known key is 422, a call that is still at work is 409.
"""

import functools
import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from flask import Response, current_app, g, request
from sqlalchemy.exc import IntegrityError

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, Refused
from webapp.operators.models import IdempotencyKey

View = TypeVar("View", bound=Callable[..., Any])

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT = timedelta(hours=24)
LONGEST = 255
NO_ANSWER_YET = 0
FIRST_ERROR = 400
CHUNK = 64 * 1024


def idempotent(view: View) -> View:
    """Let a creating API view honour the header ``Idempotency-Key``.

    A call without the header runs as ever. Only good answers are kept: what was refused
    can be mended and sent again under the same key. Kept for 24 hours, for each token.
    """

    @functools.wraps(view)
    def once(*args: Any, **kw: Any) -> Any:
        key, who = request.headers.get(HEADER), g.get("actor")
        if key is None or who is None or who.token_id is None:
            return view(*args, **kw)
        _check(key)
        known = _find(who.token_id, key)
        if known is None:
            return _run(functools.partial(view, *args, **kw), who.token_id, key)
        return _again(known)

    once.idempotent = True  # type: ignore[attr-defined]  # a mark on a function
    return cast(View, once)


def _check(key: str) -> None:
    if not key.isascii() or not key.isprintable() or not 1 <= len(key) <= LONGEST:
        words = f"{HEADER} must be 1 to {LONGEST} printable ASCII characters."
        raise Invalid(words, {HEADER: [words]})


def _find(token_id: int, key: str) -> IdempotencyKey | None:
    kept = sa.select(IdempotencyKey).where(
        IdempotencyKey.token_id == token_id,
        IdempotencyKey.key == key,
        IdempotencyKey.created_at > now() - KEPT,
    )
    return db.session.scalar(kept)


def _again(known: IdempotencyKey) -> Response:
    if known.request_hash != fingerprint():
        words = "This key was used for another request. Take a new one."
        raise Invalid(words, {HEADER: [words]})
    if known.status == NO_ANSWER_YET:
        raise Refused(
            "A call with this key is still at work, or ended before it could answer. "
            "Look at what is there before you take a new key."
        )
    answer = Response(known.body, known.status, mimetype="application/json")
    answer.headers[REPLAYED] = "true"
    return answer


def _run(view: Callable[[], Any], token_id: int, key: str) -> Response:
    old = sa.delete(IdempotencyKey).where(IdempotencyKey.created_at <= now() - KEPT)
    db.session.execute(old)
    row = IdempotencyKey(
        token_id=token_id,
        key=key,
        request_hash=fingerprint(),
        status=NO_ANSWER_YET,
        body="",
    )
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        known = _find(token_id, key)
        if known is None:
            raise
        return _again(known)
    row_id = row.id
    answer = current_app.make_response(view())
    _keep(row_id, answer)
    return answer


def _keep(row_id: int, answer: Response) -> None:
    ours = IdempotencyKey.id == row_id
    if answer.status_code >= FIRST_ERROR:
        db.session.execute(sa.delete(IdempotencyKey).where(ours))
    else:
        db.session.execute(
            sa.update(IdempotencyKey)
            .where(ours)
            .values(status=answer.status_code, body=answer.get_data(as_text=True))
            .execution_options(synchronize_session=False)
        )
    db.session.commit()


def fingerprint() -> str:
    """Return the digest of what this request asks for; boundaries do not count."""
    digest = hashlib.sha256(f"{request.method} {request.full_path}\n".encode())
    if request.mimetype != "multipart/form-data":
        digest.update(request.get_data())
        return digest.hexdigest()
    for name, value in sorted(request.form.items(multi=True)):
        digest.update(f"{name!r}={value!r}\n".encode())
    for name, file in sorted(request.files.items(multi=True), key=lambda one: one[0]):
        digest.update(f"{name!r}={file.filename!r}\n".encode())
        while chunk := file.stream.read(CHUNK):
            digest.update(chunk)
        file.stream.seek(0)
    return digest.hexdigest()
