"""The audit log is a chain: what was changed or taken out shows."""

import pytest
import sqlalchemy as sa

from tests.conftest import PASSWORD, PageClient
from webapp.core.db import db
from webapp.operators import audit
from webapp.operators.models import AuditEntry, Operator, Role


@pytest.fixture
def entries(operator: Operator) -> list[int]:
    """Five entries."""
    del operator
    for number in range(5):
        audit.record("thing.made", "thing", number, "a thing", role=Role.READER, n=1.5)
    db.session.commit()
    return list(db.session.scalars(sa.select(AuditEntry.id).order_by(AuditEntry.id)))


@pytest.mark.usefixtures("entries")
def test_an_untouched_log_is_whole() -> None:
    db.session.expire_all()
    assert audit.first_broken() is None


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "somebody else"},
        {"action": "thing.eaten"},
        {"object_name": "another"},
        {"detail": {"role": "manager", "n": 1.5}},
    ],
)
def test_a_changed_entry_shows(entries: list[int], change: dict[str, object]) -> None:
    third = AuditEntry.id == entries[2]
    db.session.execute(sa.update(AuditEntry).where(third).values(**change))
    db.session.commit()
    assert audit.first_broken() == entries[2]


def test_a_removed_entry_shows(entries: list[int]) -> None:
    db.session.execute(sa.delete(AuditEntry).where(AuditEntry.id == entries[1]))
    db.session.commit()
    assert audit.first_broken() == entries[2]


def test_who_signs_in_and_out_is_in_it(
    anonymous: PageClient, operator: Operator
) -> None:
    anonymous.submit("/login", {"email": operator.email, "password": PASSWORD})
    anonymous.submit("/logout")
    found = db.session.execute(sa.select(AuditEntry.actor, AuditEntry.action)).all()
    assert [tuple(row) for row in found] == [
        (operator.name, "operator.signed_in"),
        (operator.name, "operator.signed_out"),
    ]


def test_a_failed_sign_in_is_nobodys_act(
    anonymous: PageClient, operator: Operator
) -> None:
    anonymous.submit("/login", {"email": operator.email, "password": "no"})
    assert db.session.scalar(sa.select(AuditEntry.id)) is None
