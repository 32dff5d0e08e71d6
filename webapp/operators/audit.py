"""The audit log: appended with the effect, each entry chained to the last."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from flask import g, has_request_context, request

from webapp.core.clock import now
from webapp.core.db import db
from webapp.operators.models import AuditEntry
from webapp.operators.sessions import address_prefix

CHAIN = 0x706F7374  # any number: the name of our lock in PostgreSQL


def record(
    action: str,
    object_kind: str,
    object_id: object = "",
    object_name: str = "",
    **detail: Any,
) -> None:
    """Append who did what, in the caller's transaction; no secret in `detail`."""
    who = g.get("actor") if has_request_context() else None
    entry = AuditEntry(
        at=now(),
        operator_id=who.operator.id if who else None,
        actor=who.name if who else "system",
        action=action,
        object_kind=object_kind,
        object_id=str(object_id),
        object_name=object_name[:200],
        detail=detail,
        address_prefix=address_prefix(request.remote_addr) if who else "",
    )
    _queue_up()
    before = db.session.scalar(
        sa.select(AuditEntry.digest).order_by(AuditEntry.id.desc()).limit(1)
    )
    entry.digest = digest(before or "", entry)
    db.session.add(entry)
    db.session.flush()


def digest(before: str, entry: AuditEntry) -> str:
    """Return the digest of an entry, chained to the one before."""
    content = [
        before,
        entry.at.isoformat(),
        entry.actor,
        entry.action,
        entry.object_kind,
        entry.object_id,
        entry.object_name,
        entry.detail,
    ]
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def first_broken() -> int | None:
    """Return the id of the first entry that was changed or follows a removed one."""
    before = ""
    entries = sa.select(AuditEntry).order_by(AuditEntry.id)
    for entry in db.session.scalars(entries.execution_options(yield_per=1000)):
        if digest(before, entry) != entry.digest:
            return entry.id
        before = entry.digest
    return None


def _queue_up() -> None:
    """Let one transaction at a time append, or two would follow the same entry."""
    if db.session.get_bind().dialect.name == "postgresql":
        db.session.execute(sa.select(sa.func.pg_advisory_xact_lock(CHAIN)))
