"""API tokens: shown once, stored as a digest, scoped, expiring, never in an address."""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask import request
from sqlalchemy.orm import joinedload

from webapp.core.clock import now
from webapp.core.db import db, read_alone
from webapp.core.errors import Invalid, NotFound
from webapp.core.secrets import token_hash, token_hashes
from webapp.operators import audit
from webapp.operators.models import ApiToken, Operator

PREFIX = "post_"
SHOWN = 10
SCOPES = ("read", "write", "send")
LIFETIMES = (30, 90, 365)
SEEN_EVERY = timedelta(minutes=1)


def create(
    operator: Operator,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token and return it with its text, which nobody can read again.

    Raises
    ------
    Invalid
        If a scope is none.
    """
    unknown = set(scopes) - set(SCOPES)
    if unknown or not scopes:
        words = "A token may " + ", ".join(SCOPES) + "; name at least one of them."
        raise Invalid(words, {"scopes": [words]})
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
    db.session.flush()
    may = ", ".join(token.scopes)
    audit.record("api_token.created", "api_token", token.id, name, scopes=may)
    db.session.commit()
    return token, text


def of(operator_id: int) -> Sequence[ApiToken]:
    """Return the tokens of an operator that are not revoked, the newest first."""
    mine = sa.select(ApiToken).where(
        ApiToken.operator_id == operator_id, ApiToken.revoked_at.is_(None)
    )
    return db.session.scalars(mine.order_by(ApiToken.id.desc())).all()


def revoke(operator_id: int, token_id: int) -> None:
    """Revoke a token.

    Raises
    ------
    NotFound
        If this operator has no such live token.
    """
    mine = sa.select(ApiToken).where(
        ApiToken.id == token_id,
        ApiToken.operator_id == operator_id,
        ApiToken.revoked_at.is_(None),
    )
    token = db.session.scalar(mine)
    if token is None:
        raise NotFound("There is no such token.")
    token.revoked_at = now()
    audit.record("api_token.revoked", "api_token", token.id, token.name)
    db.session.commit()


def of_request() -> ApiToken | None:
    """Return the live token in the Authorization header (RFC 6750 section 2.1)."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.startswith(PREFIX):
        return None
    token = read_alone(
        sa.select(ApiToken)
        .options(joinedload(ApiToken.operator))
        .where(
            ApiToken.token_hash.in_(token_hashes(text.strip())),
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
