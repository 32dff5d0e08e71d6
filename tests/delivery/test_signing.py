"""What leaves is signed, whatever it is, and the page shows the same bytes."""

from base64 import b64encode
from email import message_from_bytes

import pytest

from tests.conftest import ApiClient
from tests.delivery.test_single import queued, work
from tests.support.dkim_records import signed_names, verified
from tests.support.sending import Desk
from webapp.campaigns import messages
from webapp.campaigns.models import Message
from webapp.core.db import db
from webapp.delivery import plans
from webapp.delivery.engine import Engine
from webapp.senders import keys
from webapp.senders.models import Sender


@pytest.fixture
def sender(desk: Desk) -> Sender:
    """A sender whose domain has both keys."""
    made = desk.sender()
    for algorithm in ("rsa", "ed25519"):
        key = keys.make(made.id, {"algorithm": algorithm})
        keys.activate(made.id, key.id)
    return made


def published(sender: Sender) -> dict[str, str]:
    found = keys.keys_of(sender)
    texts = {key.record_name: key.record_text for key in found}
    db.session.rollback()
    return texts


def test_a_campaign_is_signed_with_its_unsubscribe_headers(
    desk: Desk, engine: Engine, sender: Sender
) -> None:
    campaign = desk.campaign(5, sender)
    plan = plans.of_campaign(campaign.id, 0)
    assert plan is not None
    engine.work(plan)
    assert len(desk.server.mails) == 5
    for mail in desk.server.mails:
        assert verified(mail.data, published(sender)) == [True, True]
        names = signed_names(mail.data)
        assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(names)
    sources = {messages.source(one) for one in db.session.query(Message)}
    assert sources == {mail.data for mail in desk.server.mails}


def test_a_single_message_with_a_file_is_signed(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    file = {"filename": "a.txt", "content": b64encode(b"x" * 5000).decode()}
    queued(api, attachments=[file])
    work(engine, sender)
    (mail,) = desk.server.mails
    assert verified(mail.data, published(sender)) == [True, True]
    assert message_from_bytes(mail.data)["Bcc"] is None


def test_the_source_keeps_its_signature_when_the_key_is_replaced(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    made = queued(api)
    work(engine, sender)
    keys.activate(sender.id, keys.make(sender.id, {"algorithm": "rsa"}).id)
    assert messages.source(messages.get(made)) == desk.server.mails[0].data


def test_a_from_of_another_domain_is_not_signed_with_our_key(
    api: ApiClient, desk: Desk, engine: Engine, sender: Sender
) -> None:
    queued(api, **{"from": ["Eve <eve@elsewhere.example>"]})
    work(engine, sender)
    assert verified(desk.server.mails[0].data, published(sender)) == []
