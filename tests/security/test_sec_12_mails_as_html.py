"""SECURITY 12: nothing that a mail or a mail server says becomes markup."""

import re
from email.header import Header
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.conftest import PageClient
from tests.mailboxes.samples import put
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.fake_imap import fake_imap
from webapp.core.db import db
from webapp.mailboxes import folders, service
from webapp.mailboxes.models import Mailbox

ROOT = Path(__file__).resolve().parents[2]
EVIL = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"
BIDI = "invoice\u202efdp.exe"


@pytest.fixture
def inbox(client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str) -> str:
    """The path of an inbox with one mail that is evil in every place."""
    del client
    message = EmailMessage()
    word = Header(EVIL, "utf-8").encode(maxlinelen=0)
    message["From"] = "evil@example.com"
    message["To"] = "a@example.com"
    message.set_content(EVIL)
    message.add_attachment(b"x", "application", "pdf", filename=BIDI)
    octets = message.as_bytes().replace(
        b"From: evil@example.com",
        f"From: {word} <evil@example.com>\nSubject: {word}\nX-Evil: {EVIL}".encode(),
    )
    put(dovecot, login, octets)
    other = dovecot.client(login)
    other.create('"<b>box<i>"')
    other.logout()
    first = folders.fresh(mailbox, force=True)[0]
    path = f"/triage/{mailbox.id}/{first.id}"
    db.session.commit()
    return path


@pytest.mark.parametrize("end", ["", "/1", "/1?show=headers", "?q=%3Cscript%3E"])
def test_a_mail_is_text_everywhere(client: PageClient, inbox: str, end: str) -> None:
    page = client.get(inbox + end).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "onerror=alert(1)>" not in page.replace("onerror=alert(1)&gt;", "")
    assert "<b>box" not in page
    assert "&lt;b&gt;box" in page


def test_bidi_controls_are_made_visible(client: PageClient, inbox: str) -> None:
    page = client.get(f"{inbox}/1").get_data(as_text=True)
    assert "\u202e" not in page


def test_an_evil_mailbox_name(client: PageClient, mailbox: Mailbox) -> None:
    mailbox.name = EVIL
    db.session.commit()
    for path in ("/mailboxes", "/triage", f"/mailboxes/{mailbox.id}"):
        page = client.get(path).get_data(as_text=True)
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


def test_what_a_server_says_is_text(client: PageClient, mailbox: Mailbox) -> None:
    refusal = {"AUTHENTICATE": f"TAG NO {EVIL}\r\n"}
    with fake_imap(refusal) as server:
        values = {**service.shown(mailbox), "port": server.port, "password": PASSWORD}
        service.change(mailbox, **values)
        for path in (f"/triage/{mailbox.id}", "/mailboxes", "/triage"):
            page = client.get(path).get_data(as_text=True)
            assert "<script>alert" not in page
        answer = client.submit("/mailboxes/new", {**values, "name": "n", "test": "1"})
        assert "&lt;script&gt;" in answer.get_data(as_text=True)


def test_only_one_module_makes_markup() -> None:
    made = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "webapp").rglob("*.py")
        if re.search(r"\bMarkup\b", path.read_text())
    ]
    # The engine marks up what a message template's author wrote, for the mail alone.
    assert sorted(made) == [
        "webapp/core/presentation.py",
        "webapp/message_templates/engine.py",
    ]


def test_no_page_template_switches_escaping_off() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"\|\s*safe\b|autoescape\s+false", text), path
