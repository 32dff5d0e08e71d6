"""What comes back, on PostgreSQL: the same counts, the same suppressions, once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

import config
from tests.mailboxes.samples import put
from tests.support.application import running_app
from tests.support.dovecot import Dovecot
from tests.triage.answering import Dsn, about, person
from tests.triage.conftest import Receive, Send, suppressed
from webapp.campaigns import coming_back
from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import rounds
from webapp.mailboxes.models import Mail, Mailbox
from webapp.mailboxes.pool import pool
from webapp.triage import receiving


@pytest.fixture
def app(postgres_settings: config.Settings) -> Iterator[Flask]:
    """The application on PostgreSQL, inside its context."""
    with running_app(postgres_settings) as app:
        yield app
        pool.close()


def test_bounces_replies_and_a_poison_mail(send: Send, receive: Receive) -> None:
    known = about(send("ada@example.org"))
    bounce = Dsn(known.to, returned=known.returned).octets()
    receive(
        bounce,
        b"Subject: a\0b\r\nMessage-ID: <\xff\0>\r\nFrom: \xed\xa0\x80 <a@b>\r\n\r\n\0",
        person("ada@example.org", "Re: Yours", "Thank you", known.message_id),
    )
    receive(bounce + b"again")
    assert suppressed() == [("ada@example.org", "hard_bounce", None)]
    found = coming_back.counts_of(1)
    assert (found["bounced"], found["replied"]) == (1, 1)
    assert db.session.query(Mail).count() == 4


def test_one_at_a_time(mailbox: Mailbox, dovecot: Dovecot, login: str) -> None:
    put(dovecot, login, b"Subject: a\r\n\r\n")
    mailbox_id = mailbox.id
    mailbox.connected_at = now() - timedelta(hours=1)
    db.session.commit()
    held = rounds.take()
    assert held
    assert rounds.take() is None
    rounds.end(held, more=True)
    assert receiving.read_next()
    assert db.session.scalars(sa.select(Mail.mailbox_id)).all() == [mailbox_id]
