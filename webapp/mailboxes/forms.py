"""What a person or a program may say about a mailbox, and about flags."""

import base64
from datetime import datetime
from typing import Any

from wtforms import (
    BooleanField,
    FieldList,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, Regexp
from wtforms.widgets import TextArea

from webapp.core import https
from webapp.core.errors import Invalid
from webapp.core.forms import ObjectField, PostForm, choices
from webapp.core.net import NetError, host_name, tls_context
from webapp.core.words import _, _l
from webapp.mailboxes import address_line
from webapp.mailboxes.address_line import AddressLineError
from webapp.mailboxes.models import MailboxSecurity, SyncFolders

SECURITY = [
    (MailboxSecurity.TLS.value, _l("TLS from the start (port 993)")),
    (MailboxSecurity.STARTTLS.value, _l("STARTTLS, required (port 143)")),
    (MailboxSecurity.NONE.value, _l("None (private hosts only)")),
]
AUTH = [
    ("password", _l("Password")),
    ("xoauth2", _l("OAuth 2 (XOAUTH2), by a refresh token")),
]
#: Provider → token address and scope of its OAuth 2.
OAUTH_PRESETS = {
    "gmail": ("https://oauth2.googleapis.com/token", "https://mail.google.com/"),
    "outlook": (
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access",
    ),
}
#: Provider → the name by which its server signs its checks of senders.
AUTHSERV_PRESETS = {"gmail": "mx.google.com"}
#: Provider → host and port of its IMAP server, all with TLS.
PRESETS = {
    "gmail": ("Gmail", "imap.gmail.com", 993),
    "outlook": ("Outlook", "outlook.office365.com", 993),
    "icloud": ("iCloud", "imap.mail.me.com", 993),
    "yahoo": ("Yahoo", "imap.mail.yahoo.com", 993),
    "fastmail": ("Fastmail", "imap.fastmail.com", 993),
    "gmx": ("GMX", "imap.gmx.net", 993),
}


class OwnNamesField(ObjectField):
    """Own names of folders: lines of ``name = folder``, from the API an object."""

    widget = TextArea()  # type: ignore[assignment]  # its stubs know text fields only

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the lines; what is no JSON object may be lines."""
        text = str(valuelist[0]).strip() if valuelist else ""
        if text.startswith("{") or not text:
            self.data = {}
            super().process_formdata(valuelist)
            return
        pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
        if not all(is_given for _name, is_given, _folder in pairs):
            raise ValueError(_("Write one line each: name = folder."))
        self.data = {name.strip(): folder.strip() for name, _is, folder in pairs}

    def _value(self) -> str:
        if self.errors and self.raw_data:
            return str(self.raw_data[0])
        data = self.data if isinstance(self.data, dict) else {}
        return "\n".join(f"{name} = {folder}" for name, folder in data.items())


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
    auth = SelectField(_l("Signs in by"), choices=choices(*AUTH), default="password")
    oauth_token_url = StringField(_l("Token address"), [Length(max=500)])
    oauth_client_id = StringField(_l("Client id"), [Length(max=500)])
    oauth_client_secret = PasswordField(
        _l("Client secret"),
        [Length(max=2000)],
        description=_l("Empty if the application has none."),
    )
    oauth_refresh_token = PasswordField(_l("Refresh token"), [Length(max=8000)])
    oauth_scope = StringField(_l("Scope"), [Length(max=500)])
    ca_pem = TextAreaField(
        _l("Own CA certificate (PEM)"),
        [Optional(), Length(max=100_000)],
        description=_l("Only when the server's certificate comes from your own CA."),
    )

    authserv_id = StringField(
        _l("Name of the server that checks senders"),
        [
            Optional(),
            Length(max=500),
            Regexp(
                r"[A-Za-z0-9._\s,;-]*\Z",
                message=_l("Names of servers have letters, digits, dots and hyphens."),
            ),
        ],
        description=_l(
            "As it stands first in Authentication-Results of mails that came here, "
            "such as mx.example.com. What it says of SPF, DKIM and DMARC is then shown."
        ),
    )
    sync_folders = SelectField(
        _l("Look for answers in"),
        choices=choices(
            (SyncFolders.USUAL.value, _l("The inbox and the junk folder")),
            (SyncFolders.ALL.value, _l("Every folder but sent mail and drafts")),
        ),
        default=SyncFolders.USUAL.value,
        description=_l(
            "Replies, bounces and the like are found there. Choose every folder when "
            "rules on the server file new mail away."
        ),
    )
    folder_map = OwnNamesField(
        _l("Own names of folders"),
        description=_l(
            "One line each, such as: archive = Lists/2026. A role (archive, trash, "
            "sent, drafts, junk) says which folder has it."
        ),
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

    def validate_oauth_token_url(self, url: StringField) -> None:
        """Refuse what is no HTTPS address, where one is needed."""
        if self.auth.data != "xoauth2":
            return
        try:
            https.host_of(url.data or "")
        except NetError as error:
            raise ValidationError(error.words) from error

    def validate_oauth_client_id(self, client_id: StringField) -> None:
        """Ask for it where it is needed."""
        if self.auth.data == "xoauth2" and not client_id.data:
            raise ValidationError(_("Say the client id of your application."))

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


class ChosenForm(PostForm):
    """Which mails: `uids` of one numbering, or all that match `q`."""

    uids = FieldList(IntegerField(validators=[NumberRange(1, 2**32 - 1)]))
    q = StringField(_l("Search"), [Length(max=1000)])
    uidvalidity = IntegerField(validators=[Optional()])


class FlagsForm(ChosenForm):
    """Which mails, and which flags to add and remove."""

    add = FieldList(StringField(validators=[Length(max=64)]), max_entries=20)
    remove = FieldList(StringField(validators=[Length(max=64)]), max_entries=20)


class FileForm(ChosenForm):
    """Which mails, and the folder where they shall go: its id, a role or a name."""

    to = StringField(
        _l("To"),
        [InputRequired(_l("Say to which folder.")), Length(max=1000)],
    )


class DeleteForm(ChosenForm):
    """Which mails, and whether they pass by the trash."""

    for_good = BooleanField(_l("Delete for good"))


class AppendForm(PostForm):
    """A mail to be added to a folder."""

    source = TextAreaField(
        _l("Source"),
        [InputRequired(_l("Give the complete mail."))],
        description=_l("The complete RFC 5322 source, base64."),
    )
    flags = FieldList(StringField(validators=[Length(max=64)]), max_entries=20)
    received = StringField(
        _l("Received"),
        [Optional(), Length(max=40)],
        description=_l("ISO 8601 with an offset; else the present."),
    )

    def validate_received(self, received: StringField) -> None:
        """Refuse what is no instant."""
        try:
            moment = datetime.fromisoformat(received.data or "")
        except ValueError as error:
            raise ValidationError(
                _("Write it as 2027-01-31T08:00:00+01:00.")
            ) from error
        if moment.tzinfo is None:
            raise ValidationError(_("Say the offset too, as +01:00 or Z."))

    def values(self) -> dict[str, Any]:
        """Return the octets, the flags and the instant."""
        try:
            octets = base64.b64decode(self.source.data or "", validate=True)
        except ValueError as error:
            words = _("The source has to be base64.")
            raise Invalid(words, {"source": [words]}) from error
        text = self.received.data
        return {
            "octets": octets,
            "flags": [flag for flag in self.flags.data if flag],
            "received": datetime.fromisoformat(text) if text else None,
        }


class FolderForm(PostForm):
    """A folder's name, with the server's delimiter between its levels."""

    name = StringField(
        _l("Name"),
        [InputRequired(_l("Give the folder a name.")), Length(max=200)],
    )


class FolderChangeForm(PostForm):
    """What can be changed of a folder."""

    name = StringField(_l("Name"), [Optional(), Length(max=200)])
    subscribed = BooleanField(_l("Subscribed"))


def _no_line_breaks(text: str) -> None:
    if any(letter in text for letter in "\r\n\0"):
        raise ValidationError(_("Line breaks and NUL cannot be in here."))
