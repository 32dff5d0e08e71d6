"""The form that makes a DKIM key, for the page and the API."""

from wtforms import SelectField, StringField
from wtforms.validators import Optional, Regexp

from webapp.composing.dkim import Algorithm
from webapp.core.forms import PostForm, choices
from webapp.core.words import _l


class KeyForm(PostForm):
    """Which kind of key, and under which selector it is published."""

    algorithm = SelectField(
        _l("Kind"),
        choices=choices(
            (Algorithm.RSA.value, _l("RSA, 2048 bits: everybody verifies it")),
            (Algorithm.ED25519.value, _l("Ed25519: short, beside an RSA key")),
        ),
        default=Algorithm.RSA.value,
    )
    selector = StringField(
        _l("Selector"),
        [
            Optional(),
            Regexp(
                r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z",
                message=_l("Letters, digits and dashes, such as news2026."),
            ),
        ],
        filters=[lambda text: (text or "").strip().lower()],
    )
