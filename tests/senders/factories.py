"""Senders with defaults, for tests."""

from typing import Any

from webapp.core.db import db
from webapp.senders import service
from webapp.senders.models import Sender

VALUES: dict[str, Any] = {
    "name": "Newsletter",
    "kind": "smtp",
    "from_name": "The Desk",
    "from_address": "desk@example.org",
    "host": "127.0.0.1",
    "port": 2525,
    "security": "none",
    "authentication": "none",
}


def make_sender(**values: Any) -> Sender:
    """Make a sender through the service; what comes back is a picture of it.

    It is detached: no transaction stays open that a request would have to wait for.
    """
    sender = service.create({**VALUES, **values})
    db.session.refresh(sender)
    db.session.expunge(sender)
    db.session.rollback()
    return sender
