"""One SMTP connection up to the point where messages can be offered (RFC 5321).

Written by hand on our pinned, verified socket, because who knows *when* a connection
broke knows whether a message may have been accepted, and because a library that
believes itself clever (falling back from STARTTLS, echoing banners, verifying nothing)
is one to fear.

    connect() ─▶ secure() ─▶ sign_in() ─▶ command() …

Each step raises `Unwell` with words; the socket is closed then. All are coroutines that
take turns with other conversations (`webapp.core.turns`); what blocks, looking a name
up, connecting, a TLS handshake, is done aside.
"""

import base64
import contextlib
import ssl
from collections.abc import Iterator
from functools import partial

from webapp.core import net
from webapp.core.net import NetError, NetTrouble, Pinned, PrivateHosts
from webapp.core.turns import aside
from webapp.senders.outcome import Trouble
from webapp.senders.server import Security, Server
from webapp.senders.smtp_reply import Lost, Reply, printable
from webapp.senders.smtp_stream import SmtpStream

_MAX_SIZE_DIGITS = 18  # fits into 64 bits; RFC 1870 allows 20


class Unwell(Exception):
    """The server cannot be used just now; no message was offered.

    Attributes
    ----------
    words
        One sentence of ours, never the server's greeting.
    reply
        What the server answered, once it had shown that it speaks SMTP.
    """

    def __init__(
        self, trouble: Trouble, words: str, reply: Reply | None = None
    ) -> None:
        super().__init__(words)
        self.trouble = trouble
        self.words = words
        self.reply = reply


class SmtpSession(SmtpStream):
    """One connection to one server.

    Parameters
    ----------
    server
        Where to, and as whom.
    allowed
        The private hosts that may be spoken to.
    seconds
        How long a reply may take.
    """

    def __init__(
        self, server: Server, allowed: PrivateHosts, seconds: float = net.READ_SECONDS
    ) -> None:
        super().__init__(seconds)
        self.server = server
        self.extensions: dict[str, str] = {}
        self._allowed = allowed
        self.is_open = True

    @property
    def size_limit(self) -> int:
        """The largest message that the server takes (RFC 1870); 0 if it did not say."""
        limit = self.extensions.get("SIZE", "")
        known = limit.isascii() and limit.isdigit() and len(limit) <= _MAX_SIZE_DIGITS
        return int(limit) if known else 0

    async def open(self) -> None:
        """Take all steps up to where messages can be offered.

        Raises
        ------
        Unwell
            If one of them fails.
        """
        await self.connect()
        await self.secure()
        await self.sign_in()

    async def connect(self) -> None:
        """Connect, with TLS at once where it is implicit, and read the greeting.

        Raises
        ------
        Unwell
            With trouble ``network`` or ``tls``.
        """
        try:
            pinned = await aside(self._connected)
        except NetError as error:
            raise Unwell(_trouble(error), error.words) from None
        if self.server.security is Security.NONE and not pinned.private:
            self.abort()
            words = f"Without TLS nothing is sent to {pinned.host}: it is not allowed."
            raise Unwell(Trouble.TLS, words)
        with self._closing_on_failure("It did not greet us as a mail server does."):
            if self.server.security is Security.TLS:
                await self._start_tls()
            greeting = await self.read_reply()
            if greeting.code != 220:  # noqa: PLR2004 - RFC 5321 3.1
                words = f"{self.server.host} takes no connections just now."
                raise Unwell(Trouble.NETWORK, words)

    async def secure(self) -> None:
        """Say EHLO, and start TLS where that is required.

        Raises
        ------
        Unwell
            With trouble ``tls`` where STARTTLS is required and not to be had.
        """
        with self._closing_on_failure("It hung up before the session began."):
            await self._hello()
            if self.server.security is not Security.STARTTLS:
                return
            words = f"{self.server.host} does not offer STARTTLS. Nothing was sent."
            if "STARTTLS" not in self.extensions:
                raise Unwell(Trouble.TLS, words)
            reply = await self.command("STARTTLS")
            if reply.code != 220:  # noqa: PLR2004 - RFC 3207 4
                raise Unwell(Trouble.TLS, words, reply)
            if self._buffer:
                words = f"{self.server.host} spoke in the clear after STARTTLS."
                raise Unwell(Trouble.TLS, words)
            await self._start_tls()
            await self._hello()

    async def sign_in(self) -> None:
        """Authenticate, if there is a login (RFC 4954).

        Raises
        ------
        Unwell
            With trouble ``auth`` if the server will not have us.
        """
        if self.server.login is None:
            return
        with self._closing_on_failure("It hung up while we signed in."):
            offered = self.extensions.get("AUTH", "").upper().split()
            if "PLAIN" in offered:
                reply = await self._auth_plain()
            elif "LOGIN" in offered:
                reply = await self._auth_login()
            else:
                words = f"{self.server.host} offers no way to sign in with a password."
                raise Unwell(Trouble.AUTH, words)
            if not reply.is_yes:
                raise self._not_signed_in(reply)

    async def command(self, line: str) -> Reply:
        """Send one command and return the reply.

        Raises
        ------
        Lost
            If the connection breaks.
        ValueError
            If the line could be read as two.
        """
        await self.send(command_line(line))
        return await self.read_reply()

    @property
    def pipelines(self) -> bool:
        """Whether several commands may go out in one write (RFC 2920)."""
        return "PIPELINING" in self.extensions

    def close(self) -> None:
        """Say goodbye, without waiting for an answer."""
        with contextlib.suppress(OSError):
            self._socket.send(b"QUIT\r\n")
        self.abort()

    def abort(self) -> None:
        """Close the socket at once."""
        self.is_open = False
        with contextlib.suppress(OSError):
            self._socket.close()

    @contextlib.contextmanager
    def _closing_on_failure(self, words: str) -> Iterator[None]:
        """Turn a lost connection into `Unwell`, and leave no socket open."""
        try:
            yield
        except Lost:
            self.abort()
            raise Unwell(Trouble.NETWORK, f"{self.server.host}: {words}") from None
        except Unwell:
            self.abort()
            raise

    async def _hello(self) -> None:
        """Say EHLO and note what is offered; HELO where that is not known."""
        self.extensions = {}
        name = self._own_name()
        reply, lines = await self._ehlo(name)
        if not reply.is_yes:
            reply = await self.command(f"HELO {name}")
            lines = []
        if not reply.is_yes:
            words = f"{self.server.host} refused our greeting."
            raise Unwell(Trouble.NETWORK, words, reply)
        for line in lines[1:]:
            keyword, _, value = line.replace("AUTH=", "AUTH ", 1).partition(" ")
            self.extensions[keyword.upper()] = value

    async def _ehlo(self, name: str) -> tuple[Reply, list[str]]:
        """Say EHLO; return the reply and its lines, which `Reply` runs together."""
        await self.send(f"EHLO {name}\r\n".encode())
        reply = await self.read_reply()
        return reply, [printable(line[4:]) for line in self._lines]

    def _own_name(self) -> str:
        """Return our address as EHLO wants it: the packets say no less."""
        address = str(self._socket.getsockname()[0])
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    async def _start_tls(self) -> None:
        """Put verified TLS on the socket."""
        try:
            context = net.tls_context(self.server.ca_pem or None)
            await aside(partial(self._shake_hands, context))
        except NetError as error:
            raise Unwell(_trouble(error), error.words) from None

    async def _auth_plain(self) -> Reply:
        """Authenticate with PLAIN (RFC 4616)."""
        both = _base64(f"\0{self.server.login}\0{self.server.password or ''}")
        reply = await self.command(f"AUTH PLAIN {both}")
        return await self.command(both) if reply.code == _GO_ON else reply

    async def _auth_login(self) -> Reply:
        """Authenticate with LOGIN, which old servers know alone."""
        reply = await self.command("AUTH LOGIN")
        for word in (self.server.login or "", self.server.password or ""):
            if reply.code != _GO_ON:
                return reply
            reply = await self.command(_base64(word))
        return reply

    def _not_signed_in(self, reply: Reply) -> Unwell:
        """Return what to raise when AUTH was answered with no."""
        if reply.code // 100 == 4:  # noqa: PLR2004 - RFC 5321 4.2.1
            words = f"{self.server.host} cannot check the password just now."
            return Unwell(Trouble.NETWORK, words, self._without_secrets(reply))
        words = f"{self.server.host} does not accept this login and password."
        return Unwell(Trouble.AUTH, words, self._without_secrets(reply))

    def _without_secrets(self, reply: Reply) -> Reply:
        """Return a reply in which the server does not repeat our password."""
        text = reply.text
        password = self.server.password or ""
        both = f"\0{self.server.login}\0{password}"
        for secret in (password, _base64(password), _base64(both)):
            if secret:
                text = text.replace(secret, "•••")
        return Reply(reply.code, reply.enhanced, text)

    def _connected(self) -> Pinned:
        """Connect; blocks."""
        pinned = net.resolve(self.server.host, self.server.port, self._allowed)
        seconds = min(self._seconds, net.CONNECT_SECONDS)
        self._socket = net.connect(pinned, connect_seconds=seconds)
        self._socket.setblocking(False)
        return pinned

    def _shake_hands(self, context: ssl.SSLContext) -> None:
        """Put verified TLS on the socket; blocks."""
        self._socket.settimeout(self._seconds)
        self._socket = net.start_tls(self._socket, self.server.host, context)
        self._socket.setblocking(False)


_GO_ON = 334  # RFC 4954 4


def command_line(line: str) -> bytes:
    """Return a command as it is sent.

    Raises
    ------
    ValueError
        If it could be read as two.
    """
    if not line.isprintable():
        raise ValueError("A command must be one printable line.")
    return line.encode() + b"\r\n"


def _trouble(error: NetError) -> Trouble:
    """Return what ails a server that a connection could not be made to."""
    return Trouble.TLS if error.kind is NetTrouble.TLS else Trouble.NETWORK


def _base64(text: str) -> str:
    """Return UTF-8 in base64."""
    return base64.b64encode(text.encode()).decode()
