"""Senders with defaults, for tests."""

from typing import Any

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
    """Make a sender through the service."""
    return service.create({**VALUES, **values})
