"""Handing messages to an SMTP server, and knowing exactly what was proven.

Everything turns on one moment: when the last octets of a message, the final dot, are
given to the network. Before it, a broken connection proves that nothing was accepted.
After it, only a reply proves anything, and silence proves nothing: the message is
*unknown*, and it is not ours to guess (RFC 5321 4.5.3.2.6 has us wait ten minutes
first).

    MAIL ─▶ RCPT … ─▶ DATA ─▶ body ─▶│ dot ─▶ reply
    refused, lost: nothing accepted  │ lost, silent: unknown

Where the server offers PIPELINING, MAIL, RCPT and DATA go out in one write, and the
next message's right behind the final dot: a message costs one round trip and two system
calls. Nothing of the next one can be accepted by that, for its body waits for the reply
to its own DATA.

CHUNKING (RFC 3030) is not used: with the envelope sent ahead a message costs one round
trip either way. It could only put several bodies into flight at once, and a connection
that breaks would then leave all of them *unknown*.

A kept connection may have gone stale. If it breaks before DATA, a fresh one is tried
once.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from webapp.composing.wire import Octets
from webapp.core.net import READ_SECONDS, PrivateHosts
from webapp.core.turns import alone
from webapp.senders.outcome import Kind, Outcome, RecipientOutcome
from webapp.senders.proofs import kind_of, same_for_all, together
from webapp.senders.server import Server
from webapp.senders.smtp_envelope import (
    FINAL_DOT,
    NOT_AVAILABLE,
    START_MAIL_INPUT,
    Envelope,
    Parcel,
    Settled,
    checked,
)
from webapp.senders.smtp_reply import Lost, Reply
from webapp.senders.smtp_session import SmtpSession, Unwell

DOT_SECONDS = 600.0  # RFC 5321 4.5.3.2.6
# A larger message waits a moment before its final dot: the server may have said no.
AT_ONCE = 64 * 1024


class SmtpTransport:
    """A way out by SMTP; the connection is kept from message to message.

    For one conversation at a time: each has a transport of its own.

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

    Attributes
    ----------
    size_limit
        The largest message that the server takes, once it was asked; 0 if it did not
        say.
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
        self._ahead: Envelope | None = None
        self.size_limit: int | None = None

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
        if self._ahead is not None:
            self._drop()
        if self._session is not None:
            self._session.close()
            self._session = None

    def hand_over(
        self,
        mail_from: str,
        rcpt_to: Sequence[str],
        data: bytes | Octets,
        smtputf8: bool = False,
        ahead: Callable[[], Parcel | None] | None = None,
    ) -> Outcome:
        """Offer one message, and say what became of it.

        Parameters
        ----------
        mail_from, rcpt_to, data, smtputf8
            See `Parcel`.
        ahead
            Asked, when the body leaves, what will be handed over next; its envelope is
            sent along. If something else is then, or nothing, the connection is not
            used any more.

        Returns
        -------
        Outcome
            Whatever happens has a kind; nothing that a server does raises.

        Raises
        ------
        ValueError
            If there is no recipient.
        """
        parcel = Parcel(mail_from, tuple(rcpt_to), data, smtputf8)
        return alone(self.offer(parcel, ahead))

    async def offer(
        self, parcel: Parcel, ahead: Callable[[], Parcel | None] | None = None
    ) -> Outcome:
        """Do what `hand_over` does, taking turns with other conversations."""
        if not parcel.rcpt_to:
            raise ValueError("A message without recipients cannot be handed over.")
        try:
            if self._ahead is None or self._ahead.parcel != parcel:
                parcel = checked(parcel)
            reused = self._session is not None
            try:
                return await self._offer(parcel, ahead)
            except (Unwell, Lost):
                if not reused:
                    raise
            return await self._offer(parcel, ahead)
        except Settled as settled:
            return settled.outcome
        except Unwell as unwell:
            return _unwell(unwell)
        except Lost as lost:
            return same_for_all(Kind.DEFERRED, parcel.rcpt_to, words=str(lost))

    async def _offer(
        self, parcel: Parcel, ahead: Callable[[], Parcel | None] | None
    ) -> Outcome:
        """Go through one mail transaction (RFC 5321 3.3).

        Raises
        ------
        Settled
            If its outcome is known before the body.
        Unwell, Lost
            Before DATA; the connection is closed then.
        """
        try:
            envelope = await self._envelope(parcel)
            refused = await self._refused(envelope)
        except (Unwell, Lost):
            self._drop()
            raise
        came_to = await self._data(envelope, ahead)
        return together(parcel.rcpt_to, refused, came_to)

    async def _envelope(self, parcel: Parcel) -> Envelope:
        """Return the envelope of a parcel, begun now if it was not begun before."""
        begun, self._ahead = self._ahead, None
        if begun is not None:
            if begun.parcel == parcel:
                return begun
            self._drop()
        if self._session is None:
            session = SmtpSession(self._server, self._allowed, self._seconds)
            await session.open()
            self._session = session
            self.size_limit = session.size_limit
            self._is_halfway = False
        envelope = Envelope(self._session, parcel, reset=self._is_halfway)
        self._is_halfway = True
        await envelope.begin()
        return envelope

    async def _refused(self, envelope: Envelope) -> dict[str, RecipientOutcome]:
        """Hear about the envelope; what was not offered at last leaves no trace."""
        try:
            return await envelope.refused()
        except Settled:
            self._is_halfway = not envelope.is_over
            if not envelope.session.is_open:
                self._drop()
            raise

    def _drop(self) -> None:
        """Close the connection at once; the next message opens another."""
        self._ahead = None
        if self._session is not None:
            self._session.abort()
            self._session = None

    async def _data(
        self, envelope: Envelope, ahead: Callable[[], Parcel | None] | None
    ) -> tuple[Kind, Reply | str]:
        """Hand over the body and the final dot; return what that came to."""
        try:
            refusal = await self._body(envelope, ahead)
        except Lost as lost:
            self._drop()
            return Kind.DEFERRED, f"{lost} Nothing was accepted."
        return refusal or await self._after_dot(envelope.session)

    async def _body(
        self, envelope: Envelope, ahead: Callable[[], Parcel | None] | None
    ) -> tuple[Kind, Reply | str] | None:
        """Send the message with the final dot; return the refusal, if there is one.

        Raises
        ------
        Lost
            If the connection breaks before the final dot was given to the network;
            nothing was accepted then.
        """
        session = envelope.session
        reply = await envelope.reply()
        if reply.code != START_MAIL_INPUT:
            if reply.code == NOT_AVAILABLE:
                self._drop()
            return kind_of(reply), reply
        octets = envelope.parcel.octets
        body = octets.transparent()
        if octets.size > AT_ONCE:
            await session.send_pieces(body)
            body = []
            if session.has_spoken():
                reply = await session.read_reply()  # it did not want to hear the end
                self._drop()
                return kind_of(reply), reply
        # The only place where a message can become *unknown*.
        end = b"".join((*body, FINAL_DOT))
        await session.send(end + self._look_ahead(session, ahead), through=len(end))
        return None

    def _look_ahead(
        self, session: SmtpSession, ahead: Callable[[], Parcel | None] | None
    ) -> bytes:
        """Return the commands of the next message, if there is one already."""
        parcel = ahead() if ahead is not None and session.pipelines else None
        if parcel is None:
            return b""
        try:
            envelope = Envelope(session, checked(parcel), reset=False)
        except Settled:
            return b""  # when its turn comes, it is said why
        if not envelope.goes_at_once:
            return b""
        self._ahead = envelope
        return envelope.octets()

    async def _after_dot(self, session: SmtpSession) -> tuple[Kind, Reply | str]:
        """Wait for the reply to the final dot."""
        try:
            reply = await session.read_reply(self._dot_seconds)
        except Lost as lost:
            self._drop()
            return Kind.UNKNOWN, f"{lost} It may have been accepted."
        self._is_halfway = self._ahead is not None
        if reply.is_yes:
            return Kind.ACCEPTED, reply
        if reply.code == NOT_AVAILABLE or reply.code < 400:  # noqa: PLR2004 - neither yes nor no
            self._drop()
        kind = Kind.UNKNOWN if reply.code < 400 else kind_of(reply)  # noqa: PLR2004 - as above
        return kind, reply


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
