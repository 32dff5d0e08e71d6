"""The form of a suppression, for the page and the API."""

from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional

from webapp.core import forms
from webapp.core.forms import PostForm
from webapp.core.words import _l
from webapp.suppressions.keys import channel_of
from webapp.suppressions.models import Channel, Reason

REASON_WORDS = {
    Reason.MANUAL: _l("Asked us not to"),
    Reason.UNSUBSCRIBED: _l("Unsubscribed"),
    Reason.HARD_BOUNCE: _l("Address does not exist"),
    Reason.COMPLAINT: _l("Complained"),
    Reason.ERASED: _l("Erased"),
}


class ScopeForm(PostForm):
    """From where those of a file are left out; the file itself is not in here."""

    recipient_table_id = IntegerField(
        _l("Only from this recipient table"),
        [Optional()],
        description=_l("The number of the table; everywhere when empty."),
    )


class SuppressionForm(PostForm):
    """Whom never to write to, from where, and why."""

    address = StringField(
        _l("Address, domain or phone"),
        [InputRequired(_l("Enter an address, a domain or a phone.")), Length(max=320)],
        description=_l("ada@example.org, or example.org for all of its addresses."),
    )
    channel = SelectField(
        _l("Kind"),
        choices=forms.choices(
            ("", _l("Tell by its form")), *((c.value, c.value) for c in Channel)
        ),
        default="",
    )
    recipient_table_id = IntegerField(
        _l("Only from this recipient table"),
        [Optional()],
        description=_l("The number of the table; everywhere when empty."),
    )
    reason = SelectField(
        _l("Reason"),
        choices=forms.choices(
            *((reason.value, words) for reason, words in REASON_WORDS.items())
        ),
        default=Reason.MANUAL.value,
    )
    source = StringField(_l("Note"), [Length(max=200)])

    def asked(self) -> tuple[Channel, str, int | None, Reason, str]:
        """Return the arguments of the service."""
        address = str(self.address.data)
        return (
            Channel(self.channel.data) if self.channel.data else channel_of(address),
            address,
            self.recipient_table_id.data,
            Reason(self.reason.data),
            str(self.source.data or ""),
        )
