"""The linter: each code finds its case, names the place, and spares good sources."""

import pytest

from webapp.message_templates.findings import Finding, Severity
from webapp.message_templates.lint import check_rows, check_source
from webapp.message_templates.rendering import RenderPool
from webapp.message_templates.source import Source

BASE = "https://library.example"
COLUMNS = ["first_name", "city"]
GOOD = Source(
    "html",
    "News for {{ first_name }}",
    text="",
    html='<html lang="en"><p>{{ first_name }}, {{ city }}</p>'
    '<a href="{{ unsubscribe_url }}">Stop</a></html>',
    preview_text="What is on",
)


def html(body: str) -> list[Finding]:
    return check_source(Source("html", "Hello", html=body), None, BASE)


def text(body: str, columns: list[str] | None = None) -> list[Finding]:
    return check_source(Source("text", "Hello", body), columns, BASE)


def one(findings: list[Finding], code: str) -> Finding:
    (found,) = [finding for finding in findings if finding.code == code]
    return found


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}


def test_a_good_source_has_no_findings() -> None:
    assert check_source(GOOD, COLUMNS, BASE) == []


def test_v01_names_the_place_and_suggests() -> None:
    found = one(text("Hi\n\nDear {{ frist_name }}", COLUMNS), "V01")
    assert (found.part, found.line, found.column) == ("text", 3, 9)
    assert "Did you mean “first_name”?" in found.message
    assert found.severity is Severity.ERROR


def test_v01_can_be_mended_by_its_fix() -> None:
    source = Source("text", "Hello", "x.frist_name {{ frist_name }}")
    fix = one(check_source(source, COLUMNS, BASE), "V01").fix
    assert fix is not None
    mended = fix.applied(source)
    assert mended is not None
    assert mended.text == "x.frist_name {{ first_name }}"
    assert fix.applied(mended) is None


@pytest.mark.parametrize(
    "body",
    [
        "{% for x in range(3) %}{{ x }}{{ loop.index }}{% endfor %}",
        "{% set greeting = 'Hi' %}{{ greeting }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1) }}",
        "{{ url('/x') }} {{ unsubscribe_url }} {{ view_url }}",
        "{# {{ comment }} #}",
    ],
)
def test_v01_knows_loop_and_set_names_and_functions(body: str) -> None:
    assert "V01" not in codes(text(body, COLUMNS))


def test_v01_needs_a_table() -> None:
    assert "V01" not in codes(text("{{ anything }}"))


def test_v02_names_unused_columns() -> None:
    found = [f for f in text("{{ city }}", COLUMNS) if f.code == "V02"]
    assert ["first_name" in f.message for f in found] == [True]


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        ("{{ city }}", "2 rows have no “city” and there is no default: rows 2, 4"),
        ("{{ city|default('x') }}", None),
        ("{% if city %}{{ city }}{% endif %}", None),
        ("{{ 'a' if first_name else city }}", "2 rows have"),
        ("{{ first_name }}", None),
    ],
)
def test_v03_counts_rows_with_empty_cells(body: str, counted: str | None) -> None:
    rows = [
        (n, {"first_name": "A", "city": city})
        for n, city in enumerate(["x", "", "y", None], 1)
    ]
    found = check_rows(Source("text", "s", body), rows)
    assert [f.message.startswith(counted or "-") for f in found] == [True] * bool(
        counted
    )


def test_v03_offers_a_default() -> None:
    source = Source("text", "s", "In {{ city }}.")
    fix = check_rows(source, [(1, {"city": ""})])[0].fix
    assert fix is not None
    mended = fix.applied(source)
    assert mended is not None
    assert mended.text == "In {{ city|default('') }}."


@pytest.mark.parametrize(
    "body", ["{{ city|safe }}", "{% autoescape false %}{% endautoescape %}"]
)
def test_v05_escaping_cannot_be_turned_off(body: str) -> None:
    assert one(text(body), "V05").severity is Severity.ERROR


def test_s01_names_line_and_caret() -> None:
    found = one(text("one\n  {{ name"), "S01")
    assert (found.part, found.line, found.column) == ("text", 2, 3)


@pytest.mark.parametrize(
    "body", ["{{ a.__class__ }}", "{{ a|map('x') }}", "{% include 'x' %}"]
)
def test_s02_names_what_is_not_available(body: str) -> None:
    assert "not available" in one(text("\n" + body), "S02").message
    assert one(text("\n" + body), "S02").line == 2


def test_s03_is_what_the_pool_says_of_a_source_that_cannot_be_checked() -> None:
    with RenderPool() as pool:
        source = Source("html", "s", html="<a " * 80_000)
        assert codes(pool.check(source, None, None)) == {"S03"}
        assert pool.check(GOOD, COLUMNS, BASE) == []
        broken = Source("text", "", "{{ frist_name }}")
        assert pool.check(broken, COLUMNS, BASE) == check_source(broken, COLUMNS, BASE)


def test_l01_counts_relative_addresses() -> None:
    found = one(html('<a href="/a">x</a><img src="i.png" alt="">'), "L01")
    assert found.message == "2 relative links are made absolute"


def test_l02_base_address_is_missing() -> None:
    source = Source("html", "s", html='<a href="/a">x</a>')
    assert one(check_source(source, None, None), "L02").severity is Severity.ERROR


def test_l03_private_hosts() -> None:
    found = one(html('\n<a href="http://localhost:8000/map">x</a>'), "L03")
    assert (found.severity, found.line, found.column) == (Severity.WARNING, 2, 1)


def test_l03_private_base_is_told_once() -> None:
    source = Source("html", "s", html='<a href="/a">x</a><a href="/b">y</a>')
    found = check_source(source, None, "http://127.0.0.1:8000")
    assert one(found, "L03").message.endswith("http://127.0.0.1:8000")
    assert "2 relative links" in one(found, "L01").message


@pytest.mark.parametrize(
    "address", ["javascript:x", "file:///etc/passwd", "ftp://a.example"]
)
def test_l04_other_schemes(address: str) -> None:
    assert one(html(f'<a href="{address}">x</a>'), "L04").severity is Severity.ERROR


@pytest.mark.parametrize(
    "address", ["mailto:a@b.example", "tel:+491", "#top", "{{ link }}"]
)
def test_l04_leaves_good_addresses_alone(address: str) -> None:
    assert not codes(html(f'<a href="{address}">x</a>')) & {"L01", "L02", "L03", "L04"}


@pytest.mark.parametrize(
    "shown", ["Node.js for all", "bank.example", "Yes.Now", "today"]
)
def test_l05_leaves_words_alone(shown: str) -> None:
    link = f'<a href="https://www.bank.example/x">{shown}</a>'
    assert ("L05" in codes(html(link))) is (shown == "Yes.Now")


def test_l05_text_shows_another_domain() -> None:
    found = one(
        html('<a href="https://evil.example/x">www.bank.example/login</a>'), "L05"
    )
    assert "evil.example" in found.message
    fine = '<a href="https://www.bank.example/x">bank.example</a>'
    assert "L05" not in codes(html(fine))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('<a href="/x"> </a>', True),
        ('<a href="/x"><img src="a" alt=""></a>', True),
        ('<a href="/x"><img src="a" alt="Plan"></a>', False),
        ('<a href="/x">{{ city }}</a>', False),
    ],
)
def test_l06_links_without_words(body: str, found: bool) -> None:
    assert ("L06" in codes(html(body))) is found


def test_a01_offers_an_empty_alt_at_the_right_place() -> None:
    source = Source("html", "s", html='<p>\n {{ a }} <IMG src="a.png"></p>')
    found = one(check_source(source, None, BASE), "A01")
    assert (found.line, found.column) == (2, 10)
    assert found.fix is not None
    mended = found.fix.applied(source)
    assert mended is not None
    assert '<IMG alt="" src="a.png">' in mended.html


def test_markdown_is_looked_at_as_the_html_it_becomes() -> None:
    source = Source("markdown", "s", html="[x](javascript:1) ![](a.png) [](/y)")
    found = codes(check_source(source, None, BASE))
    assert {"L04", "L06", "L01"} <= found


@pytest.mark.parametrize(
    ("size", "severity"), [(91, Severity.WARNING), (103, Severity.ERROR)]
)
def test_g01_size(size: int, severity: Severity) -> None:
    assert one(html("x" * size * 1024), "G01").severity is severity


@pytest.mark.parametrize(
    "subject", ["", "  ", "x" * 61, "SALE TODAY", " Hello", "Re: Hello", "a\nb"]
)
def test_g03_subject(subject: str) -> None:
    assert "G03" in codes(check_source(Source("text", subject, "x"), None, BASE))


def test_g03_control_characters_are_an_error() -> None:
    found = check_source(Source("text", "a\nb", "x"), None, BASE)
    assert one(found, "G03").severity is Severity.ERROR


def test_g03_counts_only_what_is_certain() -> None:
    subject = (
        "{{ first_name|default('somebody whom we do not know by name at all') }}, hi"
    )
    assert "G03" not in codes(check_source(Source("text", subject, "x"), None, BASE))


def test_g05_thin_text_part() -> None:
    thin = Source("html", "s", text="Hi", html="<p>" + "word " * 50 + "</p>")
    found = one(check_source(thin, None, BASE), "G05")
    assert found.fix is not None
    mended = found.fix.applied(thin)
    assert mended is not None
    assert mended.text == ""


def test_u01_no_way_to_stop() -> None:
    assert one(text("Hello"), "U01").severity is Severity.WARNING
    assert "U01" not in codes(text("{{ unsubscribe_url }}"))


def test_errors_come_first() -> None:
    found = [f.severity for f in text("{{ frist_name }}", COLUMNS)]
    assert found == sorted(found, key=list(Severity).index)
    assert found[0] is Severity.ERROR
