"""What a person or a program may say about a mailbox, and about flags."""

from typing import Any

from wtforms import (
    FieldList,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from webapp.core.forms import PostForm, choices
from webapp.core.net import NetError, host_name, tls_context
from webapp.core.words import _, _l
from webapp.mailboxes import address_line
from webapp.mailboxes.address_line import AddressLineError
from webapp.mailboxes.models import MailboxSecurity

SECURITY = [
    (MailboxSecurity.TLS.value, _l("TLS from the start (port 993)")),
    (MailboxSecurity.STARTTLS.value, _l("STARTTLS, required (port 143)")),
    (MailboxSecurity.NONE.value, _l("None (private hosts only)")),
]
#: Provider → host and port of its IMAP server, all with TLS.
PRESETS = {
    "gmail": ("Gmail", "imap.gmail.com", 993),
    "outlook": ("Outlook", "outlook.office365.com", 993),
    "icloud": ("iCloud", "imap.mail.me.com", 993),
    "yahoo": ("Yahoo", "imap.mail.yahoo.com", 993),
    "fastmail": ("Fastmail", "imap.fastmail.com", 993),
    "gmx": ("GMX", "imap.gmx.net", 993),
}


class MailboxForm(PostForm):
    """An IMAP account. An address line fills in what it names."""

    name = StringField(
        _l("Name"),
        [InputRequired(_l("Give the mailbox a name.")), Length(max=200)],
    )
    uri = StringField(
        _l("Address line"),
        [Optional(), Length(max=1000)],
        description=_l("imaps://login:password@host:port fills in the fields below."),
    )
    host = StringField(_l("Server"), [Length(max=255)])
    port = IntegerField(_l("Port"), [Optional(), NumberRange(1, 65535)], default=993)
    security = SelectField(_l("Security"), choices=choices(*SECURITY), default="tls")
    login = StringField(_l("Login"), [Length(max=320)])
    password = PasswordField(_l("Password"), [Length(max=1000)])
    ca_pem = TextAreaField(
        _l("Own CA certificate (PEM)"),
        [Optional(), Length(max=100_000)],
        description=_l("Only when the server's certificate comes from your own CA."),
    )

    def validate(self, extra_validators: Any = None) -> bool:
        """Spread the address line over the fields first."""
        if not self._spread():
            return False
        return bool(super().validate(extra_validators))

    def _spread(self) -> bool:
        if not self.uri.data:
            return True
        try:
            line = address_line.parse(self.uri.data)
        except AddressLineError as error:
            self.uri.errors = [error.words]
            return False
        self.host.data, self.port.data = line.host, line.port
        self.security.data = line.security
        self.login.data = line.login or self.login.data
        self.password.data = line.password or self.password.data
        return True

    def validate_host(self, host: StringField) -> None:
        """Refuse what is no host name at all."""
        if not host.data:
            raise ValidationError(_("Say which server, for example imap.example.com."))
        try:
            host_name(host.data)
        except NetError as error:
            raise ValidationError(error.words) from error

    def validate_login(self, login: StringField) -> None:
        """Refuse line breaks; they would end the command."""
        if not login.data:
            raise ValidationError(_("Say with which login."))
        _no_line_breaks(login.data)

    def validate_password(self, password: PasswordField) -> None:
        """Refuse line breaks; they would end the command."""
        _no_line_breaks(password.data or "")

    def validate_ca_pem(self, ca_pem: TextAreaField) -> None:
        """Refuse what holds no certificate."""
        try:
            tls_context(ca_pem.data or None)
        except NetError as error:
            raise ValidationError(error.words) from error

    def values(self) -> dict[str, Any]:
        """Return the fields of a mailbox; the address line is in them."""
        values = super().values()
        del values["uri"]
        return {**values, "port": values["port"] or 993}


class FlagsForm(PostForm):
    """Which mails, and which flags to add and remove."""

    uids = FieldList(IntegerField(validators=[NumberRange(1, 2**32 - 1)]))
    q = StringField(_l("Search"), [Length(max=1000)])
    add = FieldList(StringField(validators=[Length(max=64)]), max_entries=20)
    remove = FieldList(StringField(validators=[Length(max=64)]), max_entries=20)
    uidvalidity = IntegerField(validators=[Optional()])


def _no_line_breaks(text: str) -> None:
    if any(letter in text for letter in "\r\n\0"):
        raise ValidationError(_("Line breaks and NUL cannot be in here."))
