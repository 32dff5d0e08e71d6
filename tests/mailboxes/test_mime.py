from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core.file_names import clean_file_name, content_disposition, warning
from webapp.core.one_line import one_line
from webapp.mailboxes.charsets import decode_words, safe_decode
from webapp.mailboxes.headers import MailAddress, parse_addresses, parse_date
from webapp.mailboxes.mime import parse_mail
from webapp.mailboxes.plain_text import blocks, pieces

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]),
    min_size=1,
    max_size=60,
).filter(lambda text: text.strip() == text and " ".join(text.split()) == text)
PLAIN = TEXT.filter(lambda text: one_line(text) == text)


@given(subject=PLAIN, text=TEXT, content=st.binary(max_size=200))
def test_what_was_composed_is_read(subject: str, text: str, content: bytes) -> None:
    mail = EmailMessage()
    mail["Subject"] = subject
    mail.set_content(text)
    mail.add_alternative(f"<p>{text}</p>", subtype="html")
    mail.add_attachment(content, "application", "x-thing", filename="a b.bin")
    parsed = parse_mail(mail.as_bytes())
    assert parsed.headers.text("subject") == subject
    assert parsed.bodies("plain")[0].text().rstrip("\n") == text
    assert f"<p>{text}</p>" in parsed.bodies("html")[0].text()
    [attached] = parsed.attachments()
    assert (attached.file_name, attached.octets()) == ("a b.bin", content)


@given(source=st.binary(max_size=2000))
def test_no_octets_make_it_fail(source: bytes) -> None:
    parsed = parse_mail(source)
    parsed.headers.shown()
    for part in parsed.root.walk():
        part.text().encode("utf-8")


@given(
    source=st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=b\r\n",
                b"Content-Type: text/html; charset=utf-16\r\n",
                b"Content-Transfer-Encoding: base64\r\n",
                b"--b\r\n",
                b"--b--\r\n",
                b"\r\n",
                b"=?utf-8?q?a=0D=0Ab?=",
                b"From: (((",
                b"\r\n",
            ]
        ),
        max_size=40,
    ).map(b"".join)
)
def test_no_structure_makes_it_fail(source: bytes) -> None:
    parsed = parse_mail(source)
    assert len(list(parsed.root.walk())) <= 201


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?b?R3LDvA==?= =?utf-8?b?w59l?=", "Grüße"),
        ("=?utf-8?b?4pi6?= and =?utf-8?b?4pi6?=", "☺ and ☺"),
        ("=?gb2312?b?xOO6ww==?=", "你好"),
        ("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?x-unknown?q?abc?=", "abc"),
        ("=?utf-8?q?a_b?=", "a b"),
        ("plain", "plain"),
        ("=?utf-8?q?never ends", "=?utf-8?q?never ends"),
    ],
)
def test_encoded_words(raw: str, text: str) -> None:
    assert decode_words(raw) == text


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        ("Grüße".encode("cp1252"), "iso-8859-1", "Grüße"),
        ("€".encode("cp1252"), "iso-8859-1", "€"),
        ("Grüße".encode(), None, "Grüße"),
        ("Grüße".encode("cp1252"), None, "Grüße"),
        ("日本".encode("cp932"), "Shift_JIS", "日本"),
        (b"abc", "base64", "abc"),
        (b"abc", "\0", "abc"),
        (b"abc", "x" * 500, "abc"),
        (b"+2D0-", "utf-7", "?"),
    ],
)
def test_charsets(octets: bytes, charset: str | None, text: str) -> None:
    assert safe_decode(octets, charset).replace("\ufffd", "?") == text


@pytest.mark.parametrize(
    ("raw", "addresses"),
    [
        ("a@example.com", [MailAddress("", "a@example.com")]),
        ("<a@example.com>", [MailAddress("", "a@example.com")]),
        ('"A, B" <a@example.com>', [MailAddress("A, B", "a@example.com")]),
        ("=?utf-8?q?Zo=C3=AB?= <z@e.se>", [MailAddress("Zoë", "z@e.se")]),
        (
            "Team: a@e.com, b@e.com;",
            [MailAddress("", "a@e.com"), MailAddress("", "b@e.com")],
        ),
        ("undisclosed-recipients:;", []),
        ("", []),
        ("Nobody", [MailAddress("Nobody", "")]),
        ('"=?utf-8?q?a=22=3Cb=3E?=" <c@e.com>', [MailAddress('a"<b>', "c@e.com")]),
    ],
)
def test_addresses(raw: str, addresses: list[MailAddress]) -> None:
    assert parse_addresses(raw) == addresses


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "never",
        "Fri, 31 Dec 9999 23:59:59 -1200",
        "Fri, 31 Dec 99999999999999999999 23:59:59 -1200",
        "Mon, 99 Jan 2026 99:99:99 +9999",
        "Thu, 1 Jan 1970 00:00:00 +0000",
    ],
)
def test_dates_that_are_none(raw: str) -> None:
    assert parse_date(raw) is None


@given(name=st.text(max_size=300))
def test_file_names_are_harmless(name: str) -> None:
    clean = clean_file_name(name)
    assert not set(clean) & set('/\\\r\n\0"')
    assert len(clean) <= 150
    assert clean not in (".", "..")
    header = content_disposition(name)
    assert header.startswith("attachment; ")
    assert header.isascii()
    assert header.isprintable()


def test_a_name_that_lies_is_said() -> None:
    assert warning("a.pdf", b"MZ\x90") == (
        "This is a program. Do not open it unless you expect it."
    )
    assert warning("a.pdf", b"%PDF-1.4") == ""
    assert "text/html" in warning("a.png", b"<!doctype html>")


def test_quotes_are_folded_and_links_found() -> None:
    shown = blocks("Hello\n> old\n>> older\nsee https://a.example/x?y=(1).")
    assert [block.quoted for block in shown] == [False, True, False]
    assert shown[2].lines[0][1].href == "https://a.example/x?y=(1)"


@given(line=st.text(max_size=300))
def test_pieces_are_the_line(line: str) -> None:
    assert "".join(piece.text for piece in pieces(line)) == line


@given(line=st.text(max_size=100))
def test_links_are_web_or_mail(line: str) -> None:
    for piece in pieces(f"x javascript:{line} https://e.com/{line}"):
        kind = piece.href.partition(":")[0].lower()
        assert kind in ("", "http", "https", "mailto")
