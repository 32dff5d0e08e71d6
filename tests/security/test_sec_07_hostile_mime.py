"""SECURITY 07: no mail takes the desk down, whatever its structure."""

import resource
import time
from collections.abc import Callable

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import mail, put
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import folders, sanitise_limited
from webapp.mailboxes.headers import parse_addresses
from webapp.mailboxes.mime import parse_mail
from webapp.mailboxes.models import Mailbox
from webapp.mailboxes.sanitise_limited import TooHard, clean_limited

SECONDS = 5.0


def nested(levels: int) -> bytes:
    """Multiparts in multiparts."""
    parts = (
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(levels)
    )
    return b"".join(parts) + b"Content-Type: text/plain\r\n\r\ndeep\r\n"


def parts(number: int) -> bytes:
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"--b\r\n\r\nx\r\n" * number + b"--b--\r\n"


ATTACKS: dict[str, Callable[[], bytes]] = {
    "50 000 addresses": lambda: b"To: " + b"a@example.com, " * 50_000 + b"\r\n\r\nx",
    "20 000 parameters": lambda: (
        b"Content-Type: text/plain" + b"; a=b" * 20_000 + b"\r\n\r\nx"
    ),
    "100 000 parts": lambda: parts(100_000),
    "2 000 levels": lambda: nested(2_000),
    "20 levels of 10 MB": lambda: nested(19) + b"\r\n--" * 2_500_000,
    "5 000 parentheses": lambda: b"From: " + b"(" * 5_000 + b"\r\n\r\nx",
    "20 000 encoded words": lambda: (
        b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\r\n\r\nx"
    ),
    "year 9999": lambda: b"Date: Fri, 31 Dec 9999 23:59:59 -1200\r\n\r\nx",
    "a 20-digit year": lambda: b"Date: Fri, 31 Dec 99999999999999999999\r\n\r\nx",
    "broken ids": lambda: b'Message-ID: <abc@\r\nFrom: a@[\r\nTo: "\r\n\r\nx',
    "a 1 MB header": lambda: b"Subject: " + b"x" * 1_000_000 + b"\r\n\r\nx",
    "NULs": lambda: b"Subject: a\0b\r\n\r\n\0\0",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_reading_ends_soon(name: str) -> None:
    source = ATTACKS[name]()
    start = time.process_time()
    parsed = parse_mail(source)
    parsed.headers.shown()
    assert time.process_time() - start < SECONDS
    assert len(list(parsed.root.walk())) <= 201


def test_an_endless_address_header_is_cut() -> None:
    assert len(parse_addresses("a@example.com, " * 50_000)) == 100


def test_hostile_mails_cost_their_own_row_at_most(
    client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    sources = [attack() for name, attack in ATTACKS.items() if "10 MB" not in name]
    put(dovecot, login, mail("ada@example.com", "Good mail", "x"), *sources)
    inbox = folders.fresh(mailbox, force=True)[0]
    path = f"/triage/{mailbox.id}/{inbox.id}"
    db.session.commit()
    page = client.get(path).get_data(as_text=True)
    assert "Good mail" in page
    assert page.count('name="mails"') == len(sources) + 1
    for uid in range(1, len(sources) + 2):
        assert client.get(f"{path}/{uid}").status_code == 200


def test_the_api_opens_them_too(
    api: ApiClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, parts(100_000))
    inbox = folders.fresh(mailbox, force=True)[0]
    path = f"/mailboxes/{mailbox.id}/folders/{inbox.id}/mails/1"
    db.session.commit()
    answer = api.get(path).get_json()
    assert len(answer["parts"]["parts"]) == 200


@pytest.mark.parametrize(
    "html",
    ["<div>" * 200_000, "<p " + " ".join(f"a{n}" for n in range(190_000)) + ">"],
    ids=["200 000 levels", "190 000 attributes"],
)
def test_html_that_would_take_minutes_is_given_up(html: str) -> None:
    start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with pytest.raises(TooHard):
        clean_limited(html)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start < 10


def test_long_but_simple_html_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitise_limited, "WALL_SECONDS", 120.0)
    assert clean_limited("<p>Hello</p>" * 20_000).html.count("<p>") == 20_000


def test_the_frame_says_that_it_is_too_hard(
    client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    source = b"Content-Type: text/html\r\n\r\n" + b"<div>" * 180_000
    put(dovecot, login, source)
    inbox = folders.fresh(mailbox, force=True)[0]
    answer = client.get(f"/triage/{mailbox.id}/{inbox.id}/1/frame")
    assert "too complicated" in answer.get_data(as_text=True)
