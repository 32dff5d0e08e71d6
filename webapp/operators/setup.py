"""The first operator: a link that works once, printed where the server was started.

There is no default password. Whoever can read the terminal owns the installation; the
link is good for half an hour, only the newest one works, and none does once there is an
operator.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.secrets import token_hash, token_hashes
from webapp.operators import service
from webapp.operators.models import OneTimeToken, Operator

Kit = Callable[[Operator], None]
"""Makes the example things of a new installation; has its own commits."""

KIND = "setup"
LIFETIME = timedelta(minutes=30)
GONE = (
    "This set-up link is not valid any more. Start Postroom again: it prints a new one."
)


def issue_token() -> str | None:
    """Return a new set-up token, the only good one; None once there is an operator."""
    if service.any_operator():
        return None
    db.session.execute(sa.delete(OneTimeToken).where(OneTimeToken.kind == KIND))
    token = secrets.token_urlsafe(24)
    db.session.add(
        OneTimeToken(
            kind=KIND, token_hash=token_hash(token), expires_at=now() + LIFETIME
        )
    )
    db.session.commit()
    return token


def check_token(token: str) -> None:
    """Look whether a set-up token is good, without using it up.

    Raises
    ------
    NotFound
        If it is not, or there is an operator already.
    """
    good = sa.select(OneTimeToken.id).where(*_good(token))
    if service.any_operator() or db.session.scalar(good) is None:
        raise NotFound(GONE)


def use_token(token: str) -> None:
    """Use a set-up token up, in the caller's transaction.

    Raises
    ------
    NotFound
        If it is not good, or there is an operator already.
    """
    used = db.session.execute(
        sa.update(OneTimeToken)
        .where(*_good(token))
        .values(used_at=now())
        .returning(OneTimeToken.id)
    )
    if used.first() is None or service.any_operator():
        raise NotFound(GONE)


_kits: list[Kit] = []


def offers_kit(kit: Kit) -> Kit:
    """Register what makes the practice kit; set-up is below the features it needs."""
    if kit not in _kits:
        _kits.append(kit)
    return kit


def make_kit(operator: Operator) -> None:
    """Make the practice kit for the first operator, who asked for it at set-up.

    Call it after the commit of the operator; it may be called again, and then adds
    only what is missing.
    """
    for kit in _kits:
        kit(operator)


def create_first(token: str, **who: Any) -> Operator:
    """Create the first operator; token and operator are one transaction.

    Parameters
    ----------
    **who
        What `webapp.operators.service.create` takes.

    Raises
    ------
    NotFound
        If the token is not good any more.
    Invalid
        If a value is wrong; the token stays good.
    """
    use_token(token)
    try:
        return service.create(**who)
    except Invalid:
        db.session.rollback()
        raise


def _good(token: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        OneTimeToken.kind == KIND,
        OneTimeToken.token_hash.in_(token_hashes(token)),
        OneTimeToken.used_at.is_(None),
        OneTimeToken.expires_at > now(),
    )
