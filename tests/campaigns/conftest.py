"""A recipient table, a message template and a sender; a campaign in each state."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

import config
from tests.support.application import running_app
from webapp.campaigns import checking, launching, service
from webapp.campaigns.models import Campaign, Message
from webapp.campaigns.states import Status
from webapp.composing.addresses import AddressError, address_key, parse_address
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.queue import REGISTRY
from webapp.message_templates.models import (
    Format,
    MessageTemplate,
    MessageTemplateVersion,
)
from webapp.recipients.kinds import ColumnKind
from webapp.recipients.models import (
    Recipient,
    RecipientColumn,
    RecipientTable,
)
from webapp.senders.models import Sender, TransportKind

PEOPLE = (
    {"email": "ada@example.org", "first_name": "Ada"},
    {"email": "zoe@example.org", "first_name": "Zoë"},
    {"email": "kofi@example.org", "first_name": "Kofi"},
)


@pytest.fixture(autouse=True)
def _delivery_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know the names of delivery's jobs, whether its module registers them or not."""
    for name in ("delivery.ticket", "delivery.message"):
        if name not in REGISTRY:
            monkeypatch.setitem(REGISTRY, name, lambda *_ids: None)


@pytest.fixture(autouse=True)
def _no_open_transaction(app: Flask) -> None:
    """End what the test itself has read, before each request: SQLite has one writer."""
    app.before_request_funcs.setdefault(None, []).insert(0, db.session.rollback)


def body(answer: TestResponse) -> Any:
    """The JSON of an answer."""
    return answer.json


def table_of(
    people: Sequence[Mapping[str, Any]], name: str = "People"
) -> RecipientTable:
    """A recipient table with the columns *email*, *first_name* and *born*."""
    table = RecipientTable(name=name, address_column="email")
    table.columns = [
        RecipientColumn(name="email", kind=ColumnKind.EMAIL, position=0),
        RecipientColumn(name="first_name", kind=ColumnKind.TEXT, position=1),
        RecipientColumn(name="born", kind=ColumnKind.DATE, position=2),
    ]
    db.session.add(table)
    db.session.flush()
    for values in people:
        db.session.add(recipient_of(table, values))
    table.recipients_count = len(people)
    db.session.commit()
    return table


def recipient_of(table: RecipientTable, values: Mapping[str, Any]) -> Recipient:
    """A row; a bad address is kept with its problem."""
    row = Recipient(recipient_table_id=table.id, row_values=dict(values))
    row.address = str(values.get("email") or "")
    try:
        row.address = parse_address(row.address)
        row.address_key = address_key(row.address)
    except AddressError as error:
        if row.address:
            row.problems, row.has_problems = {"email": error.words}, True
    return row


def template_of(
    html: str = "<p>Dear {{ first_name }}</p>", subject: str = "Hello {{ first_name }}"
) -> MessageTemplate:
    """A message template with one version."""
    template = MessageTemplate(
        name=f"Welcome {db.session.query(MessageTemplate).count()}"
    )
    template.versions = [
        MessageTemplateVersion(number=1, format=Format.HTML, subject=subject, html=html)
    ]
    db.session.add(template)
    db.session.commit()
    return template


def sender_of(**values: Any) -> Sender:
    """A sender."""
    sender = Sender(
        **{
            "name": "News",
            "kind": TransportKind.PRACTICE,
            "from_name": "Harbour Library",
            "from_address": "news@library.example",
            **values,
        }
    )
    db.session.add(sender)
    db.session.commit()
    return sender


@dataclass
class Desk:
    """Everything that a campaign needs, and the campaign."""

    table: RecipientTable
    template: MessageTemplate
    sender: Sender
    campaign: Campaign = field(init=False)

    def checked(self) -> Campaign:
        """Check the campaign in this process."""
        service.check(self.campaign.id)
        checking.run(self.campaign.id)
        return self.fresh()

    def launched(self) -> Campaign:
        """Check and launch the campaign, without hold time, up to *sending*."""
        campaign = self.checked()
        launching.launch(campaign.id, campaign.check_result["recipients"], 0)
        launching.run(campaign.id)
        return self.fresh()

    def fresh(self) -> Campaign:
        """Read the campaign again."""
        db.session.rollback()
        db.session.expire_all()
        return db.session.get_one(Campaign, self.campaign.id)

    def messages(self) -> list[Message]:
        """Read the messages, in the order of the rows."""
        db.session.rollback()
        db.session.expire_all()
        query = db.select(Message).where(Message.campaign_id == self.campaign.id)
        return list(db.session.scalars(query.order_by(Message.row_number)))

    def set(self, row: int, status: Status, **values: Any) -> Message:
        """Bring a message to a status, as delivery would."""
        message = self.messages()[row]
        message.status, message.updated_at = status, now()
        if status is Status.SENT:
            message.sent_at = now()
        for name, value in values.items():
            setattr(message, name, value)
        db.session.commit()
        return message


MakeDesk = Callable[..., Desk]


def desk_of(
    people: Sequence[Mapping[str, Any]] = PEOPLE,
    sender: Mapping[str, Any] | None = None,
    campaign: Mapping[str, Any] | None = None,
    **template: Any,
) -> Desk:
    """A desk with these people and this message template, and a draft."""
    desk = Desk(table_of(people), template_of(**template), sender_of(**(sender or {})))
    desk.campaign = service.create(
        name="November newsletter",
        recipient_table_id=desk.table.id,
        message_template_id=desk.template.id,
        sender_id=desk.sender.id,
        **(campaign or {}),
    )
    return desk


@pytest.fixture
def make_desk(app: Flask) -> MakeDesk:
    """Make a desk with these people and this HTML."""
    del app
    return desk_of


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Three people, one message template, one sender, a draft."""
    return make_desk()


@pytest.fixture
def on_postgres(postgres_settings: config.Settings) -> Iterator[Flask]:
    """The application on an empty PostgreSQL database."""
    with running_app(postgres_settings) as app:
        yield app
