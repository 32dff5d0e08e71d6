"""The forms of labels and rules, for pages and the API."""

from wtforms import BooleanField, FieldList, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional

from webapp.core import forms
from webapp.core.forms import PostForm
from webapp.core.words import _l
from webapp.mailboxes.kinds import MailKind
from webapp.triage import labels, rules, work
from webapp.triage.models import MailRule

KIND_WORDS = {
    MailKind.REPLY: _l("Reply"),
    MailKind.BOUNCE: _l("Bounce"),
    MailKind.AUTO_REPLY: _l("Automatic reply"),
    MailKind.UNSUBSCRIBE: _l("Unsubscribe"),
    MailKind.COMPLAINT: _l("Complaint"),
    MailKind.NOTICE: _l("Delivery notice"),
    MailKind.OTHER: _l("Any other mail"),
}
COLOUR_WORDS = {
    "accent": _l("Accent"),
    "sent": _l("Green"),
    "sending": _l("Blue"),
    "deferred": _l("Amber"),
    "failed": _l("Red"),
    "skipped": _l("Grey"),
}


class LabelForm(PostForm):
    """A label."""

    name = StringField(
        _l("Name"),
        [InputRequired(_l("Enter a name.")), Length(max=labels.LONGEST)],
    )
    colour = SelectField(
        _l("Colour"), choices=forms.choices(*COLOUR_WORDS.items()), default="accent"
    )


class OrderForm(PostForm):
    """Whether a rule runs earlier or later."""

    to = SelectField(
        _l("To"),
        choices=forms.choices(("earlier", _l("Earlier")), ("later", _l("Later"))),
    )

    @property
    def step(self) -> int:
        """By how many places."""
        return -1 if self.to.data == "earlier" else 1


class WhichMailsForm(PostForm):
    """Mails by the ids of our rows, and whether they get something or lose it."""

    mail_ids = FieldList(IntegerField(), max_entries=work.MOST)
    on = BooleanField(_l("Put it on"), default=True)


class RuleForm(PostForm):
    """Which new mails, and what is done about them."""

    kind = SelectField(
        _l("Kind"),
        choices=forms.choices(
            ("", _l("Any kind")), *((k.value, words) for k, words in KIND_WORDS.items())
        ),
        default="",
    )
    sender = StringField(_l("Sender contains"), [Length(max=200)])
    subject = StringField(_l("Subject contains"), [Length(max=200)])
    mailbox_id = IntegerField(_l("Only in this mailbox"), [Optional()])
    label_id = IntegerField(_l("Put this label on"), [Optional()])
    assignee_id = IntegerField(_l("Assign to"), [Optional()])
    done = BooleanField(_l("Mark as done"))

    def drafted(self) -> MailRule:
        """Return the rule, not kept yet; raises as `rules.draft` does."""
        kind = MailKind(self.kind.data) if self.kind.data else None
        return rules.draft(
            (
                kind,
                self.sender.data or "",
                self.subject.data or "",
                self.mailbox_id.data,
            ),
            (self.label_id.data, self.assignee_id.data, bool(self.done.data)),
        )
