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
