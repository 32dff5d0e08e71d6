"""Forms of campaigns; the pages and the API share them."""

import re
from typing import Any, ClassVar

from wtforms import (
    BooleanField,
    Field,
    FieldList,
    FileField,
    FormField,
    IntegerField,
    MultipleFileField,
    RadioField,
    StringField,
    TextAreaField,
)
from wtforms.validators import (
    AnyOf,
    DataRequired,
    InputRequired,
    Length,
    NumberRange,
    Optional,
    Regexp,
    ValidationError,
)
from wtforms.widgets import TextInput

from webapp.campaigns.deciding import Decision
from webapp.campaigns.header_lines import HeadersField
from webapp.campaigns.launching import DEFAULT_HOLD, LONGEST_HOLD
from webapp.campaigns.timing_forms import TimingForm
from webapp.composing.addresses import (
    AddressError,
    parse_address,
    parse_mailboxes,
    written,
)
from webapp.composing.mime import CONTENT_ID
from webapp.core.forms import PostForm, choices
from webapp.core.http import LARGEST_ID
from webapp.core.words import _, _l
from webapp.message_templates.links import base_problem

MAX_COPIES = 50
MAX_BODY = 1024 * 1024
WHOLE = "0123456789"
HEADER_NAME = re.compile("[!-9;-~]{1,76}")  # RFC 5322, section 3.6.8
IGNORED = ",.'\N{RIGHT SINGLE QUOTATION MARK}"


def texts_only(form: PostForm, field: Field) -> None:
    """Refuse own headers that are no lines of text.

    Raises
    ------
    ValidationError
        With the name of the header that is wrong.
    """
    del form
    for name, value in (field.data or {}).items():
        if not HEADER_NAME.fullmatch(name):
            raise ValidationError(_("“%(name)s” is no name of a header.", name=name))
        if not isinstance(value, str) or any(sign in value for sign in "\r\n"):
            words = _("The header %(name)s must be one line of text.", name=name)
            raise ValidationError(words)


class AddressesField(Field):
    """Addresses, with names or without: a list, or one text with commas between."""

    widget = TextInput()
    json_schema: ClassVar = {"type": "array", "items": {"type": "string"}}

    def _value(self) -> str:
        return ", ".join(self.data or [])

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the addresses.

        Raises
        ------
        ValueError
            If one is none, or there are too many.
        """
        try:
            found = [box for text in valuelist for box in parse_mailboxes(text)]
        except AddressError as error:
            self.data = list(valuelist)
            raise ValueError(error.words) from error
        if len(found) > MAX_COPIES:
            raise ValueError(_("At most %(n)s addresses.", n=MAX_COPIES))
        self.data = [written(box) for box in found]


class NumberOfRecipientsField(IntegerField):
    """A number as people type it: spaces, commas, dots and apostrophes do not count."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the number.

        Raises
        ------
        ValueError
            If something else is in it.
        """
        if not valuelist:
            return
        text = "".join(c for c in valuelist[0] if not c.isspace() and c not in IGNORED)
        if not text or not set(text) <= set(WHOLE) or len(text) > 9:  # noqa: PLR2004 - more than any table holds
            raise ValueError(_("Type the number of recipients."))
        self.data = int(text)


class InlineForm(PostForm):
    """What all attachments may say: the name by which the HTML shows it."""

    content_id = StringField(
        _l("Content-ID"),
        [
            Optional(),
            Regexp(
                rf"(?:{CONTENT_ID.pattern})\Z",
                message=_l("Letters, digits, dots and dashes, such as photo."),
            ),
        ],
        filters=[lambda text: (text or "").strip().strip("<>").removeprefix("cid:")],
    )


class AttachmentForm(InlineForm):
    """A file that goes along, named by its upload."""

    upload_id = StringField(_l("Upload"), [InputRequired(), Length(max=36)])


class CampaignForm(TimingForm):
    """A campaign until its launch."""

    name = StringField(
        _l("Name"),
        [DataRequired(_l("Give the campaign a name.")), Length(max=200)],
        filters=[lambda text: (text or "").strip()],
        description=_l("Only operators see it."),
    )
    recipient_table_id = IntegerField(_l("Recipient table"), [Optional()])
    message_template_id = IntegerField(_l("Message template"), [Optional()])
    sender_id = IntegerField(_l("Sender"), [Optional()])
    filter = StringField(_l("Filter"), [Length(max=500)])
    cc = AddressesField(_l("Copy to (Cc)"))
    bcc = AddressesField(_l("Blind copy to (Bcc)"))
    reply_to = StringField(_l("Reply to"), [Length(max=320)])
    headers = HeadersField(_l("Own headers"), [texts_only])
    attachments = FieldList(
        FormField(AttachmentForm), _l("Attachments"), max_entries=20
    )
    attachment_column = StringField(
        _l("Column that names each recipient's own files"), [Length(max=200)]
    )
    base_url = StringField(_l("Base of relative links"), [Length(max=500)])

    def validate_reply_to(self, field: Field) -> None:
        """Refuse what is not one address."""
        try:
            if field.data and len(parse_mailboxes(field.data)) != 1:
                raise ValidationError(_("Enter one address."))
        except AddressError as error:
            raise ValidationError(error.words) from error

    def validate_base_url(self, field: Field) -> None:
        """Refuse what is not a web address."""
        if field.data and base_problem(field.data) == "broken":
            raise ValidationError(
                _("Enter a web address such as https://www.example.org.")
            )

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        found = super().values()
        found["headers"] = found["headers"] or {}
        for name in ("filter", "reply_to", "base_url", "attachment_column"):
            found[name] = (found[name] or "").strip()
        for name in ("cc", "bcc"):
            found[name] = found[name] or []
        return found


class LaunchForm(TimingForm):
    """The confirmation of a launch, now or at a time."""

    expected_recipients = NumberOfRecipientsField(
        _l("Type the number of recipients"),
        [InputRequired(_l("Type the number of recipients."))],
    )
    hold_seconds = IntegerField(
        _l("Seconds to stop it"), [Optional(), NumberRange(0, LONGEST_HOLD)]
    )

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        found = super().values()
        if found["hold_seconds"] is None:
            found["hold_seconds"] = DEFAULT_HOLD
        return found


class ConfirmForm(LaunchForm):
    """The confirmation on the page, where somebody also looked at the preview."""

    when = RadioField(
        _l("When"),
        [Optional()],
        choices=choices(("now", _l("Now")), ("at", _l("At a time"))),
        default="now",
    )
    checked_preview = BooleanField(_l("I have checked the preview"))

    def validate_scheduled_at(self, field: Field) -> None:
        """Refuse no time where one is to be chosen."""
        super().validate_scheduled_at(field)
        if self.when.data == "at" and not field.data:
            raise ValidationError(_("Choose a date and a time."))

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        found = super().values()
        if self.when.data != "at":
            found["scheduled_at"] = ""
        return found


class RowsForm(PostForm):
    """Some rows of the recipient table."""

    recipient_ids = FieldList(IntegerField(_l("Row"), [InputRequired()]), _l("Rows"))


class RetryForm(PostForm):
    """Which failed messages are sent again."""

    reason_class = StringField(_l("Reason"), [Length(max=16)])


class DecisionForm(PostForm):
    """What becomes of an unknown message."""

    decision = StringField(
        _l("Decision"), [InputRequired(), AnyOf([one.value for one in Decision])]
    )


class ResolveForm(DecisionForm):
    """What becomes of unknown messages; of all of them where none is named."""

    message_ids = FieldList(
        IntegerField(_l("Message"), [InputRequired()]), _l("Messages")
    )


class TestForm(PostForm):
    """Which row is sent to the operator."""

    __test__ = False
    recipient_id = IntegerField(_l("Row"), [Optional()])


class AttachForm(InlineForm):
    """A file for a campaign, chosen on the page."""

    file = FileField(_l("Add a file"))


class FileForm(InlineForm):
    """A file inside of a call, in base64, or named by its upload."""

    filename = StringField(_l("File name"), [Length(max=255)])
    content = StringField(_l("Content in base64"))
    upload_id = StringField(_l("Upload"), [Length(max=36)])

    def validate_filename(self, field: Field) -> None:
        """Refuse what has no name; an upload has one."""
        if not (field.data or "").strip() and not self.upload_id.data:
            raise ValidationError(_("Give the file a name."))

    def validate_content(self, field: Field) -> None:
        """Refuse both a content and an upload, and neither."""
        if bool(field.data) == bool(self.upload_id.data):
            raise ValidationError(_("Give either the content or an upload_id."))


# What a message that is given whole says itself.
BY_FIELDS = (
    *("to", "cc", "bcc", "reply_to", "from", "subject", "text", "html"),
    *("headers", "attachments"),
)


class MessageForm(PostForm):
    """One single message."""

    to = AddressesField(_l("To"))
    cc = AddressesField(_l("Copy to (Cc)"))
    bcc = AddressesField(_l("Blind copy to (Bcc)"))
    reply_to = AddressesField(_l("Reply to"))
    subject = StringField(_l("Subject"), [Length(max=998)])
    text = StringField(_l("Text"), [Length(max=MAX_BODY)])
    html = StringField(_l("HTML"), [Length(max=MAX_BODY)])
    sender_id = IntegerField(_l("Sender"), [Optional(), NumberRange(1, LARGEST_ID)])
    envelope_from = StringField(_l("Envelope sender"), [Length(max=320)])
    headers = HeadersField(_l("Own headers"), [texts_only])
    attachments = FieldList(FormField(FileForm), _l("Attachments"), max_entries=20)
    raw = StringField(_l("The whole message in base64, sent as it is"))
    raw_upload_id = StringField(
        _l("Upload of the whole message, sent as it is"), [Length(max=36)]
    )

    @property
    def is_as_it_is(self) -> bool:
        """Whether the message is given whole."""
        return bool(self.raw.data or self.raw_upload_id.data)

    def validate_raw(self, field: Field) -> None:
        """Refuse a message that is given both whole and by its fields."""
        if not self.is_as_it_is:
            return
        both = bool(field.data and self.raw_upload_id.data)
        if both or any(self[name].data for name in BY_FIELDS):
            words = _("Sent as it is: besides it only sender_id and envelope_from.")
            raise ValidationError(words)

    def validate_to(self, field: Field) -> None:
        """Refuse a message to nobody; its copies may be all it has."""
        if not self.is_as_it_is and not (field.data or self.cc.data or self.bcc.data):
            raise ValidationError(_("Name at least one recipient."))

    def validate_text(self, field: Field) -> None:
        """Refuse a message that says nothing."""
        has_body = (field.data or "").strip() or (self.html.data or "").strip()
        if not self.is_as_it_is and not has_body:
            raise ValidationError(_("The message is empty."))

    def validate_from(self, field: Field) -> None:
        """Refuse more than one."""
        if len(field.data or ()) > 1:
            raise ValidationError(_("Enter one address."))

    def validate_envelope_from(self, field: Field) -> None:
        """Refuse what is no address; the empty text is the null sender."""
        try:
            if field.data:
                parse_address(field.data)
        except AddressError as error:
            raise ValidationError(error.words) from error

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        found = super().values()
        for name in ("to", "cc", "bcc", "reply_to"):
            found[name] = found[name] or []
        found["headers"] = found["headers"] or {}
        found["subject"] = found["subject"] or ""
        found["from"] = (found["from"] or [None])[0]
        return found


# A class cannot name an attribute with a word of the language.
setattr(MessageForm, "from", AddressesField(_l("From")))


class WriteForm(MessageForm):
    """The page on which one message is written."""

    text = TextAreaField(_l("Text"), [Length(max=MAX_BODY)])
    html = TextAreaField(_l("HTML"), [Length(max=MAX_BODY)])
    files = MultipleFileField(_l("Attach files"))

    def values(self) -> dict[str, Any]:
        """Return what the service takes; an empty field of a page asks nothing."""
        found = super().values()
        found["envelope_from"] = found["envelope_from"] or None
        return found


class EmlForm(PostForm):
    """A message that is sent as it is: a new file, or one that was looked at."""

    sender_id = IntegerField(_l("Sender"), [Optional(), NumberRange(1, LARGEST_ID)])
    file = FileField(_l("The message, as an .eml file"))
    raw_upload_id = StringField(_l("The file looked at"), [Length(max=36)])
