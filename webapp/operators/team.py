"""Who else is an operator: invited by a link that works once, locked out, let in.

Inviting needs no mail server: the link is shown once, to the manager who made it, and
handed on by hand. Whoever opens it chooses a password; a newer link of that operator
ends the older one.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.core.secrets import token_hash, token_hashes
from webapp.operators import audit, passwords, service, sessions
from webapp.operators.models import OneTimeToken, Operator, OperatorSession, Role

KIND = "join"
LIFETIME = timedelta(days=3)
GONE = "This link is not valid any more. Ask a manager of this desk for a new one."


@dataclass(frozen=True)
class Member:
    """One line of the team's page.

    Attributes
    ----------
    link_until
        Until when a link is good that nobody has used yet.
    last_seen_at
        When one of the browsers was seen last; None: never signed in.
    """

    operator: Operator
    link_until: datetime | None
    last_seen_at: datetime | None

    @property
    def state(self) -> str:
        """Return ``locked``, ``invited`` (never came yet) or ``active``."""
        if self.operator.disabled_at is not None:
            return "locked"
        if self.link_until is not None and self.last_seen_at is None:
            return "invited"
        return "active"


def members() -> Sequence[Member]:
    """Return all operators in the order in which they came."""
    links = _best(OneTimeToken.expires_at, OneTimeToken.operator_id, *_unused())
    seen = _best(OperatorSession.last_seen_at, OperatorSession.operator_id)
    everybody = db.session.scalars(sa.select(Operator).order_by(Operator.id))
    return [Member(one, links.get(one.id), seen.get(one.id)) for one in everybody]


def invite(name: str, email: str, role: Role) -> tuple[Operator, str]:
    """Create an operator who has no password yet; return them and their link's token.

    Raises
    ------
    Invalid
        If a value is none, or the e-mail is taken.
    """
    unknown_to_all = secrets.token_urlsafe(32)
    operator = service.create(name, email, unknown_to_all, role=role)
    return operator, new_link(operator.id)


def new_link(operator_id: int) -> str:
    """Return the token of a new link for choosing a password; older ones end.

    Raises
    ------
    NotFound
        If there is no such operator.
    Refused
        If they are locked out.
    """
    operator = service.get(operator_id)
    if operator.disabled_at is not None:
        raise Refused("This operator is locked out. Let them in again first.")
    db.session.execute(
        sa.delete(OneTimeToken).where(
            OneTimeToken.kind == KIND, OneTimeToken.operator_id == operator_id
        )
    )
    token = secrets.token_urlsafe(24)
    link = OneTimeToken(
        kind=KIND,
        token_hash=token_hash(token),
        operator_id=operator_id,
        expires_at=now() + LIFETIME,
    )
    db.session.add(link)
    audit.record("operator.link_made", "operator", operator.id, operator.name)
    db.session.commit()
    return token


def whose(token: str) -> Operator:
    """Return whom a link is for, without using it up.

    Raises
    ------
    NotFound
        If it is not good (any more).
    """
    operator = db.session.scalar(
        sa.select(Operator)
        .join(OneTimeToken, OneTimeToken.operator_id == Operator.id)
        .where(*_good(token), Operator.disabled_at.is_(None))
    )
    if operator is None:
        raise NotFound(GONE)
    return operator


def join(token: str, password: str) -> Operator:
    """Use a link up: set the password, and end what was signed in before.

    Raises
    ------
    NotFound
        If the link is not good (any more).
    Invalid
        If the password is weak; the link stays good.
    """
    operator = whose(token)
    password_hash = passwords.hash_password(password)
    used = db.session.execute(
        sa.update(OneTimeToken)
        .where(*_good(token))
        .values(used_at=now())
        .returning(OneTimeToken.id)
    )
    if used.first() is None:
        raise NotFound(GONE)
    operator.password_hash = password_hash
    sessions.end_all(operator.id)
    audit.record("operator.joined", "operator", operator.id, operator.name)
    db.session.commit()
    return operator


def lock_out(operator_id: int, by: int) -> Operator:
    """End all sessions of an operator; no password, link or token lets them in.

    Raises
    ------
    NotFound
        If there is no such operator.
    Refused
        If it is oneself, or nobody would be left who may manage.
    """
    operator = service.get(operator_id)
    if operator_id == by:
        raise Refused("You cannot lock yourself out. Another manager can.")
    if operator.role is Role.MANAGER:
        service.refuse_the_last_manager(operator)
    if operator.disabled_at is None:
        operator.disabled_at = now()
        sessions.end_all(operator_id)
        audit.record("operator.locked_out", "operator", operator.id, operator.name)
    db.session.commit()
    return operator


def let_in(operator_id: int) -> Operator:
    """Take a lock-out back; the old password and tokens are good again.

    Raises
    ------
    NotFound
        If there is no such operator.
    """
    operator = service.get(operator_id)
    if operator.disabled_at is not None:
        operator.disabled_at = None
        audit.record("operator.let_in", "operator", operator.id, operator.name)
    db.session.commit()
    return operator


def _unused() -> tuple[sa.ColumnElement[bool], ...]:
    return (
        OneTimeToken.kind == KIND,
        OneTimeToken.used_at.is_(None),
        OneTimeToken.expires_at > now(),
    )


def _good(token: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (*_unused(), OneTimeToken.token_hash.in_(token_hashes(token)))


def _best(
    value: sa.ColumnElement[datetime] | sa.orm.InstrumentedAttribute[datetime],
    operator_id: sa.orm.InstrumentedAttribute[int]
    | sa.orm.InstrumentedAttribute[int | None],
    *where: sa.ColumnElement[bool],
) -> dict[int, datetime]:
    newest = sa.select(operator_id, sa.func.max(value)).where(*where)
    return {
        whom: at
        for whom, at in db.session.execute(newest.group_by(operator_id))
        if whom is not None
    }
