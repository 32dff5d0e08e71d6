"""Addresses in mails become absolute, whatever way they are written."""

import pytest

from webapp.message_templates.engine import Engine
from webapp.message_templates.links import base_problem, build_url, is_private, resolve
from webapp.message_templates.source import Link, Rendered, RenderFailure, Source

BASE = "https://library.example"


def rendered(html: str, base: str | None = BASE, **values: object) -> Rendered:
    made = Engine().render(Source("html", "s", html=html), values, base)
    assert isinstance(made, Rendered), made
    return made


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (
            '<a href="/a?x=1&amp;copy=2">',
            '<a href="https://library.example/a?x=1&amp;copy=2">',
        ),
        ("<A HREF=/a>", '<A HREF="https://library.example/a">'),
        ("<a href='a b'>", '<a href="https://library.example/a%20b">'),
        (
            '<img alt="" src="i.png">',
            '<img alt="" src="https://library.example/i.png">',
        ),
        ('<a href="//cdn.example/x">', '<a href="https://cdn.example/x">'),
        ('<a href="#top">', '<a href="#top">'),
        ('<a href="mailto:a@b.example">', '<a href="mailto:a@b.example">'),
        ('<img src="cid:photo">', '<img src="cid:photo">'),
        ('<td background="t.png">', '<td background="https://library.example/t.png">'),
        (
            '<img srcset="a.png 1x, b.png 2x">',
            f'<img srcset="{BASE}/a.png 1x, {BASE}/b.png 2x">',
        ),
        (
            "<p style=\"color:red;background:url('t.png')\">",
            '<p style="color:red;background:url(https://library.example/t.png)">',
        ),
        (
            '<!--[if mso]><a href="/o">o</a><![endif]-->',
            '<!--[if mso]><a href="https://library.example/o">o</a><![endif]-->',
        ),
        ('<!-- <a href="/a"> -->', '<!-- <a href="/a"> -->'),
        ('<p title="x href=/a">href="/a"</p>', '<p title="x href=/a">href="/a"</p>'),
    ],
)
def test_relative_addresses_become_absolute(written: str, sent: str) -> None:
    assert rendered(written).html == sent


def test_addresses_in_values_become_absolute_too() -> None:
    made = rendered('<a href="{{ path }}?m={{ id }}">x</a>', path="/p", id='7"&')
    assert made.html == '<a href="https://library.example/p?m=7%22&amp;">x</a>'
    assert made.text == "x: https://library.example/p?m=7%22&\n"
    assert made.links == (
        Link('/p?m=7"&', "https://library.example/p?m=7%22&", "link", None),
    )


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
    ],
)
def test_dangerous_addresses_are_replaced_and_told(address: str) -> None:
    made = rendered('<a href="{{ a }}">x</a>', a=address)
    assert made.html == '<a href="#">x</a>'
    assert [link.problem for link in made.links] == ["scheme"]


def test_only_pictures_may_be_data() -> None:
    assert resolve("data:image/png;base64,AA==", None, "image")[1] is None
    assert resolve("data:image/svg+xml;base64,AA==", None, "image")[1] == "scheme"
    assert resolve("data:image/png;base64,AA==", None, "link")[1] == "scheme"


def test_without_a_base_the_link_is_told() -> None:
    assert rendered('<a href="/a">x</a>', base=None).links[0].problem == "no_base"


@pytest.mark.parametrize("host", ["localhost", "192.168.1.4", "[::1]", "intranet"])
def test_private_hosts_are_told(host: str) -> None:
    made = rendered(f'<a href="http://{host}:8000/">x</a>')
    assert made.links[0].problem == "private"


@pytest.mark.parametrize("host", ["example.org", "1.1.1.1", "[2606:4700::1111]"])
def test_public_hosts_are_not(host: str) -> None:
    assert not is_private(host)


def test_url_builds_absolute_addresses_in_text() -> None:
    asked = ["'/m'", "'/m', scheme='http'", "'/m', host='h.example'"]
    source = " ".join(f"{{{{ url({one}) }}}}" for one in asked)
    made = Engine().render(Source("text", "s", source), {}, BASE)
    assert isinstance(made, Rendered)
    assert made.text.split() == [
        "https://library.example/m",
        "http://library.example/m",
        "https://h.example/m",
    ]
    assert made.links[0] == Link("/m", "https://library.example/m", "link")


def test_url_inside_a_link_is_listed_once_with_its_path() -> None:
    made = rendered("<a href=\"{{ url('/m') }}\">x</a>")
    assert made.links == (Link("/m", "https://library.example/m", "link", None),)


def test_url_without_a_base_says_so() -> None:
    made = Engine().render(Source("text", "s", "{{ url('/m') }}"), {}, None)
    assert isinstance(made, RenderFailure)
    assert "base address" in made.words


@pytest.mark.parametrize("path", ["javascript:alert(1)", "", "#a", "//["])
def test_url_refuses_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="needs a path"):
        build_url(path, BASE)


def test_url_refuses_other_schemes_and_hosts_with_paths() -> None:
    with pytest.raises(ValueError, match="http"):
        build_url("/", BASE, scheme="javascript")
    with pytest.raises(ValueError, match="host name"):
        build_url("/", BASE, host="a.example/x")


@pytest.mark.parametrize(
    ("base", "problem"),
    [("ftp://a.example", "broken"), ("https://", "broken"), ("https://[", "broken")],
)
def test_a_broken_base_is_named(base: str, problem: str) -> None:
    assert base_problem(base) == problem
