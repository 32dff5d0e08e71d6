"""API tokens: shown once, stored as a digest, scoped, expiring, never in an address."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask import request
from sqlalchemy.orm import joinedload

from webapp.core.clock import now
from webapp.core.db import db, read_alone
from webapp.core.secrets import token_hash
from webapp.operators.models import ApiToken, Operator

PREFIX = "post_"
SHOWN = 10
SCOPES = ("read", "write", "send")
SEEN_EVERY = timedelta(minutes=1)


def create(
    operator: Operator,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token and return it with its text, which nobody can read again."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        token_hash=token_hash(text),
        prefix=text[:SHOWN],
        name=name,
        scopes=[scope for scope in SCOPES if scope in set(scopes)],
        operator_id=operator.id,
        expires_at=expires_at,
    )
    db.session.add(token)
    db.session.commit()
    return token, text


def of_request() -> ApiToken | None:
    """Return the live token in the Authorization header (RFC 6750 section 2.1)."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.startswith(PREFIX):
        return None
    token = read_alone(
        sa.select(ApiToken)
        .options(joinedload(ApiToken.operator))
        .where(
            ApiToken.token_hash == token_hash(text.strip()),
            ApiToken.revoked_at.is_(None),
        )
    )
    if token is None or token.operator.disabled_at is not None:
        return None
    if token.expires_at is not None and token.expires_at <= now():
        return None
    _touch(token)
    return token


def _touch(token: ApiToken) -> None:
    if token.last_used_at is not None and token.last_used_at > now() - SEEN_EVERY:
        return
    with db.engine.connect() as connection:
        connection.execute(
            sa.update(ApiToken)
            .where(ApiToken.id == token.id)
            .values(last_used_at=now())
        )
        connection.commit()
