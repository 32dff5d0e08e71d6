"""The report of a campaign as CSV, streamed, and safe to open in a spreadsheet.

A cell that a spreadsheet would take for a formula gets an apostrophe in front
(https://owasp.org/www-community/attacks/CSV_Injection); `plain_cell` takes it off, so
that an export is imported as it was.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from webapp.campaigns.models import Attempt, Campaign, Event, Message
from webapp.campaigns.progress import iso
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.senders.models import Sender

BATCH = 1000
BOM = "\ufeff"
FORMULA = tuple("=+-@\t\r")
APOSTROPHE = "'"
BEFORE = ("row", "recipient")
AFTER = (
    "state",
    "class",
    "reason",
    "code",
    "reply",
    "attempts",
    "sender",
    "queued_at",
    "sent_at",
    "last_event",
    "message_id",
)


def safe_cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    Examples
    --------
    >>> safe_cell("=1+1"), safe_cell("Ada"), safe_cell(None), safe_cell("'=x")
    ("'=1+1", 'Ada', '', "''=x")
    """
    text = "" if value is None else str(value)
    if text.lstrip(APOSTROPHE).startswith(FORMULA):
        return APOSTROPHE + text
    return text


def plain_cell(text: str) -> str:
    """Return what `safe_cell` was given.

    Examples
    --------
    >>> [plain_cell(safe_cell(text)) for text in ("=1+1", "'=x", "O'Neill", "'")]
    ['=1+1', "'=x", "O'Neill", "'"]
    """
    if text.startswith(APOSTROPHE) and text.lstrip(APOSTROPHE).startswith(FORMULA):
        return text[1:]
    return text


def file_name(campaign: Campaign) -> str:
    """Return the name of the file: what it is, of which campaign, of which day."""
    slug = re.sub(r"[^\w]+", "-", campaign.name, flags=re.ASCII).strip("-").lower()
    return f"campaign-{slug[:60] or campaign.id}-{now():%Y-%m-%d}.csv"


def stream(campaign: Campaign, *, with_bom: bool = False) -> Iterator[str]:
    """Return the lines of the report, read in batches while they are sent.

    Parameters
    ----------
    with_bom
        Begin with a byte order mark, which some spreadsheets need to see UTF-8.
    """
    table = campaign.recipient_table
    columns = [column.name for column in table.columns] if table else []
    dry_run = " (dry run)" if campaign.sender_snapshot.get("kind") == "dry_run" else ""
    return _lines(campaign.id, columns, dry_run, BOM if with_bom else "")


def _lines(
    campaign_id: int, columns: list[str], dry_run: str, start: str
) -> Iterator[str]:
    yield start + _line([*BEFORE, *columns, *AFTER])
    last = 0
    while rows := _read(campaign_id, last):
        for message, event, sender in rows:
            cells = [message.row_number, message.address]
            cells += [message.row_values.get(name) for name in columns]
            cells += _outcome(message, event, sender, dry_run)
            yield _line(cells)
        last = rows[-1][0].recipient_id or 0


def _outcome(
    message: Any, event: str | None, sender: str | None, dry_run: str
) -> list[object]:
    state = message.status.value + (dry_run if message.status == "sent" else "")
    return [
        state,
        message.reason_class,
        message.reason,
        message.reply_code,
        message.reply,
        message.tries,
        sender,
        iso(message.created_at),
        iso(message.sent_at),
        event,
        message.message_id_header,
    ]


def _read(campaign_id: int, last: int) -> list[tuple[Message, str | None, str | None]]:
    event = (
        sa.select(Event.kind)
        .where(Event.message_id == Message.id)
        .order_by(Event.at.desc(), Event.id.desc())
        .limit(1)
        .correlate(Message)
        .scalar_subquery()
    )
    used = (
        sa.select(Sender.name)
        .join(Attempt, Attempt.sender_id == Sender.id)
        .where(Attempt.message_id == Message.id, Attempt.id == Message.attempt)
        .correlate(Message)
        .scalar_subquery()
    )
    query = (
        sa.select(Message, event, used)
        .where(Message.campaign_id == campaign_id, Message.recipient_id > last)
        .order_by(Message.recipient_id)
        .limit(BATCH)
    )
    with reading():
        rows = [(one[0], one[1], one[2]) for one in db.session.execute(query)]
        db.session.expunge_all()
        db.session.rollback()
    return rows


def _line(cells: list[object] | list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(cell) for cell in cells])
    return out.getvalue()
