"""Ties between mails and messages, for pages and the API; and what a person decides."""

from collections.abc import Sequence

import sqlalchemy as sa

from webapp.campaigns import coming_back
from webapp.campaigns.models import Message
from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.core.words import _
from webapp.mailboxes.kinds import MailKind
from webapp.mailboxes.models import Mail
from webapp.operators import audit
from webapp.senders.hardness import Hardness
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel, Reason, Suppression
from webapp.triage import effects
from webapp.triage.effects import PERSON, SUGGESTION
from webapp.triage.models import Answer
from webapp.triage.naming import TOKEN
from webapp.triage.sorting import Sorted


def mail(mail_id: int) -> Mail:
    """Return our own row of a mail.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = db.session.get(Mail, mail_id)
    if found is None:
        raise NotFound(_("There is no such mail."))
    return found


def placed(mail_id: int) -> Mail:
    """Return our own row of a mail that still lies somewhere.

    Raises
    ------
    NotFound
        If there is none, or its folder is gone.
    """
    found = mail(mail_id)
    if found.folder_id is None or found.uid is None:
        raise NotFound(_("This mail is in no folder that we know any more."))
    return found


def of_mail(mail_id: int) -> Sequence[tuple[Answer, Message]]:
    """Return the messages that a mail answers or may answer, proven ones first."""
    rows = db.session.execute(
        sa.select(Answer, Message)
        .join(Message, Message.id == Answer.message_id)
        .where(Answer.mail_id == mail_id)
        .order_by(Answer.matched_by == SUGGESTION, Answer.id)
    )
    return [(answer, message) for answer, message in rows]


def of_message(message_id: int) -> Sequence[tuple[Answer, Mail]]:
    """Return the mails that answer a message, the oldest first; no suggestions."""
    rows = db.session.execute(
        sa.select(Answer, Mail)
        .join(Mail, Mail.id == Answer.mail_id)
        .where(Answer.message_id == message_id, Answer.matched_by != SUGGESTION)
        .order_by(Mail.received_at, Mail.id)
    )
    return [(answer, mail) for answer, mail in rows]


def confirm(answer_id: int, operator_id: int | None = None) -> Answer:
    """Say that a suggested tie is true; then it acts as a proven one.

    Raises
    ------
    NotFound
        If there is no such tie.
    Refused
        If it was proven or confirmed already.
    """
    answer = _suggested(answer_id)
    found, message = (
        mail(answer.mail_id),
        db.session.get_one(Message, answer.message_id),
    )
    made = _made(answer)
    if found.kind is MailKind.OTHER:
        found.kind = made.kind
    effects.act(found, made, message, PERSON)
    answer.matched_by, answer.confirmed_by = PERSON, operator_id
    audit.record(
        "answer.confirmed", "mail", found.id, found.subject, message=message.id
    )
    db.session.commit()
    return answer


def reject(answer_id: int) -> None:
    """Say that a suggested tie is wrong; it is forgotten.

    Raises
    ------
    NotFound
        If there is no such tie.
    Refused
        If it is proven.
    """
    answer = _suggested(answer_id)
    audit.record("answer.rejected", "mail", answer.mail_id, message=answer.message_id)
    db.session.delete(answer)
    db.session.commit()


def take_off(answer_id: int) -> Answer:
    """Do what a person asked for in words: write to them no more from this table.

    Raises
    ------
    NotFound
        If there is no such tie.
    Refused
        If the tie is only suggested; confirm it first.
    """
    answer = _proven(answer_id)
    found = mail(answer.mail_id)
    effects.take_off(found, db.session.get_one(Message, answer.message_id))
    answer.detail = {k: v for k, v in answer.detail.items() if k != "proposed"}
    audit.record("answer.taken_off", "mail", found.id, found.subject)
    db.session.commit()
    return answer


def put_back(answer_id: int) -> Answer:
    """Take a goodbye back that a mail brought: it stops and counts no more.

    Raises
    ------
    NotFound
        If there is no such tie.
    Refused
        If nothing of it holds any more.
    """
    answer = _proven(answer_id)
    message = db.session.get_one(Message, answer.message_id)
    held = goodbye_of(message)
    if held is None:
        raise Refused(_("They get messages of this table already."))
    suppressions.undo_within(held.id)
    coming_back.forget(message, coming_back.UNSUBSCRIBED)
    if answer.matched_by != TOKEN:
        answer.detail = {**answer.detail, "proposed": True}
    db.session.commit()
    return answer


def goodbye_of(message: Message) -> Suppression | None:
    """Return the suppression by which somebody left the table of a message."""
    campaign = message.campaign
    table_id = campaign.recipient_table_id if campaign else None
    return suppressions.find(
        Channel.EMAIL, message.address_key, table_id, Reason.UNSUBSCRIBED
    )


def left(ties: Sequence[tuple[Answer, Message]]) -> set[int]:
    """Return those of a mail's goodbyes that hold, by the id of the tie."""
    return {
        answer.id
        for answer, message in ties
        if answer.kind == MailKind.UNSUBSCRIBE.value
        and answer.matched_by != SUGGESTION
        and goodbye_of(message) is not None
    }


def _proven(answer_id: int) -> Answer:
    answer = db.session.get(Answer, answer_id)
    if answer is None:
        raise NotFound(_("There is no such answer."))
    if answer.matched_by == SUGGESTION:
        raise Refused(_("Confirm first that this mail answers that message."))
    return answer


def _suggested(answer_id: int) -> Answer:
    answer = db.session.get(Answer, answer_id)
    if answer is None:
        raise NotFound(_("There is no such answer."))
    if answer.matched_by != SUGGESTION:
        raise Refused(_("This is proven already."))
    return answer


def _made(answer: Answer) -> Sorted:
    """Return what the sorting had made of a mail, from what the tie kept of it."""
    detail = answer.detail
    hard = detail.get("hardness")
    return Sorted(
        MailKind(answer.kind),
        recipients=tuple(detail.get("recipients", ())),
        hardness=Hardness(hard) if hard else None,
        status=str(detail.get("status", "")),
        words=str(detail.get("words", "")),
        proposed=bool(detail.get("proposed")),
    )
