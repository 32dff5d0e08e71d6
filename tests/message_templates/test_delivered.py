"""The look at delivered bytes: each rule finds its case and spares good messages."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from webapp.composing.letter import Address, Attachment, Letter
from webapp.composing.mime import compose
from webapp.message_templates.delivered import Delivered, checks, findings_in
from webapp.message_templates.findings import Severity

STOP = "https://post.example.org/u/token"
GOOD = Letter(
    from_=Address("Desk", "desk@library.example"),
    to=(Address("Ada", "ada@example.org"),),
    reply_to=(Address("", "hello@library.example"),),
    subject="News",
    text=f"Hello\n\nUnsubscribe: {STOP}\n",
    html=f'<p><img src="https://a.example/i.png" alt=""></p><a href="{STOP}">Stop</a>',
    headers=(
        ("List-Unsubscribe", f"<{STOP}>, <mailto:desk@library.example?subject=x>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ),
    message_id="<1@library.example>",
    date=datetime(2026, 11, 22, tzinfo=UTC),
    envelope_from="bounce+token@mail.library.example",
)


def found(
    letter: Letter = GOOD, old: bytes = b"", new: bytes = b"", **more: Any
) -> Any:
    """Codes of what is found in a letter, some of its bytes replaced."""
    made = compose(letter)
    assert old in made.data
    data = made.data.replace(old, new, 1) if old else made.data
    asked = Delivered(data, made.mail_from, **{"is_bulk": True, **more})
    return {(one.code, one.severity) for one in findings_in(checks(asked))}


def codes(letter: Letter = GOOD, **more: Any) -> set[str]:
    return {code for code, _severity in found(letter, **more)}


def test_a_good_message_passes_every_check() -> None:
    assert found() == set()
    made = compose(GOOD)
    words = [one.words for one in checks(Delivered(made.data, made.mail_from, True))]
    assert len(words) == len(set(words)) == 10


@pytest.mark.parametrize(
    "name", ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version"]
)
def test_m01_exactly_one_of_each(name: str) -> None:
    line = f"\r\n{name}: ".encode()
    data = b"\r\n" + compose(GOOD).data
    twice = data.replace(line, f"\r\n{name}: x\r\n{name}: ".encode(), 1)[2:]
    gone = data.replace(line, b"\r\nX-Gone: ", 1)[2:]
    for bad in (twice, gone):
        made = checks(Delivered(bad, "desk@library.example"))
        assert [one.code for one in made[0].found] == ["M01"]
        assert name in made[0].found[0].message
        assert made[0].found[0].severity is Severity.ERROR


def test_m02_text_first() -> None:
    assert "M02" in codes(replace(GOOD, text=None))
    assert "M02" not in codes(replace(GOOD, html=None))
    swapped = found(old=b"text/plain", new=b"text/htmx")
    assert ("M02", Severity.WARNING) in swapped
    data = compose(GOOD).data
    parts = data.split(b"\r\n--=_")
    data = b"\r\n--=_".join([parts[0], parts[2], parts[1], *parts[3:]])
    bad = findings_in(checks(Delivered(data, "desk@library.example")))
    assert ("M02", Severity.ERROR) in {(one.code, one.severity) for one in bad}


@pytest.mark.parametrize("new", [b"x" * 999, b"\n", b"a\rb"])
def test_m03_lines(new: bytes) -> None:
    assert ("M03", Severity.ERROR) in found(old=b"Hello\r\n", new=new + b"\r\n")


@pytest.mark.parametrize(
    ("envelope", "is_found"),
    [
        ("b@evil.example.net", True),
        ("b@library.example", False),
        ("b@a.b.library.example", False),
        ("", False),
    ],
)
def test_m04_from_and_envelope(envelope: str, is_found: bool) -> None:
    assert ("M04" in codes(replace(GOOD, envelope_from=envelope))) is is_found


@pytest.mark.parametrize(
    ("headers", "severity"),
    [
        ((), Severity.WARNING),
        ((("List-Unsubscribe", f"<{STOP}>"),), Severity.WARNING),
        ((GOOD.headers[0],), Severity.WARNING),
        (
            (
                ("List-Unsubscribe", "<http://a.example/u>, <mailto:a@b.example>"),
                GOOD.headers[1],
            ),
            Severity.WARNING,
        ),
        (
            (
                ("List-Unsubscribe", "<http://127.0.0.1/u>, <mailto:a@b.example>"),
                GOOD.headers[1],
            ),
            Severity.INFO,
        ),
    ],
)
def test_m05_one_click(headers: Any, severity: Severity) -> None:
    letter = replace(GOOD, headers=headers)
    assert ("M05", severity) in found(letter)
    assert "M05" not in codes(letter, is_bulk=False)


@pytest.mark.parametrize(
    "more", [{"text": "Hello"}, {"html": "<p>Hello</p>"}, {"html": None, "text": "x"}]
)
def test_m06_a_link_to_be_seen(more: Any) -> None:
    letter = replace(GOOD, **more)
    assert ("M06", Severity.WARNING) in found(letter)
    assert "M06" not in codes(letter, is_bulk=False)


@pytest.mark.parametrize(
    ("size", "severity"), [(91, Severity.WARNING), (103, Severity.ERROR)]
)
def test_g01_the_html_on_its_way(size: int, severity: Severity) -> None:
    letter = replace(GOOD, html=(GOOD.html or "") + "<p>word word</p>\n" * (size * 61))
    assert ("G01", severity) in found(letter)


def test_g06_the_whole_message() -> None:
    def with_file(size: int) -> Letter:
        return replace(GOOD, attachments=(Attachment("a.bin", b"x" * size),))

    assert "G06" not in codes(with_file(1000))
    assert ("G06", Severity.WARNING) in found(with_file(9 * 1024**2))
    assert ("G06", Severity.ERROR) in found(with_file(20 * 1024**2))
    assert ("G06", Severity.ERROR) in found(with_file(100_000), largest=100_000)
    assert "G06" not in codes(with_file(1000), largest=100_000)


@pytest.mark.parametrize(
    ("link", "severity"),
    [
        ("/hall", Severity.WARNING),
        ("http://a.example/x", Severity.INFO),
        ("http://127.0.0.1:8000/x", None),
        ("mailto:a@b.example", None),
        ("#top", None),
    ],
)
def test_m08_links(link: str, severity: Severity | None) -> None:
    letter = replace(GOOD, html=f'{GOOD.html}<a href="{link}">x</a>')
    assert {s for code, s in found(letter) if code == "M08"} == {severity} - {None}


def test_m09_images() -> None:
    assert "M09" in codes(replace(GOOD, html=f"{GOOD.html}<IMG src='cid:a'>"))


def test_d01_answers() -> None:
    nobody = Address("", "no-reply@library.example")
    assert "D01" in codes(replace(GOOD, from_=nobody, reply_to=()))
    assert "D01" not in codes(replace(GOOD, from_=nobody))
    assert "D01" not in codes(replace(GOOD, reply_to=()))
