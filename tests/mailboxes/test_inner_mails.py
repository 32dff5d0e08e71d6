"""Mails inside mails open like any other: forwarded, returned, badly encoded."""

import base64

import pytest

from tests.conftest import ApiClient, PageClient
from tests.mailboxes.samples import PNG, mail, newsletter, put, with_attachments
from tests.mailboxes.ugly import mixed, nested_mails
from tests.support.dovecot import Dovecot
from webapp.core.db import db
from webapp.mailboxes import folders, opening
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import MailGone
from webapp.mailboxes.inner_mails import inner_source, is_mail
from webapp.mailboxes.mime import DEEPEST, Part, parse_mail
from webapp.mailboxes.models import Mailbox


def crlf(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def holding(inner: bytes, head: bytes = b"") -> bytes:
    """A mail that holds another one."""
    text = b"Content-Type: text/plain\r\n\r\nSee the mail.\r\n"
    one = b"Content-Type: message/rfc822\r\n" + head + b"\r\n" + inner
    return mixed(text, one, boundary=b"b%d" % len(inner))


INNER = crlf(newsletter().as_bytes())
FORWARDED = holding(holding(crlf(with_attachments().as_bytes())))
ENCODED = holding(base64.encodebytes(INNER), b"Content-Transfer-Encoding: base64\r\n")
DIGEST = (
    b"Content-Type: multipart/digest; boundary=d\r\n\r\n"
    b"--d\r\n\r\nSubject: First\r\n\r\nOne\r\n"
    b"--d\r\n\r\nSubject: Second\r\n\r\nTwo\r\n--d--\r\n"
)


def opened(line: Connection, *place: int, uid: int = 1) -> opening.Opened:
    return opening.open_inside(line, opening.open_mail(line, b"INBOX", uid), place)


def test_a_forwarded_mail_opens_with_its_own_attachments(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    put(any_dovecot, login, FORWARDED)
    inner = opened(line, 1, 1)
    assert inner.mail.headers.text("subject") == "Attached: the poster"
    assert inner.around == ("typed", "typed")
    part, file = opening.attachment(line, inner, 1)
    with file:
        assert (part.file_name, file.read()) == ("Größe A3.pdf", b"%PDF-1.7 poster")


def test_its_source_is_what_was_forwarded(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    put(any_dovecot, login, ENCODED)
    outer = opening.open_mail(line, b"INBOX", 1)
    with opening.source_inside(line, outer, 1) as file:
        assert file.read() == INNER


def test_one_in_a_large_mail_is_fetched_alone(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    big = b"Content-Type: application/zip\r\n\r\n" + b"z" * 80 * 1024 * 16
    mail_part = b"Content-Type: message/rfc822\r\n\r\n" + INNER
    put(any_dovecot, login, mixed(b"\r\nText\r\n", big, mail_part))
    assert not opening.open_mail(line, b"INBOX", 1).is_whole
    inner = opened(line, 2)
    assert inner.mail.headers.text("subject") == "Newsletter of the fair"
    assert opening.inline_images(line, inner) == {"logo": PNG}


def test_a_digest_holds_mails(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    put(any_dovecot, login, DIGEST)
    found = [opened(line, n).mail.headers.text("subject") for n in (1, 2)]
    assert found == ["First", "Second"]


@pytest.mark.parametrize("place", [(2,), (1, 2), (1, 1, 1)])
def test_where_no_mail_is_none_opens(
    dovecot: Dovecot, login: str, open_line: object, place: tuple[int, ...]
) -> None:
    assert callable(open_line)
    put(dovecot, login, FORWARDED)
    with pytest.raises(MailGone, match="No other mail is inside"):
        opened(open_line(dovecot, login), *place)


def part(kind: str, name: str = "", encoding: str = "") -> Part:
    return Part("1", kind, {}, "", name, "", encoding, 0, b"")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (part("message/global"), True),
        (part("text/rfc822-headers"), True),
        (part("application/octet-stream", "Fwd.EML"), True),
        (part("application/octet-stream", "eml"), False),
        (part("message/delivery-status"), False),
        (part("text/plain", "a.eml"), False),
    ],
)
def test_what_is_a_mail(one: Part, expected: bool) -> None:
    assert is_mail(one) is expected


def test_base64_that_is_none_is_read_as_it_is() -> None:
    one = part("message/rfc822", encoding="base64")
    assert inner_source(one, b"Subject: x\r\n\r\ny") == b"Subject: x\r\n\r\ny"
    assert inner_source(one, base64.b64encode(INNER)) == INNER


def test_mails_in_mails_end_at_the_deepest(
    dovecot: Dovecot, login: str, mailbox: Mailbox, client: PageClient
) -> None:
    put(dovecot, login, nested_mails(1500))
    path = f"/triage/{mailbox.id}/{folders.fresh(mailbox, force=True)[0].id}/1"
    db.session.commit()
    deepest = ".".join(["1"] * DEEPEST)
    assert client.get(f"{path}?inside={deepest}").status_code == 200
    for wrong in (f"{deepest}.1", "1..1", "x", "-1", "9" * 5000):
        assert client.get(f"{path}?inside={wrong}").status_code == 404


def test_the_page_shows_it_and_the_way_back(
    client: PageClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, holding(INNER), mail("a@example.com", "Other", "x"))
    path = f"/triage/{mailbox.id}/{folders.fresh(mailbox, force=True)[0].id}/1"
    db.session.commit()
    page = client.get(path).get_data(as_text=True)
    assert "inside=1" in page
    assert "Newsletter of the fair" in page
    inner = client.get(f"{path}?inside=1").get_data(as_text=True)
    assert "The mails around this one" in inner
    assert "/frame?" in inner
    assert 'action="/triage/act"' in inner  # the list beside it works
    assert 'aria-keyshortcuts="r"' not in inner  # who wrote it is not answered here
    frame = client.get(f"{path}/frame?inside=1").get_data(as_text=True)
    assert "data:image/png;base64,iVBOR" in frame
    assert "script" not in frame
    source = client.get(f"{path}/source?inside=1").get_data()
    assert source.rstrip() == INNER.rstrip()
    logo = client.get(f"{path}/attachments/1?inside=1").get_data()
    assert logo == PNG


def test_the_api_names_and_opens_it(
    api: ApiClient, mailbox: Mailbox, dovecot: Dovecot, login: str
) -> None:
    put(dovecot, login, FORWARDED)
    inbox = folders.fresh(mailbox, force=True)[0]
    path = f"/mailboxes/{mailbox.id}/folders/{inbox.id}/mails/1"
    db.session.commit()
    [first] = api.get(f"{path}?fields=attachments").get_json()["attachments"]
    [second] = api.get(f"{path}?inside={first['inside']}").get_json()["attachments"]
    assert (first["inside"], second["inside"]) == ("1", "1.1")
    inner = api.get(f"{path}?inside=1.1&fields=subject,content,attachments").get_json()
    assert inner["subject"] == "Attached: the poster"
    assert [one["inside"] for one in inner["attachments"]] == ["", ""]
    file = api.get(f"{path}/attachments/1?inside=1.1").get_data()
    assert file == b"%PDF-1.7 poster"
    assert api.get(f"{path}?inside=1.2").status_code == 404
    assert api.get(f"{path}?inside=nowhere").status_code == 404


def test_a_digest_is_read_without_a_server() -> None:
    assert [one.mime_type for one in parse_mail(DIGEST).attachments()] == [
        "message/rfc822"
    ] * 2
