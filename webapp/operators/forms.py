"""Forms of the operators' pages and API."""

from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired, Length

from webapp.core.forms import PostForm
from webapp.core.words import _l


class SignInForm(PostForm):
    """E-mail and password."""

    email = EmailField(
        _l("E-mail"),
        [InputRequired(_l("Enter your e-mail.")), Length(max=320)],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        _l("Password"),
        [InputRequired(_l("Enter your password.")), Length(max=2000)],
        render_kw={"autocomplete": "current-password"},
    )
