"""What the linter finds in the HTML: links, images, and what they lead to.

It reads the source, not one rendered row: code is blotted out by characters of the same
number, so that every place keeps its line and column.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

from webapp.message_templates.bodies import markdown_body
from webapp.message_templates.findings import Finding, Fix, Severity
from webapp.message_templates.links import PROBLEMS, base_problem, resolve
from webapp.message_templates.lint_reading import offset_of, reading_findings
from webapp.message_templates.source import Source

_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*:", re.IGNORECASE)
_BLOT = "\ufdd4"
#: Elements of MJML that are judged as what they become.
_MJML_TAGS = {
    "mj-image": "img",
    "mj-carousel-image": "img",
    "mj-button": "a",
    "mj-navbar-link": "a",
}
_HOST = r"((?:[a-z0-9-]+\.)+[a-z]{2,})"
_SHOWN_ADDRESS = re.compile(r"(?:https?://|(?=www\.))" + _HOST, re.IGNORECASE)
_SHOWN_HOST = re.compile(_HOST, re.IGNORECASE)
_SEVERITIES = {
    "private": ("L03", Severity.WARNING),
    "scheme": ("L04", Severity.ERROR),
    "broken": ("L04", Severity.ERROR),
}


@dataclass
class _Anchor:
    """A link with what it shows."""

    href: str
    place: tuple[int, int]
    shown: str = ""


@dataclass
class _Scan:
    """What stands in the HTML."""

    addresses: list[tuple[str, str, tuple[int, int]]] = field(default_factory=list)
    anchors: list[_Anchor] = field(default_factory=list)
    without_alt: list[tuple[str, tuple[int, int]]] = field(default_factory=list)


class _Scanner(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found = _Scan()
        self._open: _Anchor | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = dict(attrs)
        line, column = self.getpos()
        place = (line, column + 1)
        tag = _MJML_TAGS.get(tag, tag)
        for name, kind in (("href", "link"), ("src", "image"), ("background", "image")):
            if at.get(name):
                self.found.addresses.append((at[name] or "", kind, place))
        if tag == "a" and at.get("href"):
            self._open = _Anchor(at["href"] or "", place)
            self.found.anchors.append(self._open)
        if tag == "img":
            self._image(at, place)

    def _image(self, at: dict[str, str | None], place: tuple[int, int]) -> None:
        if self._open:
            self._open.shown += at.get("alt") or ""
        if "alt" not in at:
            self.found.without_alt.append((self.get_starttag_text() or "", place))

    def handle_endtag(self, tag: str) -> None:
        if _MJML_TAGS.get(tag, tag) == "a":
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open.shown += data


def html_findings(source: Source, base_url: str | None) -> list[Finding]:
    """Return the findings about links and images of a message template."""
    if not source.has_html:
        return []
    blotted = _CODE.sub(_blot, source.html)
    is_markdown = source.format == "markdown"
    scan = _Scanner(markdown_body(blotted) if is_markdown else blotted).found
    found = [*_addresses(scan, base_url), *_anchors(scan), *_images(scan, source)]
    if is_markdown:  # places in the HTML made from it mean nothing to its author
        found = [Finding(f.code, f.severity, f.message, "html") for f in found]
    return [*found, *reading_findings(source, blotted)]


def _blot(code: re.Match[str]) -> str:
    return re.sub(r"[^\n]", _BLOT, code[0])


def _addresses(scan: _Scan, base: str | None) -> Iterator[Finding]:
    relative: list[str] = []
    plain: list[str] = []
    for address, kind, (line, column) in scan.addresses:
        if address.startswith((_BLOT, "#")):
            continue
        shown = address.replace(_BLOT, "…")
        if not _SCHEME.match(address):
            relative.append(shown)
            continue
        new, problem = resolve(address, base, kind)
        if problem in _SEVERITIES:
            code, severity = _SEVERITIES[problem]
            words = f"{PROBLEMS[problem]}: {shown}"
            yield Finding(code, severity, words, "html", line, column)
        elif new.startswith("http:"):
            plain.append(shown)
    yield from _counted(relative, plain, base)


def _counted(
    relative: list[str], plain: list[str], base: str | None
) -> Iterator[Finding]:
    if relative and base is None:
        words = f"{PROBLEMS['no_base']}: {relative[0]}"
        yield Finding("L02", Severity.ERROR, words, "html")
    elif relative:
        count = len(relative)
        made = "relative links are" if count > 1 else "relative link is"
        yield Finding("L01", Severity.INFO, f"{count} {made} made absolute", "html")
        if base_problem(base) == "private":
            words = f"The base address works only here: {base}"
            yield Finding("L03", Severity.WARNING, words)
    if plain:
        words = f"Not encrypted on its way (http:): {plain[0]}"
        yield Finding("L07", Severity.INFO, words, "html")


def _anchors(scan: _Scan) -> Iterator[Finding]:
    for anchor in scan.anchors:
        shown = anchor.shown.strip()
        if not shown:
            words = f"A link without words: {anchor.href.replace(_BLOT, '…')}"
            yield Finding("L06", Severity.WARNING, words, "html", *anchor.place)
            continue
        claimed = _SHOWN_ADDRESS.match(shown) or _SHOWN_HOST.fullmatch(shown)
        host = _host_of(anchor.href)
        if claimed and host and not _same_site(claimed[1].lower(), host):
            words = f"The link shows {claimed[1]} but leads to {host}"
            yield Finding("L05", Severity.WARNING, words, "html", *anchor.place)


def _host_of(address: str) -> str:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return ""
    return "" if _BLOT in host else host


def _same_site(one: str, other: str) -> bool:
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _images(scan: _Scan, source: Source) -> Iterator[Finding]:
    for tag, (line, column) in scan.without_alt:
        words = "An image without alternative text"
        at = (
            0 if source.format == "markdown" else offset_of(source.html, (line, column))
        )
        name = tag.lower().partition(" ")[0].split("\n")[0].rstrip("/>")
        old = source.html[at : at + len(name)]
        fix = Fix('Add alt=""', "html", at, old, f'{old} alt=""')
        is_tag = name[1:] in {"img", *_MJML_TAGS} and old.lower() == name
        place = ("html", line, column)
        yield Finding("A01", Severity.WARNING, words, *place, fix if is_tag else None)
