"""Attack 03: a cell that tries to be markup, in every format and place."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from webapp.message_templates.rendering import Rendered, RenderPool, Source

CELLS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</title></style></textarea><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "x onmouseover=alert(1)",
    "--><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![x](x onerror=alert(1))",
    "```\n<script>alert(1)</script>\n```",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include 'x' %}",
    "\ufdd00\ufdd1<script>\ufdd2",
]
HTML = """<!doctype html><html><head><title>{{ c }}</title>
<style>p { color: red }</style>
</head><body><!-- {{ c }} -->
<p title="{{ c }}" class='{{ c }}' lang={{ c }}>{{ c }}</p>
<a href="{{ c }}">a</a><a href={{ c }}>b</a><a href='/x?{{ c }}'>c</a>
<img alt="{{ c }}" src="/i/{{ c }}"><table>{{ c }}<tr><td>{{ c }}</td></tr></table>
</body></html>"""
MARKDOWN = (
    "# {{ c }}\n\n{{ c }}\n\n**{{ c }}** `{{ c }}` [{{ c }}]({{ c }}) <{{ c }}>\n\n"
    "- {{ c }}\n"
)
EXPECTED = {"a", "img", "p", "table", "tbody", "tr", "td"}
EXPECTED |= {"html", "head", "title", "style", "body"}
LAYOUT = {"meta", "div", "h1", "strong", "code", "ul", "li"}


class Seen(HTMLParser):
    """Collects what a browser would take for elements, handlers and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    with RenderPool() as pool:
        yield pool


def rendered(pool: RenderPool, source: Source, cell: str) -> Rendered:
    (made,) = pool.render_many(source, [{"c": cell}], "https://a.example")
    assert isinstance(made, Rendered), made
    return made


@pytest.mark.parametrize(
    "source", [Source("html", "s", html=HTML), Source("markdown", "s", html=MARKDOWN)]
)
@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_makes_no_element_handler_or_dangerous_address(
    pool: RenderPool, source: Source, cell: str
) -> None:
    seen = Seen(rendered(pool, source, cell).html or "")
    assert seen.elements <= EXPECTED | LAYOUT
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    addresses = [value for name, value in seen.attributes if name in {"href", "src"}]
    assert addresses
    assert all(re.match(r"https?://|#$", address) for address in addresses), addresses


@pytest.mark.parametrize("cell", CELLS)
def test_text_and_subject_keep_the_cell_as_it_is(pool: RenderPool, cell: str) -> None:
    made = rendered(pool, Source("text", "{{ c }}", "{{ c }}"), cell)
    kept = re.sub("[\ufdd0-\ufdef]", "", cell)
    assert made.text == kept
    assert made.subject == " ".join(kept.splitlines())
