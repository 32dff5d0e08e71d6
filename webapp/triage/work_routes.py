"""Triage, the work on mails, as forms: state, assignee, snooze, labels, notes, ties."""

from collections.abc import Callable

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core.clock import now
from webapp.core.errors import DomainError, Invalid
from webapp.core.presentation import toast, zone
from webapp.core.words import _
from webapp.mailboxes.kinds import MailKind, MailState
from webapp.operators.access import Scope, actor, requires
from webapp.triage import answers, labels, placing, saying, snoozing, work
from webapp.triage.acting_routes import back_of
from webapp.triage.work import Worked

bp = Blueprint("work", __name__)


@bp.post("/triage/work")
@requires(Scope.WRITE)
def act() -> ResponseReturnValue:
    """Do something about the chosen mails, and offer the way back."""
    back = back_of(request.form.get("back", ""))
    action = request.form.get("do", "")
    try:
        if action == "restore":
            restored = work.restore(request.form.get("was", ""))
            toast(_("%(n)s as before.", n=restored.count))
            return redirect(back, 303)
        if action not in ACTIONS:
            raise Invalid(_("Choose what to do with the mails."))
        worked = ACTIONS[action](placing.ids_of(request.form.getlist("mails")))
    except DomainError as error:
        toast(error.words)
        return redirect(back, 303)
    if worked.count:
        undo = {"do": "restore", "was": worked.was, "back": back}
        toast(_words(action, worked.count), url_for("work.act"), **undo)
    else:
        toast(_("Nothing to change: the mails are like that already."))
    return redirect(back, 303)


@bp.post("/triage/note")
@requires(Scope.WRITE)
def note() -> ResponseReturnValue:
    """Add a note to a mail."""
    back = back_of(request.form.get("back", ""))
    try:
        (mail_id,) = placing.ids_of([request.form.get("mails", "")])[:1]
        work.note(mail_id, request.form.get("text", ""), actor().operator.id)
    except DomainError as error:
        toast(error.words)
    return redirect(back + "#notes", 303)


@bp.post("/triage/ties/<int:answer_id>")
@requires(Scope.WRITE)
def tie(answer_id: int) -> ResponseReturnValue:
    """Confirm or reject that a mail answers a message; do or undo what it asks for."""
    back = back_of(request.form.get("back", ""))
    action = request.form.get("do", "")
    try:
        if action not in TIES:
            raise Invalid(_("Choose what to do with the mails."))
        words, undo = TIES[action](answer_id)
    except DomainError as error:
        if error.status == 404:  # noqa: PLR2004 - nothing of that number
            raise
        toast(error.words)
        return redirect(back, 303)
    place = url_for("work.tie", answer_id=answer_id)
    if undo:
        toast(words, place, do=undo, back=back)
    else:
        toast(words)
    return redirect(back, 303)


@bp.post("/triage/say")
@requires(Scope.WRITE)
def say() -> ResponseReturnValue:
    """Say what a mail is, and about the last message to whom."""
    form = request.form
    try:
        kind = MailKind(form.get("kind", ""))
        (mail_id,) = placing.ids_of([form.get("mails", "")])[:1]
        saying.say(mail_id, kind, form.get("address", ""), actor().operator.id)
        toast(_("This mail is tied to that message now."))
    except ValueError:
        toast(_("Choose what this mail is."))
    except DomainError as error:
        toast(error.words)
    return redirect(back_of(form.get("back", "")), 303)


def _confirmed(answer_id: int) -> tuple[str, str]:
    answers.confirm(answer_id, actor().operator.id)
    return _("This mail is tied to that message now."), ""


def _rejected(answer_id: int) -> tuple[str, str]:
    answers.reject(answer_id)
    return _("This mail does not answer that message."), ""


def _taken_off(answer_id: int) -> tuple[str, str]:
    answers.take_off(answer_id)
    return _("They get no more messages of this table."), "put_back"


def _put_back(answer_id: int) -> tuple[str, str]:
    answers.put_back(answer_id)
    return _("They get messages of this table again."), "take_off"


#: What a person decides about a tie: the words, and the decision that undoes it.
TIES: dict[str, Callable[[int], tuple[str, str]]] = {
    "confirm": _confirmed,
    "reject": _rejected,
    "take_off": _taken_off,
    "put_back": _put_back,
}


def _label_id() -> int:
    """Return the chosen label; a name that is typed makes one."""
    name = request.form.get("new_label", "").strip()
    if name:
        return labels.create(name, request.form.get("colour", "accent")).id
    return _number("label")


def _number(field: str) -> int:
    text = request.form.get(field, "")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**31))):
        raise Invalid(_("Choose one from the list first."))
    return int(text)


def _assigned(mail_ids: list[int]) -> Worked:
    to = request.form.get("to", "")
    return work.assign(mail_ids, _number("to") if to != "nobody" else None)


def _snoozed(mail_ids: list[int]) -> Worked:
    form = request.form
    choice, day = form.get("until", ""), form.get("day", "")
    until = snoozing.until("day" if day else choice, day, now().astimezone(zone()))
    if until is None:
        raise Invalid(_("Choose until when."))
    return work.snooze(mail_ids, until)


ACTIONS: dict[str, Callable[[list[int]], Worked]] = {
    "done": lambda ids: work.set_state(ids, MailState.DONE),
    "reopen": lambda ids: work.set_state(ids, MailState.OPEN),
    "mine": lambda ids: work.assign(ids, actor().operator.id),
    "assign": _assigned,
    "label": lambda ids: work.label(ids, _label_id()),
    "unlabel": lambda ids: work.label(ids, _number("label"), on=False),
    "snooze": _snoozed,
    "wake": lambda ids: work.snooze(ids, None),
    "suppress": work.suppress_senders,
}


def _words(action: str, count: int) -> str:
    words = {
        "done": _("%(n)s done.", n=count),
        "reopen": _("%(n)s open again.", n=count),
        "mine": _("%(n)s assigned to you.", n=count),
        "assign": _("%(n)s assigned.", n=count),
        "label": _("%(n)s labelled.", n=count),
        "unlabel": _("Label taken off %(n)s.", n=count),
        "snooze": _("%(n)s snoozed.", n=count),
        "wake": _("%(n)s back from snooze.", n=count),
        "suppress": _("%(n)s senders get no more messages.", n=count),
    }
    return words[action]
