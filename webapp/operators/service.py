"""What can be done with operators: create the first one, sign in."""

from datetime import timedelta

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.core.secrets import token_hash
from webapp.operators import audit, passwords
from webapp.operators.models import Operator, Role, SignInFailure

FREE_TRIES = 5
WINDOW = timedelta(minutes=15)
LAST_DOUBLING = 20
WRONG = "The e-mail or the password is not right."


def any_operator() -> bool:
    """Whether somebody exists who can sign in."""
    return db.session.scalar(sa.select(Operator.id).limit(1)) is not None


def create(
    name: str,
    email: str,
    password: str,
    *,
    role: Role = Role.MANAGER,
    time_zone: str = "UTC",
) -> Operator:
    """Create an operator.

    Raises
    ------
    Invalid
        If the password is weak or the e-mail is taken.
    """
    operator = Operator(
        name=name.strip(),
        email=email.strip(),
        email_key=email_key(email),
        password_hash=passwords.hash_password(password),
        role=role,
        time_zone=time_zone,
    )
    taken = sa.select(Operator.id).where(Operator.email_key == operator.email_key)
    if db.session.scalar(taken) is not None:
        words = "There is an operator with this e-mail already."
        raise Invalid(words, {"email": [words]})
    db.session.add(operator)
    db.session.flush()
    audit.record("operator.created", "operator", operator.id, operator.name, role=role)
    db.session.commit()
    return operator


def email_key(email: str) -> str:
    """Return what two spellings of one e-mail have in common.

    Examples
    --------
    >>> email_key(" Ada@Example.ORG ")
    'ada@example.org'
    """
    return email.strip().casefold()


def authenticate(email: str, password: str, address: str | None) -> Operator:
    """Return the operator with this e-mail and password.

    Raises
    ------
    Invalid
        If they do not match, or after too many failures; always the same sentence.
    """
    keys = [_failure_key("email", email_key(email)), _failure_key("ip", address or "")]
    operator = db.session.scalar(
        sa.select(Operator).where(
            Operator.email_key == email_key(email), Operator.disabled_at.is_(None)
        )
    )
    if operator is None:
        passwords.spend_the_same_time(password)
    right = operator is not None and passwords.matches(operator.password_hash, password)
    if operator is None or not right or seconds_to_wait(email, address):
        db.session.add_all(SignInFailure(key=key) for key in keys)
        db.session.commit()
        raise Invalid(WRONG, {"email": [WRONG]})
    if passwords.needs_rehash(operator.password_hash):
        operator.password_hash = passwords.hash_password(password)
    db.session.execute(sa.delete(SignInFailure).where(SignInFailure.key == keys[0]))
    db.session.commit()
    return operator


def seconds_to_wait(email: str, address: str | None) -> int:
    """Return how long the next try for this account or address has to wait, in seconds.

    After five failures within 15 minutes the wait doubles with each further one, from
    one second up to the whole window; an address may fail ten times as often.
    """
    waits = [
        _wait(_failure_key("email", email_key(email)), FREE_TRIES),
        _wait(_failure_key("ip", address or ""), FREE_TRIES * 10),
    ]
    return max(waits)


def _wait(key: str, free: int) -> int:
    since = now() - WINDOW
    query = sa.select(sa.func.count(), sa.func.max(SignInFailure.at)).where(
        SignInFailure.key == key, SignInFailure.at > since
    )
    failures, last = db.session.execute(query).one()
    if failures < free:
        return 0
    longest = int(WINDOW.total_seconds())
    wait = min(1 << min(int(failures) - free, LAST_DOUBLING), longest)
    elapsed = int((now() - last).total_seconds())
    return max(0, wait - elapsed)


def _failure_key(kind: str, value: str) -> str:
    return token_hash(f"{kind}:{value}")
