"""What is said of a message before its body: MAIL, RCPT, DATA, and the replies.

Where the server offers PIPELINING (RFC 2920) all of it goes out in one write, and each
reply is still heard for itself: a refused recipient is that one's outcome. Without it
the next command waits for the reply, and after a refusal none follows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from webapp.composing.addresses import AddressError, parse_address
from webapp.composing.letter import ComposeError
from webapp.composing.wire import Octets, gated
from webapp.senders.outcome import Kind, Outcome, RecipientOutcome, Trouble
from webapp.senders.proofs import kind_of, recipient, same_for_all, together
from webapp.senders.replies import AUTH_CODES
from webapp.senders.smtp_reply import Lost, Reply
from webapp.senders.smtp_session import SmtpSession, Unwell, command_line

FINAL_DOT = b".\r\n"
NOT_AVAILABLE = 421
START_MAIL_INPUT = 354
MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message as it is handed over.

    Attributes
    ----------
    mail_from
        Envelope sender; the empty text is the null sender.
    rcpt_to
        Envelope recipients, at least one.
    data
        The composed message: CRLF lines, not dot-stuffed. What did not pass the gate
        yet does so when the envelope is checked.
    smtputf8
        Whether it needs the extension (RFC 6531).
    """

    mail_from: str
    rcpt_to: tuple[str, ...]
    data: bytes | Octets
    smtputf8: bool = False

    @property
    def octets(self) -> Octets:
        """The message as it may leave.

        Raises
        ------
        ComposeError
            If a server could read it in two ways.
        """
        return self.data if isinstance(self.data, Octets) else gated([self.data])


class Settled(Exception):
    """The outcome is known before the final dot."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def checked(parcel: Parcel) -> Parcel:
    """Return a parcel whose envelope may be written into commands.

    Raises
    ------
    Settled
        If an address is none, or the bytes could be read in two ways.
    """
    try:
        octets = parcel.octets
        rcpt_to = tuple(parse_address(addr) for addr in parcel.rcpt_to)
        mail_from = parse_address(parcel.mail_from) if parcel.mail_from else ""
    except (AddressError, ComposeError) as error:
        outcome = same_for_all(Kind.REFUSED, parcel.rcpt_to, words=error.words)
        raise Settled(outcome) from None
    return Parcel(mail_from, rcpt_to, octets, parcel.smtputf8)


class Envelope:
    """The envelope of one parcel, on its way through a session.

    Parameters
    ----------
    parcel
        Checked.
    reset
        Whether a transaction that was broken off has to be ended first.

    Attributes
    ----------
    is_over
        Whether the server has ended the transaction: nothing has to be reset.

    Raises
    ------
    Settled
        If the message cannot go to this server; nothing was said then.
    """

    def __init__(self, session: SmtpSession, parcel: Parcel, *, reset: bool) -> None:
        self.session = session
        self.parcel = parcel
        self.is_over = False
        self._resets = reset
        mail = [f"MAIL FROM:<{parcel.mail_from}>", *_parameters(session, parcel)]
        self._commands = [
            *(["RSET"] if reset else []),
            " ".join(mail),
            *(f"RCPT TO:<{addr}>" for addr in parcel.rcpt_to),
            "DATA",
        ]
        self._waiting = 0
        self._said: Iterator[str] = iter(self._commands)

    @property
    def goes_at_once(self) -> bool:
        """Whether the server takes all commands in one write, and they are few.

        A server that cannot get rid of its replies does not read on (RFC 2920 3.1).
        """
        return self.session.pipelines and len(self._commands) <= MOST_AT_ONCE

    def octets(self) -> bytes:
        """Return all commands, for a server that takes them in one write."""
        self._said = iter(())
        self._waiting = len(self._commands)
        return b"".join(map(command_line, self._commands))

    async def begin(self) -> None:
        """Say what can be said at once.

        Raises
        ------
        Lost
            If the connection breaks.
        """
        if self.goes_at_once:
            await self.session.send(self.octets())

    async def refused(self) -> dict[str, RecipientOutcome]:
        """Hear what became of the sender and the recipients; return who is not taken.

        Raises
        ------
        Settled
            If the sender or all recipients are refused.
        Unwell, Lost
            If the server cannot be used; nothing was accepted.
        """
        if self._resets and not (await self.reply()).is_yes:
            raise Lost("The server would not begin anew.")
        rcpt_to = self.parcel.rcpt_to
        mail = await self.reply()
        if not mail.is_yes:
            _raise_if_unwell(mail)
            await self._hear_out(has_sender=False)
            raise Settled(same_for_all(kind_of(mail), rcpt_to, mail))
        refused: dict[str, RecipientOutcome] = {}
        for addr in rcpt_to:
            reply = await self.reply()
            if not reply.is_yes:
                _raise_if_unwell(reply)
                refused[addr] = recipient(addr, kind_of(reply), reply)
        if all(addr in refused for addr in rcpt_to):
            await self._hear_out(has_sender=True)
            raise Settled(together(rcpt_to, refused, None))
        return refused

    async def reply(self) -> Reply:
        """Return the next reply; where none is to come, say the next command first.

        Raises
        ------
        Lost
            If the connection breaks.
        """
        if self._waiting:
            self._waiting -= 1
            return await self.session.read_reply()
        return await self.session.command(next(self._said))

    async def _hear_out(self, *, has_sender: bool) -> None:
        """Hear what is still to come, when nothing will be sent.

        A server may want a message although it took no recipient: then the final dot
        alone ends it (RFC 2920 3.1). Whoever wants one without a sender is not spoken
        to any more. If the connection breaks now, the outcome is known all the same.
        """
        try:
            while self._waiting:
                reply = await self.reply()
                if reply.code == START_MAIL_INPUT and not self._waiting:
                    if not has_sender:
                        self.session.abort()
                        return
                    await self.session.send(FINAL_DOT)
                    await self.session.read_reply()
                    self.is_over = True
        except Lost:
            self.session.abort()


def _parameters(session: SmtpSession, parcel: Parcel) -> list[str]:
    """Return the parameters of MAIL.

    Raises
    ------
    Settled
        If the message cannot go to this server.
    """
    parameters: list[str] = []
    octets = parcel.octets
    if "SIZE" in session.extensions:
        limit = session.size_limit
        if 0 < limit < octets.size:
            words = f"The message is larger than the server takes ({limit} octets)."
            raise Settled(same_for_all(Kind.REFUSED, parcel.rcpt_to, words=words))
        parameters.append(f"SIZE={octets.size}")
    if parcel.smtputf8:
        if "SMTPUTF8" not in session.extensions:
            words = "The server does not take addresses with letters beyond ASCII."
            raise Settled(same_for_all(Kind.REFUSED, parcel.rcpt_to, words=words))
        parameters.extend(["BODY=8BITMIME", "SMTPUTF8"])
    elif not octets.is_ascii:
        if "8BITMIME" not in session.extensions:
            words = "The server takes ASCII only, and the message holds other octets."
            raise Settled(same_for_all(Kind.REFUSED, parcel.rcpt_to, words=words))
        parameters.append("BODY=8BITMIME")
    return parameters


def _raise_if_unwell(reply: Reply) -> None:
    """Raise if a reply is about us or the server, and not about the message."""
    if reply.code in AUTH_CODES:
        raise Unwell(Trouble.AUTH, "The server wants us to sign in.", reply)
    if reply.code == NOT_AVAILABLE:
        raise Unwell(Trouble.NETWORK, "The server is not available.", reply)
