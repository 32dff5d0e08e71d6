"""Forms of the operators' pages."""

from typing import Any
from zoneinfo import available_timezones

from wtforms import (
    BooleanField,
    EmailField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, Optional, Regexp
from wtforms.widgets import CheckboxInput, ListWidget

from webapp.core.forms import PostForm, choices
from webapp.core.words import _l
from webapp.operators import tokens
from webapp.operators.models import Role

LONGEST_PASSWORD_SENT = 2000
ZONES = [
    zone
    for zone in sorted(available_timezones())
    if "/" in zone and not zone.startswith(("Etc/", "SystemV/"))
]

EMAIL_RULES = (
    InputRequired(_l("Enter an e-mail address.")),
    Length(max=320),
    Regexp(r"^\s*[^@\s]+@[^@\s]+\s*$", message=_l("This is not an e-mail address.")),
)
ROLES: dict[Role, Any] = {
    Role.READER: _l("Reader: looks, changes nothing"),
    Role.TRIAGE: _l("Triage: prepares and sorts, sends nothing"),
    Role.SENDER: _l("Sender: prepares, launches, answers"),
    Role.MANAGER: _l("Manager: everything, the team too"),
}


def zones() -> Any:
    """Return the choices of a time zone."""
    return choices(("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in ZONES))


def new_password(label: Any) -> PasswordField:
    """Return a field for a password that is to be set."""
    return PasswordField(
        label,
        [InputRequired(_l("Enter a password.")), Length(max=LONGEST_PASSWORD_SENT)],
        description=_l("At least 12 characters; a few words in a row are fine."),
        render_kw={"autocomplete": "new-password"},
    )


class SignInForm(PostForm):
    """E-mail and password."""

    email = EmailField(
        _l("E-mail"),
        [InputRequired(_l("Enter your e-mail.")), Length(max=320)],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        _l("Password"),
        [
            InputRequired(_l("Enter your password.")),
            Length(max=LONGEST_PASSWORD_SENT),
        ],
        render_kw={"autocomplete": "current-password"},
    )


class ProfileForm(PostForm):
    """Who somebody is, and how the desk looks and behaves for them."""

    name = StringField(
        _l("Name"),
        [InputRequired(_l("Enter a name.")), Length(max=200)],
        render_kw={"autocomplete": "name"},
    )
    email = EmailField(
        _l("E-mail"), EMAIL_RULES, render_kw={"autocomplete": "username"}
    )
    time_zone = SelectField(_l("Time zone"), choices=zones(), default="UTC")


class AccountForm(ProfileForm):
    """The profile, with what only somebody who is signed in can choose."""

    theme = RadioField(
        _l("Theme"),
        choices=choices(
            ("", _l("As the system")), ("light", _l("Light")), ("dark", _l("Dark"))
        ),
        default="",
    )
    shortcuts = BooleanField(
        _l("Single-key shortcuts"),
        description=_l("Keys such as j, k and g d; the help page lists them."),
    )


class SetupForm(ProfileForm):
    """The first operator."""

    password = new_password(_l("Password"))
    practice = BooleanField(
        _l("Set up a practice mailbox"),
        default=True,
        description=_l(
            "An example to send at once, and a mailbox in which it arrives. "
            "Nothing leaves this computer."
        ),
    )


class PasswordForm(PostForm):
    """The old password and the new one."""

    current = PasswordField(
        _l("Current password"),
        [
            InputRequired(_l("Enter your current password.")),
            Length(max=LONGEST_PASSWORD_SENT),
        ],
        render_kw={"autocomplete": "current-password"},
    )
    password = new_password(_l("New password"))


class RoleForm(PostForm):
    """What an operator is trusted with."""

    role = SelectField(
        _l("Role"),
        [InputRequired(_l("Choose a role."))],
        choices=choices(*((role.value, words) for role, words in ROLES.items())),
        default=Role.SENDER.value,
    )


class InviteForm(RoleForm):
    """An operator who is to be let in."""

    name = StringField(
        _l("Name"),
        [InputRequired(_l("Enter a name.")), Length(max=200)],
        render_kw={"autocomplete": "off"},
    )
    email = EmailField(
        _l("E-mail"),
        EMAIL_RULES,
        description=_l("They sign in with it. Nothing is sent to it."),
        render_kw={"autocomplete": "off"},
    )

    def values(self) -> dict[str, Any]:
        """Return what the fields hold, the role as one."""
        return {**super().values(), "role": Role(self.role.data)}


class JoinForm(PostForm):
    """The password that an invited operator chooses."""

    password = new_password(_l("Password"))


class TokenForm(PostForm):
    """An API token that is to be made."""

    name = StringField(
        _l("Name"),
        [InputRequired(_l("Say what the token is for.")), Length(max=200)],
        description=_l("What it is for, such as “shop orders”."),
        render_kw={"autocomplete": "off"},
    )
    scopes = SelectMultipleField(
        _l("It may"),
        [InputRequired(_l("Tick at least one."))],
        choices=choices(
            ("read", _l("read: see everything that you see")),
            ("write", _l("write: change tables, message templates, mails")),
            ("send", _l("send: launch campaigns and send messages")),
        ),
        default=["read"],
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    days = SelectField(
        _l("It ends"),
        [Optional()],
        choices=choices(
            *((str(n), _l("in %(n)s days", n=n)) for n in tokens.LIFETIMES)
        ),
        default=str(tokens.LIFETIMES[1]),
    )
