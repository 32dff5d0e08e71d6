"""The layout of Markdown, and MJML: what a mail program gets to see."""

import re

import pytest

from tests.support.browser import chromium
from webapp.message_templates.bodies import to_html
from webapp.message_templates.engine import Engine
from webapp.message_templates.layout import Foot, laid_out
from webapp.message_templates.rendering import RenderPool
from webapp.message_templates.source import Rendered, RenderFailure, Source

BASE = "https://library.example"
SYSTEM = {
    "unsubscribe_url": "https://post.example.org/u/token",
    "view_url": "https://post.example.org/v/token",
}
MARKDOWN = """\
# News

Dear {{ first_name }}, [come in](/hall?n={{ first_name }}).

averylongwordaverylongwordaverylongwordaverylongwordaverylongwordaverylongword

| Evening | Where | Seats | Remarks of every kind | More |
| --- | --- | --- | --- | --- |
| Monday | Reading room | 40 | doors open at seven | more |

> Quoted

    code that is so long that it has to be wrapped on every telephone there is
"""
MJML = """\
<mjml lang="en"><mj-head><mj-title>News</mj-title>
<mj-style>.big { font-size: 20px }</mj-style></mj-head><mj-body><mj-section>
<mj-column>
<mj-text><p class="big">Dear {{ first_name }}</p>
<a href="/hall?n={{ first_name }}">Come in</a></mj-text>
{% if city %}<mj-text>to {{ city }}</mj-text>{% endif %}
<mj-button href="https://a.example/{{ first_name }}">Buy</mj-button>
<mj-image src="/boat.png" alt='A "boat" \\ of {{ first_name }}\N{NO-BREAK SPACE}!' />
</mj-column></mj-section></mj-body></mjml>
"""


def made_of(source: Source, **values: object) -> Rendered:
    made = Engine().render(source, {"first_name": "Ada & <b>", **values}, BASE)
    assert isinstance(made, Rendered), made
    return made


def luminance(colour: str) -> float:
    channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


CONTRASTS = """() => [...document.querySelectorAll('h1, p, a, td, th, code')]
.map((element) => {
  const styles = [];
  for (let at = element; at; at = at.parentElement) styles.push(getComputedStyle(at));
  const ground = styles.find((one) => one.backgroundColor !== 'rgba(0, 0, 0, 0)');
  return [styles[0].color, ground.backgroundColor];
})"""


def test_it_is_readable_at_every_width_in_light_and_dark() -> None:
    made = made_of(Source("markdown", "s", html=MARKDOWN), **SYSTEM)
    grounds = set()
    with chromium() as browser:
        for width in (320, 375, 600, 640):
            for theme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": 900}, color_scheme=theme
                )
                page.set_content(made.html or "")
                wide = "document.documentElement.scrollWidth - innerWidth"
                assert page.evaluate(wide) <= 0, (width, theme)
                pairs = page.evaluate(CONTRASTS)
                assert min(contrast(*pair) for pair in pairs) >= 4.5
                grounds.add(
                    page.evaluate("getComputedStyle(document.body).backgroundColor")
                )
                page.close()
    assert len(grounds) == 2


def test_every_table_of_the_layout_is_none_for_who_hears_it() -> None:
    html = made_of(Source("markdown", "s", html=MARKDOWN)).html or ""
    tables = re.findall(r"<table\b[^>]*>", html)
    assert sum('role="presentation"' in table for table in tables) == len(tables) - 1
    assert html.count('scope="col"') == 5


def test_styles_are_at_their_elements_and_what_cannot_be_is_kept() -> None:
    html = made_of(Source("markdown", "s", html=MARKDOWN)).html or ""
    assert re.search(r'<h1 style="[^"]*font-size: 26px', html)
    assert "@media (prefers-color-scheme: dark)" in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "<!--[if mso]><table" in html


def test_the_links_below_lead_where_they_should_in_the_language_of_the_mail() -> None:
    made = made_of(Source("markdown", "s", html="Hallo", language="de"), **SYSTEM)
    html = made.html or ""
    assert '<html lang="de" dir="ltr"' in html
    assert re.search(r'href="https://post.example.org/u/token"[^>]*>Abmelden</a>', html)
    assert re.search(r'href="https://post.example.org/v/token"[^>]*>Im Browser', html)
    assert "Abmelden: https://post.example.org/u/token" in made.text
    assert {link.new for link in made.links} == set(SYSTEM.values())


def test_a_link_that_the_author_wrote_is_not_repeated() -> None:
    source = Source("markdown", "s", html="Hi [stop]({{ unsubscribe_url }})")
    html = made_of(source, **SYSTEM).html or ""
    assert html.count("/u/token") == 1
    assert html.count("/v/token") == 1
    text = Source("markdown", "s", html="Hi", text="Stop: {{ unsubscribe_url }}")
    assert "/u/token" not in (made_of(text, **SYSTEM).html or "")


def test_right_to_left() -> None:
    assert 'lang="ar" dir="rtl"' in laid_out("", "ar")
    assert 'lang="fa-IR" dir="rtl"' in laid_out("", "fa-IR")
    assert "<a" not in laid_out("<p>x</p>", "en", Foot())


def test_a_language_cannot_leave_its_attribute() -> None:
    assert '"><script' not in laid_out("", 'en"><script>alert(1)</script>')


def test_values_survive_mjml_in_text_and_in_attributes() -> None:
    made = made_of(Source("mjml", "Hi", html=MJML), city="")
    html = made.html or ""
    assert "Dear Ada &amp; &lt;b&gt;" in html
    assert 'href="https://library.example/hall?n=Ada%20&amp;%20%3Cb%3E"' in html
    assert 'href="https://a.example/Ada%20&amp;%20%3Cb%3E"' in html
    assert 'src="https://library.example/boat.png"' in html
    alt = 'alt="A &quot;boat&quot; \\ of Ada &amp; &lt;b&gt;\N{NO-BREAK SPACE}!"'
    assert alt in html.replace("&nbsp;", "\N{NO-BREAK SPACE}")
    assert "\\u{" not in html
    assert not re.search("[\ufdd0-\ufdef]", html)


def test_mjml_follows_the_branches_and_makes_a_text_part() -> None:
    made = made_of(Source("mjml", "Hi", html=MJML), city="Köln")
    assert "to Köln" in (made.html or "")
    assert "Come in: https://library.example/hall" in made.text
    assert "to Köln" in made.text
    assert "<" not in made.text.replace("<b>", "")


def test_mjml_styles_are_inlined_and_nothing_is_loaded() -> None:
    html = made_of(Source("mjml", "Hi", html=MJML), city="").html or ""
    assert re.search(r'class="big" style="[^"]*font-size: 20px', html)
    assert "fonts.googleapis" not in html
    assert "<!--[if mso | IE]>" in html


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<p>Hi</p>", "This is not MJML: unexpected token"),
        ("", "This is not MJML"),
        ("<mjml><mj-body><mj-section>", "This is not MJML: unexpected end"),
        (
            '<mjml><mj-body><mj-include path="/etc/passwd"/></mj-body></mjml>',
            "<mj-include> is not available",
        ),
    ],
)
def test_what_is_no_mjml_says_so(source: str, words: str) -> None:
    made = Engine().render(Source("mjml", "s", html=source), {}, BASE)
    assert isinstance(made, RenderFailure)
    assert made.words.startswith(words)


def test_the_limited_child_renders_mjml_and_outlives_a_deep_one() -> None:
    deep = "<mjml><mj-body>" + "<mj-wrapper>" * 15_000
    fine = Source("mjml", "s", html=MJML)
    with RenderPool() as pool:
        (bad,) = pool.render_many(Source("mjml", "s", html=deep), [{}], BASE)
        (good,) = pool.render_many(fine, [{"first_name": "Ada", "city": "x"}], BASE)
    assert isinstance(bad, RenderFailure)
    assert isinstance(good, Rendered)
    assert good == made_of(fine, first_name="Ada", city="x")


def test_html_is_left_as_it_is_but_for_its_styles() -> None:
    html = "<p>Hi</p>"
    assert to_html("html", html) == html
