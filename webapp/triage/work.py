"""What people do about mails, kept on our own rows: state, assignee, snooze, labels.

Nothing here touches a mail server; a suppression only where the name says so. Each
change comes back as words that undo it: what each changed mail was before (see
`webapp.triage.before`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from webapp.composing.addresses import AddressError
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _
from webapp.mailboxes.kinds import MailState
from webapp.mailboxes.models import Mail
from webapp.operators import audit
from webapp.operators.models import Operator
from webapp.suppressions import service as suppressions
from webapp.suppressions.keys import suppression_key
from webapp.suppressions.models import Channel
from webapp.triage import labels
from webapp.triage.before import Was, read, written
from webapp.triage.models import MailNote

MOST = 500
LONGEST_NOTE = 10_000


@dataclass(frozen=True)
class Worked:
    """How many mails changed, and the words that undo it."""

    count: int
    was: str


def rows(mail_ids: Sequence[int]) -> list[Mail]:
    """Return our rows of these mails.

    Raises
    ------
    NotFound
        If one of them is not there.
    """
    found = list(db.session.scalars(sa.select(Mail).where(Mail.id.in_(mail_ids))))
    if len(found) < len(set(mail_ids)):
        raise NotFound(_("There is no such mail."))
    return found


def set_state(mail_ids: Sequence[int], state: MailState) -> Worked:
    """Say that mails are done, or open again."""

    def change(mail: Mail) -> Was | None:
        if mail.state is state:
            return None
        was = Was(mail.id, "s", _state_number(mail.state))
        mail.state = state
        return was

    return _each(mail_ids, f"mail.{state}", change)


def assign(mail_ids: Sequence[int], operator_id: int | None) -> Worked:
    """Give mails to an operator, or to nobody.

    Raises
    ------
    NotFound
        If there is no such operator, or not any more.
    """
    name = _assignable(operator_id).name if operator_id is not None else ""

    def change(mail: Mail) -> Was | None:
        if mail.assignee_id == operator_id:
            return None
        was = Was(mail.id, "a", mail.assignee_id)
        mail.assignee_id = operator_id
        return was

    return _each(mail_ids, "mail.assigned", change, to=name)


def snooze(mail_ids: Sequence[int], until: datetime | None) -> Worked:
    """Hide mails from the open views until then; ``None`` shows them again.

    Raises
    ------
    Invalid
        If that time has passed already.
    """
    if until is not None and until <= now():
        words = _("Choose a time that is still to come.")
        raise Invalid(words, {"snoozed_until": [words]})

    def change(mail: Mail) -> Was | None:
        if mail.snoozed_until == until:
            return None
        was = Was(mail.id, "z", _stamp(mail.snoozed_until))
        mail.snoozed_until = until
        return was

    action = "mail.snoozed" if until else "mail.unsnoozed"
    return _each(mail_ids, action, change, until=until.isoformat() if until else "")


def label(mail_ids: Sequence[int], label_id: int, *, on: bool = True) -> Worked:
    """Put a label on mails, or take it off.

    Raises
    ------
    NotFound
        If there is no such label.
    """
    name = labels.get(label_id).name
    have = labels.having(mail_ids, label_id)

    def change(mail: Mail) -> Was | None:
        if (mail.id in have) is on:
            return None
        labels.put(mail.id, label_id, on=on)
        return Was(mail.id, "x" if on else "l", label_id)

    return _each(
        mail_ids, "mail.labelled" if on else "mail.unlabelled", change, to=name
    )


def suppress_senders(mail_ids: Sequence[int]) -> Worked:
    """Write to nobody any more who sent one of these mails.

    Raises
    ------
    NotFound
        If one of them is not there.
    """

    def change(mail: Mail) -> Was | None:
        try:
            key = suppression_key(Channel.EMAIL, mail.from_address)
        except AddressError:
            return None
        if suppressions.find(Channel.EMAIL, key, None) is not None:
            return None
        source = _("Mail: %(subject)s", subject=mail.subject)
        made = suppressions.suppress_within(Channel.EMAIL, key, source=source)
        return Was(mail.id, "u", made.id)

    return _each(mail_ids, "mail.sender_suppressed", change)


def restore(words: str) -> Worked:
    """Undo a change: make each mail again what its word says.

    Raises
    ------
    Invalid
        If the words are none of ours.
    NotFound
        If a mail, an operator or a label is not there any more.
    """
    try:
        wanted = read(words, MOST)
    except ValueError as error:
        raise Invalid(_("This cannot be undone from here.")) from error
    mails = {mail.id: mail for mail in rows([one.mail_id for one in wanted])}
    for one in wanted:
        _restore(mails[one.mail_id], one)
    return _finish(list(mails.values()), "mail.restored", {}, [])


def note(mail_id: int, text: str, operator_id: int | None) -> MailNote:
    """Add a note to a mail.

    Raises
    ------
    NotFound
        If there is no such mail.
    Invalid
        If the note is empty or too long.
    """
    (mail,) = rows([mail_id])
    text = text.strip()
    if not text or len(text) > LONGEST_NOTE:
        words = _("Write a note of at most %(n)s letters.", n=LONGEST_NOTE)
        raise Invalid(words, {"text": [words]})
    added = MailNote(mail_id=mail_id, operator_id=operator_id, text=text)
    db.session.add(added)
    mail.worked_at = now()
    audit.record("mail.noted", "mail", mail.id, mail.subject)
    db.session.commit()
    return added


def notes_of(mail_id: int) -> list[tuple[MailNote, str]]:
    """Return the notes of a mail with their authors' names, the oldest first."""
    found = db.session.execute(
        sa.select(MailNote, Operator.name)
        .outerjoin(Operator, Operator.id == MailNote.operator_id)
        .where(MailNote.mail_id == mail_id)
        .order_by(MailNote.id)
    )
    return [(one, name or "") for one, name in found]


def operators() -> list[Operator]:
    """Return who can be given a mail, by name."""
    query = sa.select(Operator).where(Operator.disabled_at.is_(None))
    return list(db.session.scalars(query.order_by(Operator.name)))


def worker(operator_id: int | None) -> Operator | None:
    """Return who can be given a mail; nobody who is gone or locked out.

    With them a mail would be hidden from all.
    """
    if operator_id is None:
        return None
    found = db.session.get(Operator, operator_id)
    return found if found is not None and found.disabled_at is None else None


def _assignable(operator_id: int) -> Operator:
    found = worker(operator_id)
    if found is None:
        raise NotFound(_("There is no such operator."))
    return found


def _each(
    mail_ids: Sequence[int],
    action: str,
    change: Callable[[Mail], Was | None],
    **detail: Any,
) -> Worked:
    if not mail_ids:
        raise Invalid(_("Choose at least one mail first."))
    if len(mail_ids) > MOST:
        raise Invalid(_("Choose at most %(n)s mails at once.", n=MOST))
    changed, before = [], []
    for mail in rows(mail_ids):
        was = change(mail)
        if was is not None:
            changed.append(mail)
            before.append(was)
    return _finish(changed, action, detail, before)


def _finish(
    changed: Sequence[Mail], action: str, detail: dict[str, Any], was: Iterable[Was]
) -> Worked:
    at = now()
    for mail in changed:
        mail.worked_at = at
        audit.record(action, "mail", mail.id, mail.subject, **detail)
    db.session.commit()
    return Worked(len(changed), written(was))


def _restore(mail: Mail, one: Was) -> None:
    if one.what == "s":
        mail.state = MailState.DONE if one.value else MailState.OPEN
    elif one.what == "a":
        mail.assignee_id = _assignable(one.value).id if one.value else None
    elif one.what == "z":
        mail.snoozed_until = one.instant
    elif one.what == "u":
        suppressions.undo_within(one.value or 0)
    else:
        labels.get(one.value or 0)
        labels.put(mail.id, one.value or 0, on=one.what == "l")


def _state_number(state: MailState) -> int:
    return int(state is MailState.DONE)


def _stamp(instant: datetime | None) -> int | None:
    return int(instant.timestamp()) if instant else None
