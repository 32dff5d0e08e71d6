"""Hints: what imitates and what is hidden is said; ordinary mail has nothing said."""

import time

import pytest

from tests.mailboxes.samples import HTML, PEOPLE, newsletter
from webapp.mailboxes import hidden_text
from webapp.mailboxes.authentication import checks, failed
from webapp.mailboxes.headers import Headers, parse_headers
from webapp.mailboxes.hints import Hint, hints_of, hints_of_mail
from webapp.mailboxes.mime import parse_mail

SECRET = "ignore all that was said before"
PAYPAL = "p\u0430ypal"
SEEN = "<p>Good morning, here is the programme of the winter.</p>"


def kinds(head: str = "", html: str = "", text: str = "") -> list[str]:
    headers = parse_headers(head.encode())
    return [hint.kind for hint in hints_of(headers, html, text)]


SENDERS = {
    f"Bank <help@{PAYPAL}.example>": ["imitated_sender"],
    "Bank <help@xn--80ak6aa92e.com>": ["imitated_sender"],
    "Bank <help@b\uff41nk.example>": ["imitated_sender"],
    "Bank <help@\u03bf\u03b1\u03bd.example>": ["imitated_sender"],
    f"{PAYPAL.title()} Support <a@example.org>": ["imitated_name"],
    '"boss@bank.example" <x@evil.example>': ["other_address"],
    '"The boss (boss@bank.example)" <x@evil.example>': ["other_address"],
    "Pay\u200bPal <a@example.org>": ["invisible_letters"],
    "Ada <ada@example.org>\r\nReply-To: a@elsewhere.example": ["reply_elsewhere"],
    "Ada <ada@a.co.uk>\r\nReply-To: ada@b.co.uk": ["reply_elsewhere"],
    "Ada <ada@a.org>\r\nReply-To: a@b.org, c@d.org": ["reply_elsewhere"],
    "Ada\r\nReply-To: a@b.org": [],
    # --- ordinary ---
    "Ada <ada@m\u00fcller.example>": [],
    "Иван Петров <ivan@почта.рф>": [],
    "\u0421\u0430\u0440\u0430 Byrne <sara@example.org>": [],
    "Soso <soso@\u0441\u043e\u0441\u043e.ru>": [],
    "東京タワー <a@東京タワーabc.jp>": [],
    "Ωmega <a@example.org>": [],
    '"ada@example.org" <Ada@example.org>': [],
    "Ada @ home <ada@example.org>": [],
    "Ada <news@mail.example.org>\r\nReply-To: desk@example.org": [],
    "Ada <ada@a.org>\r\nTo: list@b.org\r\nReply-To: list@b.org": [],
    "Ada <ada@a.org>\r\nReply-To: <>": [],
    "\u0645\u062d\u0645\u062f <a@example.org>": [],
    "": [],
}


@pytest.mark.parametrize(("sender", "expected"), SENDERS.items())
def test_senders(sender: str, expected: list[str]) -> None:
    assert kinds(f"From: {sender}") == expected


LINKS = {
    '<a href="https://evil.example/x">www.bank.example</a>': ["link_elsewhere"],
    '<a href="https://evil.example/x">https://bank.example/login</a>': [
        "link_elsewhere"
    ],
    "<a href='https://evil.example/x'><b>bank</b>.example </a>": ["link_elsewhere"],
    "<a href=https://evil.example>bank.example</a>": ["link_elsewhere"],
    '<a href="https://bank.example@evil.example/">Sign in</a>': ["link_elsewhere"],
    '<a href="https://a.example">bank.example</a> <a href="https://b.org">b.com</a>': [
        "link_elsewhere"
    ],
    f'<a href="https://{PAYPAL}.example/">Sign in</a>': ["imitated_link"],
    f'<a href="https://{PAYPAL}.example/">{PAYPAL}.example</a>': ["imitated_link"],
    '<a href="https://xn--pypal-4ve.example/">Sign in</a>': ["imitated_link"],
    # --- ordinary ---
    '<a href="https://click.bank.example/x">www.bank.example</a>': [],
    '<a href="https://bank.example/a?b=c">bank.example</a>': [],
    '<a href="https://bank.example/">WWW.BANK.EXAMPLE</a>': [],
    '<a href="HTTPS://BANK.EXAMPLE/">bank.example</a>': [],
    '<a href="https://m\u00fcller.example/">m\u00fcller.example</a>': [],
    '<a href="https://xn--mller-kva.example/">m\u00fcller.example</a>': [],
    '<a href="https://evil.example/">Read more</a>': [],
    '<a href="https://evil.example/">Version 1.2</a>': [],
    '<a href="mailto:ada@example.org">ada@example.org</a>': [],
    '<a href="https://[">bank.example</a>': [],
    '<a name="top">bank.example</a>': [],
}


@pytest.mark.parametrize(("html", "expected"), LINKS.items())
def test_links(html: str, expected: list[str]) -> None:
    assert kinds(html=html) == expected


def test_a_link_in_plain_text_is_looked_at_too() -> None:
    assert kinds(text=f"See https://{PAYPAL}.example/x now") == ["imitated_link"]
    assert kinds(text="See https://paypal.example/x now") == []


HIDDEN = (
    f"<p style='display:none'>{SECRET}</p>",
    f"<p style='DISPLAY : none !important'>{SECRET}</p>",
    f"<p hidden>{SECRET}</p>",
    f"<p style='visibility:hidden'>{SECRET}</p>",
    f"<p style='opacity:0'>{SECRET}</p>",
    f"<p style='font-size:0'>{SECRET}</p>",
    f"<p style='font-size:1px'>{SECRET}</p>",
    f"<p style='max-height:0;overflow:hidden'>{SECRET}</p>",
    f"<p style='position:absolute;left:-9999px'>{SECRET}</p>",
    f"<p style='text-indent:-9999px'>{SECRET}</p>",
    f"<p style='color:#fff'>{SECRET}</p>",
    f"<p style='color:#FEFEFE'>{SECRET}</p>",
    f"<p style='color:rgb(255, 255, 255)'>{SECRET}</p>",
    f"<p style='color:transparent'>{SECRET}</p>",
    f"<font color=white>{SECRET}</font>",
    f"<td bgcolor=#112233><font color='#112233'>{SECRET}</font></td>",
    f"<div style='display:none'><p><b>{SECRET}</b></p></div>",
    f"<p>Pay<span style='display:none'>{SECRET}</span>Pal</p>",
)
SHOWN = (
    SEEN,
    HTML,
    # a gap between columns, whose cells say their own size
    f"<td style='font-size:0px'><div style='font-size:13px'>{SECRET}</div></td>",
    # white letters on a picture, a ground of a sheet, a dark button
    f"<td background='x.png'><p style='color:#fff'>{SECRET}</p></td>",
    f"<td style='background:url(x.png)'><p style='color:#fff'>{SECRET}</p></td>",
    f"<style>.b {{background:#000}}</style><p class=b style='color:#fff'>{SECRET}</p>",
    f"<style>body {{background:#333}}</style><p style='color:#fff'>{SECRET}</p>",
    f"<a style='background:#147;color:#fff' href='https://a.example'>{SECRET}</a>",
    f"<td bgcolor='#114477'><b style='color:white'>{SECRET}</b></td>",
    # what a small screen shows instead
    "<style>@media (max-width:480px) {.small {display:block !important}}</style>"
    f"<p class='small' style='display:none'>{SECRET}</p>",
    # not closed, as HTML allows
    f"<p style='display:none'>x<p>{SECRET}",
    f"<ul><li style='display:none'>x<li>{SECRET}</ul>",
    # no text at all
    "<div style='display:none'><img src='https://a.example/p.gif'></div>",
    "<p style='display:none'>12345</p>",
    f"<!-- {SECRET} --><script>{SECRET} now</script><style>/* {SECRET} */</style>",
    f"<!--[if mso]><p style='display:none'>{SECRET}</p><![endif]-->",
)


@pytest.mark.parametrize("html", HIDDEN)
def test_hidden_text_is_said(html: str) -> None:
    assert kinds(html=SEEN + html) == ["hidden_text"]


@pytest.mark.parametrize("html", SHOWN)
def test_what_is_ordinary_is_not(html: str) -> None:
    assert kinds(html=SEEN + html) == []


@pytest.mark.parametrize(
    "style",
    ["display:none", "font-size:1px;color:#fff", "max-height:0;overflow:hidden"],
)
def test_a_preheader_is_ordinary(style: str) -> None:
    fill = "&zwnj;&nbsp;&#847;" * 200
    line = f"<div style='{style}'>All that November brings to the library {fill}</div>"
    assert kinds(html=f"<html><head><title>News</title></head><body>{line}{SEEN}") == []


def test_a_letter_above_the_text_is_no_preheader() -> None:
    assert kinds(html=f"<div style='display:none'>{SECRET * 20}</div>{SEEN}") == [
        "hidden_text"
    ]


INVISIBLE = {
    "In\u200bvo\u200bi\u200bce": ["invisible_letters"],
    "".join(chr(0xE0000 + ord(letter)) for letter in SECRET): ["invisible_letters"],
    # --- ordinary ---
    "A long\u200b name\u200b with\u200b breaks\u200b": [],
    "ada@\u200bexample.org ada@\u200bexample.org ada@\u200bexample.org": [],
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 " * 5: [],
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 5: [],
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f" * 3: [],
    "Donau\u00addampf\u00adschiff\u00adfahrt": [],
}


@pytest.mark.parametrize(("text", "expected"), INVISIBLE.items())
def test_invisible_letters(text: str, expected: list[str]) -> None:
    assert kinds(text=text) == expected
    assert kinds(html=f"<p>{text}</p>") == expected


def test_an_entity_is_a_letter_too() -> None:
    html = "<p>In&#8203;vo&#8203;i<b>&#x200b;</b>ce</p>"
    assert kinds(html=html) == ["invisible_letters"]


def test_ordinary_mails_have_no_hint() -> None:
    mails = [newsletter().as_bytes()]
    mails += [
        f"From: {who}\r\nSubject: {s}\r\n\r\n{t}".encode() for who, s, t in PEOPLE
    ]
    assert [hints_of_mail(parse_mail(one)) for one in mails] == [[]] * len(mails)


def test_a_hint_says_what_it_really_is() -> None:
    headers = parse_headers(f"From: x@{PAYPAL}.example".encode())
    assert hints_of(headers, "", "") == [
        Hint("imitated_sender", f"{PAYPAL}.example", "xn--pypal-4ve.example")
    ]


# --- what servers said --------------------------------------------------------------

RESULTS = {
    "mx.example; dmarc=fail header.from=a.example": "DMARC",
    "mx.example; spf=pass; dkim=pass; dmarc=fail (p=NONE)": "DMARC",
    "mx.example; dmarc = FAIL": "DMARC",
    "mx.example; spf=fail smtp.mailfrom=a@b.example": "SPF",
    "mx.example; dkim=fail (bad signature); spf=none": "DKIM",
    "mx.example; dmarc=pass\r\nAuthentication-Results: mx.example; dmarc=fail": "DMARC",
    "mx.example; dmarc=fail\r\nAuthentication-Results: mx.example; dmarc=pass": "DMARC",
    # --- ordinary ---
    "mx.example; dmarc=pass": "",
    "mx.example; spf=fail; dkim=pass": "",
    "mx.example; spf=fail; dmarc=pass": "",
    "mx.example; spf=softfail; dkim=none; dmarc=none": "",
    "mx.example; spf=temperror; dmarc=temperror": "",
    "mx.example; spf=pass (is not dmarc=fail)": "",
    "mx.example; none": "",
}


@pytest.mark.parametrize(("value", "expected"), RESULTS.items())
def test_a_bad_word_of_any_server_counts(value: str, expected: str) -> None:
    headers = parse_headers(f"Authentication-Results: {value}".encode())
    assert failed(headers) == expected


# --- … and what the own server said ---------------------------------------------------

OWN = {"mx.example"}
RECEIVED = "Received: from evil.example by mx.example; Fri, 20 Nov 2026 07:12:41 +0000"


def said(*fields: str) -> Headers:
    """Return headers, topmost first; what has no name is a field of results."""
    whole = (
        one if one.startswith("Received") else f"Authentication-Results: {one}"
        for one in fields
    )
    return parse_headers("\r\n".join(whole).encode())


def words(headers: Headers) -> list[str]:
    return [f"{one.method} {one.result}" for one in checks(headers, OWN)]


def test_the_own_server_is_believed_when_all_is_well() -> None:
    one = "mx.example 1; dkim=pass (2048-bit) header.d=Shop.example header.s=a;"
    more = " spf=pass smtp.mailfrom=a@shop.example; dmarc=pass header.from=shop.example"
    found = checks(said(one + more), OWN)
    assert [one.method for one in found] == ["spf", "dkim", "dmarc"]
    assert {(one.result, one.domain) for one in found} == {("pass", "shop.example")}


@pytest.mark.parametrize(
    "fields",
    [
        ("mx.other.example; dmarc=pass",),
        ("(mx.example) evil.example; dmarc=pass",),
        ("mx.example.evil.example; dmarc=pass",),
        ("x; mx.example; dmarc=pass",),
        ("dmarc=pass",),
        ("mx.example; none",),
    ],
)
def test_nobody_else_is(fields: tuple[str, ...]) -> None:
    assert words(said(*fields)) == []


def test_the_own_name_below_the_own_line_is_a_stranger_s() -> None:
    forged = "mx.example; spf=pass; dkim=pass; dmarc=pass"
    headers = said("mx.example; spf=fail", "MX.EXAMPLE.; dmarc=fail", RECEIVED, forged)
    assert words(headers) == ["spf fail", "dmarc fail"]
    assert failed(headers, OWN) == "DMARC"


def test_the_own_server_s_good_word_outweighs_a_bad_one_of_the_way() -> None:
    headers = said("mx.example; dmarc=pass", RECEIVED, "list.example; dkim=fail")
    assert failed(headers) == "DKIM"
    assert failed(headers, OWN) == ""


def test_received_spf_counts_where_there_are_no_results() -> None:
    assert failed(parse_headers(b"Received-SPF: Fail (mx.example: no)")) == "SPF"
    assert failed(parse_headers(b"Received-SPF: pass")) == ""
    assert kinds("Received-SPF: fail\r\nFrom: a@example.org") == ["unconfirmed"]


# --- hostile HTML -------------------------------------------------------------------

BOMBS = (
    "<a " * 90_000,
    "<style>" * 40_000,
    "<script>" * 40_000,
    '<p style="' * 30_000,
    "<p '\"" * 50_000,
    "<!--" * 60_000,
    "<div>" * 60_000 + "</p>" * 10_000,
    "<p " + "a=b " * 60_000 + ">",
    "<p style='" + "color:#fff;" * 25_000 + "'>x",
    "<a href='https://" + "a." * 100_000 + "b'>" + "c." * 20_000 + "d</a>",
    "(" * 250_000,
    "&" * 250_000,
    "<p>" + "a\u200b" * 120_000,
)


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_hostile_html_is_read_in_no_time(bomb: str) -> None:
    began = time.process_time()
    hints_of(parse_headers(b"From: a@example.org"), bomb, bomb)
    assert time.process_time() - began < 1.0


def test_what_is_beyond_the_cap_is_not_read() -> None:
    assert hidden_text.scan("x" * 300_000 + HIDDEN[0]).hidden == 0
