"""One row, rendered: values, branches, words, and what a cell cannot do."""

import re
from datetime import date
from decimal import Decimal

import pytest

from webapp.message_templates.engine import Engine
from webapp.message_templates.examples import EXAMPLES, LANGUAGE
from webapp.message_templates.lint import check_source
from webapp.message_templates.source import Rendered, RenderFailure, Source

BASE = "https://library.example"


def text_of(source: str, **values: object) -> str:
    made = Engine().render(Source("text", "s", source), values, BASE)
    assert isinstance(made, Rendered), made
    return made.text


def html_of(source: str, **values: object) -> str:
    made = Engine().render(Source("html", "s", html=source), values, BASE)
    assert isinstance(made, Rendered), made
    assert made.html is not None
    return made.html


def markdown_of(source: str, **values: object) -> Rendered:
    made = Engine().render(Source("markdown", "s", html=source), values, BASE)
    assert isinstance(made, Rendered), made
    return made


def failure_of(source: str, **values: object) -> RenderFailure:
    made = Engine().render(Source("text", "s", source), values, BASE)
    assert isinstance(made, RenderFailure), made
    return made


def test_subject_and_text_are_not_escaped() -> None:
    made = Engine().render(
        Source("text", "To {{ name }}", "Dear {{ name }}"), {"name": "A & B"}, BASE
    )
    assert isinstance(made, Rendered)
    assert (made.subject, made.text, made.html) == ("To A & B", "Dear A & B", None)


def test_html_is_escaped() -> None:
    assert html_of("<p>{{ name }}</p>", name="<i>&") == "<p>&lt;i&gt;&amp;</p>"


def test_subject_stays_one_line() -> None:
    made = Engine().render(Source("text", "a\n{{ b }}", "t"), {"b": "c\r\nd"}, BASE)
    assert isinstance(made, Rendered)
    assert made.subject == "a c d"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (date(2027, 3, 14), "2027-03-14"),
        (Decimal("12.50"), "12.50"),
        (7, "7"),
        (True, "yes"),
        (False, "no"),
        ("Zoë", "Zoë"),
    ],
)
def test_typed_values_are_written_plainly(value: object, written: str) -> None:
    assert text_of("{{ v }}", v=value) == written


def test_typed_values_compute() -> None:
    source = "{{ price * 2 }} {{ born.year + 1 }} {{ born|date('%d.%m.%Y') }}"
    made = text_of(source, price=Decimal("1.50"), born=date(2020, 1, 2))
    assert made == "3.00 2021 02.01.2020"


def test_unknown_name_is_a_failure_with_name_line_and_part() -> None:
    failure = failure_of("Hello\n\n{{ frist_name }}", first_name="Ada")
    assert (failure.variable, failure.line, failure.part) == ("frist_name", 3, "text")
    assert "frist_name" in failure.words


@pytest.mark.parametrize("empty", [None, ""])
def test_empty_cell_is_a_failure_when_written(empty: object) -> None:
    failure = failure_of("in {{ city }}", city=empty)
    assert failure.words == "“city” is empty in this row"


def test_empty_cell_may_be_asked_about() -> None:
    source = "{% if city %}a{% else %}b{% endif %}{{ city|default('c') }}"
    assert text_of(source, city="") == "bc"
    assert text_of("{{ city == '' }} {{ city is defined }}", city=None) == "yes no"


def test_unknown_name_may_not_be_asked_about() -> None:
    assert failure_of("{% if ciyt %}{% endif %}", city="x").variable == "ciyt"


def test_branches_and_loops_reach_markdown_as_written() -> None:
    source = "{% for n in range(2) %}\n- item {{ n }}\n{% endfor %}\n"
    made = markdown_of(source)
    assert re.search(r"<li[^>]*>item 0</li>\n<li[^>]*>item 1</li>", made.html or "")
    assert made.text == "- item 0\n- item 1\n"


def test_rows_with_other_branches_get_their_own_words() -> None:
    engine = Engine()
    source = Source(
        "markdown", "s", html="{% if vip %}**V**{% else %}*n*{% endif %} {{ a }}"
    )
    texts = [
        engine.render(source, {"vip": vip, "a": at}, BASE)
        for at, vip in enumerate([True, False, True, False])
    ]
    found = [made.text for made in texts if isinstance(made, Rendered)]
    assert found == ["V 0\n", "n 1\n", "V 2\n", "n 3\n"]


@pytest.mark.parametrize(
    "cell",
    ["[x](javascript:alert(1))", "<script>alert(1)</script>", "# big", "**b**", "`c`"],
)
def test_a_cell_is_never_markdown(cell: str) -> None:
    made = markdown_of("Hello {{ cell }}", cell=cell)
    assert made.text == f"Hello {cell}\n"
    assert "<script" not in (made.html or "")
    assert "<a " not in (made.html or "")
    assert "<strong>" not in (made.html or "")


def test_text_part_is_made_from_the_html() -> None:
    made = Engine().render(
        Source(
            "html",
            "s",
            html="<h1>News</h1><p>Dear {{ n }}, <a href='/p?m={{ n }}'>plan</a></p>",
        ),
        {"n": "1. A*b* <c>"},
        BASE,
    )
    assert isinstance(made, Rendered)
    assert made.text == (
        "News\n\nDear 1. A*b* <c>, plan: "
        "https://library.example/p?m=1.%20A*b*%20%3Cc%3E\n"
    )


def test_given_text_part_is_kept() -> None:
    source = Source("html", "s", text="only {{ n }}", html="<p>{{ n }}</p>")
    made = Engine().render(source, {"n": 1}, BASE)
    assert isinstance(made, Rendered)
    assert made.text == "only 1"


def test_preview_text_is_hidden_in_the_html_and_not_in_the_text() -> None:
    source = Source(
        "markdown", "s", html="Body {{ n }}", preview_text="<{{ n }}> & more"
    )
    made = Engine().render(source, {"n": "<b>"}, BASE)
    assert isinstance(made, Rendered)
    assert "&lt;&lt;b&gt;&gt; &amp; more</div>" in (made.html or "")
    assert made.text == "Body <b>\n"


def test_style_rules_are_inlined_and_kept() -> None:
    made = html_of("<style>p { color: red }</style><p>{{ n }}</p>", n="<b>")
    assert '<p style="color: red;">&lt;b&gt;</p>' in made
    assert "<style>" in made


def test_macros_may_make_markup_but_values_in_them_stay_values() -> None:
    source = "{% macro b(t) %}<b>{{ t }}</b>{% endmacro %}{{ b(n) }}{{ b(n) ~ '<' }}"
    assert html_of(source, n="<i>").startswith("<b>&lt;i&gt;</b>&lt;b&gt;")


@pytest.mark.parametrize("format_", ["text", "html", "markdown"])
def test_characters_for_places_cannot_be_smuggled_in(format_: str) -> None:
    source = Source(format_, "s", "{{ a }}{{ b }}", "{{ a }}{{ b }}")
    made = Engine().render(source, {"a": "\ufdd01\ufdd1", "b": "secret"}, BASE)
    assert isinstance(made, Rendered)
    assert made.text.strip() == "1secret"


def test_one_row_never_shows_in_another() -> None:
    engine = Engine()
    source = Source(
        "html", "{{ a }}", html="{% if b %}{{ b }}{% endif %}<p>{{ a }}</p>"
    )
    first = engine.render(source, {"a": "one", "b": "secret"}, BASE)
    second = engine.render(source, {"a": "two", "b": None}, BASE)
    third = engine.render(source, {"a": "three"}, BASE)
    assert isinstance(first, Rendered)
    assert second == Rendered("two", "two\n", "<p>two</p>", ())
    assert isinstance(third, RenderFailure)


@pytest.mark.parametrize("code", [code for code, _ in LANGUAGE])
def test_what_the_editor_explains_can_be_rendered(code: str) -> None:
    row = {"renewal_date": date(2027, 3, 14), "price": 1234.5}
    assert text_of(code, first_name="", city="Rome", name="Ada", **row)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_render_without_a_finding_that_blocks(example: str) -> None:
    source = EXAMPLES[example][1]
    values = {"first_name": "", "unsubscribe_url": f"{BASE}/u/1"}
    assert isinstance(Engine().render(source, values, BASE), Rendered)
    found = check_source(source, ["first_name"], BASE)
    assert {one.code for one in found} <= {"L01", "G04"}


def test_rows_of_one_kind_share_their_skeleton() -> None:
    engine = Engine()
    source = Source("html", "s", html="{% if n > 7 %}b{% endif %}<p>{{ n }}</p>")
    for n in range(10):
        engine.render(source, {"n": n}, BASE)
    program = engine._program(source)
    assert not isinstance(program, RenderFailure)
    assert len(program._bodies) == 2


def test_failure_after_success_leaves_nothing_behind() -> None:
    engine = Engine()
    source = Source("html", "s", html="{{ a }}{{ b }}")
    engine.render(source, {"a": "x"}, BASE)
    made = engine.render(source, {"a": "1", "b": "2"}, BASE)
    assert isinstance(made, Rendered)
    assert made.html == "12"


def test_syntax_error_names_the_line() -> None:
    failure = failure_of("one\ntwo {% if %}\n")
    assert (failure.line, failure.part) == (2, "text")


def test_unquoted_attribute_cannot_be_left_by_a_value() -> None:
    made = html_of("<td width={{ w }}>x</td>", w="1 onclick=alert(1)")
    assert made == '<td width="1 onclick=alert(1)">x</td>'
