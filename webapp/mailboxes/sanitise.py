"""HTML of strangers, made harmless: the first of three layers (SECURITY.md 08 to 10).

Pure. nh3 parses as a browser does, keeps an allow-list and serialises again; nothing
touches the string after it. Inline images become ``data:`` inside that same pass,
because a sandboxed frame sends no cookies and could not fetch them. The second layer is
the frame without scripts and origin, the third the policy of `FRAME_POLICY`; each of
the three is enough alone.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

import nh3

from webapp.core.file_names import RASTER, sniff

HTML_CAP = 1024 * 1024
IMAGE_CAP = 2 * 1024 * 1024
MOST_INLINE_OCTETS = 8 * 1024 * 1024

_TAGS = """
a abbr address b blockquote br caption center cite code col colgroup dd del dfn div dl
dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span
strike strong sub sup table tbody td tfoot th thead tr tt u ul var wbr
"""
TAGS = set(_TAGS.split())
#: Their content goes too; of everything else the text stays.
_TAGS_WITH_CONTENT = """
script style title svg math template noscript iframe object embed applet audio video
canvas select textarea xmp noembed noframes plaintext
"""
TAGS_WITH_CONTENT = set(_TAGS_WITH_CONTENT.split())
_CELL = {"align", "valign", "width", "height", "bgcolor", "colspan", "rowspan"}
ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title", "align"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "border"},
    "table": {"width", "border", "cellpadding", "cellspacing", "bgcolor", "height"},
    "td": _CELL,
    "th": _CELL | {"scope"},
    "tr": {"valign", "bgcolor"},
    "col": {"width", "span"},
    "font": {"color", "size", "face"},
    "ol": {"start", "type"},
}
#: Properties that cannot fetch, move out of the flow, or cover something.
_STYLES = """
color background-color font font-family font-size font-style font-weight font-variant
line-height letter-spacing text-align text-decoration text-indent text-transform
vertical-align white-space word-break overflow-wrap direction margin margin-top
margin-right margin-bottom margin-left padding padding-top padding-right padding-bottom
padding-left border border-top border-right border-bottom border-left border-color
border-style border-width border-radius border-collapse border-spacing width max-width
min-width height max-height display table-layout list-style-type
"""
STYLES = set(_STYLES.split())
_UNFIT_STYLE = re.compile(r"url|image|var\s*\(|expression|[@\\<{}]", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)

#: The policy of the frame's own response; images from the web only when asked.
FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src {images}; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
FRAME_TOKENS = "allow-popups allow-popups-to-escape-sandbox"

_DOCUMENT = """<!doctype html>
<html lang="und"><head><meta charset="utf-8"><title>Mail</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<style>
body {{ margin: 0; padding: 16px; background: #fff; color: #1b1a18;
overflow-wrap: anywhere; font: 15px/1.55 system-ui, sans-serif; }}
img {{ max-width: 100%; height: auto; }} pre {{ white-space: pre-wrap; }}
blockquote {{ margin: 0 0 0 2px; padding-left: 12px; border-left: 2px solid #b5b0a6; }}
</style></head><body>{body}</body></html>
"""


@dataclass(frozen=True, slots=True)
class Clean:
    """A mail's HTML after the allow-list, and how many images of the web it names."""

    html: str
    remote_images: int


def frame_policy(*, remote_images: bool) -> str:
    """Return the Content-Security-Policy for the frame's response."""
    return FRAME_POLICY.format(images="data: https:" if remote_images else "data:")


def clean_html(
    html: str, images: Mapping[str, bytes] | None = None, *, remote_images: bool = False
) -> Clean:
    """Keep the allow-list of a mail's HTML.

    Parameters
    ----------
    images
        Content-ID to octets of the mail's own images.
    remote_images
        Whether images of the web keep their https address.

    Examples
    --------
    >>> clean_html('<p onclick="x()">Hi <script>alert(1)</script><b>you</b></p>').html
    '<p>Hi <b>you</b></p>'
    >>> clean_html('<img src="http://t.example/p.gif">').remote_images
    1
    """
    keep = _Keep(images or {}, remote_images=remote_images)
    cleaned = nh3.clean(
        html[:HTML_CAP],
        tags=TAGS,
        clean_content_tags=TAGS_WITH_CONTENT,
        attributes=ATTRIBUTES,
        attribute_filter=keep,
        filter_style_properties=STYLES,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        strip_comments=True,
    )
    return Clean(cleaned, len(keep.remote))


def frame_document(clean: Clean) -> str:
    """Return the document that the frame shows around the cleaned HTML."""
    return _DOCUMENT.format(body=clean.html)


class _Keep:
    """What becomes of each attribute on the allow-list; None drops it."""

    def __init__(self, images: Mapping[str, bytes], *, remote_images: bool) -> None:
        self.images = images
        self.with_remote = remote_images
        self.remote: set[str] = set()
        self.octets_left = MOST_INLINE_OCTETS

    def __call__(self, tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return None if _UNFIT_STYLE.search(value) else value
        if name == "href":
            return value if _LINK.match(value.strip()) else None
        if (tag, name) == ("img", "src"):
            return self._source(value.strip())
        return value

    def _source(self, value: str) -> str | None:
        scheme = value.partition(":")[0].lower()
        if scheme == "cid":
            return self._data_url(self.images.get(value[4:].strip("<>")))
        if scheme == "data":
            return self._data_url(_inline_octets(value))
        if scheme in ("http", "https"):
            self.remote.add(value)
            return value if self.with_remote and scheme == "https" else None
        return None

    def _data_url(self, octets: bytes | None) -> str | None:
        if not octets or len(octets) > min(IMAGE_CAP, self.octets_left):
            return None
        mime_type = sniff(octets[:16])
        if mime_type not in RASTER:
            return None
        self.octets_left -= len(octets)
        return f"data:{mime_type};base64,{base64.b64encode(octets).decode()}"


def _inline_octets(value: str) -> bytes | None:
    head, _, content = value.partition(",")
    if not head.lower().endswith(";base64") or len(content) > IMAGE_CAP * 2:
        return None
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        return None
