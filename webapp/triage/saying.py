"""A person says what a mail is, and about the last message to whom.

What the sorting could not prove, a person may know: a bounce in words that no machine
reads, a robot that looks like one of us. It acts as a proof does (`effects.act`). What
a proven bounce or complaint did is not said away: a suppression is removed where it is.
"""

import sqlalchemy as sa

from webapp.campaigns import addressed, coming_back
from webapp.campaigns.models import Message
from webapp.core.db import db
from webapp.core.errors import Invalid, Refused
from webapp.core.words import _
from webapp.mailboxes.kinds import MailKind
from webapp.operators import audit
from webapp.senders.hardness import Hardness
from webapp.triage import answers, effects
from webapp.triage.effects import PERSON, SUGGESTION
from webapp.triage.models import Answer
from webapp.triage.sorting import Sorted

#: What a person may say that a mail is.
KINDS = (
    MailKind.BOUNCE,
    MailKind.REPLY,
    MailKind.AUTO_REPLY,
    MailKind.UNSUBSCRIBE,
    MailKind.COMPLAINT,
)
_FINAL = {MailKind.BOUNCE.value, MailKind.COMPLAINT.value}
#: Which count of a campaign a tie of this kind belongs to.
_COUNTED = {
    MailKind.REPLY.value: coming_back.REPLIED,
    MailKind.AUTO_REPLY.value: coming_back.AUTO_REPLIED,
    MailKind.UNSUBSCRIBE.value: coming_back.UNSUBSCRIBED,
}


def say(
    mail_id: int, kind: MailKind, address: str, operator_id: int | None = None
) -> Answer:
    """Say that a mail is of a kind, and about the last message to an address.

    Parameters
    ----------
    kind
        One of `KINDS`. A bounce is a hard one; a goodbye is of the message's table.

    Raises
    ------
    Invalid
        If it is no such kind, or nothing was ever sent to that address.
    NotFound
        If there is no such mail.
    Refused
        If it is proven that the mail is a bounce or a complaint.
    """
    if kind not in KINDS:
        raise Invalid(_("Choose what this mail is."))
    mail, message = answers.mail(mail_id), _last_to(address)
    before = list(
        db.session.scalars(sa.select(Answer).where(Answer.mail_id == mail_id))
    )
    if any(one.kind in _FINAL and one.matched_by != SUGGESTION for one in before):
        raise Refused(_("This is proven already."))
    for one in before:
        _withdraw(one)
    hard = Hardness.HARD if kind is MailKind.BOUNCE else None
    made = Sorted(
        kind, recipients=(message.address,), hardness=hard, words=mail.subject
    )
    mail.kind, mail.is_sorted = kind, True
    effects.act(mail, made, message, PERSON)
    detail = {"hardness": hard.value, "recipients": [message.address]} if hard else {}
    answer = Answer(
        mail_id=mail.id,
        message_id=message.id,
        kind=kind.value,
        matched_by=PERSON,
        confirmed_by=operator_id,
        detail=detail,
    )
    db.session.add(answer)
    audit.record("mail.said", "mail", mail.id, mail.subject, to=kind.value)
    db.session.commit()
    return answer


def _last_to(address: str) -> Message:
    keys = effects.keys_of([address])
    query = sa.select(Message).where(
        addressed.to_any(keys), Message.sent_at.is_not(None)
    )
    found = db.session.scalar(query.order_by(Message.id.desc()).limit(1))
    if found is None:
        words = _("No message was sent to this address.")
        raise Invalid(words, {"address": [words]})
    return found


def _withdraw(answer: Answer) -> None:
    """Take back a tie that was another one, and its count if nothing else makes it."""
    kind = _COUNTED.get(answer.kind)
    if kind and answer.matched_by != SUGGESTION:
        others = sa.select(Answer.id).where(
            Answer.message_id == answer.message_id,
            Answer.kind == answer.kind,
            Answer.matched_by != SUGGESTION,
            Answer.id != answer.id,
        )
        if db.session.scalar(others.limit(1)) is None:
            message = db.session.get_one(Message, answer.message_id)
            coming_back.forget(message, kind)
    db.session.delete(answer)
    db.session.flush()
