"""The text part: made from any HTML, as it is sent or as it can be edited."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PageClient
from webapp.message_templates.bodies import text_of, text_to_edit
from webapp.message_templates.engine import Engine
from webapp.message_templates.rendering import RenderPool
from webapp.message_templates.source import Rendered, Source

BASE = "https://library.example"
SYSTEM = {"unsubscribe_url": f"{BASE}/u/x", "view_url": f"{BASE}/v/x"}
BODY = (
    '<p>Dear {{ n }}, {% if c %}from {{ c }}{% endif %}</p><a href="/a?n={{ n }}">A</a>'
)


def test_links_lists_and_headings_are_for_reading() -> None:
    made = text_of("<h1>N</h1><ul><li>a<li>b</ul><p><a href='https://a.example'>go</a>")
    assert made == "N\n\n- a\n- b\n\ngo: https://a.example\n"


def test_what_nobody_sees_is_not_in_it() -> None:
    made = text_of("<style>p{}</style><script>x()</script><!-- no --><p>Hi</p>")
    assert made == "Hi\n"


def test_the_limited_child_gives_up_on_html_without_an_end() -> None:
    with RenderPool() as pool:
        assert pool.text_of("<p>Hi <b>you</b></p>") == "Hi you\n"
        assert pool.text_of("<ul><li>x" * 20_000) is None
        assert pool.text_of("<p>Still here</p>") == "Still here\n"


def test_code_stays_code_and_renders_to_the_same_text() -> None:
    for source in (
        Source("html", "s", html=BODY),
        Source(
            "markdown", "s", html="Dear {{ n }}\n\n- [A](https://a.example/{{ n }})"
        ),
    ):
        written = text_to_edit(source)
        assert "{{ n }}" in written
        edited = Source(source.format, "s", html=source.html, text=written)
        values = {"n": "Ada", "c": "Köln", **SYSTEM}
        before = Engine().render(source, values, BASE)
        after = Engine().render(edited, values, BASE)
        assert isinstance(before, Rendered)
        assert isinstance(after, Rendered)
        same = re.sub(r"https://library\.example(?=/a)", "", before.text)
        assert after.text.strip() == same.strip()


def test_a_relative_link_is_absolute_in_the_text_part_too() -> None:
    written = text_to_edit(Source("html", "s", html='<a href="/hall">come</a>'))
    assert written == "come: {{ url('/hall') }}\n"


def test_a_quote_in_an_address_does_not_become_code() -> None:
    written = text_to_edit(Source("html", "s", html="""<a href="/a'+x+'">come</a>"""))
    assert "url(" not in written


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab<>/&;\"'= {}%#\n\ufdd0\ufdd1p", max_size=60))
def test_any_text_makes_a_text(written: str) -> None:
    assert text_of(written).endswith("\n")
    assert text_to_edit(Source("html", "s", html=written)).endswith("\n")


def test_the_editor_writes_it_and_saves_nothing(
    client: PageClient, template_id: int
) -> None:
    form = {"name": "W", "format": "html", "subject": "s", "html": BODY, "text": ""}
    for place in ("/message-templates/new", f"/message-templates/{template_id}"):
        page = client.submit(place, {**form, "then": "text"})
        assert page.status_code == 200
        assert "Dear {{ n }}, {% if c %}from {{ c }}{% endif %}" in page.text
    assert "W</a>" not in client.get("/message-templates").text
