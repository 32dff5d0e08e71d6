"""The sender form, for the page and the API."""

from wtforms import (
    BooleanField,
    EmailField,
    Field,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.validators import ValidationError as Wrong

from webapp.composing.addresses import AddressError, parse_address
from webapp.core.forms import PostForm, choices
from webapp.core.words import _l
from webapp.senders.limit_forms import LimitsForm
from webapp.senders.models import TransportKind
from webapp.senders.presets import Authentication
from webapp.senders.server import Security

MAX_CA_PEM = 64 * 1024


def is_address(form: PostForm, field: Field) -> None:
    """Refuse what is no e-mail address; the empty text is left to others.

    Raises
    ------
    ValidationError
        With the reason in words.
    """
    del form
    if not field.data:
        return
    try:
        parse_address(field.data)
    except AddressError as error:
        raise Wrong(error.words) from None


class SenderForm(LimitsForm):
    """As whom, and by which server.

    ``password`` is write-only: empty keeps the one that is saved. ``version`` may say
    which version was edited; another one is then refused.
    """

    name = StringField(
        _l("Name"), [InputRequired(_l("Give it a name.")), Length(max=200)]
    )
    kind = SelectField(
        _l("Way out"),
        choices=choices(
            (TransportKind.SMTP.value, _l("SMTP server")),
            (TransportKind.PRACTICE.value, _l("Practice server")),
            (TransportKind.DRY_RUN.value, _l("Dry run")),
        ),
        default=TransportKind.SMTP.value,
    )
    from_name = StringField(_l("From, name"), [Length(max=200)])
    from_address = EmailField(
        _l("From, address"),
        [InputRequired(_l("Enter the From address.")), Length(max=320), is_address],
    )
    reply_to = EmailField(_l("Reply-To"), [Length(max=320), is_address])
    bounce_address = EmailField(_l("Bounce address"), [Length(max=320), is_address])
    host = StringField(_l("Host"), [Length(max=255)])
    port = IntegerField(
        _l("Port"),
        [Optional(), NumberRange(1, 65535, _l("A port is a number from 1 to 65535."))],
        default=587,
        render_kw={"inputmode": "numeric"},
    )
    security = SelectField(
        _l("Security"),
        choices=choices(
            (Security.TLS.value, _l("TLS from the start (usually port 465)")),
            (Security.STARTTLS.value, _l("STARTTLS, required (usually port 587)")),
            (Security.NONE.value, _l("None (only hosts that are allowed for it)")),
        ),
        default=Security.STARTTLS.value,
    )
    authentication = SelectField(
        _l("Authentication"),
        choices=choices(
            (Authentication.PASSWORD.value, _l("Login and password")),
            (Authentication.NONE.value, _l("No authentication")),
        ),
        default=Authentication.PASSWORD.value,
    )
    login = StringField(
        _l("Login"), [Length(max=320)], render_kw={"autocomplete": "off"}
    )
    password = PasswordField(
        _l("Password"),
        [Length(max=2000)],
        render_kw={"autocomplete": "new-password"},
    )
    ca_pem = TextAreaField(
        _l("CA file"),
        [Length(max=MAX_CA_PEM)],
        render_kw={"spellcheck": "false", "rows": "4"},
    )
    version = IntegerField(_l("Version edited"), [Optional()])


class TrialForm(PostForm):
    """What a test sends, if anything."""

    to = EmailField(_l("Send one to"), [Length(max=320), is_address])
    connect_only = BooleanField(_l("Do not send anything, only sign in"))
