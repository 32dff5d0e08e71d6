"""Handing messages to an SMTP server, and knowing exactly what was proven.

Everything turns on one moment: when the last octets of a message, the final dot, are
given to the network. Before it, a broken connection proves that nothing was accepted.
After it, only a reply proves anything, and silence proves nothing: the message is
*unknown*, and it is not ours to guess (RFC 5321 4.5.3.2.6 has us wait ten minutes
first).

    MAIL ─▶ RCPT … ─▶ DATA ─▶ body ─▶│ dot ─▶ reply
    refused, lost: nothing accepted  │ lost, silent: unknown

A kept connection may have gone stale. If it breaks before DATA, a fresh one is tried
once.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from webapp.composing.addresses import AddressError, parse_address
from webapp.composing.letter import ComposeError
from webapp.composing.wire import dot_stuffed, gate
from webapp.core.net import READ_SECONDS, PrivateHosts
from webapp.senders.outcome import Kind, Outcome, RecipientOutcome, Trouble
from webapp.senders.proofs import kind_of, recipient, same_for_all, together
from webapp.senders.replies import AUTH_CODES
from webapp.senders.server import Server
from webapp.senders.smtp_reply import Lost, Reply
from webapp.senders.smtp_session import SmtpSession, Unwell

DOT_SECONDS = 600.0  # RFC 5321 4.5.3.2.6
_FINAL_DOT = b".\r\n"
_SERVICE_NOT_AVAILABLE = 421
_START_MAIL_INPUT = 354


class _Settled(Exception):
    """The outcome is known before the final dot."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class SmtpTransport:
    """A way out by SMTP; the connection is kept from message to message.

    For one thread at a time: each has a transport of its own.

    Parameters
    ----------
    server
        Where to, and as whom.
    allowed
        The private hosts that may be spoken to.
    seconds
        How long a reply may take.
    dot_seconds
        How long the reply to the final dot may take.
    """

    def __init__(
        self,
        server: Server,
        allowed: PrivateHosts,
        *,
        seconds: float = READ_SECONDS,
        dot_seconds: float = DOT_SECONDS,
    ) -> None:
        self._server = server
        self._allowed = allowed
        self._seconds = seconds
        self._dot_seconds = dot_seconds
        self._session: SmtpSession | None = None
        self._is_halfway = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye, if there is somebody to say it to."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def hand_over(
        self,
        mail_from: str,
        rcpt_to: Sequence[str],
        data: bytes,
        smtputf8: bool = False,
    ) -> Outcome:
        """Offer one message, and say what became of it.

        Parameters
        ----------
        mail_from
            Envelope sender; the empty text is the null sender.
        rcpt_to
            Envelope recipients, at least one.
        data
            The composed message: CRLF lines, not dot-stuffed.
        smtputf8
            Whether it needs the extension (RFC 6531).

        Returns
        -------
        Outcome
            Whatever happens has a kind; nothing that a server does raises.

        Raises
        ------
        ValueError
            If there is no recipient.
        """
        if not rcpt_to:
            raise ValueError("A message without recipients cannot be handed over.")
        try:
            mail_from, rcpt_to = _checked(mail_from, rcpt_to, data)
            reused = self._session is not None
            try:
                return self._offer(mail_from, rcpt_to, data, smtputf8=smtputf8)
            except (Unwell, Lost):
                if not reused:
                    raise
            return self._offer(mail_from, rcpt_to, data, smtputf8=smtputf8)
        except _Settled as settled:
            return settled.outcome
        except Unwell as unwell:
            return _unwell(unwell)
        except Lost as lost:
            return same_for_all(Kind.DEFERRED, rcpt_to, words=str(lost))

    def _offer(
        self, mail_from: str, rcpt_to: Sequence[str], data: bytes, *, smtputf8: bool
    ) -> Outcome:
        """Go through one mail transaction (RFC 5321 3.3).

        Raises
        ------
        Unwell, Lost
            Before DATA; the connection is closed then.
        """
        try:
            session = self._ready()
            self._mail(session, mail_from, rcpt_to, data, smtputf8=smtputf8)
            refused = self._rcpt(session, rcpt_to)
        except (Unwell, Lost):
            self._drop()
            raise
        taken = [addr for addr in rcpt_to if addr not in refused]
        if not taken:
            return together(rcpt_to, refused, None)
        return together(rcpt_to, refused, self._data(session, data))

    def _ready(self) -> SmtpSession:
        """Return a session in which a transaction can begin."""
        if self._session is None:
            session = SmtpSession(self._server, self._allowed, self._seconds)
            session.open()
            self._session = session
        elif self._is_halfway and not self._session.command("RSET").is_yes:
            raise Lost("The server would not begin anew.")
        self._is_halfway = True
        return self._session

    def _drop(self) -> None:
        """Close the connection at once; the next message opens another."""
        if self._session is not None:
            self._session.abort()
            self._session = None

    def _mail(
        self,
        session: SmtpSession,
        mail_from: str,
        rcpt_to: Sequence[str],
        data: bytes,
        *,
        smtputf8: bool,
    ) -> None:
        """Say who sends.

        Raises
        ------
        _Settled
            If the message cannot go this way, or the sender is refused.
        """
        parameters = _parameters(session, data, smtputf8=smtputf8)
        if isinstance(parameters, str):
            raise _Settled(same_for_all(Kind.REFUSED, rcpt_to, words=parameters))
        reply = session.command(" ".join([f"MAIL FROM:<{mail_from}>", *parameters]))
        if reply.is_yes:
            return
        _raise_if_unwell(reply)
        raise _Settled(same_for_all(kind_of(reply), rcpt_to, reply))

    def _rcpt(
        self, session: SmtpSession, rcpt_to: Sequence[str]
    ) -> dict[str, RecipientOutcome]:
        """Name the recipients one by one; return those that were not taken."""
        refused: dict[str, RecipientOutcome] = {}
        for addr in rcpt_to:
            reply = session.command(f"RCPT TO:<{addr}>")
            if not reply.is_yes:
                _raise_if_unwell(reply)
                refused[addr] = recipient(addr, kind_of(reply), reply)
        return refused

    def _data(self, session: SmtpSession, data: bytes) -> tuple[Kind, Reply | str]:
        """Hand over the body and the final dot; return what that came to."""
        try:
            refusal = self._body(session, data)
        except Lost as lost:
            self._drop()
            return Kind.DEFERRED, f"{lost} Nothing was accepted."
        return refusal or self._dot(session)

    def _body(
        self, session: SmtpSession, data: bytes
    ) -> tuple[Kind, Reply | str] | None:
        """Send the message up to the final dot; return the refusal, if there is one.

        Raises
        ------
        Lost
            If the connection breaks; nothing was accepted then.
        """
        reply = session.command("DATA")
        if reply.code == _START_MAIL_INPUT:
            session.send(dot_stuffed(data).removesuffix(_FINAL_DOT))
            if not session.has_spoken():
                return None
            reply = session.read_reply()  # it did not want to hear the end
            self._drop()
        elif reply.code == _SERVICE_NOT_AVAILABLE:
            self._drop()
        return kind_of(reply), reply

    def _dot(self, session: SmtpSession) -> tuple[Kind, Reply | str]:
        """Send the final dot: the only place where a message can become *unknown*."""
        try:
            session.send(_FINAL_DOT)
            reply = session.read_reply(self._dot_seconds)
        except Lost as lost:
            self._drop()
            return Kind.UNKNOWN, f"{lost} It may have been accepted."
        self._is_halfway = False
        if reply.is_yes:
            return Kind.ACCEPTED, reply
        if reply.code == _SERVICE_NOT_AVAILABLE or reply.code < 400:  # noqa: PLR2004 - neither yes nor no
            self._drop()
        kind = Kind.UNKNOWN if reply.code < 400 else kind_of(reply)  # noqa: PLR2004 - as above
        return kind, reply


def _checked(
    mail_from: str, rcpt_to: Sequence[str], data: bytes
) -> tuple[str, tuple[str, ...]]:
    """Return the envelope as it may be written into commands.

    Raises
    ------
    _Settled
        If an address is none, or the bytes could be read in two ways.
    """
    try:
        gate(data)
        parsed = tuple(parse_address(addr) for addr in rcpt_to)
        return (parse_address(mail_from) if mail_from else ""), parsed
    except (AddressError, ComposeError) as error:
        outcome = same_for_all(Kind.REFUSED, rcpt_to, words=error.words)
        raise _Settled(outcome) from None


def _parameters(
    session: SmtpSession, data: bytes, *, smtputf8: bool
) -> list[str] | str:
    """Return the parameters of MAIL, or why the message cannot go to this server."""
    parameters: list[str] = []
    if "SIZE" in session.extensions:
        limit = session.extensions["SIZE"]
        if limit.isdigit() and 0 < int(limit) < len(data):
            return f"The message is larger than the server takes ({limit} octets)."
        parameters.append(f"SIZE={len(data)}")
    if smtputf8:
        if "SMTPUTF8" not in session.extensions:
            return "The server does not take addresses with letters beyond ASCII."
        parameters.extend(["BODY=8BITMIME", "SMTPUTF8"])
    elif not data.isascii():
        if "8BITMIME" not in session.extensions:
            return "The server takes ASCII only, and the message holds other octets."
        parameters.append("BODY=8BITMIME")
    return parameters


def _raise_if_unwell(reply: Reply) -> None:
    """Raise if a reply is about us or the server, and not about the message."""
    if reply.code in AUTH_CODES:
        raise Unwell(Trouble.AUTH, "The server wants us to sign in.", reply)
    if reply.code == _SERVICE_NOT_AVAILABLE:
        raise Unwell(Trouble.NETWORK, "The server is not available.", reply)


def _unwell(unwell: Unwell) -> Outcome:
    """Return the outcome of a message that was never offered."""
    reply = unwell.reply
    return Outcome(
        kind=Kind.UNWELL,
        code=reply.code if reply else None,
        enhanced=reply.enhanced if reply else None,
        reply=f"{unwell.words} ({reply})" if reply else unwell.words,
        recipients=(),
        trouble=unwell.trouble,
    )
