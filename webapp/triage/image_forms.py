"""The form of a sender whose images are shown; the page and the API share it."""

from wtforms import StringField
from wtforms.validators import InputRequired, Length

from webapp.core.forms import PostForm
from webapp.core.words import _l


class ImageSenderForm(PostForm):
    """An address."""

    address = StringField(_l("Address"), [InputRequired(), Length(max=320)])
