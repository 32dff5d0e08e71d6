"""The plain loop that many programs have: one message, one commit, one connection.

Jinja renders, `email.message.EmailMessage` composes, `smtplib` sends, and the ORM
stores that it was sent, each message by itself, on SQLite with full durability.
"""

import smtplib
import tempfile
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from jinja2 import Environment
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from bench.desk import HTML, SUBJECT, TEXT, TOWNS


class _Base(DeclarativeBase):
    """Of the loop's own table."""


class _Sent(_Base):
    """One message of the loop."""

    __tablename__ = "sent"

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")
    sent_at: Mapped[datetime | None]


def send(port: int, count: int) -> float:
    """Return how many messages a second the loop sends."""
    with tempfile.TemporaryDirectory(prefix="postroom-plain-") as directory:
        engine = sa.create_engine(f"sqlite:///{Path(directory) / 'plain.db'}")
        sa.event.listen(engine, "connect", _durable)
        _Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(
                _Sent(address=f"reader{number}@example.org") for number in range(count)
            )
            session.commit()
            began = time.perf_counter()
            _loop(session, port)
            took = time.perf_counter() - began
        engine.dispose()
    return count / took


def _durable(connection: Any, record: Any) -> None:
    del record
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _loop(session: Session, port: int) -> None:
    plain, marked = Environment(autoescape=False), Environment(autoescape=True)  # noqa: S701 - a text part is no HTML
    parts = (
        plain.from_string(SUBJECT),
        plain.from_string(TEXT),
        marked.from_string(HTML),
    )
    with smtplib.SMTP("127.0.0.1", port) as server:
        for row in session.scalars(sa.select(_Sent)).all():
            values = {
                "first_name": f"Zoë{row.id % 97}",
                "last_name": f"O'Hara {row.id % 89}",
                "town": TOWNS[row.id % len(TOWNS)],
                "card": f"c{row.id:06d}",
                "unsubscribe_url": f"https://post.library.example/u/{row.id}",
            }
            subject, text, html = (part.render(values) for part in parts)
            message = EmailMessage()
            message["From"] = "The Harbour Library <desk@library.example>"
            message["To"] = row.address
            message["Subject"] = subject
            message.set_content(text)
            message.add_alternative(html, subtype="html")
            server.send_message(message)
            row.status, row.sent_at = "sent", datetime.now(UTC)
            session.commit()
