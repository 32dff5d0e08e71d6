"""The part of the sender form that says how much, how fast, and who stands in."""

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar

from wtforms import Field, FieldList, IntegerField, StringField
from wtforms.validators import NumberRange, Optional
from wtforms.validators import ValidationError as Wrong
from wtforms.widgets import TextArea, TextInput

from webapp.core.forms import ObjectField, PostForm
from webapp.core.http import LARGEST_ID
from webapp.core.words import _, _l
from webapp.senders import domains
from webapp.senders.models import RETRY_MINUTES

MAX_LIMIT = 10_000_000
DAY = 24 * 3600
MOST_RETRIES = 20
LONGEST_RETRY = 7 * 24 * 60
MOST_STAND_INS = 5
NUMERIC = {"inputmode": "numeric"}


class DomainLimitsField(ObjectField):
    """Limits by domain: lines of text on the page, an object in JSON."""

    widget: Any = TextArea()

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return domains.written(self.data or {})

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read lines such as “gmail.com 100/hour”, or a JSON object.

        Raises
        ------
        ValueError
            With the line that is wrong.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        if text.startswith(("{", "[", '"')):
            super().process_formdata([text])
            self.data = domains.checked(self.data)
        else:
            self.data = domains.parse(text)


class MinutesField(Field):
    """Pauses in minutes: with commas between on the page, a list in JSON."""

    widget = TextInput()
    json_schema: ClassVar = {"type": "array", "items": {"type": "integer"}}

    def _value(self) -> str:
        if self.raw_data:
            return ", ".join(self.raw_data)
        return ", ".join(str(one) for one in self.data or RETRY_MINUTES)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the numbers.

        Raises
        ------
        ValueError
            If one is none, or out of bounds.
        """
        texts = [one for text in valuelist for one in text.replace(",", " ").split()]
        if not texts:
            self.data = None
            return
        words = _("Write minutes with commas between, such as 1, 5, 15, 60, 180.")
        if not all(one.isascii() and one.isdigit() for one in texts):
            raise ValueError(words)
        found = [int(one) for one in texts if len(one) < 9]  # noqa: PLR2004 - more digits than any pause has
        if len(found) != len(texts) or len(found) > MOST_RETRIES:
            raise ValueError(words)
        if not all(1 <= one <= LONGEST_RETRY for one in found):
            raise ValueError(_("Each pause is from 1 minute to 7 days (10080)."))
        self.data = found


def _limit(label: Any) -> IntegerField:
    """Return a field for a number of messages; 0 means no limit."""
    rules: list[Callable[..., Any]] = [Optional(), NumberRange(0, MAX_LIMIT)]
    return IntegerField(label, rules, default=0, render_kw=NUMERIC)


class LimitsForm(PostForm):
    """How much and how fast a sender sends, and which others stand in for it."""

    max_connections = IntegerField(
        _l("Connections at once"),
        [Optional(), NumberRange(1, 100)],
        default=4,
        render_kw=NUMERIC,
    )
    per_second = _limit(_l("Messages a second, at most"))
    per_hour = _limit(_l("Messages an hour, at most"))
    per_day = _limit(_l("Messages a day, at most"))
    per_domain = DomainLimitsField(
        _l("Limits for recipient domains"),
        render_kw={"rows": "3", "spellcheck": "false"},
    )
    warmup_start = _limit(_l("On the first day"))
    warmup_growth = IntegerField(
        _l("More each day, per cent"),
        [Optional(), NumberRange(0, 1000)],
        default=50,
        render_kw=NUMERIC,
    )
    warmup_ceiling = _limit(_l("Up to, a day"))
    warmup_from = StringField(_l("First day"), render_kw={"type": "date"})
    retry_minutes = MinutesField(_l("Try again after, minutes"))
    queue_lifetime = IntegerField(
        _l("Give up after, seconds"),
        [Optional(), NumberRange(60, 30 * DAY)],
        default=5 * DAY,
        render_kw=NUMERIC,
    )
    fallback_ids = FieldList(
        IntegerField(_l("Sender"), [Optional(), NumberRange(1, LARGEST_ID)]),
        _l("Use instead while it is unwell"),
        max_entries=MOST_STAND_INS,
    )

    def validate_warmup_from(self, field: Field) -> None:
        """Refuse what is no day."""
        try:
            if field.data:
                date.fromisoformat(field.data)
        except ValueError:
            raise Wrong(_("Write the day as 2026-11-22.")) from None

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        found = super().values()
        day = found["warmup_from"]
        found["warmup_from"] = date.fromisoformat(day) if day else None
        found["per_domain"] = found["per_domain"] or {}
        found["retry_minutes"] = found["retry_minutes"] or list(RETRY_MINUTES)
        found["fallback_ids"] = [one for one in found["fallback_ids"] if one]
        return found
