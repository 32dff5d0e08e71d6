"""Outbox and keys on PostgreSQL: octets, the index over kept rows, the constraint."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

import config
from tests.composing.test_as_it_is import WHOLE
from tests.support.application import running_app
from webapp.campaigns.models import Message
from webapp.campaigns.states import Status
from webapp.core import blobs
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid
from webapp.pages import outbox
from webapp.senders import keys, service, signing
from webapp.senders.models import Sender, TransportKind


@pytest.fixture
def app(postgres_settings: config.Settings) -> Iterator[Flask]:
    """The application on PostgreSQL, inside its context."""
    with running_app(postgres_settings) as app:
        yield app


@pytest.fixture
def sender(app: Flask) -> Sender:
    """A dry-run sender with three kept messages, one larger than a chunk."""
    del app
    sender = Sender(
        name="Dry", kind=TransportKind.DRY_RUN, from_address="desk@example.org"
    )
    db.session.add(sender)
    db.session.flush()
    for size in (0, 10, blobs.CHUNK):
        data = WHOLE + b"From me\r\n" * (size // 9)
        db.session.add(
            Message(
                sender_id=sender.id,
                status=Status.SENT,
                address="ada@example.org",
                is_dry_run=True,
                mime_sha256=blobs.put(data),
                sent_at=now(),
            )
        )
    db.session.commit()
    return sender


def test_the_outbox_is_read_and_exported(sender: Sender) -> None:
    chosen = outbox.which(None, sender.id)
    found = db.session.scalars(chosen.query().order_by(Message.id)).all()
    lines = outbox.lines(found)
    assert {line.subject for line in lines} == {"no space after the colon"}
    assert lines[-1].size > blobs.CHUNK
    assert outbox.kept(found[-1].id).data.startswith(WHOLE)
    file = b"".join(outbox.mbox_of(chosen))
    assert file.count(b"From postroom ") == 3
    assert b"\n>From me\n" in file


def test_the_index_over_kept_messages_serves_the_list(sender: Sender) -> None:
    query = outbox.which(None, sender.id).query().order_by(Message.id.desc())
    text = query.with_only_columns(Message.id).compile(
        db.engine, compile_kwargs={"literal_binds": True}
    )
    db.session.execute(sa.text("SET enable_seqscan = off"))
    plan = db.session.execute(sa.text(f"EXPLAIN {text}")).scalars().all()
    assert "ix_message_kept" in "\n".join(plan)


def test_a_key_is_made_used_and_made_once(sender: Sender) -> None:
    values = {"algorithm": "ed25519", "selector": "news"}
    keys.activate(sender.id, keys.make(sender.id, values).id)
    assert len(signing.signers(service.get(sender.id).from_address)) == 1
    with pytest.raises(Invalid):
        keys.make(sender.id, values)
