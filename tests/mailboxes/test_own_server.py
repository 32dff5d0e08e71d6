"""An open mail says what the own mail server checked, and how the mail is protected."""

import base64
from typing import Any

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import put
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import folders
from webapp.mailboxes.models import Mailbox

SAYS = b"mx.example; spf=pass; dkim=fail header.d=<b>.example; dmarc=pass"
CHECKED = (
    b"Authentication-Results: " + SAYS + b"\r\nReceived: from a by mx.example\r\n"
    b"From: Ada <ada@a.example>\r\nSubject: checked\r\n\r\nHello\r\n"
)
ENCRYPTED = (
    b"From: Ada <ada@a.example>\r\nSubject: sealed\r\nContent-Type: "
    b"application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"\x30\x80" * 9)
)


@pytest.fixture
def place(mailbox: Mailbox, dovecot: Dovecot, login: str) -> tuple[int, int]:
    """Mailbox and inbox, with a checked and an encrypted mail."""
    put(dovecot, login, CHECKED, ENCRYPTED)
    found = mailbox.id, folders.fresh(mailbox, force=True)[0].id
    db.session.commit()
    return found


def shown(client: PageClient, place: tuple[int, int], uid: int) -> str:
    return client.get("/triage/{}/{}/{}".format(*place, uid)).get_data(as_text=True)


def test_its_word_is_shown_once_its_name_is_known(
    client: PageClient, api: ApiClient, place: tuple[int, int]
) -> None:
    path = "/mailboxes/{}/folders/{}/mails/1?fields=checks".format(*place)
    assert "Your mail server says" not in shown(client, place, 1)
    assert api.get(path).get_json()["checks"] == []
    told = api.patch(f"/mailboxes/{place[0]}", {"authserv_id": "a.example, mx.example"})
    assert told.get_json()["authserv_id"] == "a.example mx.example"
    page = shown(client, place, 1)
    assert "Your mail server says" in page
    for words in ("SPF passed", "DKIM failed", "DMARC passed"):
        assert words in page
    assert "<b>" not in page.split("Your mail server says")[1][:900]
    assert "not confirmed" not in page  # DMARC decides
    methods = [one["method"] for one in api.get(path).get_json()["checks"]]
    assert methods == ["spf", "dkim", "dmarc"]
    assert "mx.example" in client.get(f"/mailboxes/{place[0]}").get_data(as_text=True)


@pytest.mark.parametrize("name", ["mx example;\r\nX: y<", "ümlaut.example", "a" * 501])
def test_what_is_no_name_is_refused(
    api: ApiClient, place: tuple[int, int], name: str
) -> None:
    answer: Any = api.patch(f"/mailboxes/{place[0]}", {"authserv_id": name})
    assert answer.status_code == 422
    assert "authserv_id" in answer.get_json()["fields"]


def test_an_encrypted_mail_is_called_so(
    client: PageClient, api: ApiClient, place: tuple[int, int]
) -> None:
    page = shown(client, place, 2)
    assert "Encrypted with S/MIME" in page
    assert "smime.p7m" in page
    path = "/mailboxes/{}/folders/{}/mails/2?fields=protection".format(*place)
    assert api.get(path).get_json() == {"protection": "smime_encrypted"}
    assert "Encrypted" not in shown(client, place, 1)
