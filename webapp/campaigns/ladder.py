"""The confirmation ladder: the more people get it, the harder to send by mistake."""

from dataclasses import dataclass

from webapp.campaigns.forms import ConfirmForm
from webapp.core.errors import Invalid
from webapp.core.words import _

TICK_FROM = 11
TYPE_FROM = 100


@dataclass(frozen=True, slots=True)
class Ladder:
    """What somebody has to do, besides pressing the button."""

    tick: bool
    type_number: bool

    def check(self, form: ConfirmForm) -> None:
        """Refuse a confirmation that is not complete.

        Raises
        ------
        Invalid
            If the tick is missing.
        """
        if self.tick and not form.checked_preview.data:
            words = _("Say that you have checked the preview.")
            form.checked_preview.errors = [words]
            raise Invalid(words, {"checked_preview": [words]})


def ladder(recipients: int) -> Ladder:
    """Return what so many recipients ask for.

    Examples
    --------
    >>> ladder(10), ladder(99)
    (Ladder(tick=False, type_number=False), Ladder(tick=True, type_number=False))
    >>> ladder(100)
    Ladder(tick=True, type_number=True)
    """
    return Ladder(recipients >= TICK_FROM, recipients >= TYPE_FROM)
