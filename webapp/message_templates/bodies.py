"""From what an author wrote to the bodies of a mail: Markdown, MJML, styles, text.

All of it works on skeletons (see `webapp.message_templates.skeleton`), so no value of
a recipient is ever read as Markdown, HTML or CSS.
"""

import html
import re
from collections.abc import Sequence
from typing import Any

import css_inline
from html2text import HTML2Text
from markdown_it import MarkdownIt
from markdown_it.token import Token

from webapp.message_templates.layout import Foot, laid_out
from webapp.message_templates.mjml_body import mjml_to_html
from webapp.message_templates.skeleton import (
    Address,
    Places,
    Skeleton,
    take_addresses,
    without_inner,
)
from webapp.message_templates.source import Source

_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_TAG_END = re.compile(r"[%#]\}\n")
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*:", re.IGNORECASE)
_LINK = re.compile("\\[(?P<label>[^\\]]*)\\]\\(<?(?P<url>\ufdd2[0-9]+\ufdd1)>?[^)]*\\)")
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}[ \t]+", re.MULTILINE)
_ITEM = re.compile(r"^  (?=(?:  )*(?:-|[0-9]+\.) )", re.MULTILINE)
_BLANK = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


class _Markdown(MarkdownIt):
    """CommonMark with tables; addresses are left as written and judged when filled."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the parent's names
        return True

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the parent's name
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 - the parent's name
        return link


_MARKDOWN = _Markdown("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _opens_wide(renderer: Any, tokens: Sequence[Token], at: int, *rest: Any) -> str:
    """Let a table that is wider than a telephone scroll by itself."""
    return '<div class="wide">\n' + str(renderer.renderToken(tokens, at, *rest))


def _closes_wide(renderer: Any, tokens: Sequence[Token], at: int, *rest: Any) -> str:
    return str(renderer.renderToken(tokens, at, *rest)) + "</div>\n"


def _heads_column(renderer: Any, tokens: Sequence[Token], at: int, *rest: Any) -> str:
    """Say for which cells a heading stands, to who hears the table (WCAG 1.3.1)."""
    tokens[at].attrSet("scope", "col")
    return str(renderer.renderToken(tokens, at, *rest))


_MARKDOWN.add_render_rule("table_open", _opens_wide)
_MARKDOWN.add_render_rule("table_close", _closes_wide)
_MARKDOWN.add_render_rule("th_open", _heads_column)


class _Plain(HTML2Text):
    """HTML to plain text that is for reading, not Markdown to be read again."""

    def __init__(self) -> None:
        super().__init__(bodywidth=0)
        self.unicode_snob = True
        self.ignore_emphasis = True
        self.ignore_tables = True
        self.images_to_alt = True
        self.hide_strikethrough = False
        self.use_automatic_links = False
        self.ul_item_mark = "-"

    def handle_data(self, data: str, entity_char: bool = False) -> None:
        super().handle_data(data, entity_char=True)


def to_html(
    written_as: str, text: str, language: str = "en", foot: Foot | None = None
) -> str:
    """Return a body as a complete HTML document, its styles copied to their elements.

    Parameters
    ----------
    written_as
        A format of message templates. Markdown gets a layout, in which raw HTML stays
        text; what is HTML already stays as it is.
    language, foot
        For the layout of Markdown.

    Examples
    --------
    >>> "Hello <strong>Ada</strong></p>" in to_html("markdown", "Hello **Ada**")
    True
    """
    if written_as == "markdown":
        text = laid_out(markdown_body(text), language, foot)
    elif written_as == "mjml":
        text = mjml_to_html(text)
    return with_inlined_styles(text)


def markdown_body(text: str) -> str:
    """Return Markdown as HTML without a layout."""
    return str(_MARKDOWN.render(text))


def with_inlined_styles(text: str) -> str:
    """Move the rules of style elements to the elements that they match.

    What cannot be moved (media queries, ``:hover``) stays in the style elements.
    Nothing is loaded from anywhere. HTML that cannot be inlined is returned as it is.
    """
    if "<style" not in text.lower():
        return text
    try:
        return css_inline.inline(
            text,
            keep_style_tags=True,
            remove_inlined_selectors=True,
            keep_link_tags=True,
            load_remote_stylesheets=False,
        )
    except (css_inline.InlineError, ValueError):
        return text


def with_preview_text(skeleton: str, preview: str) -> str:
    """Put the preview text at the start of the body, where only inbox lists show it.

    Examples
    --------
    >>> with_preview_text("<body><p>x</p></body>", "a & b")[:21]
    '<body><div style="dis'
    """
    if not preview.strip():
        return skeleton
    hidden = (
        '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">'
        f"{html.escape(preview)}</div>"
    )
    body = _BODY.search(skeleton)
    at = body.end() if body else 0
    return skeleton[:at] + hidden + skeleton[at:]


def html_to_text(text: str) -> str:
    r"""Return the plain text of HTML whose addresses have been taken out.

    Examples
    --------
    >>> html_to_text('<h1>News</h1><p>See <a href="\ufdd20\ufdd1">the plan</a>.</p>')
    'News\n\nSee the plan: \ufdd20\ufdd1.\n'
    """
    plain = _Plain().handle(text)
    plain = _ITEM.sub("", _HEADING.sub("", _LINK.sub(_written_out, plain)))
    plain = _BLANK.sub("\n\n", _TRAILING.sub("", plain))
    return plain.strip() + "\n"


def _written_out(link: re.Match[str]) -> str:
    label = link["label"].strip()
    return f"{label}: {link['url']}" if label else link["url"]


def text_of(written: str) -> str:
    r"""Return the plain text of any HTML, its links written out.

    Not for this process where a stranger wrote it: the time that it takes grows with
    the square of what is nested (`RenderPool.text_of` has limits).

    Examples
    --------
    >>> text_of('<p>See <a href="https://a.example/?b&amp;c">the plan</a></p>')
    'See the plan: https://a.example/?b&c\n'
    """
    changed, addresses = take_addresses(without_inner(written))
    shown = [_joined(address, ()) for address in addresses]
    return Skeleton(html_to_text(changed), escape=False).fill([], shown)


def text_to_edit(source: Source) -> str:
    r"""Return the text part of a message template as somebody could have written it.

    What is code stays code, so that it can be edited and filled for each recipient.

    Examples
    --------
    >>> body = '<p>Dear {{ n }}, <a href="/a">go</a></p>'
    >>> text_to_edit(Source("html", "s", html=body))
    "Dear {{ n }}, go: {{ url('/a') }}\n"
    """
    places = Places()
    marked = _CODE.sub(lambda code: places.add(code[0]), without_inner(source.html))
    foot = None
    if source.format == "markdown":
        links = {
            name: places.add(f"{{{{ {name} }}}}") if name not in source.html else ""
            for name in ("unsubscribe_url", "view_url")
        }
        foot = Foot(links["unsubscribe_url"], links["view_url"])
    whole = to_html(source.format, marked, source.language, foot)
    changed, addresses = take_addresses(whole)
    shown = [_absolute(_joined(address, places.values)) for address in addresses]
    skeleton = Skeleton(html_to_text(changed), escape=False)
    # The line end after a tag is no part of the text in Jinja (trim_blocks).
    return _TAG_END.sub(r"\g<0>\n", skeleton.fill(places.values, shown))


def _joined(address: Address, values: Sequence[str]) -> str:
    return "".join(p if isinstance(p, str) else values[p] for p in address.pieces)


def _absolute(address: str) -> str:
    """Return an address for a text part: a relative one by ``url()``."""
    if _SCHEME.match(address) or _CODE.match(address) or set("'\\{}") & set(address):
        return address
    return f"{{{{ url('{address}') }}}}"
