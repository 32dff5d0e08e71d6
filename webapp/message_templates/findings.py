"""What the linter has to say: one finding, and the change that would mend it."""

from dataclasses import dataclass, replace
from enum import StrEnum

from webapp.message_templates.source import Source


class Severity(StrEnum):
    """How much a finding matters: an error blocks sending, a warning needs a look."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Fix:
    """A mechanical change: at this place of this part, put `new` for `old`."""

    label: str
    part: str
    at: int
    old: str
    new: str

    def applied(self, source: Source) -> Source | None:
        """Return the mended source, or None when it is no longer what it was.

        Examples
        --------
        >>> Fix("", "subject", 3, "nm", "name").applied(Source("", "{{ nm")).subject
        '{{ name'
        """
        text: str = getattr(source, self.part)
        end = self.at + len(self.old)
        if text[self.at : end] != self.old:
            return None
        mended = text[: self.at] + self.new + text[end:]
        return replace(source, **{self.part: mended})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the linter found.

    Parameters
    ----------
    code
        Stable code such as ``V01``, explained in the help.
    severity
        How much it matters.
    message
        One sentence.
    part
        A part of the source (see `webapp.message_templates.source.PART_WORDS`).
    line, column
        Place in that part, counted from 1.
    fix
        The change that would mend it, if there is a mechanical one.
    """

    code: str
    severity: Severity
    message: str
    part: str | None = None
    line: int | None = None
    column: int | None = None
    fix: Fix | None = None
