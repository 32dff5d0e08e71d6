"""A rendered part with places in it where the values of one recipient go.

A value never meets a parser. Jinja runs with a place in the stead of each value;
Markdown, CSS inlining, the search for links and the text part then work on what the
author wrote (once for all rows that take the same branches), and the values are put
in last: escaped in HTML, plain in text, and inside a link as part of its address.

Two kinds of place, written with characters that Unicode keeps for inner use (and that
are removed from sources and cells): ``U+FDD0 n U+FDD1`` is value *n*, ``U+FDD2 n
U+FDD1`` is address *n*.
"""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from webapp.message_templates.links import resolve
from webapp.message_templates.source import Link

_INNER = re.compile("[\ufdd0-\ufdef]")
_VALUE = re.compile("\ufdd0([0-9]+)\ufdd1")
_PLACE = re.compile("([\ufdd0\ufdd2])([0-9]+)\ufdd1")
_ADDRESS = "\ufdd2"
_MARK = "\ufdd0"

# None of these may take more than linear time: pages run them on rendered HTML too.
_TAG = re.compile(
    r"<!--(?P<comment>.*?)(?P<end>-->|\Z)"
    r"|(?P<open><style\b[^<>]*>)(?P<css>.*?)(?P<close></style\s*>|\Z)"
    r"|<script\b[^<>]*>.*?(?:</script\s*>|\Z)"
    r"|<(?P<name>[a-z][^\s/<>]*+)(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*+)>",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"(?<![^\s\"'/])(?P<name>[^\s\"'>/=]++)\s*+=\s*+"
    r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s\"'>]++))"
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]*);")
_CSS_URL = re.compile(r"url\(\s*(?P<quote>[\"']?)(?P<url>[^)]{0,2000}?)(?P=quote)\s*\)")
_CANDIDATE = re.compile(r"(?P<url>[^\s,]\S*[^\s,]|[^\s,])(?P<size>\s+[^,]+)?")

_ADDRESSES = dict.fromkeys(
    ("href", "action", "formaction", "cite", "longdesc", "xlink:href"), "link"
) | dict.fromkeys(("src", "background", "poster", "data"), "image")


class Places:
    """Hands out a place for each value of one row, in the order of their appearance."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def add(self, value: str) -> str:
        """Keep a value and return its place.

        A value that was made from the output of a macro may hold places itself.
        """
        if _MARK in value:
            value = _VALUE.sub(lambda found: self.values[int(found[1])], value)
        self.values.append(value)
        return place(len(self.values) - 1)


def place(number: int) -> str:
    """Return the place of a value."""
    return f"\ufdd0{number}\ufdd1"


@dataclass(frozen=True, slots=True)
class Address:
    """The address in a link or image: literal pieces and numbers of values."""

    pieces: tuple[str | int, ...]
    kind: str

    def resolved(self, values: Sequence[str], base: str | None) -> Link:
        """Return the address for one row."""
        raw = "".join([p if isinstance(p, str) else values[p] for p in self.pieces])
        new, problem = resolve(raw, base, self.kind)
        return Link(raw, new, self.kind, problem)


def without_inner(text: str) -> str:
    r"""Remove the characters that mark places.

    Examples
    --------
    >>> without_inner("a\ufdd00\ufdd1b")
    'a0b'
    """
    return _INNER.sub("", text)


def take_addresses(skeleton: str) -> tuple[str, tuple[Address, ...]]:
    r"""Put a place in the stead of each address in HTML, and return those addresses.

    Examples
    --------
    >>> changed, addresses = take_addresses('<p title="/a"><A HREF=/b>href="/c"</A>')
    >>> changed
    '<p title="/a"><A HREF="\ufdd20\ufdd1">href="/c"</A>'
    >>> addresses
    (Address(pieces=('/b',), kind='link'),)
    """
    found: list[Address] = []

    def take(raw: str, kind: str) -> str:
        pieces = tuple(
            int(piece) if at % 2 else piece
            for at, piece in enumerate(_VALUE.split(raw))
            if at % 2 or piece
        )
        if not pieces or (isinstance(pieces[0], str) and pieces[0][0] == "#"):
            return html.escape(raw)
        found.append(Address(pieces, kind))
        return f"{_ADDRESS}{len(found) - 1}\ufdd1"

    return _in_tags(skeleton, take), tuple(found)


_Take = Callable[[str, str], str]


def _in_tags(skeleton: str, take: _Take) -> str:
    def tag(match: re.Match[str]) -> str:
        if match["attributes"] is not None:
            attributes = _ATTRIBUTE.sub(attribute, match["attributes"])
            return f"<{match['name']}{attributes}>"
        if match["css"] is not None:
            return match["open"] + _in_css(match["css"], take) + match["close"]
        if match["comment"] and match["comment"].startswith("[if"):
            return f"<!--{_in_tags(match['comment'], take)}{match['end']}"
        return match[0]

    def attribute(match: re.Match[str]) -> str:
        return _in_attribute(match, take)

    return _TAG.sub(tag, skeleton)


def _in_attribute(match: re.Match[str], take: _Take) -> str:
    """Return one attribute with its addresses taken out; always quoted when changed."""
    written = match["double"] or match["single"] or match["bare"] or ""
    name = match["name"].lower()
    kind = _ADDRESSES.get(name)
    if kind or name in {"srcset", "style"}:
        value = _ENTITY.sub(lambda entity: html.unescape(entity[0]), written)
        if kind:
            changed = take(value, kind)
        else:
            changed = (_in_srcset if name == "srcset" else _in_style)(value, take)
        return f'{match["name"]}="{changed}"'
    if match["bare"] and _VALUE.search(written):
        return f'{match["name"]}="{written}"'
    return match[0]


def without_images(text: str) -> str:
    """Return rendered HTML in which nothing is fetched to be shown.

    Examples
    --------
    >>> without_images('<img src="https://a.example/i.png" alt="Plan">')
    '<img src="" alt="Plan">'
    """
    changed, addresses = take_addresses(text)
    shown = []
    for address in addresses:
        raw = address.resolved([], None).old
        is_fetched = address.kind == "image" and not raw.startswith("data:")
        shown.append("" if is_fetched else raw)
    return Skeleton(changed, escape=True).fill([], shown)


def _in_css(css: str, take: _Take) -> str:
    return _CSS_URL.sub(lambda url: f"url({take(url['url'], 'image')})", css)


def _in_style(value: str, take: _Take) -> str:
    pieces: list[str] = []
    at = 0
    for url in _CSS_URL.finditer(value):
        pieces.append(html.escape(value[at : url.start()]))
        pieces.append(f"url({take(url['url'], 'image')})")
        at = url.end()
    return "".join(pieces) + html.escape(value[at:])


def _in_srcset(value: str, take: _Take) -> str:
    return ", ".join(
        take(candidate["url"], "image") + html.escape(candidate["size"] or "")
        for candidate in _CANDIDATE.finditer(value)
    )


class Skeleton:
    r"""A text with places, split once so that filling it is one join.

    Parameters
    ----------
    text
        The text with its places.
    escape
        Whether values and addresses are escaped for HTML.

    Examples
    --------
    >>> Skeleton("<b>\ufdd00\ufdd1</b>", escape=True).fill(["<i>"], [])
    '<b>&lt;i&gt;</b>'
    """

    def __init__(self, text: str, *, escape: bool) -> None:
        self._escape = escape
        self._literals: list[str] = []
        self._places: list[tuple[bool, int]] = []
        at = 0
        for found in _PLACE.finditer(text):
            self._literals.append(without_inner(text[at : found.start()]))
            self._places.append((found[1] == _ADDRESS, int(found[2])))
            at = found.end()
        self._last = without_inner(text[at:])

    def pieces(self) -> list[str | int | tuple[int]]:
        """Return literals, numbers of values, and numbers of addresses in brackets."""
        found: list[str | int | tuple[int]] = []
        for literal, (is_address, number) in zip(
            self._literals, self._places, strict=True
        ):
            found += (literal, (number,) if is_address else number)
        return [*found, self._last]

    def fill(self, values: Sequence[str], addresses: Sequence[str]) -> str:
        """Return the text with the values and addresses of one row in their places."""
        if self._escape:
            values = [html.escape(value) for value in values]
            addresses = [html.escape(address) for address in addresses]
        pieces: list[str] = []
        for literal, (is_address, number) in zip(
            self._literals, self._places, strict=True
        ):
            pieces.append(literal)
            pieces.append((addresses if is_address else values)[number])
        pieces.append(self._last)
        return "".join(pieces)
