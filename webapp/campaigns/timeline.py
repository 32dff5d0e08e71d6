"""What happened to one message, as lines for a person: queued, tried, answered."""

from dataclasses import dataclass
from datetime import datetime

from webapp.campaigns.messages import attempts_of, events_of, sender_names
from webapp.campaigns.models import Attempt, Event, Message
from webapp.campaigns.states import Status
from webapp.core.words import _, _l


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a message's timeline; `reply` is the server's, word for word."""

    at: datetime
    status: str
    icon: str
    title: str
    words: str = ""
    reply: str = ""
    mail_id: int | None = None
    message_id: int | None = None


_OUTCOMES: dict[str, tuple[str, str]] = {
    "accepted": ("sent", "check"),
    "deferred": ("deferred", "retry"),
    "unwell": ("deferred", "retry"),
    "refused": ("failed", "failed"),
    "unknown": ("unknown", "question"),
    "": ("sending", "send"),
}
_EVENTS: dict[str, tuple[str, str]] = {
    "rendered": ("pending", "template"),
    "skipped": ("skipped", "skip"),
    "failed": ("failed", "failed"),
    "bounced": ("failed", "bounce"),
    "complained": ("failed", "alert"),
    "replied": ("accent", "reply"),
    "auto_replied": ("accent", "reply"),
    "unsubscribed": ("skipped", "unsubscribe"),
    "unknown": ("unknown", "question"),
    "said_sent": ("sent", "check"),
    "proved": ("sent", "check"),
    "copy_bounced": ("failed", "bounce"),
    "notice": ("deferred", "clock"),
    "answered": ("accent", "reply"),
    "answers": ("accent", "mail"),
    "filed": ("sent", "check"),
}
_BOUNCED: dict[str, str] = {
    "hard": _l("Bounce received: the address does not exist"),
    "soft": _l("Bounce received: it could not be delivered"),
    "full": _l("Bounce received: the mailbox is full"),
    "blocked": _l("Bounce received: the server does not want it"),
}


def timeline(message: Message) -> list[Line]:
    """Return what happened to a message, in order."""
    attempts = attempts_of(message)
    shown = {one.id.hex for one in attempts}
    lines = [_queued(message)]
    names = sender_names(attempts)
    lines += [
        _attempt_line(one, names.get(one.sender_id, ""), dry_run=message.is_dry_run)
        for one in attempts
    ]
    # What an attempt says with the server's own words needs no second line.
    lines += [
        _event_line(one)
        for one in events_of(message)
        if not shown.intersection(one.dedupe_key.split(":"))
    ]
    lines.sort(key=lambda line: line.at)
    return lines


def _queued(message: Message) -> Line:
    campaign = message.campaign
    if message.status == Status.SKIPPED:
        title, words = _("Skipped"), message.reason
        return Line(message.created_at, "skipped", "skip", title, words)
    by = campaign.launched_by if campaign else ""
    words = _("Launched by %(name)s", name=by) if by else ""
    return Line(message.created_at, "pending", "pending", _("Queued"), words)


def _attempt_line(attempt: Attempt, sender: str, *, dry_run: bool) -> Line:
    titles = {
        "accepted": _("Attempt %(n)s: accepted", n=attempt.number),
        "deferred": _("Attempt %(n)s: try again later", n=attempt.number),
        "unwell": _("Attempt %(n)s: the server could not be used", n=attempt.number),
        "refused": _("Attempt %(n)s: refused", n=attempt.number),
        "unknown": _("Attempt %(n)s: no answer", n=attempt.number),
        "": _("Attempt %(n)s: handing over", n=attempt.number),
    }
    if dry_run:
        titles["accepted"] = _("Attempt %(n)s: kept here (dry run)", n=attempt.number)
    status, icon = _OUTCOMES.get(attempt.outcome, ("pending", "pending"))
    title = titles.get(attempt.outcome, _("Attempt %(n)s", n=attempt.number))
    reply = attempt.reply
    if attempt.reply_code and not reply.startswith(str(attempt.reply_code)):
        reply = f"{attempt.reply_code} {reply}"
    words = _("By the sender “%(name)s”", name=sender) if sender else ""
    at = attempt.ended_at or attempt.started_at
    return Line(at, status, icon, title, words, reply)


def _event_line(event: Event) -> Line:
    titles = {
        "rendered": _("Rendered"),
        "skipped": _("Skipped"),
        "failed": _("Failed"),
        "bounced": _("Bounce received"),
        "complained": _("Marked as spam by the recipient"),
        "replied": _("Reply received"),
        "auto_replied": _("Automatic reply received"),
        "unsubscribed": _("Unsubscribed"),
        "unknown": _("We do not know if it arrived"),
        "said_sent": _("Decided: it went"),
        "proved": _("Proved: it went"),
        "copy_bounced": _("Bounce received for a copy"),
        "notice": _("Notice from a server: not delivered yet, or passed on"),
        "answered": _("We replied"),
        "answers": _("Answers a mail"),
        "filed": _("A copy lies in the Sent folder"),
        "send_again": _("Decided: send again"),
        "retried": _("Retried"),
    }
    status, icon = _EVENTS.get(event.kind, ("pending", "history"))
    who = str(event.detail.get("actor") or "")
    words = str(
        event.detail.get("words") or (_("By %(name)s", name=who) if who else "")
    )
    title = titles.get(event.kind, event.kind.replace("_", " ").capitalize())
    title = str(_BOUNCED.get(str(event.detail.get("hardness")), title))
    mail_id, message_id = event.detail.get("mail"), event.detail.get("ours")
    return Line(
        event.at,
        status,
        icon,
        title,
        words,
        mail_id=mail_id if isinstance(mail_id, int) else None,
        message_id=message_id if isinstance(message_id, int) else None,
    )
