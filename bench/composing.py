"""How long composing takes, and handing over on one kept connection.

    python -m bench.composing

Prints microseconds per message: our composer, the standard library's, the byte gate,
and `SmtpTransport.hand_over` to Postfix's smtp-sink on loopback.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage

from tests.support.smtp_servers import smtp_sink
from webapp.composing.letter import Address, Letter
from webapp.composing.mime import compose
from webapp.composing.wire import gate
from webapp.core.net import PrivateHosts
from webapp.senders.outcome import Kind
from webapp.senders.server import Security, Server
from webapp.senders.smtp import SmtpTransport

MESSAGES = 1000
TEXT = "Hello Ádá, how are you\n" * 50
HTML = "<p>Hello <b>Ádá</b>, how are you</p>\n" * 130
LETTER = Letter(
    from_=Address("The Desk", "desk@example.org"),
    to=(Address("Ádá Lovelace", "ada@example.com"),),
    subject="Grüße an Sie",
    text=TEXT,
    html=HTML,
    message_id="1@example.org",
    date=datetime(2026, 11, 22, tzinfo=UTC),
)


def microseconds(work: Callable[[], object], times: int = MESSAGES) -> float:
    """Return how long one call takes, on average."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times * 1e6


def by_standard_library() -> bytes:
    """Compose the same with `email.message.EmailMessage`."""
    message = EmailMessage()
    message["From"] = "The Desk <desk@example.org>"
    message["To"] = "Ádá Lovelace <ada@example.com>"
    message["Subject"] = LETTER.subject
    message["Date"] = LETTER.date
    message["Message-ID"] = "<1@example.org>"
    message.set_content(TEXT)
    message.add_alternative(HTML, subtype="html")
    return message.as_bytes()


def main() -> None:
    """Measure and print."""
    composed = compose(LETTER)
    lines = {
        f"compose, {len(composed.data)} octets": microseconds(lambda: compose(LETTER)),
        "the same by EmailMessage": microseconds(by_standard_library, 200),
        "the byte gate": microseconds(lambda: gate(composed.data)),
    }
    with smtp_sink() as port:
        server = Server("127.0.0.1", port, Security.NONE)
        with SmtpTransport(server, PrivateHosts.parse("127.0.0.1")) as transport:

            def send() -> None:
                outcome = transport.hand_over(
                    composed.mail_from, composed.rcpt_to, composed.data
                )
                assert outcome.kind is Kind.ACCEPTED

            lines["hand over, one connection"] = microseconds(send)
    for name, taken in lines.items():
        sys.stdout.write(f"{taken:8.1f} µs  {name}\n")


if __name__ == "__main__":
    main()
