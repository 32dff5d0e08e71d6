import base64

import pytest

from tests.mailboxes.conftest import access_to
from tests.mailboxes.samples import PNG, newsletter, put, with_attachments
from tests.support.dovecot import Dovecot
from tests.support.fake_imap import fake_imap
from webapp.mailboxes import fields, opening
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_errors import MailGone
from webapp.mailboxes.imap_signin import connect


def large_mail() -> bytes:
    """A mail of some 3 MB: text, HTML, an image inside, a big attachment."""
    mail = newsletter()
    content = bytes(range(256)) * 8192
    mail.add_attachment(content, "application", "octet-stream", filename="Größe.bin")
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_a_small_mail_is_read(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    put(any_dovecot, login, with_attachments())
    opened = opening.open_mail(line, b"INBOX", 1)
    assert opened.is_whole
    assert opened.mail.bodies("plain")[0].text().strip() == "The poster is attached."
    names = [part.file_name for part in opened.mail.attachments()]
    assert names == ["Größe A3.pdf", "poster.pdf"]


def test_an_attachment_is_the_same_octets(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    put(any_dovecot, login, with_attachments())
    opened = opening.open_mail(line, b"INBOX", 1)
    part, file = opening.attachment(line, opened, 1)
    with file:
        assert (part.file_name, file.read()) == ("Größe A3.pdf", b"%PDF-1.7 poster")


def test_there_is_no_third_attachment(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    put(any_dovecot, login, with_attachments())
    opened = opening.open_mail(line, b"INBOX", 1)
    with pytest.raises(MailGone):
        opening.attachment(line, opened, 3)


def test_a_large_mail_is_not_fetched_whole(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    put(any_dovecot, login, large_mail())
    opened = opening.open_mail(line, b"INBOX", 1)
    assert not opened.is_whole
    assert "See the fair." in opened.mail.bodies("plain")[0].text()
    assert "Winter fair" in opened.mail.bodies("html")[0].text()
    assert opening.inline_images(line, opened) == {"logo": PNG}


def test_a_large_attachment_is_the_same_octets(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    put(any_dovecot, login, large_mail())
    opened = opening.open_mail(line, b"INBOX", 1)
    number = len(opened.mail.attachments())
    part, file = opening.attachment(line, opened, number)
    with file:
        assert file.read() == bytes(range(256)) * 8192
    assert part.file_name == "Größe.bin"


def test_the_source_is_the_same_octets(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    octets = large_mail()
    put(any_dovecot, login, octets)
    with opening.source(line, b"INBOX", 1) as file:
        assert file.read() == octets


def test_a_structure_that_cannot_be_read_is_done_without() -> None:
    source = large_mail()

    def fetch(heard: bytes) -> bytes:
        if b"BODYSTRUCTURE" in heard:
            return b"* 1 FETCH (UID 1 BODYSTRUCTURE " + b"(" * 400 + b")\r\n"
        if b"BODY.PEEK[]" not in heard:
            return b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE %d)\r\n" % len(source)
        start, length = map(int, heard.split(b"<")[1].split(b">")[0].split(b"."))
        piece = source[start : start + length]
        head = b"* 1 FETCH (UID 1 BODY[]<%d> {%d}\r\n" % (start, len(piece))
        return head + piece.replace(b"TAG ", b"TAg ") + b")\r\n"

    exists = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 5] ok\r\n"
    with fake_imap({"EXAMINE": exists, "FETCH": fetch}) as server:
        line = connect(access_to(server.port))
        opened = opening.open_mail(line, b"INBOX", 1)
        line.close()
    assert opened.is_whole
    assert len(opened.mail.attachments()) == 2


def test_all_fields_of_a_mail(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    mail = with_attachments()
    mail["Cc"] = "=?utf-8?q?Zo=C3=AB?= <z@example.se>, b@example.com"
    mail["Bcc"] = "hidden@example.com"
    mail["Reply-To"] = "answers@example.com"
    mail["In-Reply-To"] = "<sent.1@example.com>"
    mail["References"] = "<first@example.com> <sent.1@example.com>"
    put(any_dovecot, login, mail, flags="(\\Seen \\Flagged $Work)")
    opened = opening.open_mail(line, b"INBOX", 1)
    shown = fields.show_opened(opened, fields.ALL)
    wanted = {
        "uid": 1,
        "uidvalidity": opened.uidvalidity,
        "seen": True,
        "flagged": True,
        "answered": False,
        "deleted": False,
        "draft": False,
        "keywords": ["$Work"],
        "created": "2026-11-20T08:03:41+00:00",
        "subject": "Attached: the poster",
        "sender": {"name": "Tomás Ferreira", "address": "tomas@example.pt"},
        "cc": [
            {"name": "Zoë", "address": "z@example.se"},
            {"name": "", "address": "b@example.com"},
        ],
        "bcc": [{"name": "", "address": "hidden@example.com"}],
        "reply_to": [{"name": "", "address": "answers@example.com"}],
        "message_id": "<51@example.com>",
        "in_reply_to": ["<sent.1@example.com>"],
        "references": ["<first@example.com>", "<sent.1@example.com>"],
        "encoding": "utf-8",
    }
    assert {name: shown[name] for name in wanted} == wanted
    assert shown["mime"].startswith("multipart/mixed")
    assert [body["type"] for body in shown["content"]] == ["text/plain"]
    assert shown["attachments"][0]["filename"] == "Größe A3.pdf"
    assert shown["attachments"][0]["size"] == len(b"%PDF-1.7 poster")


def test_a_text_attachment_is_no_body(
    any_dovecot: Dovecot, login: str, line: Connection
) -> None:
    mail = with_attachments()
    mail.add_attachment("name,age\n", subtype="csv", filename="people.csv")
    mail.add_attachment("Notes", filename="notes.txt")
    put(any_dovecot, login, mail)
    opened = opening.open_mail(line, b"INBOX", 1)
    assert len(opened.mail.bodies("plain")) == 1
    assert len(opened.mail.attachments()) == 4


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\r\n",
        b"no header at all\r\nand no body",
        b"Subject: only a header\r\n",
        b"\0\0\0: \0\r\n\r\n\0",
        b'Message-ID: <\r\nFrom: a@[\r\nTo: "\r\nDate: never\r\n\r\nx',
        b"From: a\rTo: b\r\rbare returns",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing of it",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x\r\n--x--",
        b"Content-Type: text/plain; charset=hex\r\n\r\n41",
        b"Content-Type: ;;;\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
        b"Subject: =?utf-7?q?+2D0-?=\r\n\r\n",
        b"Subject: " + b"x" * 200_000 + b"\r\n\r\nbody",
    ],
)
def test_odd_mails_are_shown_as_far_as_they_go(
    dovecot: Dovecot, login: str, source: bytes
) -> None:
    put(dovecot, login, source or b"\r\n")
    line = connect(access_to(dovecot.port, login))
    opened = opening.open_mail(line, b"INBOX", 1)
    shown = fields.show_opened(opened, fields.ALL)
    str(shown).encode("utf-8")
    assert opened.row.readable
    line.close()


def test_base64_source_is_whole(dovecot: Dovecot, login: str) -> None:
    put(dovecot, login, with_attachments())
    line = connect(access_to(dovecot.port, login))
    with opening.source(line, b"INBOX", 1) as file:
        octets = file.read()
    assert base64.b64decode(fields.as_text(octets)) == octets
    line.close()
