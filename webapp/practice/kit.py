"""The practice kit: an example to send in the first minute, with flaws to find.

Ten people, of whom one has a malformed address, one is there twice, one has a name
outside ASCII and one has an empty cell; a message template with a relative link and an
image without alternative text; a sender and a mailbox on the practice servers. Some of
the addresses answer (see `webapp.practice.lessons`).
"""

import sqlalchemy as sa

from webapp.core.db import db
from webapp.mailboxes.models import Mailbox, MailboxSecurity
from webapp.message_templates.models import (
    Format,
    MessageTemplate,
    MessageTemplateVersion,
)
from webapp.operators import audit
from webapp.operators.models import Operator
from webapp.recipients import row_service
from webapp.recipients import service as recipient_tables
from webapp.recipients.kinds import ColumnKind, ColumnSpec
from webapp.recipients.models import RecipientTable
from webapp.senders.models import Sender, TransportKind
from webapp.senders.server import Security

TABLE = "People (example)"
MESSAGE_TEMPLATE = "Welcome"
SENDER = "Practice sender"
MAILBOX = "Practice mailbox"
DESK = "desk@example.com"
BOUNCES = "bounces@example.com"

COLUMNS = (
    ColumnSpec("first_name", ColumnKind.TEXT, "First name", required=True),
    ColumnSpec("city", ColumnKind.TEXT, "City"),
    ColumnSpec("email", ColumnKind.EMAIL, "E-mail", required=True),
)
PEOPLE = (
    ("Ada", "Lisbon", "ada@example.com"),
    ("Bruno", "Porto", "reply+bruno@example.com"),
    ("Chidi", "Lagos", "chidi@example.com"),
    ("Dora", "", "dora@example.com"),
    ("Jürgen", "Köln", "juergen@example.com"),
    ("Fatima", "Rabat", "fatima(at)example.com"),
    ("Grace", "Dublin", "away+grace@example.com"),
    ("Hiro", "Kyoto", "stop+hiro@example.com"),
    ("Ada", "Lisbon", "Ada@Example.com"),
    ("Ines", "Coimbra", "dsn+ines@example.com"),
)

SUBJECT = "Welcome, {{ first_name }}"
HTML = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Welcome</title>
</head>
<body>
<p><img src="/static/img/favicon.svg" width="48" height="48"></p>
<h1>Welcome, {{ first_name }}</h1>
<p>The reading room opens again, and we look forward to your next visit from
{{ city }}.</p>
<p><a href="/help">See what is on this month</a></p>
<p>Kind regards,<br>Harbour Library</p>
<p><small><a href="{{ unsubscribe_url }}">Stop these messages</a></small></p>
</body>
</html>
"""


def create(operator: Operator) -> None:
    """Make what is missing of the kit; what is there stays as somebody left it."""
    if not _has(RecipientTable):
        _make_table()
    if not _has(MessageTemplate):
        _make_message_template(operator)
    if not _has(Sender):
        _make_sender()
    if not db.session.scalar(sa.select(Mailbox.id).where(Mailbox.is_practice).limit(1)):
        _make_mailbox()


def _has(model: type[RecipientTable] | type[MessageTemplate] | type[Sender]) -> bool:
    return (
        db.session.scalar(sa.select(model.id).where(model.is_example).limit(1))
        is not None
    )


def _make_table() -> None:
    table = recipient_tables.create(TABLE, COLUMNS, "email", is_example=True)
    names = [column.name for column in COLUMNS]
    rows = [dict(zip(names, person, strict=True)) for person in PEOPLE]
    row_service.add(table.id, rows)


def _make_message_template(operator: Operator) -> None:
    made = MessageTemplate(name=MESSAGE_TEMPLATE, is_example=True)
    made.versions = [
        MessageTemplateVersion(
            number=1,
            format=Format.HTML,
            subject=SUBJECT,
            html=HTML,
            created_by=operator.id,
        )
    ]
    _save(made, "message_template")


def _make_sender() -> None:
    made = Sender(
        name=SENDER,
        kind=TransportKind.PRACTICE,
        is_example=True,
        from_name="Harbour Library",
        from_address=DESK,
        bounce_address=BOUNCES,
        security=Security.NONE,
    )
    _save(made, "sender")


def _make_mailbox() -> None:
    made = Mailbox(
        name=MAILBOX, address=DESK, is_practice=True, security=MailboxSecurity.NONE
    )
    _save(made, "mailbox")


def _save(made: MessageTemplate | Sender | Mailbox, kind: str) -> None:
    db.session.add(made)
    db.session.flush()
    audit.record(f"{kind}.created", kind, made.id, made.name, example=True)
    db.session.commit()
