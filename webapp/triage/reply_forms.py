"""Forms of replies; the page and the API share them."""

from typing import Any

from wtforms import (
    BooleanField,
    Field,
    FieldList,
    FormField,
    IntegerField,
    MultipleFileField,
    StringField,
    TextAreaField,
)
from wtforms.validators import (
    DataRequired,
    Length,
    NumberRange,
    Optional,
    ValidationError,
)

from webapp.campaigns.forms import MAX_BODY, AddressesField, FileForm
from webapp.core.forms import PostForm
from webapp.core.http import LARGEST_ID
from webapp.core.words import _, _l
from webapp.triage.replying import HOLD_SECONDS, LONGEST_HOLD


class ReplyForm(PostForm):
    """An answer to a mail; what is left out is taken from the mail."""

    to = AddressesField(_l("To"))
    cc = AddressesField(_l("Copy to (Cc)"))
    subject = StringField(_l("Subject"), [Length(max=998)])
    text = TextAreaField(_l("Text"), [Length(max=MAX_BODY)])
    sender_id = IntegerField(_l("Sender"), [Optional(), NumberRange(1, LARGEST_ID)])
    attachments = FieldList(FormField(FileForm), _l("Attachments"), max_entries=20)
    uidvalidity = IntegerField(_l("Numbering"), [Optional(), NumberRange(1, 2**32)])

    def validate_text(self, field: Field) -> None:
        """Refuse a reply that says nothing."""
        if not (field.data or "").strip():
            raise ValidationError(_("The message is empty."))

    def values(self) -> dict[str, Any]:
        """Return what the message is made of."""
        found = super().values()
        for name in ("to", "cc"):
            found[name] = found[name] or []
        found["subject"] = found["subject"] or ""
        del found["uidvalidity"]
        return found


class PageReplyForm(ReplyForm):
    """A reply that is written on the page."""

    files = MultipleFileField(_l("Attach files"))

    def validate_to(self, field: Field) -> None:
        """Refuse a reply to nobody."""
        if not field.data:
            raise ValidationError(_("Name at least one recipient."))


class CallReplyForm(ReplyForm):
    """A reply by the API."""

    quote = BooleanField(_l("Put the text of the mail below, as a quote"))
    hold_seconds = IntegerField(
        _l("Seconds to take it back"), [Optional(), NumberRange(0, LONGEST_HOLD)]
    )

    def values(self) -> dict[str, Any]:
        """Return what the message is made of."""
        found = super().values()
        del found["quote"], found["hold_seconds"]
        return found

    @property
    def hold(self) -> int:
        """How many seconds it waits."""
        given = self.hold_seconds.data
        return HOLD_SECONDS if given is None else int(given)


class SavedReplyForm(PostForm):
    """A text that is kept for replies."""

    name = StringField(
        _l("Name"),
        [DataRequired(_l("Give the saved reply a name.")), Length(max=100)],
        filters=[lambda text: (text or "").strip()],
    )
    text = TextAreaField(
        _l("Text"),
        [DataRequired(_l("The saved reply is empty.")), Length(max=20_000)],
    )
