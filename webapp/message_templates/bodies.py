"""From what an author wrote to the bodies of a mail: Markdown, styles, a text part.

All of it works on skeletons (see `webapp.message_templates.skeleton`), so no value of
a recipient is ever read as Markdown, HTML or CSS.
"""

import html
import re

import css_inline
from html2text import HTML2Text
from markdown_it import MarkdownIt

_LAYOUT = """\
<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>
body { margin: 0; padding: 24px 16px; color: #1d2429;
  font: 16px/1.55 -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
.letter { max-width: 600px; margin: 0 auto; }
h1 { margin: 0 0 16px; font-size: 24px; line-height: 1.25; }
h2 { margin: 28px 0 12px; font-size: 19px; line-height: 1.3; }
h3 { margin: 24px 0 8px; font-size: 16px; }
p, ul, ol, table, pre, blockquote { margin: 0 0 16px; }
a { color: #0b5c63; }
img { max-width: 100%; height: auto; border: 0; }
blockquote { padding-left: 16px; border-left: 3px solid #c9ced1; }
th, td { padding: 6px 12px 6px 0; text-align: left; border-bottom: 1px solid #dfe3e5; }
hr { margin: 24px 0; border: 0; border-top: 1px solid #dfe3e5; }
</style>
</head>
<body>
<div class="letter">
"""
_LAYOUT_END = "</div>\n</body>\n</html>\n"

_LINK = re.compile("\\[(?P<label>[^\\]]*)\\]\\(<?(?P<url>\ufdd2[0-9]+\ufdd1)>?[^)]*\\)")
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6}[ \t]+", re.MULTILINE)
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


def markdown_to_html(text: str) -> str:
    """Return Markdown as a complete HTML document in the plain layout.

    Raw HTML in Markdown stays text.

    Examples
    --------
    >>> "<p>Hello <strong>Ada</strong></p>" in markdown_to_html("Hello **Ada**")
    True
    """
    return f"{_LAYOUT}{markdown_body(text)}{_LAYOUT_END}"


def markdown_body(text: str) -> str:
    """Return Markdown as HTML without a layout."""
    return str(_MARKDOWN.render(text))


def with_inlined_styles(text: str) -> str:
    """Copy the rules of style elements to the elements that they match.

    The style elements stay, for what cannot be inlined (media queries, ``:hover``).
    Nothing is loaded from anywhere. HTML that cannot be inlined is returned as it is.
    """
    if "<style" not in text.lower():
        return text
    try:
        return css_inline.inline(
            text,
            keep_style_tags=True,
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
    plain = _HEADING.sub("", _LINK.sub(_written_out, plain))
    plain = _BLANK.sub("\n\n", _TRAILING.sub("", plain))
    return plain.strip() + "\n"


def _written_out(link: re.Match[str]) -> str:
    label = link["label"].strip()
    return f"{label}: {link['url']}" if label else link["url"]
