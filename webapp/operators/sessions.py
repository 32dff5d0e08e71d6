"""Signed-in browsers: kept in the database, revocable, and new at each sign-in.

The cookie holds a random token, the database its digest. Nothing about the operator is
in the cookie.
"""

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask, request, session
from sqlalchemy.orm import joinedload

from webapp.core.clock import now
from webapp.core.db import db, read_alone
from webapp.core.errors import NotFound
from webapp.core.secrets import token_hash, token_hashes
from webapp.operators.models import Operator, OperatorSession

KEY = "sid"
IDLE = timedelta(days=7)
LIFETIME = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=5)
DEVICE_LENGTH = 200


def start(operator: Operator) -> None:
    """Sign an operator in, under a new token; the caller commits."""
    end()
    session.clear()
    token = secrets.token_urlsafe(32)
    row = OperatorSession(
        token_hash=token_hash(token),
        operator_id=operator.id,
        device=(request.user_agent.string or "")[:DEVICE_LENGTH],
        address_prefix=address_prefix(request.remote_addr),
    )
    db.session.add(row)
    session[KEY] = token
    session.permanent = True


def end() -> None:
    """Revoke the session of this request, if there is one; the caller commits."""
    token = session.pop(KEY, None)
    if token:
        _revoke(OperatorSession.token_hash.in_(token_hashes(token)))


def end_others(operator_id: int) -> None:
    """Revoke all other sessions of an operator; the caller commits."""
    mine = token_hashes(session.get(KEY, ""))
    _revoke(
        OperatorSession.operator_id == operator_id,
        OperatorSession.token_hash.not_in(mine),
    )


def end_all(operator_id: int) -> None:
    """Revoke all sessions of an operator; the caller commits."""
    _revoke(OperatorSession.operator_id == operator_id)


def end_one(operator_id: int, session_id: int) -> None:
    """Revoke one session of an operator; the caller commits.

    Raises
    ------
    NotFound
        If this operator has no such live session.
    """
    mine = (OperatorSession.operator_id == operator_id, *_live())
    one = sa.select(OperatorSession.id).where(OperatorSession.id == session_id, *mine)
    if db.session.scalar(one) is None:
        raise NotFound("There is no such session.")
    _revoke(OperatorSession.id == session_id)


def of_request() -> OperatorSession | None:
    """Return the live session of this request."""
    token = session.get(KEY)
    if not token:
        return None
    row = read_alone(
        sa.select(OperatorSession)
        .options(joinedload(OperatorSession.operator))
        .where(OperatorSession.token_hash.in_(token_hashes(str(token))), *_live())
    )
    if row is None or row.operator.disabled_at is not None:
        return None
    _touch(row)
    return row


def live(operator_id: int) -> Sequence[OperatorSession]:
    """Return the live sessions of an operator, the one seen last first."""
    mine = sa.select(OperatorSession).where(
        OperatorSession.operator_id == operator_id, *_live()
    )
    return db.session.scalars(mine.order_by(OperatorSession.last_seen_at.desc())).all()


def _live() -> tuple[sa.ColumnElement[bool], ...]:
    return (
        OperatorSession.revoked_at.is_(None),
        OperatorSession.last_seen_at > now() - IDLE,
        OperatorSession.created_at > now() - LIFETIME,
    )


def address_prefix(address: str | None) -> str:
    """Return the network an address is in (/24, /48): enough to recognise a place.

    Examples
    --------
    >>> address_prefix("192.0.2.77"), address_prefix("2001:db8:1:2::3")
    ('192.0.2.0/24', '2001:db8:1::/48')
    """
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    bits = 24 if parsed.version == 4 else 48  # noqa: PLR2004 - the two versions of IP
    return str(ipaddress.ip_network(f"{parsed}/{bits}", strict=False))


def _touch(row: OperatorSession) -> None:
    if row.last_seen_at > now() - SEEN_EVERY:
        return
    with db.engine.connect() as connection:
        connection.execute(
            sa.update(OperatorSession)
            .where(OperatorSession.id == row.id)
            .values(last_seen_at=now())
        )
        connection.commit()


def _revoke(*which: sa.ColumnElement[bool]) -> None:
    db.session.execute(
        sa.update(OperatorSession)
        .where(OperatorSession.revoked_at.is_(None), *which)
        .values(revoked_at=now())
        .execution_options(synchronize_session=False)
    )


def init_app(app: Flask) -> None:
    """Set the cookie's attributes; ``Secure`` follows the public address."""
    app.config.update(
        SESSION_COOKIE_NAME="postroom",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=app.config["POSTROOM"].base_url.startswith("https://"),
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )
