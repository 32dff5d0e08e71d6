"""Mails for tests and for looking at pages: ordinary ones, and ones of every trouble."""

import base64
from email.message import EmailMessage
from email.utils import format_datetime
from datetime import UTC, datetime, timedelta

from tests.support.dovecot import Dovecot

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAFUlEQVR4nGMQqLyNBzGMSg9daQAiiRhJ"
    "Vq6KHwAAAABJRU5ErkJggg=="
)
START = datetime(2026, 11, 20, 7, 12, 41, tzinfo=UTC)


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
    message = mail("Council Events Desk <events@example.org>", "Newsletter of the fair", "See the fair.\n\nhttps://fair.example/programme", 50)
    message.add_alternative(
        "<html><head><style>p{color:red}</style></head><body><h1>Winter fair</h1>"
        "<p onclick='alert(1)'>The fair is on <b>11 December</b>.</p>"
        "<script>parent.document.title='owned'</script>"
        "<p><img src='cid:logo' alt='Logo' width=40> <img src='https://tracker.example/p.gif' alt=''></p>"
        "<p><a href='https://fair.example/'>Programme</a> <a href='javascript:alert(1)'>Odd</a></p></body></html>",
        subtype="html",
    )
    html = message.get_payload()[1]
    html.add_related(PNG, "image", "png", cid="<logo>")
    return message


def with_attachment() -> EmailMessage:
    """Return a mail with two attachments; one lies about what it is."""
    message = mail("Tomás Ferreira <tomas@example.pt>", "Attached: the poster", "The poster is attached in A3 and A4.", 51)
    message.add_attachment(b"%PDF-1.7 poster", maintype="application", subtype="pdf", filename="Größe A3.pdf")
    message.add_attachment(b"<html><script>alert(1)</script>", maintype="application", subtype="pdf", filename="poster.pdf")
    return message


PEOPLE = [
    ("Zoë Brontë-Lindqvist <zoe.lindqvist@example.se>", "Re: Your November at the Harbour Library", "Thank you! Could you move my card to the new address? We have just moved to Lilla Torg 4, 211 34 Malmö.\n\n> Good morning Zoë,\n> your card is valid until 14 March 2027"),
    ("Mail Delivery System <mailer-daemon@example.de>", "Undelivered Mail Returned to Sender", "550 5.1.1 user unknown: h.vos@example.de"),
    ("Kofi Mensah <kofi@example.com>", "Automatic reply: Your November", "I am away until 30 November and read mail now and then."),
    ("Ada Byrne <ada.byrne@example.ie>", "unsubscribe", "Please take me off the list, thanks"),
    ("Ólafur Þórsson <olafur@example.is>", "Reading room on Sundays?", "Is the reading room open on Sundays in December? My daughter would like to come."),
    ("Priya Raman <priya.raman@example.com>", "Plain: Membership renewals", "I paid last week, reference HL-20418. See https://example.com/pay?ref=1.\nIs the card valid?\n\n> old text\n> more"),
]


def fill(server: Dovecot, login: str) -> None:
    """Put ordinary mails into a mailbox, and make a few folders."""
    client = server.client(login)
    for name in ('"Archive"', '"Entw&APw-rfe"', '"Projects"', '"Projects.2027"'):
        client.create(name)
    for number in range(60):
        sender, subject, text = PEOPLE[number % len(PEOPLE)]
        flags = "\\Seen" if number % 3 == 0 else ("\\Flagged" if number % 7 == 0 else None)
        client.append("INBOX", flags, None, mail(sender, subject, text, number).as_bytes())
    for message in (newsletter(), with_attachment()):
        client.append("INBOX", None, None, message.as_bytes())
    client.logout()
