"""Mails for tests and for looking at pages: ordinary ones, and troublesome ones."""

import base64
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

from tests.support.dovecot import Dovecot

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAFUlEQVR4nGMQqLyNBzGMSg9daQAiiRhJ"
    "Vq6KHwAAAABJRU5ErkJggg=="
)
START = datetime(2026, 11, 20, 7, 12, 41, tzinfo=UTC)

HTML = """<html><head><style>p { color: red }</style></head><body>
<h1>Winter fair</h1>
<p onclick='alert(1)'>The fair is on <b>11 December</b>.</p>
<script>parent.document.title='owned'</script>
<p><img src='cid:logo' alt='Logo' width=40>
<img src='https://tracker.example/pixel.gif' alt=''></p>
<p><a href='https://fair.example/'>Programme</a>
<a href='javascript:alert(1)'>Odd</a></p>
</body></html>"""

PEOPLE = [
    (
        "Zoë Brontë-Lindqvist <zoe.lindqvist@example.se>",
        "Re: Your November at the Harbour Library",
        "Thank you! Could you move my card to the new address?\n\n"
        "> Good morning Zoë,\n> your card is valid until 14 March 2027",
    ),
    (
        "Mail Delivery System <mailer-daemon@example.de>",
        "Undelivered Mail Returned to Sender",
        "550 5.1.1 user unknown: h.vos@example.de",
    ),
    (
        "Kofi Mensah <kofi@example.com>",
        "Automatic reply: Your November",
        "I am away until 30 November and read mail now and then.",
    ),
    (
        "Ada Byrne <ada.byrne@example.ie>",
        "unsubscribe",
        "Please take me off the list, thanks",
    ),
    (
        "Ólafur Þórsson <olafur@example.is>",
        "Reading room on Sundays?",
        "Is the reading room open on Sundays in December?",
    ),
    (
        "Priya Raman <priya.raman@example.com>",
        "Plain: Membership renewals",
        "I paid last week. See https://example.com/pay?ref=1.\n"
        "Is the card valid?\n\n> old text\n> more",
    ),
]


def mail(sender: str, subject: str, text: str, number: int = 0) -> EmailMessage:
    """Return a plain mail."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = "Harbour Library <hello@harbourlibrary.example>"
    message["Subject"] = subject
    message["Date"] = format_datetime(START + timedelta(minutes=number))
    message["Message-ID"] = f"<{number}@example.com>"
    message.set_content(text)
    return message


def newsletter() -> EmailMessage:
    """Return an HTML mail with an inline and a remote image and a script."""
    text = "See the fair.\n\nhttps://fair.example/programme"
    sender = "Council Events Desk <events@example.org>"
    message = mail(sender, "Newsletter of the fair", text, 50)
    message.add_alternative(HTML, subtype="html")
    body = message.get_body(("html",))
    assert body is not None
    body.add_related(PNG, "image", "png", cid="<logo>")
    return message


def with_attachments() -> EmailMessage:
    """Return a mail with two attachments; one lies about what it is."""
    sender = "Tomás Ferreira <tomas@example.pt>"
    message = mail(sender, "Attached: the poster", "The poster is attached.", 51)
    for name, content in (
        ("Größe A3.pdf", b"%PDF-1.7 poster"),
        ("poster.pdf", b"<html><script>alert(1)</script>"),
    ):
        message.add_attachment(
            content, maintype="application", subtype="pdf", filename=name
        )
    return message


def put(
    server: Dovecot,
    login: str,
    *mails: EmailMessage | bytes,
    folder: str = "INBOX",
    flags: str = "",
) -> None:
    """Put mails into a folder by another client."""
    client = server.client(login)
    for one in mails:
        octets = one if isinstance(one, bytes) else one.as_bytes()
        status, answer = client.append(folder, flags, "", octets)
        assert status == "OK", answer
    client.logout()


def fill(server: Dovecot, login: str, number: int = 60) -> None:
    """Put ordinary mails into a mailbox, and make a few folders."""
    client = server.client(login)
    for name in ('"Archive"', '"Entw&APw-rfe"', '"Projects"', '"Projects.2027"'):
        client.create(name)
    for n in range(number):
        sender, subject, text = PEOPLE[n % len(PEOPLE)]
        flags = "\\Seen" if n % 3 == 0 else "\\Flagged" if n % 7 == 0 else ""
        octets = mail(sender, subject, text, n).as_bytes()
        client.append("INBOX", flags, "", octets)
    client.logout()
    put(server, login, newsletter(), with_attachments())


def flags_of(server: Dovecot, login: str, folder: str = "INBOX") -> dict[int, str]:
    r"""Return the flags by UID as another client sees them, \Recent aside."""
    client = server.client(login)
    client.select(f'"{folder}"', readonly=True)
    _status, lines = client.uid("fetch", "1:*", "(UID FLAGS)")
    client.logout()
    found = {}
    for line in lines:
        if isinstance(line, bytes):
            uid = int(line.split(b"UID ")[1].split()[0].rstrip(b")"))
            flags = line.split(b"FLAGS (")[1].split(b")")[0].decode().split()
            found[uid] = " ".join(sorted(set(flags) - {"\\Recent"}))
    return found
