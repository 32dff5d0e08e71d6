"""Our own reader of plain FETCH answers says what the library's says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imapclient.response_parser import (  # type: ignore[import-untyped]  # ships no types
    parse_fetch_response,
)

from webapp.mailboxes import rows
from webapp.mailboxes.imap_rows import plain_row
from webapp.mailboxes.mime import parse_mail
from webapp.mailboxes.rows import row_of, snippet_of

ITEMS = [
    b"UID 9",
    b"FLAGS ()",
    b"FLAGS (\\Seen $Label1 \\Recent)",
    b'INTERNALDATE "20-Nov-2026 07:12:41 +0530"',
    b'INTERNALDATE " 1-Feb-1999 23:59:59 -0800"',
    b"RFC822.SIZE 1234",
    b"MODSEQ (77)",
    b'BODY[TEXT]<0> "short"',
    b"BODY[TEXT]<0> NIL",
    b"BODY[HEADER.FIELDS (FROM SUBJECT)]<0> {12}",
    b"BODY[] {0}",
    b"ENVELOPE (NIL)",
    b"FLAGS ((((",
    b'"',
    b")",
]


def answer(items: list[bytes]) -> list[Any]:
    """Return what imaplib makes of these items of one mail."""
    group: list[Any] = []
    text = b"3 ("
    for at, item in enumerate(items):
        text += (b" " if at else b"") + item
        if item.endswith(b"}"):
            group.append((text, b"x" * int(item.split(b"{")[1][:-1])))
            text = b""
    return [*group, text + b")"]


def by_library(group: list[Any]) -> Any:
    found = parse_fetch_response(group, normalise_times=False, uid_is_key=False)
    return next(iter(found.items()))


@given(items=st.lists(st.sampled_from(ITEMS), min_size=1, max_size=6))
def test_what_is_plain_is_what_the_library_reads(items: list[bytes]) -> None:
    group = answer(items)
    mine = plain_row(group)
    if mine is not None:
        assert mine == by_library(group)


def test_every_item_of_a_list_is_plain() -> None:
    for item in ITEMS[:11]:
        assert plain_row(answer([b"UID 9", item])) is not None, item


@pytest.mark.parametrize(
    "group",
    [
        [(b"3 (UID 9 BODY[] {5}", b"four"), b")"],
        [b"3 (UID 9"],
        [b"3 (UID 9))"],
        [b"x (UID 9)"],
        [b'3 (INTERNALDATE "31-Feb-2026 07:12:41 +0000")'],
        [b'3 (INTERNALDATE "20-Nov-2026 07:12:41 +9900")'],
        [(b"3 (UID 9", b"lost"), b")"],
    ],
)
def test_what_is_not_plain_is_left(group: list[Any]) -> None:
    assert plain_row(group) is None


@given(
    kind=st.sampled_from(
        [
            "text/plain",
            "TEXT/HTML; charset=iso-8859-1",
            'text/plain; name="a.txt"',
            "text/plain; charset=utf-7",
            "text",
            "multipart/mixed; boundary=x",
            "",
        ]
    ),
    encoding=st.sampled_from(["", "8bit", "base64", "Quoted-Printable", "x-lie"]),
    text=st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [b"<p>Hello</p>&nbsp;you", b"SGVsbG8=", b"--x\r\n\r\nHi\r\n--x--"]
        ),
    ),
)
def test_a_snippet_is_what_the_whole_reader_shows(
    kind: str, encoding: str, text: bytes
) -> None:
    head = f"Content-Transfer-Encoding: {encoding}\r\n".encode() if encoding else b""
    head = (f"Content-Type: {kind}\r\n".encode() if kind else b"") + head + b"\r\n"
    mail = parse_mail(head + text)
    bodies = [*mail.bodies("plain"), *mail.bodies("html")][:1]
    shown = bodies[0].text() if bodies else ""
    if bodies and bodies[0].mime_type == "text/html":
        shown = rows._MARKUP.sub(" ", shown)
    row = row_of(1, {b"BODY[HEADER.FIELDS (X)]": head, b"BODY[TEXT]<0>": text})
    assert row.snippet == (snippet_of(shown) if text else "")
