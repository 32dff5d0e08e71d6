"""What goes into rendering and what comes out: plain, frozen values, and limits."""

from collections.abc import Iterator
from dataclasses import dataclass

#: How the body of a message template is written.
FORMATS = ("text", "html", "markdown")

#: Characters allowed in one part of a message template.
MAX_SOURCE = 256 * 1024

#: Characters allowed in one part of one rendered message.
MAX_OUTPUT = 1024 * 1024

#: Names that every message has, beside the columns of its recipient table.
SYSTEM_NAMES = frozenset({"unsubscribe_url", "view_url"})


@dataclass(frozen=True, slots=True)
class Source:
    """The parts of a message template, as somebody wrote them.

    Parameters
    ----------
    format
        ``text``, ``html`` or ``markdown``.
    subject
        One line of Jinja.
    text
        The plain text; in the format ``markdown``, the Markdown. Empty in the
        format ``html``: the text part is made from the HTML.
    html
        The HTML; used in the format ``html`` only.
    """

    format: str
    subject: str
    text: str = ""
    html: str = ""

    def parts(self) -> Iterator[tuple[str, str]]:
        """Yield name and source of each part that is used.

        Examples
        --------
        >>> [name for name, _ in Source("html", "Hello", html="<p>Hi</p>").parts()]
        ['subject', 'html']
        """
        yield "subject", self.subject
        if self.text or self.format != "html":
            yield "text", self.text
        if self.format == "html":
            yield "html", self.html


@dataclass(frozen=True, slots=True)
class Link:
    """One link or image of a rendered message, as written and as sent.

    Parameters
    ----------
    old, new
        The address before and after it was made absolute.
    kind
        ``link`` or ``image``.
    problem
        ``None``, or one of the keys of `webapp.message_templates.links.PROBLEMS`.
    """

    old: str
    new: str
    kind: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message, filled with the values of one recipient."""

    subject: str
    text: str
    html: str | None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderFailure:
    """Why one recipient's message could not be rendered.

    Parameters
    ----------
    words
        One sentence for a person.
    variable
        The name that is to blame, where there is one.
    line
        Line of the source, counted from 1.
    part
        ``subject``, ``text`` or ``html``.
    """

    words: str
    variable: str | None = None
    line: int | None = None
    part: str | None = None
