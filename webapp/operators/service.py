"""What can be done with operators: create, sign in, change profile, password, role."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.secrets import token_hash
from webapp.operators import audit, passwords, sessions
from webapp.operators.models import Operator, Role, SignInFailure

FREE_TRIES = 5
WINDOW = timedelta(minutes=15)
LAST_DOUBLING = 20
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
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
        If a value is none, the password is weak, or the e-mail is taken.
    """
    _check_identity(name, email, time_zone)
    operator = Operator(
        name=name.strip(),
        email=email.strip(),
        email_key=email_key(email),
        password_hash=passwords.hash_password(password),
        role=role,
        time_zone=time_zone,
    )
    _refuse_taken(email)
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
        db.session.execute(
            sa.delete(SignInFailure).where(SignInFailure.at <= now() - WINDOW)
        )
        db.session.add_all(SignInFailure(key=key) for key in keys)
        db.session.commit()
        raise Invalid(WRONG, {"email": [WRONG]})
    if passwords.needs_rehash(operator.password_hash):
        operator.password_hash = passwords.hash_password(password)
    db.session.execute(sa.delete(SignInFailure).where(SignInFailure.key == keys[0]))
    db.session.commit()
    return operator


def change_profile(operator_id: int, **values: Any) -> Operator:
    """Change name, e-mail, time zone, theme and shortcuts.

    Raises
    ------
    Invalid
        If the e-mail is somebody else's.
    """
    operator = get(operator_id)
    email = values.pop("email").strip()
    _refuse_taken(email, operator_id)
    before = (operator.name, operator.email)
    operator.email, operator.email_key = email, email_key(email)
    operator.name = values.pop("name").strip()
    for name in ("time_zone", "theme", "shortcuts"):
        setattr(operator, name, values[name])
    if before != (operator.name, operator.email):
        detail = {"name": [before[0], operator.name], "email": [before[1], email]}
        audit.record(
            "operator.changed", "operator", operator.id, operator.name, **detail
        )
    db.session.commit()
    return operator


def change_password(operator_id: int, current: str, password: str) -> None:
    """Set a new password and end all other sessions of this operator.

    Raises
    ------
    Invalid
        If the current password is not right, or the new one is weak.
    """
    operator = get(operator_id)
    if not passwords.matches(operator.password_hash, current):
        words = "This is not your current password."
        raise Invalid(words, {"current": [words]})
    operator.password_hash = passwords.hash_password(password)
    sessions.end_others(operator_id)
    audit.record("operator.password_changed", "operator", operator.id, operator.name)
    db.session.commit()


def reset_password(email: str, password: str) -> Operator:
    """Set a password without the old one and end all sessions: for the machine's owner.

    Raises
    ------
    NotFound
        If nobody has this e-mail.
    Invalid
        If the password is weak.
    """
    operator = by_email(email)
    operator.password_hash = passwords.hash_password(password)
    sessions.end_all(operator.id)
    audit.record("operator.password_reset", "operator", operator.id, operator.name)
    db.session.commit()
    return operator


def change_role(operator_id: int, role: Role) -> Operator:
    """Give an operator another role, and end the sessions that had the old one.

    Raises
    ------
    Refused
        If nobody would be left who may manage.
    """
    operator = get(operator_id)
    if operator.role is Role.MANAGER and role is not Role.MANAGER:
        refuse_the_last_manager(operator)
    before, operator.role = operator.role, role
    sessions.end_all(operator_id)
    audit.record(
        "operator.role_changed",
        "operator",
        operator.id,
        operator.name,
        role=[before, role],
    )
    db.session.commit()
    return operator


def get(operator_id: int) -> Operator:
    """Return an operator.

    Raises
    ------
    NotFound
        If there is none with this id.
    """
    operator = db.session.get(Operator, operator_id)
    if operator is None:
        raise NotFound("There is no such operator.")
    return operator


def by_email(email: str) -> Operator:
    """Return the operator with this e-mail.

    Raises
    ------
    NotFound
        If there is none.
    """
    same = sa.select(Operator).where(Operator.email_key == email_key(email))
    operator = db.session.scalar(same)
    if operator is None:
        raise NotFound(f"There is no operator with the e-mail {email}.")
    return operator


def _check_identity(name: str, email: str, time_zone: str) -> None:
    fields = {}
    if not name.strip():
        fields["name"] = ["Enter a name."]
    if not EMAIL.fullmatch(email.strip()):
        fields["email"] = ["This is not an e-mail address."]
    if time_zone not in available_timezones():
        fields["time_zone"] = ["There is no such time zone; one is Europe/Lisbon."]
    if fields:
        raise Invalid("Some values need your attention.", fields)


def _refuse_taken(email: str, but: int | None = None) -> None:
    taken = sa.select(Operator.id).where(
        Operator.email_key == email_key(email), Operator.id.is_distinct_from(but)
    )
    if db.session.scalar(taken) is not None:
        words = "There is an operator with this e-mail already."
        raise Invalid(words, {"email": [words]})


def refuse_the_last_manager(operator: Operator) -> None:
    """Refuse what would leave nobody who may manage.

    Raises
    ------
    Refused
        If this operator is the only manager who can sign in.
    """
    others = sa.select(Operator.id).where(
        Operator.role == Role.MANAGER,
        Operator.disabled_at.is_(None),
        Operator.id != operator.id,
    )
    if db.session.scalar(others.limit(1)) is None:
        raise Refused("There must be one manager at least; make somebody else one.")


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
