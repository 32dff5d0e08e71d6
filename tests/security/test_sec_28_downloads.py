"""SECURITY 28: an attachment is only downloaded, under a harmless name and type."""

from email.message import EmailMessage

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import put
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import folders
from webapp.mailboxes.models import Mailbox

HTML = b"<html><script>alert(1)</script></html>"
NAMES = [
    "page.html",
    "../../etc/passwd",
    "C:\\windows\\a.exe",
    'a"; filename=b.html',
    "Größe 陳.pdf",
    "invoice\u202efdp.exe",
    "x" * 400 + ".pdf",
    "",
    ".",
    "con|<>:*?.txt",
]


def with_raw_name(name: bytes) -> bytes:
    return (
        b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b'Content-Type: text/html\r\nContent-Disposition: attachment; filename="'
        + name
        + b'"\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n'
    )


@pytest.fixture
def inbox(mailbox: Mailbox) -> str:
    first = folders.fresh(mailbox, force=True)[0]
    path = f"{mailbox.id}/{first.id}"
    db.session.commit()
    return path


@pytest.mark.parametrize("name", NAMES)
def test_any_name_comes_out_harmless(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str, name: str
) -> None:
    message = EmailMessage()
    message.set_content("x")
    message.add_attachment(HTML, "text", "html", filename=name or None)
    put(dovecot, login, message)
    answer = client.get(f"/triage/{inbox}/1/attachments/1")
    assert answer.data == HTML
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename=")
    assert disposition.isascii()
    assert not set(disposition) & set("\r\n\0\\/<>|")
    assert len(disposition) < 1200


@pytest.mark.parametrize(
    "name",
    [
        b"a\r\n b.txt",
        b"a\r\n\tb.txt",
        b"a\0b.txt",
        b"\xff\xfe.txt",
        b"=?utf-8?q?a=0D=0Ab?=",
    ],
)
def test_a_name_with_line_breaks_does_not_fail(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str, name: bytes
) -> None:
    put(dovecot, login, with_raw_name(name))
    answer = client.get(f"/triage/{inbox}/1/attachments/1")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; ")


def test_active_types_are_told_as_octets(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    message = EmailMessage()
    message.set_content("x")
    kinds = ["html", "xml", "javascript"]
    for kind in kinds:
        message.add_attachment(HTML, "text", kind, filename=f"a.{kind}")
    message.add_attachment(b"<svg/>", "image", "svg+xml", filename="a.svg")
    put(dovecot, login, message)
    for number in range(1, 5):
        answer = client.get(f"/triage/{inbox}/1/attachments/{number}")
        assert answer.mimetype == "application/octet-stream"


def test_headers_defend_the_download(
    client: PageClient, api: ApiClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, with_raw_name(b"a.html"))
    mailbox_id, folder_id = inbox.split("/")
    base = f"/mailboxes/{mailbox_id}/folders/{folder_id}/mails/1"
    answers = [
        client.get(f"/triage/{inbox}/1/attachments/1"),
        client.get(f"/triage/{inbox}/1/source"),
        api.get(f"{base}/attachments/1"),
        api.get(f"{base}/source"),
    ]
    for answer in answers:
        assert answer.data
        assert answer.headers["Content-Disposition"].startswith("attachment; ")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert policy.endswith("sandbox")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.mimetype != "text/html"


def test_a_lying_name_is_said_on_the_page(
    client: PageClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    message = EmailMessage()
    message.set_content("x")
    message.add_attachment(HTML, "application", "pdf", filename="invoice.pdf")
    put(dovecot, login, message)
    page = client.get(f"/triage/{inbox}/1").get_data(as_text=True)
    assert "The name says PDF, the content is text/html." in page


def test_nobody_downloads_without_signing_in(
    anonymous: PageClient, inbox: str, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, with_raw_name(b"a.html"))
    answer = anonymous.get(f"/triage/{inbox}/1/attachments/1")
    assert answer.status_code == 303
    assert "/login" in str(answer.location)
