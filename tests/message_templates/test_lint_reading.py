"""Codes A02 to A07, G02, and the changes that mend: each finds its case and spares."""

import pytest

from webapp.message_templates.findings import Finding, Severity
from webapp.message_templates.lint import check_source
from webapp.message_templates.source import Source

BASE = "https://library.example"
LINK = '<a href="{{ unsubscribe_url }}">Unsubscribe</a>'


def found(body: str, code: str, kind: str = "html") -> list[Finding]:
    source = Source(kind, "Hello", html=body)
    return [one for one in check_source(source, None, BASE) if one.code == code]


def mended(source: Source, code: str) -> Source:
    """The source after the change that its first finding of this code offers."""
    findings = check_source(source, None, BASE)
    fix = next(one.fix for one in findings if one.code == code)
    assert fix is not None
    after = fix.applied(source)
    assert after is not None
    assert code not in {one.code for one in check_source(after, None, BASE)}
    return after


def mjml(body: str, more: str = "") -> str:
    section = f"<mj-section><mj-column>{body}</mj-column></mj-section>"
    return f"<mjml{more}><mj-body>{section}</mj-body></mjml>"


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        ("<table><tr><td>x</table>", True),
        ("<TABLE width=1><tr><td><table role=none><tr><td>x</table></table>", True),
        ('<table role="presentation"><tr><td>x</table>', False),
        ("<table><tr><th>Day<tr><td>Monday</table>", False),
    ],
)
def test_a02_a_table_is_data_or_layout(body: str, is_found: bool) -> None:
    assert bool(found(body, "A02")) is is_found
    if is_found:
        after = mended(Source("html", "s", html=f"<p>\n{body}"), "A02")
        assert 'role="presentation"' in after.html


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        ("<h1>a</h1><h3>b</h3>", True),
        ("<h1>a</h1><h2>b</h2><h3>c</h3><h1>d</h1>", False),
        ("<h2>a</h2><h3>b</h3>", False),
    ],
)
def test_a03_headings_go_down_step_by_step(body: str, is_found: bool) -> None:
    assert bool(found(body, "A03")) is is_found


def test_a03_in_markdown() -> None:
    assert found("# a\n\n### b", "A03", "markdown")
    assert not found("# a\n\n## b", "A03", "markdown")


@pytest.mark.parametrize("start", ["", "<!doctype html>\n", "<html>", "<HTML class=x>"])
def test_a04_the_language_is_named_and_can_be_added(start: str) -> None:
    source = Source("html", "s", html=f"{start}<p>x</p>", language="de")
    after = mended(source, "A04").html
    assert 'lang="de"' in after
    assert after.lower().count("<html") == 1
    assert after.lower().count("<!doctype") == (0 if "<html" in start.lower() else 1)


def test_a04_in_mjml_and_never_in_markdown() -> None:
    body = mjml("<mj-text>x</mj-text>")
    assert '<mjml lang="en">' in mended(Source("mjml", "s", html=body), "A04").html
    assert not found(mjml("<mj-text>x</mj-text>", ' lang="en"'), "A04", "mjml")
    assert not found("x", "A04", "markdown")


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        ('<p style="color:#999">pale</p>', True),
        ("<style>.a{color:#aaa}</style><p class=a>pale</p>", True),
        ('<div style="background:#000"><p>black on black</p></div>', True),
        ('<td bgcolor="#0b5c63"><font color="#ffffff">fine</font></td>', False),
        ('<p style="color:#888;font-size:30px">large</p>', False),
        ('<p style="color:#999"> </p>', False),
        ('<p style="color:#999;display:none">hidden</p>', False),
        ('<p style="color:{{ colour }}">unknown</p>', False),
        ('<p style="background:url(x.png) #fff;color:#222">fine</p>', False),
    ],
)
def test_a05_contrast(body: str, is_found: bool) -> None:
    assert bool(found(body, "A05")) is is_found


def test_a05_in_mjml() -> None:
    assert found(mjml('<mj-text color="#bbbbbb">pale</mj-text>'), "A05", "mjml")
    assert not found(mjml("<mj-text>fine</mj-text>"), "A05", "mjml")


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        ("Click here", True),
        ("here »", True),
        ("Hier klicken!", True),
        ("See the programme", False),
        ("{{ city }}", False),
        ('<img src="/a.png" alt="Programme">', False),
    ],
)
def test_a06_words_of_links(words: str, is_found: bool) -> None:
    assert bool(found(f'<a href="/x">{words}</a>', "A06")) is is_found
    button = mjml(f'<mj-button href="/x">{words}</mj-button>')
    if "<" not in words:
        assert bool(found(button, "A06", "mjml")) is is_found


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        ('<p style="font-size: 12px">small</p>', True),
        ('<p style="font: 9pt/1.2 Arial">small</p>', True),
        ("<style>small{font-size:.7em}</style><small>x</small>", True),
        ('<p style="font-size:14px">fine</p>', False),
        ('<p style="font-size:0;line-height:0">gap</p>', False),
        ('<td style="font-size:0px"><p style="font-size:16px">fine</p></td>', False),
    ],
)
def test_a07_small_text(body: str, is_found: bool) -> None:
    assert bool(found(body, "A07")) is is_found


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        (f"<style>{'p{color:red}' * 1500}</style>", True),
        ('<p style="position: absolute">x</p>', True),
        ("<style>.a { display:flex }</style>", True),
        ('<p style="background-image: url(/a.png)">x</p>', True),
        ('<td background="/a.png">x</td>', True),
        ("<video src=/a></video>", True),
        ("<form action=/a><input></form>", True),
        ("<script>1</script>", True),
        ("<style>p { background-position: top; color: red }</style>", False),
        ('<p style="display:block">x</p>', False),
    ],
)
def test_g02_what_mail_programs_do_not_know(body: str, is_found: bool) -> None:
    assert bool(found(body, "G02")) is is_found


def test_g01_can_take_comments_and_indentation_out() -> None:
    line = "<p>\n          <!-- a remark -->\n          word\n</p>\n"
    body = f'<html lang="en"><!--[if mso]>x<![endif]-->{line * 2000}</html>'
    findings = check_source(Source("html", "s", html=body), None, BASE)
    fix = next(one.fix for one in findings if one.code == "G01")
    assert fix is not None
    after = fix.applied(Source("html", "s", html=body))
    assert after is not None
    assert "remark" not in after.html
    assert "<!--[if mso]>x<![endif]-->" in after.html
    assert len(after.html) < len(body) / 2
    dense = "<p>x</p>" * 12_000
    assert found(dense, "G01")[0].fix is None


@pytest.mark.parametrize(
    "source",
    [
        Source("text", "s", text="Hello"),
        Source("html", "s", html="<html lang=en><body><p>x</p></body></html>"),
        Source("mjml", "s", html=mjml("<mj-text>x</mj-text>", " lang=en")),
    ],
)
def test_u01_the_link_can_be_added(source: Source) -> None:
    after = mended(source, "U01")
    assert "{{ unsubscribe_url }}" in after.html + after.text
    assert after.html.endswith(source.html[-7:])


def test_u01_is_never_said_of_markdown_whose_layout_has_the_link() -> None:
    assert not found("x", "U01", "markdown")
    assert found("x", "U01")


def test_v05_the_filter_can_be_taken_away() -> None:
    source = Source("html", "s", html=f"<p>\n{{{{ name |safe }}}}{LINK}")
    assert "{{ name }}" in mended(source, "V05").html


def test_images_and_links_of_mjml_are_judged_where_they_stand() -> None:
    body = mjml(
        '\n<mj-image src="/a.png" />\n<mj-button href="file:///x">Go</mj-button>'
    )
    (alt,) = found(body, "A01", "mjml")
    assert (alt.line, alt.column) == (2, 1)
    assert 'mj-image alt=""' in mended(Source("mjml", "s", html=body), "A01").html
    assert found(body, "L04", "mjml")[0].severity is Severity.ERROR
