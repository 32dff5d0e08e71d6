"""The practice SMTP server: takes a message for anybody and puts it in the one mailbox.

It asks for the password before anything else, relays nothing, and is strict where the
world is strict (RFC 5321): CRLF only, sizes and recipients capped, non-ASCII addresses
only with SMTPUTF8. What its special addresses do is in `lessons`.
"""

import asyncio
import hmac
import re
import secrets
import warnings
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import format_datetime

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from webapp.core import clock
from webapp.core.practice import Access
from webapp.practice.answers import DOMAIN, Received, Stamp, answer
from webapp.practice.lessons import ANSWERING, REFUSALS, Lesson, lesson_of

MAX_BYTES = 25_000_000
MAX_RECIPIENTS = 100
MAX_CONNECTIONS = 100
MAX_REMEMBERED = 10_000
IDLE_SECONDS = 300
NULL_SENDER = "<>"  # as aiosmtpd hands it on
BARE_LINE_END = re.compile(rb"(?<!\r)\n|\r(?!\n)")
MESSAGE_ID = re.compile(rb"^Message-ID:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)

Deliver = Callable[[bytes], Awaitable[None]]
"""Puts a finished mail into the practice mailbox."""


@dataclass(frozen=True)
class Pace:
    """How long the special addresses take, in seconds."""

    slow: float = 5.0
    answer: float = 2.0
    bounce: float = 15.0


class Postman:
    """Decides what becomes of each command; aiosmtpd calls the `handle_` methods."""

    def __init__(self, access: Access, deliver: Deliver, pace: Pace) -> None:
        self._access = access
        self._deliver = deliver
        self._pace = pace
        self._deferred: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._answers: set[asyncio.Task[None]] = set()
        self.connections = 0

    def protocol(self) -> "PracticeSMTP":
        """Return the protocol of one new connection."""
        with warnings.catch_warnings():
            # A password without TLS is in order here: the socket is on loopback.
            warnings.simplefilter("ignore", UserWarning)
            return PracticeSMTP(
                self,
                hostname=DOMAIN,
                ident="Postroom practice server ESMTP",
                data_size_limit=MAX_BYTES,
                enable_SMTPUTF8=True,
                timeout=IDLE_SECONDS,
                auth_required=True,
                auth_require_tls=False,
                authenticator=self._sign_in,
            )

    def _sign_in(
        self, server: SMTP, session: Session, envelope: Envelope, *given: object
    ) -> AuthResult:
        """Check login and password in a time that tells nothing."""
        _mechanism, words = given
        right = isinstance(words, LoginPassword) and all(
            (
                hmac.compare_digest(words.login, self._access.login.encode()),
                hmac.compare_digest(words.password, self._access.password.encode()),
            )
        )
        return AuthResult(success=right, handled=False)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Offer PIPELINING too (RFC 2920); input is read in order anyway."""
        session.host_name = hostname
        return [*responses[:1], "250-PIPELINING", *responses[1:]]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take the envelope sender."""
        if not address.isascii() and "SMTPUTF8" not in options:
            return "550 5.6.7 non-ASCII addresses need SMTPUTF8"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Sender OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take or refuse one recipient."""
        lesson = lesson_of(address)
        if lesson is Lesson.SLOW:
            await asyncio.sleep(self._pace.slow)
        if "@" not in address:
            return "553 5.1.3 the address has no domain"
        if not address.isascii() and "SMTPUTF8" not in envelope.mail_options:
            return "553 5.6.7 non-ASCII addresses need SMTPUTF8"
        if lesson in REFUSALS:
            return REFUSALS[lesson].format(address)
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients in one transaction"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Store the message once for each recipient, then say so."""
        content = envelope.original_content
        assert content is not None
        if BARE_LINE_END.search(content):
            return "550 5.6.0 bare CR or LF in the message"
        if self._is_first_try(envelope.rcpt_tos, content):
            return "451 4.7.1 greylisted, please try again"
        sender = (envelope.mail_from or "").replace(NULL_SENDER, "")
        for address in envelope.rcpt_tos:
            mail = Received(sender, address, content)
            await self._deliver(_trace(mail, session.host_name or "") + content)
            self._answer_later(lesson_of(address), mail)
        return f"250 2.0.0 OK: stored as {secrets.token_hex(6)}"

    async def close(self) -> None:
        """Drop the answers that are not written yet."""
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    def _is_first_try(self, addresses: list[str], content: bytes) -> bool:
        """Say whether a `later` address sees this message for the first time."""
        found = MESSAGE_ID.search(content)
        message_id = found.group(1).strip() if found else b""
        first = False
        for address in addresses:
            key = (address, message_id)
            if lesson_of(address) is Lesson.LATER and key not in self._deferred:
                self._deferred[key] = None
                first = True
        while len(self._deferred) > MAX_REMEMBERED:
            self._deferred.popitem(last=False)
        return first

    def _answer_later(self, lesson: Lesson, mail: Received) -> None:
        """Send back what this address sends back, after the time it takes."""
        if lesson in ANSWERING and len(self._answers) < MAX_REMEMBERED:
            task = asyncio.create_task(self._answer(lesson, mail))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _answer(self, lesson: Lesson, mail: Received) -> None:
        pace = self._pace
        await asyncio.sleep(pace.bounce if lesson is Lesson.DSN else pace.answer)
        written = answer(lesson, mail, Stamp(clock.now(), secrets.token_hex(12)))
        if written is not None:
            await self._deliver(written)


class PracticeSMTP(SMTP):
    """One connection; turned away when there are too many."""

    def __init__(self, postman: Postman, **settings: object) -> None:
        self._postman = postman
        super().__init__(postman, **settings)  # type: ignore[arg-type]  # passed on

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection in, or say that there are too many."""
        self._postman.connections += 1
        if self._postman.connections > MAX_CONNECTIONS:
            assert isinstance(transport, asyncio.Transport)
            transport.write(b"421 4.3.2 too many connections\r\n")
            transport.close()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count the connection out."""
        self._postman.connections -= 1
        super().connection_lost(error)


def _trace(mail: Received, host: str) -> bytes:
    """Return the lines that the last server adds above a message (RFC 5321, 4.4)."""
    client = re.sub(r"[^A-Za-z0-9.:\[\]-]", "?", host)[:255]
    return (
        f"Return-Path: <{mail.mail_from}>\r\n"
        f"Delivered-To: {mail.rcpt_to}\r\n"
        f"Received: from {client} (localhost [127.0.0.1]) by {DOMAIN}\r\n"
        f"\twith ESMTPA; {format_datetime(clock.now())}\r\n"
    ).encode("utf-8", "surrogateescape")
