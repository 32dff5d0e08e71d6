"""Read a mail's HTML for what it hides and where its links go; nothing is shown of it.

Pure and linear: a tokeniser of one expression without backtracking, and a stack of
what is inherited. It reads as much as is needed for a hint, not as a browser would:
sheets of style are asked only whether they may overrule what an element says.

Two things that newsletters do every day are not *hidden text*: a preheader (the line
that lists of mails show, hidden above everything else), and what a sheet of style
shows on a small screen instead.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

HTML_SCANNED = 256 * 1024
MOST_TAGS = 20_000
DEEPEST = 300
MOST_LINKS = 200
#: So many letters above the first shown text are a preheader.
PREHEADER = 300
_LINK_TEXT = 300

_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<end>/?)(?P<tag>[a-z][a-z0-9]{0,20})(?P<rest>"
    r"(?:[^\"'<>]++|\"[^\"]*+\"|'[^']*+')*+)>?"
    r"|<[!?/][^<>]*+>?",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"([a-z-]{1,30})(?:\s{0,5}=\s{0,5}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(-?\d{0,6}(?:\.\d{0,6})?)\s*([a-z%]{0,4})")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\D{1,5}(\d{1,3})\D{1,5}(\d{1,3})")
_HEX = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})\b")
_NAMED = {"white": (255, 255, 255), "black": (0, 0, 0)}
_NAMES = """
area base br col embed hr img input link meta param source track wbr
"""
_WITHOUT_END = frozenset(_NAMES.split())
_NAMES = "script style title noscript template textarea svg"
_NOT_TEXT = frozenset(_NAMES.split())
_NAMES = "p div table ul ol h1 h2 h3 h4 h5 h6 blockquote hr pre"
_BLOCKS = frozenset(_NAMES.split())
#: What opens one of these ends an open one of the same group.
_ENDS = {
    **dict.fromkeys(("td", "th"), frozenset({"td", "th"})),
    **dict.fromkeys(_BLOCKS, frozenset({"p"})),
    "li": frozenset({"li"}),
    "tr": frozenset({"td", "th", "tr"}),
}
_CLOSE = 24  # two colours that differ by less, all channels together, are one
_FAR = -500
_TINY = 1.5
_FAINT = 0.05

Colour = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Scanned:
    """How many letters are hidden, the links with what they show, and what is shown."""

    hidden: int
    links: list[tuple[str, str]]
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Look:
    """What an element hands on to what it holds. An unknown colour is None."""

    tag: str = ""
    gone: bool = False
    invisible: bool = False
    tiny: bool = False
    other_screen: bool = False
    colour: Colour = (0, 0, 0)
    ground: Colour = (255, 255, 255)

    @property
    def is_hidden(self) -> bool:
        if self.gone or self.invisible or self.tiny:
            return True
        if self.colour is None or self.ground is None:
            return False
        pairs = zip(self.colour, self.ground, strict=True)
        return sum(abs(one - other) for one, other in pairs) < _CLOSE


def scan(source: str) -> Scanned:
    """Read HTML.

    >>> scan('<p>Hi</p><p style="display:none">A long hidden text</p>').hidden
    15
    >>> scan('<p style="display:none">A preheader of today</p><p>Hi</p>').hidden
    0
    >>> scan('<a href="https://a.example/x">b.example</a>').links
    [('b.example', 'https://a.example/x')]
    """
    return _Scanner(source[:HTML_SCANNED]).scanned()


@dataclass(slots=True)
class _Scanner:
    source: str
    sheet: str = ""
    stack: list[_Look] = field(default_factory=list)
    seen: int = 0
    above: int = 0
    hidden: int = 0
    href: str | None = None
    words: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def scanned(self) -> Scanned:
        self.sheet = _sheets(self.source)
        ground: Colour = None if "background" in self.sheet else (255, 255, 255)
        self.stack.append(_Look(ground=ground))
        for text, token in _tokens(self.source):
            self._text(text)
            if token is not None and token["tag"]:
                if token["end"]:
                    self._end(token["tag"].lower())
                else:
                    self._start(token["tag"].lower(), token["rest"])
        self._link_ends()
        hidden = self.hidden + max(0, self.above - PREHEADER)
        return Scanned(hidden, self.links, "".join(self.shown))

    def _text(self, text: str) -> None:
        if not text or text.isspace():
            return
        shown = html.unescape(text)
        letters = sum(map(str.isalnum, shown))
        look = self.stack[-1]
        if not look.is_hidden:
            self.seen += letters
            self.shown.append(shown)
            if self.href is not None and len(self.words) < _LINK_TEXT:
                self.words.append(shown[:_LINK_TEXT])
        elif look.other_screen:
            return
        elif self.seen:
            self.hidden += letters
        else:
            self.above += letters

    def _start(self, tag: str, rest: str) -> None:
        attributes = _attributes(rest)
        if tag == "a":
            self._link_ends()
            self.href = attributes.get("href", "")
        if tag in _WITHOUT_END or rest.endswith("/") or len(self.stack) > DEEPEST:
            return
        ends = _ENDS.get(tag, frozenset())
        while len(self.stack) > 1 and self.stack[-1].tag in ends:
            self.stack.pop()
        self.stack.append(self._look(tag, attributes))

    def _end(self, tag: str) -> None:
        if tag == "a":
            self._link_ends()
        for back in range(1, min(len(self.stack) - 1, 50) + 1):
            if self.stack[-back].tag == tag:
                del self.stack[-back:]
                return

    def _link_ends(self) -> None:
        if self.href and len(self.links) < MOST_LINKS:
            text = " ".join("".join(self.words).split())[:_LINK_TEXT]
            self.links.append((text, html.unescape(self.href)[:2000].strip()))
        self.href, self.words = None, []

    def _look(self, tag: str, attributes: dict[str, str]) -> _Look:
        style = _declared(attributes.get("style", ""))
        look = replace(self.stack[-1], tag=tag)
        named = self._is_in_sheet(attributes)
        look = _coloured(look, attributes, style)
        if named:
            look = replace(look, colour=None, ground=None)
        gone = "hidden" in attributes or _is_gone(style)
        return replace(
            look,
            gone=look.gone or gone,
            invisible=_is_invisible(style, inherited=look.invisible),
            tiny=_is_tiny(style, inherited=look.tiny),
            other_screen=look.other_screen or (named and "@media" in self.sheet),
        )

    def _is_in_sheet(self, attributes: dict[str, str]) -> bool:
        """Say whether a sheet of style has a word about this element's class or id."""
        marks = [f".{name}" for name in attributes.get("class", "").lower().split()]
        marks += [f"#{name}" for name in attributes.get("id", "").lower().split()]
        return any(mark in self.sheet for mark in marks[:10])


def _tokens(source: str) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Yield each tag with the text before it; what is in scripts is no text."""
    at = 0
    for _ in range(MOST_TAGS):
        token = _TOKEN.search(source, at)
        if token is None:
            break
        yield source[at : token.start()], token
        at = token.end()
        tag = (token["tag"] or "").lower()
        if tag in _NOT_TEXT and not token["end"]:
            end = re.compile(f"</{tag}", re.IGNORECASE).search(source, at)
            at = end.start() if end else len(source)
    yield source[at:], None


def _sheets(source: str) -> str:
    """Return what stands in the first sheets of style, in small letters."""
    source, at, found = source.lower(), 0, []
    for _ in range(20):
        start = source.find("<style", at)
        at = source.find("</style", start)
        if start < 0 or at < 0:
            break
        found.append(source[start:at])
    return " ".join(found)


def _attributes(rest: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match, _ in zip(_ATTRIBUTE.finditer(rest[:8000]), range(50), strict=False):
        value = match[2] or match[3] or match[4] or ""
        found.setdefault(match[1].lower(), value)
    return found


def _declared(style: str) -> dict[str, str]:
    """Return the declarations of a style attribute; the last of a name holds."""
    pairs = (one.partition(":") for one in html.unescape(style[:2000]).split(";")[:60])
    return {
        name.strip().lower(): value.replace("!important", "").strip().lower()
        for name, _, value in pairs
    }


def _is_gone(style: dict[str, str]) -> bool:
    if style.get("display") == "none":
        return True
    if _number(style.get("opacity", "1")) < _FAINT:
        return True
    if style.get("overflow", "") == "hidden" and any(
        _number(style.get(side, "9")) < _TINY
        for side in ("height", "max-height", "width", "max-width")
    ):
        return True
    if style.get("clip", "").replace(" ", "").startswith("rect(0"):
        return True
    away = ("left", "top", "right", "margin-left", "margin-top", "text-indent")
    return any(_number(style.get(side, "0")) < _FAR for side in away)


def _is_invisible(style: dict[str, str], inherited: bool) -> bool:
    kind = style.get("visibility", "")
    return kind in ("hidden", "collapse") if kind else inherited


def _is_tiny(style: dict[str, str], inherited: bool) -> bool:
    """Say whether letters have no size; mails set it to nothing between columns."""
    size = style.get("font-size", "")
    found = _NUMBER.match(size)
    if not size or not found or not found[1].strip("-."):
        return inherited and not size
    value = float(found[1])
    if found[2] in ("em", "%", "rem"):
        return value == 0 or (inherited and found[2] != "rem")
    return value < _TINY


def _coloured(look: _Look, attributes: dict[str, str], style: dict[str, str]) -> _Look:
    colour = style.get("color") or attributes.get("color", "").lower()
    ground = style.get("background-color") or attributes.get("bgcolor", "").lower()
    shorthand = style.get("background", "") + style.get("background-image", "")
    if colour == "transparent":
        return replace(look, gone=True)
    if colour:
        look = replace(look, colour=_colour(colour))
    if "background" in attributes or "(" in shorthand.replace("rgb", "").split("#")[0]:
        return replace(look, ground=None)
    ground = ground or shorthand
    if ground and ground not in ("transparent", "none", "inherit", "initial"):
        look = replace(look, ground=_colour(ground))
    return look


def _colour(text: str) -> Colour:
    if found := _HEX.search(text):
        digits = (
            found[1]
            if len(found[1]) > len("fff")
            else "".join(digit * 2 for digit in found[1])
        )
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := _RGB.search(text):
        return int(found[1]), int(found[2]), int(found[3])
    return _NAMED.get(text.split(" ", maxsplit=1)[0])


def _number(text: str) -> float:
    found = _NUMBER.match(text)
    if not found or not found[1].strip("-."):
        return 9.0
    return float(found[1])
