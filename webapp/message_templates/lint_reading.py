"""What the linter says about reading a mail: by ear, on a phone, in other programs.

Headings, tables, language and words of links are judged in what the author wrote, so
that they have a place. Colours and sizes are judged in the HTML whose styles were
copied to its elements, since a style element may set them: they have words instead.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

from webapp.message_templates.bodies import markdown_body, to_html
from webapp.message_templates.colours import contrast, parse_colour
from webapp.message_templates.findings import Finding, Fix, Severity
from webapp.message_templates.mjml_body import MjmlError
from webapp.message_templates.source import Source

_VOID = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img"),
        *("input", "link", "meta", "source", "track", "wbr"),
    )
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_EMPTY_WORDS = frozenset(
    (
        *("click", "click here", "here", "link", "this link", "more", "read more"),
        *("learn more", "hier", "hier klicken", "mehr", "mehr lesen", "weiterlesen"),
        *("ici", "cliquez ici", "en savoir plus", "aquí", "haga clic aquí", "qui"),
    )
)
_LAYOUT_ROLES = frozenset({"presentation", "none"})
_MJML_TAGS = {"mj-button": "a", "mj-navbar-link": "a", "mjml": "html"}
_UNKNOWN_TAGS = {
    "video": "<video>",
    "audio": "<audio>",
    "form": "a form",
    "input": "a form",
    "script": "a script",
    "iframe": "a frame",
    "object": "an embedded object",
    "embed": "an embedded object",
    "svg": "<svg>",
    "canvas": "<canvas>",
}
_UNKNOWN_STYLES = {
    "position": re.compile(r"(?<![\w-])position\s*:\s*(?:absolute|fixed|sticky)"),
    "flex or grid": re.compile(r"(?<![\w-])display\s*:\s*(?:inline-)?(?:flex|grid)\b"),
    "a background image": re.compile(
        r"(?<![\w-])background(?:-image)?\s*:[^;}]{0,500}?url\("
    ),
}
_MOST_STYLES = 16 * 1024
_SMALLEST = 14.0
_HIDDEN_SIZE = 2.0
_LARGE, _LARGE_BOLD = 24.0, 18.66  # WCAG 2.2, "large scale"
_ENOUGH, _ENOUGH_LARGE = 4.5, 3.0  # WCAG 2.2, 1.4.3
_LISTED = 3
_SHOWN = 30
_SIZE = re.compile(r"([0-9]*\.?[0-9]+)(px|pt|em|rem|%)")
_OF_ONE = {"px": 1.0, "pt": 4 / 3, "rem": 16.0}
_DOCTYPE = re.compile(r"\s*<!doctype[^>]{0,200}>", re.IGNORECASE)
_DECLARATION = re.compile(r"([a-z-]+)\s*:\s*([^;]*)")

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Look:
    """How text at one place looks, as far as it is known."""

    colour: str | None = "#000000"
    ground: str | None = "#ffffff"
    size: float = 16.0
    is_bold: bool = False
    is_hidden: bool = False

    @property
    def enough(self) -> float:
        is_large = self.size >= (_LARGE_BOLD if self.is_bold else _LARGE)
        return _ENOUGH_LARGE if is_large else _ENOUGH


@dataclass
class _Table:
    place: Place
    is_layout: bool
    has_headers: bool = False


@dataclass
class _Anchor:
    place: Place
    shown: str = ""


@dataclass
class _Seen:
    """What stands in the HTML."""

    language: str | None = None
    tables: list[_Table] = field(default_factory=list)
    headings: list[tuple[int, Place]] = field(default_factory=list)
    anchors: list[_Anchor] = field(default_factory=list)
    tags: dict[str, Place] = field(default_factory=dict)
    styles: list[str] = field(default_factory=list)
    texts: list[tuple[str, _Look]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen = _Seen()
        self._open: list[tuple[str, _Look]] = []
        self._tables: list[_Table] = []
        self._anchor: _Anchor | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        line, column = self.getpos()
        place = (line, column + 1)
        tag = _MJML_TAGS.get(tag, tag)
        self.seen.tags.setdefault(tag, place)
        if "style" in at:
            self.seen.styles.append(at["style"])
        if tag == "html":
            self.seen.language = at.get("lang")
        elif tag in _HEADINGS:
            self.seen.headings.append((int(tag[1]), place))
        elif tag == "a" and at.get("href"):
            self._anchor = _Anchor(place)
            self.seen.anchors.append(self._anchor)
        else:
            self._table_part(tag, at, place)
        if tag not in _VOID:
            above = self._open[-1][1] if self._open else _Look()
            self._open.append((tag, _look(above, tag, at)))

    def _table_part(self, tag: str, at: dict[str, str], place: Place) -> None:
        if tag == "table":
            is_layout = at.get("role", "").lower() in _LAYOUT_ROLES
            self._tables.append(_Table(place, is_layout))
            self.seen.tables.append(self._tables[-1])
        elif tag == "th" and self._tables:
            self._tables[-1].has_headers = True
        elif tag == "img" and self._anchor:
            self._anchor.shown += at.get("alt", "")

    def handle_endtag(self, tag: str) -> None:
        tag = _MJML_TAGS.get(tag, tag)
        if tag == "a":
            self._anchor = None
        if tag == "table" and self._tables:
            self._tables.pop()
        if any(tag == name for name, _look in self._open[-50:]):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._anchor:
            self._anchor.shown += data
        tag, look = self._open[-1] if self._open else ("", _Look())
        if tag == "style":
            self.seen.styles.append(data)
        elif data.strip() and tag not in {"script", "title"}:
            self.seen.texts.append((" ".join(data.split()), look))


def _look(above: _Look, tag: str, at: dict[str, str]) -> _Look:
    """Return how text in an element looks, by its own styles and those above it."""
    own = dict(_DECLARATION.findall(at.get("style", "").lower()))
    colour, ground, size = above.colour, above.ground, above.size
    if tag == "a":
        colour = "#0000ee"
    if "color" in own or "color" in at:
        colour = parse_colour(own.get("color") or at.get("color", ""))
    painted = own.get("background-color") or own.get("background") or at.get("bgcolor")
    if painted and painted.strip() not in {"none", "transparent"}:
        ground = parse_colour(painted)
    sized = _SIZE.search(own.get("font-size") or own.get("font", ""))
    if sized:
        number, unit = float(sized[1]), sized[2]
        times = _OF_ONE.get(unit) or above.size / (100 if unit == "%" else 1)
        size = number * times
    weight = own.get("font-weight") or own.get("font", "")
    is_bold = above.is_bold or tag in {"b", "strong", "th", *_HEADINGS}
    is_bold = is_bold or "bold" in weight or weight.strip() in {"600", "700", "800"}
    is_hidden = above.is_hidden or "none" in own.get("display", "")
    return _Look(colour, ground, size, is_bold, is_hidden or tag == "head")


def reading_findings(source: Source, blotted: str) -> list[Finding]:
    """Return the findings A02 to A07 and G02 of a message template.

    Parameters
    ----------
    blotted
        Its body, with characters of the same number in the place of code.
    """
    is_markdown = source.format == "markdown"
    seen = _Reader(markdown_body(blotted) if is_markdown else blotted).seen
    found = [*_headings(seen), *_empty_words(seen)]
    if not is_markdown:
        found += [
            *_tables(seen, source),
            *_clients(seen, source),
            *_looks(source, blotted),
        ]
        found += _language(seen, source)
        return found
    # Places in the HTML made from Markdown mean nothing to its author.
    return [replace(one, line=None, column=None, fix=None) for one in found]


def _tables(seen: _Seen, source: Source) -> Iterator[Finding]:
    for table in seen.tables:
        if table.is_layout or table.has_headers:
            continue
        words = (
            "A table has no headings (<th>). If it only lays out, "
            'role="presentation" spares listeners from it'
        )
        at = offset_of(source.html, table.place)
        old = source.html[at : at + len("<table")]
        fix = Fix("It only lays out", "html", at, old, f'{old} role="presentation"')
        is_there = old.lower() == "<table"
        place = ("html", *table.place)
        yield Finding("A02", Severity.WARNING, words, *place, fix if is_there else None)


def offset_of(text: str, place: Place) -> int:
    r"""Return where a line and column, counted from 1, are in a text.

    Examples
    --------
    >>> offset_of("one\ntwo", (2, 3))
    6
    """
    line, column = place
    start = 0
    for _line in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def _headings(seen: _Seen) -> Iterator[Finding]:
    before = None
    for level, place in seen.headings:
        if before is not None and level > before + 1:
            words = f"A heading of level {level} follows one of level {before}"
            yield Finding("A03", Severity.WARNING, words, "html", *place)
        before = level


def _language(seen: _Seen, source: Source) -> Iterator[Finding]:
    if seen.language:
        return
    words = "The HTML does not say in which language it is; who listens hears it wrong"
    named = f'lang="{source.language}"'
    tag = re.search(r"<(?:html|mjml)(?=[\s>])", source.html, re.IGNORECASE)
    label = f"Add {named}"
    if tag:
        fix = Fix(label, "html", tag.start(), tag[0], f"{tag[0]} {named}")
        yield Finding("A04", Severity.WARNING, words, "html", fix=fix)
    elif source.format == "html":
        kind = _DOCTYPE.match(source.html)
        at, start = (kind.end(), "\n") if kind else (0, "<!doctype html>\n")
        fix = Fix(label, "html", at, "", f"{start}<html {named}>\n")
        yield Finding("A04", Severity.WARNING, words, "html", fix=fix)


def _empty_words(seen: _Seen) -> Iterator[Finding]:
    for anchor in seen.anchors:
        shown = " ".join(anchor.shown.split()).strip(" .…!»→>").lower()
        if shown in _EMPTY_WORDS:
            words = f"“{anchor.shown.strip()}” does not say where the link leads"
            yield Finding("A06", Severity.WARNING, words, "html", *anchor.place)


def _clients(seen: _Seen, source: Source) -> Iterator[Finding]:
    """Yield what mail programs strip or do not know."""
    styles = "\n".join(seen.styles)
    if len(styles.encode()) > _MOST_STYLES:
        words = f"The styles have {len(styles.encode()) // 1024} KB; Gmail drops them"
        yield Finding("G02", Severity.WARNING, f"{words} above 16 KB", "html")
    for what, pattern in _UNKNOWN_STYLES.items():
        if pattern.search(styles.lower()):
            words = f"Some mail programs do not know {what}"
            yield Finding("G02", Severity.WARNING, words, "html")
    if "background" in seen.tags or re.search(
        r"<[^>]{1,500}\sbackground=", source.html
    ):
        words = "Some mail programs do not know a background image"
        yield Finding("G02", Severity.WARNING, words, "html")
    gone = {what: seen.tags[t] for t, what in _UNKNOWN_TAGS.items() if t in seen.tags}
    for what, place in gone.items():
        words = f"Mail programs take {what} out"
        yield Finding("G02", Severity.WARNING, words, "html", *place)


def _looks(source: Source, blotted: str) -> Iterator[Finding]:
    try:
        texts = _Reader(to_html(source.format, blotted)).seen.texts
    except MjmlError:  # rendering says why
        return
    told: set[tuple[str, str]] = set()
    smallest: tuple[float, str] | None = None
    for text, look in texts:
        if look.is_hidden or look.size <= _HIDDEN_SIZE:
            continue
        if look.size < _SMALLEST and (smallest is None or look.size < smallest[0]):
            smallest = (look.size, text)
        pair = (look.colour or "", look.ground or "")
        if all(pair) and pair not in told and contrast(*pair) < look.enough:
            told.add(pair)
            if len(told) <= _LISTED:
                yield _pale(text, look, pair)
    if smallest:
        words = (
            f"Text of {smallest[0]:.3g} px is too small on a phone; "
            f"{_SMALLEST:.0f} is the least: “{_short(smallest[1])}”"
        )
        yield Finding("A07", Severity.WARNING, words, "html")


def _pale(text: str, look: _Look, pair: tuple[str, str]) -> Finding:
    words = (
        f"{pair[0]} on {pair[1]} has a contrast of {contrast(*pair):.1f} : 1; "
        f"{look.enough:g} is the least: “{_short(text)}”"
    )
    return Finding("A05", Severity.WARNING, words, "html")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
