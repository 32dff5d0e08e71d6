"""Rules: what is done about a new mail by itself. Labels, assignees and done, no more.

A rule never changes anything on a mail server and never suppresses anybody: what a
stranger writes may set it off. It runs once for a mail, right after the sorting.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.words import _
from webapp.mailboxes.kinds import MailKind, MailState
from webapp.mailboxes.models import Mail
from webapp.operators import audit
from webapp.triage import labels, work
from webapp.triage.models import MailRule

MOST = 100
LOOKED_AT = 100
#: What a rule is: its conditions and its actions.
SAYS = (
    *("kind", "sender", "subject", "mailbox_id"),
    *("label_id", "assignee_id", "done"),
)


def all_rules() -> list[MailRule]:
    """Return the rules in their order."""
    query = sa.select(MailRule).order_by(MailRule.position, MailRule.id)
    return list(db.session.scalars(query))


def get(rule_id: int) -> MailRule:
    """Return a rule.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = db.session.get(MailRule, rule_id)
    if found is None:
        raise NotFound(_("There is no such rule."))
    return found


def matches(rule: MailRule, mail: Mail) -> bool:
    """Whether every condition of a rule holds for a mail.

    >>> rule = MailRule(kind=MailKind.REPLY, sender="@Example.org", subject="")
    >>> mail = Mail(kind=MailKind.REPLY, from_name="", from_address="ada@example.org")
    >>> matches(rule, mail)
    True
    """
    sender = f"{mail.from_name} <{mail.from_address}>".casefold()
    return (
        rule.kind in {None, mail.kind}
        and rule.mailbox_id in {None, mail.mailbox_id}
        and (rule.sender or "").casefold() in sender
        and (rule.subject or "").casefold() in (mail.subject or "").casefold()
    )


def apply(mail: Mail) -> None:
    """Do what the rules say about a new mail, in the caller's transaction."""
    for rule in all_rules():
        if matches(rule, mail):
            _do(rule, mail)


def _do(rule: MailRule, mail: Mail) -> None:
    if rule.label_id is not None:
        labels.put(mail.id, rule.label_id)
    if mail.assignee_id is None and work.worker(rule.assignee_id):
        mail.assignee_id = rule.assignee_id
    if rule.done:
        mail.state = MailState.DONE
    mail.worked_at = now()


def apply_now(rule_id: int) -> int:
    """Do what a rule says to those of the last mails that it matches.

    Returns
    -------
    int
        How many there are.

    Raises
    ------
    NotFound
        If there is no such rule.
    """
    rule = get(rule_id)
    found = matching(rule)
    for mail in found:
        _do(rule, mail)
    audit.record("rule.applied", "rule", rule_id, mails=len(found))
    db.session.commit()
    return len(found)


def matching(rule: MailRule) -> list[Mail]:
    """Return those of the last mails that a rule would match, the newest first."""
    query = sa.select(Mail).order_by(Mail.id.desc()).limit(LOOKED_AT)
    return [mail for mail in db.session.scalars(query) if matches(rule, mail)]


def draft(
    conditions: tuple[MailKind | None, str, str, int | None],
    actions: tuple[int | None, int | None, bool],
) -> MailRule:
    """Return a rule that is not kept yet.

    Parameters
    ----------
    conditions
        Kind, sender contains, subject contains, mailbox.
    actions
        Label, assignee, done.

    Raises
    ------
    Invalid
        If it has no condition or no action.
    NotFound
        If its label or its operator is not there.
    """
    kind, sender, subject, mailbox_id = conditions
    label_id, assignee_id, done = actions
    if not (kind or sender.strip() or subject.strip() or mailbox_id):
        words = _("Say which mails: a rule for all of them is none.")
        raise Invalid(words, {"kind": [words]})
    if label_id is None and assignee_id is None and not done:
        words = _("Say what is to be done: label, assign or done.")
        raise Invalid(words, {"label_id": [words]})
    if label_id is not None:
        labels.get(label_id)
    if assignee_id is not None and not work.worker(assignee_id):
        raise NotFound(_("There is no such operator."))
    return MailRule(
        kind=kind,
        sender=sender.strip(),
        subject=subject.strip(),
        mailbox_id=mailbox_id,
        label_id=label_id,
        assignee_id=assignee_id,
        done=done,
    )


def add(rule: MailRule) -> MailRule:
    """Keep a rule, after all others.

    Raises
    ------
    Refused
        If there are too many already.
    """
    standing = all_rules()
    if len(standing) >= MOST:
        raise Refused(_("There are %(n)s rules already.", n=MOST))
    rule.position = max((one.position for one in standing), default=0) + 1
    db.session.add(rule)
    db.session.flush()
    audit.record("rule.created", "rule", rule.id)
    db.session.commit()
    return rule


def change(rule_id: int, wanted: MailRule) -> MailRule:
    """Let a rule say what a draft says; its place stays, and what it did.

    Raises
    ------
    NotFound
        If there is none.
    """
    found = get(rule_id)
    for name in SAYS:
        setattr(found, name, getattr(wanted, name))
    audit.record("rule.changed", "rule", rule_id)
    db.session.commit()
    return found


def move(rule_id: int, step: int) -> None:
    """Let a rule run earlier (-1) or later (1) by one place.

    Raises
    ------
    NotFound
        If there is none.
    """
    get(rule_id)
    order = all_rules()
    at = next(place for place, one in enumerate(order) if one.id == rule_id)
    to = min(max(at + (1 if step > 0 else -1), 0), len(order) - 1)
    order.insert(to, order.pop(at))
    _number(order)
    audit.record("rule.moved", "rule", rule_id)
    db.session.commit()


def delete(rule_id: int) -> None:
    """Delete a rule; what it did stays.

    Raises
    ------
    NotFound
        If there is none.
    """
    db.session.delete(get(rule_id))
    audit.record("rule.deleted", "rule", rule_id)
    db.session.commit()


def _number(order: Sequence[MailRule]) -> None:
    for place, one in enumerate(order, 1):
        one.position = place
