"""Images of the web: once, or always from a sender whom no server doubts."""

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import newsletter, put
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import folders
from webapp.mailboxes.models import Mailbox
from webapp.operators.models import Operator
from webapp.triage import images
from webapp.triage.models import ImageSender

SENDER = "events@example.org"
LOADS = "images=1"


def letter(head: bytes = b"") -> bytes:
    return head + newsletter().as_bytes().replace(b"\r\n", b"\n").replace(
        b"\n", b"\r\n"
    )


@pytest.fixture
def mails(mailbox: Mailbox, dovecot: Dovecot, login: str) -> str:
    """A newsletter: good, failed, of two senders, inside another, of a look-alike."""
    head = b"Content-Type: message/rfc822\r\nFrom: events@example.org\r\n\r\n"
    put(
        dovecot,
        login,
        letter(),
        letter(b"Authentication-Results: mx.example.org; dmarc=fail\r\n"),
        letter(b"From: events@example.org\r\n"),
        head + letter(),
        letter().replace(SENDER.encode(), b"events@xn--80ak6aa92e.com"),
    )
    path = f"/triage/{mailbox.id}/{folders.fresh(mailbox, force=True)[0].id}"
    db.session.commit()
    return path


def frame(page: str) -> str:
    """Return the address of the frame in a page."""
    start = page.index('src="/triage') + len('src="')
    return page[start : page.index('"', start)]


def test_always_from_this_sender(client: PageClient, mails: str) -> None:
    page = client.get(f"{mails}/1").get_data(as_text=True)
    assert "Always from this sender" in page
    assert LOADS not in frame(page)
    told = {"address": SENDER, "back": f"{mails}/1"}
    answer = client.submit("/account/images", told)
    assert (answer.status_code, answer.location) == (303, f"{mails}/1")
    page = client.get(f"{mails}/1").get_data(as_text=True)
    assert "Remote images of this sender are shown." in page
    assert LOADS in frame(page)
    document = client.get(frame(page).replace("&amp;", "&")).get_data(as_text=True)
    assert "https://tracker.example/pixel.gif" in document


@pytest.mark.parametrize("uid", ["2", "3", "4?inside=1", "5"])
def test_an_imitated_sender_does_not_profit(
    client: PageClient, mails: str, uid: str
) -> None:
    for address in (SENDER, "events@xn--80ak6aa92e.com"):
        client.submit("/account/images", {"address": address})
    page = client.get(f"{mails}/{uid}").get_data(as_text=True)
    assert "Remote images are not loaded." in page
    assert "Always from this sender" not in page
    assert LOADS not in frame(page)


def test_once_is_once(client: PageClient, mails: str) -> None:
    page = client.get(f"{mails}/2?images=1").get_data(as_text=True)
    assert LOADS in frame(page)
    assert LOADS not in frame(client.get(f"{mails}/2").get_data(as_text=True))
    assert db.session.query(ImageSender).count() == 0


def test_the_page_lists_and_removes(client: PageClient) -> None:
    page = client.get("/account/images").get_data(as_text=True)
    assert "Nobody yet" in page
    for address in ("Events@Example.org", SENDER):
        client.submit("/account/images", {"address": address})
    page = client.get("/account/images").get_data(as_text=True)
    assert page.count('/forget"') == 1
    [one] = db.session.query(ImageSender).all()
    assert one.address_key == SENDER
    assert client.submit(f"/account/images/{one.id}/forget").status_code == 303
    assert db.session.query(ImageSender).count() == 0


@pytest.mark.parametrize("address", ["", "nobody", "a@b, c@d", "a@b\r\nc"])
def test_what_is_no_address_is_not_remembered(client: PageClient, address: str) -> None:
    answer = client.submit("/account/images", {"address": address})
    assert answer.status_code == 422
    assert db.session.query(ImageSender).count() == 0


def test_it_is_one_operator_s_choice(
    client: PageClient, api: ApiClient, mails: str
) -> None:
    other = Operator(
        name="Kofi", email="k@example.org", email_key="k@example.org", password_hash="x"
    )
    db.session.add(other)
    db.session.commit()
    theirs = images.remember(other.id, SENDER).id
    assert LOADS not in frame(client.get(f"{mails}/1").get_data(as_text=True))
    assert client.submit(f"/account/images/{theirs}/forget").status_code == 404
    assert api.delete(f"/image-senders/{theirs}").status_code == 404
    assert api.get("/image-senders").get_json()["items"] == []


def test_by_the_api(api: ApiClient) -> None:
    made = api.post("/image-senders", {"address": SENDER})
    assert (made.status_code, made.get_json()["address"]) == (201, SENDER)
    [one] = api.get("/image-senders").get_json()["items"]
    assert one["id"] == made.get_json()["id"]
    assert api.post("/image-senders", {"address": "x"}).status_code == 422
    assert api.delete(f"/image-senders/{one['id']}").status_code == 204
    assert api.get("/image-senders").get_json()["items"] == []
