"""Forms of when a campaign may send, for a campaign, its launch and a new time."""

from collections.abc import Mapping
from typing import Any, Self
from zoneinfo import available_timezones

from wtforms import (
    Field,
    FieldList,
    FormField,
    IntegerField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, NumberRange, Optional, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from webapp.campaigns import wall_time
from webapp.campaigns.send_windows import DAYS, MIDNIGHT, MINUTES_OF_DAY, minute_of
from webapp.campaigns.timing import DAY_WORDS, WORDS_WALL
from webapp.core.forms import PostForm, choices
from webapp.core.presentation import zone
from webapp.core.words import _, _l

ZONES = frozenset(available_timezones())
MOST_WINDOWS = 14
DEFAULT_LATE = 60
LATEST = 7 * 24 * 60


class WindowForm(PostForm):
    """One send window; a row of the page that is left empty is none."""

    days = SelectMultipleField(
        _l("Days"),
        choices=choices(*((day, DAY_WORDS[day]) for day in DAYS)),
        widget=ListWidget(),
        option_widget=CheckboxInput(),
    )
    to = StringField(
        _l("To"), filters=[lambda text: MIDNIGHT if text == "00:00" else text]
    )

    @property
    def is_blank(self) -> bool:
        """Whether nothing is chosen."""
        return not any(field.data for field in self)

    def validate_days(self, field: Field) -> None:
        """Refuse a window on no day."""
        if not field.data and not self.is_blank:
            raise ValidationError(_("Choose at least one day."))

    def validate_from(self, field: Field) -> None:
        """Refuse what is no time."""
        if not self.is_blank and _minute(field) in {None, MINUTES_OF_DAY}:
            raise ValidationError(_("Give a time such as 08:00."))

    def validate_to(self, field: Field) -> None:
        """Refuse what is no time, and a window that is empty."""
        until = _minute(field)
        if self.is_blank:
            return
        if until is None:
            raise ValidationError(_("Give a time such as 18:00."))
        if until == _minute(self["from"]):
            raise ValidationError(_("It ends when it begins: this window is empty."))


setattr(WindowForm, "from", StringField(_l("From")))


def _minute(field: Field) -> int | None:
    try:
        return minute_of(field.data or "")
    except ValueError:
        return None


class WhenForm(PostForm):
    """A wall time in a zone."""

    scheduled_at = StringField(_l("Date and time"))
    time_zone = StringField(_l("Time zone"))

    def validate_scheduled_at(self, field: Field) -> None:
        """Refuse what is no wall time."""
        if field.data and wall_time.wall_of(field.data) is None:
            raise ValidationError(str(WORDS_WALL))

    def validate_time_zone(self, field: Field) -> None:
        """Refuse a zone that nobody knows."""
        if field.data and field.data not in ZONES:
            raise ValidationError(
                _("There is no such time zone; one is Europe/Lisbon.")
            )

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        found = super().values()
        wall = wall_time.wall_of(found["scheduled_at"] or "")
        found["scheduled_at"] = wall_time.written(wall) if wall else ""
        found["time_zone"] = found["time_zone"] or zone().key
        return found


class TimingForm(WhenForm):
    """When a campaign may send."""

    windows = FieldList(
        FormField(WindowForm), _l("Send windows"), max_entries=MOST_WINDOWS
    )
    throttle = IntegerField(
        _l("At most so many a minute"), [Optional(), NumberRange(0, 1_000_000)]
    )
    late_minutes = IntegerField(
        _l("Minutes that it may start late by itself"),
        [Optional(), NumberRange(1, LATEST)],
    )

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        found = super().values()
        found["throttle"] = found["throttle"] or 0
        found["late_minutes"] = found["late_minutes"] or DEFAULT_LATE
        found["windows"] = [
            _window(one) for one in found["windows"] if any(one.values())
        ]
        return found

    def with_blank_window(self) -> Self:
        """Offer one more window to be filled in."""
        if len(self.windows.entries) < MOST_WINDOWS and not any(
            entry.form.is_blank for entry in self.windows
        ):
            self.windows.append_entry()
        return self


def _window(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a window as a campaign keeps it, its days in the order of the week."""
    return {
        "days": [day for day in DAYS if day in one["days"]],
        "from": one["from"],
        "to": one["to"],
    }


class ScheduleForm(WhenForm):
    """Another time for a scheduled campaign."""

    scheduled_at = StringField(
        _l("Date and time"), [InputRequired(_l("Choose a date and a time."))]
    )
