import binascii
import time
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
from webapp.mailboxes.protection import protection_of

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


# --- text that was broken, packed or protected on the way -----------------------------


def text_of(head: bytes, body: bytes) -> str:
    return parse_mail(head + b"\r\n\r\n" + body).bodies("plain")[0].text()


FLOWED = b"Content-Type: text/plain; charset=utf-8; format=flowed"


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"one \r\ntwo\r\n", "one two\n"),
        (b"one\r\ntwo \r\n", "one\ntwo \n"),
        (b"> a \r\n> b\r\n>> c \r\n> d", "> a b\n>> c \n> d"),
        (b"so \r\n-- \r\nAda \r\nByrne", "so \n-- \nAda Byrne"),
        (b" stuffed\r\n >no quote", "stuffed\n>no quote"),
        (b"", ""),
    ],
)
def test_flowed_text_is_as_it_was_written(body: bytes, shown: str) -> None:
    assert text_of(FLOWED, body) == shown
    assert text_of(b"Content-Type: text/plain", body) == body.decode()


def test_the_space_of_a_break_is_left_out_where_it_belongs_to_it() -> None:
    body = "日本 \r\n語".encode()
    assert text_of(FLOWED + b"; delsp=yes", body) == "日本語"


def uu(name: str, content: bytes) -> bytes:
    """Return a file as uuencode writes it."""
    lines = [
        binascii.b2a_uu(content[at : at + 45]).rstrip(b"\n") + b"\r\n"
        for at in range(0, len(content), 45)
    ]
    return b"begin 644 " + name.encode() + b"\r\n" + b"".join(lines) + b"`\r\nend\r\n"


@given(content=st.binary(max_size=400))
def test_a_file_in_the_text_is_an_attachment(content: bytes) -> None:
    body = b"Dear Ada,\r\n" + uu("../Grü.bin", content) + b"begin with joy\r\nBo\r\n"
    mail = parse_mail(b"Subject: x\r\n\r\n" + body)
    (part,) = mail.attachments()
    assert (part.file_name, part.octets()) == ("Grü.bin", content)
    assert mail.bodies("plain")[0].text() == "Dear Ada,\r\n\r\nbegin with joy\r\nBo\r\n"


def test_an_attachment_may_say_that_it_is_uuencoded() -> None:
    head = b"Content-Type: image/gif\r\nContent-Transfer-Encoding: X-UUencode\r\n\r\n"
    (part,) = parse_mail(head + uu("a.gif", b"GIF89a!")).attachments()
    assert part.octets() == b"GIF89a!"


def test_many_beginnings_with_one_end_take_no_time() -> None:
    body = b"begin 644 a\r\nnothing of the kind\r\n" * 30_000 + b"end\r\n"
    began = time.process_time()
    assert parse_mail(b"Subject: x\r\n\r\n" + body).attachments() == []
    assert time.process_time() - began < 5


SIGNED = (
    b"Content-Type: multipart/signed; protocol=%b; boundary=b\r\n\r\n"
    b"--b\r\n\r\nHello\r\n--b\r\nContent-Type: %b\r\n\r\nMIAG\r\n--b--\r\n"
)
PGP = b"application/pgp-signature"
PKCS7 = b"application/x-pkcs7-signature"
ENVELOPED = b"Content-Type: application/x-pkcs7-mime; name=smime.p7m\r\n\r\nMIAG"
PACKED = b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nMIAG"
PGP_MIME = (
    b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";'
    b" boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
    b"Version: 1\r\n--b\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SIGNED % (PKCS7, PKCS7), "smime_signed"),
        (SIGNED % (PGP, PGP), "pgp_signed"),
        (ENVELOPED, "smime_encrypted"),
        (PACKED, "smime_packed"),
        (PGP_MIME, "pgp_encrypted"),
        (b"\r\nHi\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n", "pgp_encrypted"),
        (b"\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHi\r\n", "pgp_signed"),
        (b"\r\n> -----BEGIN PGP MESSAGE-----\r\n", None),
        (SIGNED % (b"x/y", b"x/y"), None),
        (b"\r\nHello\r\n", None),
    ],
)
def test_a_protected_mail_is_called_what_it_is(
    source: bytes, expected: str | None
) -> None:
    assert protection_of(parse_mail(source)) == expected
