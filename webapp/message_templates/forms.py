"""Forms of message templates, for pages and API alike."""

from typing import Any

from wtforms import IntegerField, SelectField, StringField, TextAreaField
from wtforms.fields import Field
from wtforms.validators import (
    InputRequired,
    Length,
    NumberRange,
    Optional,
    Regexp,
    ValidationError,
)

from webapp.core.forms import ObjectField, PostForm, choices
from webapp.core.words import _, _l
from webapp.message_templates.models import Format
from webapp.message_templates.source import (
    DEFAULT_LANGUAGE,
    MAX_SOURCE,
    PART_WORDS,
    Source,
)

_PLAIN = {"spellcheck": "true"}
_CODE = {"spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}


def _lines(text: str | None) -> str:
    """Return a text with the line ends that a source has."""
    return (text or "").replace("\r\n", "\n").replace("\r", "\n")


def _part(label: Any, kind: type[Field] = TextAreaField, **kw: Any) -> Field:
    limit = Length(max=MAX_SOURCE, message=_l("This is longer than 256 KB."))
    return kind(label, [limit], filters=[_lines], **kw)


class MessageTemplateForm(PostForm):
    """Name, format and the parts of a message template."""

    name = StringField(
        _l("Name"),
        [
            InputRequired(_l("Give it a name.")),
            Length(max=200, message=_l("The name is longer than 200 characters.")),
        ],
        filters=[lambda text: text.strip() if text else text],
    )
    format = SelectField(
        _l("Format"),
        choices=choices(
            (Format.MARKDOWN.value, _l("Markdown")),
            (Format.HTML.value, _l("HTML")),
            (Format.MJML.value, _l("MJML")),
            (Format.TEXT.value, _l("Plain text")),
        ),
        default=Format.MARKDOWN.value,
    )
    language = StringField(
        _l("Language"),
        [
            Length(max=35),
            Regexp(
                r"(?:[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)?\Z",
                message=_l("A language code such as en, de or pt-BR."),
            ),
        ],
        default=DEFAULT_LANGUAGE,
        filters=[lambda text: (text or "").strip() or DEFAULT_LANGUAGE],
        description=_l("A code such as en, de or pt-BR, for who has it read aloud."),
    )
    subject = _part(_l("Subject"), StringField, render_kw=_PLAIN)
    preview_text = _part(
        _l("Preview text"),
        StringField,
        description=_l("What inboxes show beside the subject."),
        render_kw=_PLAIN,
    )
    html = _part(_l("Body"), render_kw=_CODE | {"rows": "18"})
    text = _part(
        _l("Text part"),
        description=_l("Leave it empty to have it made from the body."),
        render_kw=_CODE | {"rows": "8"},
    )
    version = IntegerField(
        _l("Version that this was made on"), [Optional(), NumberRange(min=1)]
    )

    def source(self) -> Source:
        """Return what the fields say, as rendering takes it."""
        return Source(
            self.format.data or Format.MARKDOWN.value,
            self.subject.data or "",
            self.text.data or "",
            self.html.data or "",
            self.preview_text.data or "",
            self.language.data or DEFAULT_LANGUAGE,
        )

    def changes(self) -> dict[str, Any]:
        """Return what is saved: everything but the version that it was made on."""
        changes = self.values()
        del changes["version"]
        return changes


class FixForm(PostForm):
    """One mechanical change that a finding offers."""

    label = StringField()
    part = SelectField(choices=choices(*PART_WORDS.items()))
    at = IntegerField(validators=[InputRequired(), NumberRange(min=0)])
    old = StringField(filters=[_lines])
    new = StringField(filters=[_lines])
    version = IntegerField(validators=[InputRequired()])


class PreviewForm(PostForm):
    """For whom a preview is: a recipient, or values given with the call."""

    recipient_id = IntegerField(
        validators=[Optional(), NumberRange(min=1)],
        description="A recipient of any table.",
    )
    values = ObjectField(  # type: ignore[assignment]  # in the API it has this name
        description="Column name to value, in the place of a recipient."
    )
    base_url = StringField(
        validators=[Optional(), Length(max=500)],
        description="What relative links belong to, instead of the installation's.",
    )

    def validate_values(self, field: ObjectField) -> None:
        """Refuse what is no plain value.

        Raises
        ------
        ValidationError
            Naming the first one.
        """
        for name, value in (field.data or {}).items():
            if not isinstance(value, str | int | float | None):
                words = "“%(name)s” must be text, a number, true, false or null."
                raise ValidationError(_(words, name=name))
