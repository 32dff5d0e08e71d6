"""What goes into rendering and what comes out: plain, frozen values, and limits."""

from collections.abc import Iterator
from dataclasses import dataclass

#: How the body of a message template is written.
FORMATS = ("text", "html", "markdown", "mjml")

#: Characters allowed in one part of a message template.
MAX_SOURCE = 256 * 1024

#: Characters allowed in one part of one rendered message.
MAX_OUTPUT = 1024 * 1024

#: The language of a message template where none is named.
DEFAULT_LANGUAGE = "en"

#: Names that every message has, beside the columns of its recipient table.
SYSTEM_NAMES = frozenset({"unsubscribe_url", "view_url"})


#: The parts in words.
PART_WORDS = {
    "subject": "subject",
    "preview_text": "preview text",
    "text": "text part",
    "html": "body",
}


@dataclass(frozen=True, slots=True)
class Source:
    """The parts of a message template, as somebody wrote them.

    Parameters
    ----------
    format
        ``text``, ``html``, ``markdown`` or ``mjml``.
    subject
        One line of Jinja.
    text
        The plain text. In the other formats it may be empty: then it is made from
        the HTML.
    html
        The HTML, or in the formats ``markdown`` and ``mjml`` the Markdown or MJML.
    preview_text
        What mail programs show beside the subject; hidden in the HTML.
    language
        In which language it is written (RFC 5646), for the layout of Markdown.
    """

    format: str
    subject: str
    text: str = ""
    html: str = ""
    preview_text: str = ""
    language: str = DEFAULT_LANGUAGE

    @property
    def has_html(self) -> bool:
        """Whether the message has an HTML part."""
        return self.format != "text"

    def may_ask_for(self, name: str) -> bool:
        """Say whether a placeholder may ask for a name; below Markdown stand all links.

        Examples
        --------
        >>> source = Source("text", "Hello", "Stop: {{ unsubscribe_url }}")
        >>> [source.may_ask_for(name) for name in ("unsubscribe_url", "view_url")]
        [True, False]
        """
        is_layout = self.format == "markdown" and name in SYSTEM_NAMES
        return is_layout or any(name in text for _, text in self.parts())

    def parts(self) -> Iterator[tuple[str, str]]:
        """Yield name and source of each part that is used.

        Examples
        --------
        >>> [name for name, _ in Source("html", "Hello", html="<p>Hi</p>").parts()]
        ['subject', 'html']
        """
        yield "subject", self.subject
        if self.preview_text and self.has_html:
            yield "preview_text", self.preview_text
        if self.text or not self.has_html:
            yield "text", self.text
        if self.has_html:
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
        One of `PART_WORDS`.
    """

    words: str
    variable: str | None = None
    line: int | None = None
    part: str | None = None
