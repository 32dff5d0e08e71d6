"""What pages show of the work on a mail: its labels, who has it, who looks at it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.mailboxes import watching
from webapp.mailboxes.kinds import MailKind, MailState
from webapp.mailboxes.models import Mail
from webapp.operators.models import Operator
from webapp.triage import labels, placing, presence
from webapp.triage.models import MailLabel
from webapp.triage.placing import Key


@dataclass(frozen=True)
class Mark:
    """What people made of one mail; without a row of ours, nothing yet."""

    place: str
    mail_id: int | None = None
    kind: MailKind = MailKind.OTHER
    is_done: bool = False
    assignee_id: int | None = None
    assignee: str = ""
    snoozed_until: datetime | None = None
    labels: list[MailLabel] = field(default_factory=list)
    looking: list[str] = field(default_factory=list)


def marks_of(keys: Sequence[Key], operator_id: int) -> list[Mark]:
    """Return the mark of each mail, by its folder, numbering and UID."""
    mails = placing.known_at(keys)
    of_mails = labels.of_mails([mail.id for mail in mails.values()])
    names = _names({mail.assignee_id for mail in mails.values()})
    looking = presence.others(operator_id)
    return [
        _mark(key, mails.get(key), of_mails, names, looking.get(place_of(key), []))
        for key in keys
    ]


def place_of(key: Key) -> str:
    """Return the place of a mail in one word, as its checkbox has it.

    >>> place_of((3, 99, 7))
    '3.99.7'
    """
    return ".".join(map(str, key))


def pulse(operator_id: int) -> str:
    """Return a word that is another one when anything in the lists may have changed."""
    woken = sa.select(sa.func.max(Mail.snoozed_until)).where(
        Mail.snoozed_until <= now()
    )
    newest, worked, awake = db.session.execute(
        sa.select(
            sa.select(sa.func.max(Mail.id)).scalar_subquery(),
            sa.select(sa.func.max(Mail.worked_at)).scalar_subquery(),
            woken.scalar_subquery(),
        )
    ).one()
    looking = presence.others(operator_id)
    who = ",".join(f"{place}:{'+'.join(names)}" for place, names in looking.items())
    noticed = watching.pulse()
    return f"{noticed} {newest or 0} {worked or ''} {awake or ''} {who}"


def _names(ids: set[int | None]) -> dict[int, str]:
    wanted = [one for one in ids if one is not None]
    if not wanted:
        return {}
    query = sa.select(Operator.id, Operator.name).where(Operator.id.in_(wanted))
    return {row.id: row.name for row in db.session.execute(query)}


def _mark(
    key: Key,
    mail: Mail | None,
    of_mails: dict[int, list[MailLabel]],
    names: dict[int, str],
    looking: list[str],
) -> Mark:
    if mail is None:
        return Mark(place_of(key), looking=looking)
    until = mail.snoozed_until
    return Mark(
        place=place_of(key),
        mail_id=mail.id,
        kind=mail.kind,
        is_done=mail.state is MailState.DONE,
        assignee_id=mail.assignee_id,
        assignee=names.get(mail.assignee_id or 0, ""),
        snoozed_until=until if until and until > now() else None,
        labels=of_mails.get(mail.id, []),
        looking=looking,
    )
