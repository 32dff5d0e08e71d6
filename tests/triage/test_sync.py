"""Reading mailboxes: each mail once, whatever happens, and without a trace."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.mailboxes.samples import mail, put
from tests.support.dovecot import Dovecot
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes.models import Mail, Mailbox
from webapp.triage import receiving


@pytest.fixture
def inbox(mailbox: Mailbox) -> int:
    """The id of a mailbox that was connected an hour ago, and read once."""
    mailbox_id = mailbox.id
    mailbox.connected_at = now() - timedelta(hours=1)
    db.session.commit()
    assert receiving.read_one(mailbox_id)
    return mailbox_id


def subjects() -> list[str]:
    db.session.rollback()
    found = list(db.session.scalars(sa.select(Mail.subject).order_by(Mail.id)))
    db.session.rollback()
    return found


def numbered(first: int, last: int) -> list[bytes]:
    return [
        mail("ada@example.org", f"Number {n}", "Hello", n).as_bytes()
        for n in range(first, last)
    ]


def test_new_mails_are_read_once(inbox: int, dovecot: Dovecot, login: str) -> None:
    put(dovecot, login, *numbered(0, 3))
    for _round in range(3):
        assert receiving.read_one(inbox)
    assert subjects() == ["Number 0", "Number 1", "Number 2"]
    put(dovecot, login, *numbered(3, 4))
    receiving.read_one(inbox)
    assert subjects()[3:] == ["Number 3"]
