"""The ways out: SMTP, practice and dry run, behind one contract.

    with open_transport(sender) as transport:
        outcome = transport.hand_over(mail_from, rcpt_to, data)

Opening connects nothing: the first `hand_over` does, and keeps the connection.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from flask import current_app

import config
from webapp.composing.letter import ComposeError
from webapp.composing.wire import Octets
from webapp.core import practice, secrets
from webapp.core.net import NO_PRIVATE_HOSTS, PrivateHosts
from webapp.core.turns import alone
from webapp.senders.models import Sender, TransportKind
from webapp.senders.outcome import Kind, Outcome
from webapp.senders.proofs import same_for_all
from webapp.senders.server import Security, Server
from webapp.senders.smtp import SmtpTransport
from webapp.senders.smtp_envelope import Parcel

DRY_RUN_REPLY = "Dry run: kept here, nothing was sent"


class Transport(Protocol):
    """What every way out can do; a context manager that lets go of its connection.

    `size_limit` is the largest message that the server takes, once that is known; 0
    where it does not say.
    """

    size_limit: int | None

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def hand_over(
        self,
        mail_from: str,
        rcpt_to: Sequence[str],
        data: bytes | Octets,
        smtputf8: bool = False,
        ahead: Callable[[], Parcel | None] | None = None,
    ) -> Outcome:
        """Offer one message, and say what became of it; never raises.

        `ahead` may be asked what will be handed over next, to prepare for it.
        """

    async def offer(
        self, parcel: Parcel, ahead: Callable[[], Parcel | None] | None = None
    ) -> Outcome:
        """Do the same, taking turns with others (`webapp.core.turns`)."""


class DryRunTransport:
    """A way out that leads nowhere; the caller keeps the bytes."""

    size_limit: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def hand_over(
        self,
        mail_from: str,
        rcpt_to: Sequence[str],
        data: bytes | Octets,
        smtputf8: bool = False,
        ahead: Callable[[], Parcel | None] | None = None,
    ) -> Outcome:
        """Accept what could be sent; refuse what no server should see."""
        return alone(
            self.offer(Parcel(mail_from, tuple(rcpt_to), data, smtputf8), ahead)
        )

    async def offer(
        self, parcel: Parcel, ahead: Callable[[], Parcel | None] | None = None
    ) -> Outcome:
        """Do the same; there is nothing to wait for."""
        del ahead
        kind, reply = Kind.ACCEPTED, DRY_RUN_REPLY
        try:
            _ = parcel.octets  # they pass the gate, or this raises
        except ComposeError as error:
            kind, reply = Kind.REFUSED, error.words
        return same_for_all(kind, parcel.rcpt_to, words=reply)


def open_transport(sender: Sender) -> Transport:
    """Return the way out that a sender is.

    Raises
    ------
    CannotUnseal
        If the saved password does not belong to this server any more.
    """
    if sender.kind is TransportKind.DRY_RUN:
        return DryRunTransport()
    return SmtpTransport(server_of(sender), allowed_hosts(sender))


def server_of(sender: Sender) -> Server:
    """Return where a sender leads to, with its password in clear.

    Raises
    ------
    CannotUnseal
        If the saved password does not belong to this server any more.
    """
    if sender.kind is TransportKind.PRACTICE:
        access = practice.load(_settings().data_dir) or practice.fresh()
        return Server(
            host=practice.HOST,
            port=access.smtp_port,
            security=Security.NONE,
            login=access.login,
            password=access.password,
        )
    return Server(
        host=sender.host,
        port=sender.port,
        security=sender.security,
        login=sender.login or None,
        password=unsealed_password(sender),
        ca_pem=sender.ca_pem or None,
    )


def allowed_hosts(sender: Sender) -> PrivateHosts:
    """Return the private hosts that a sender may speak to."""
    if sender.kind is TransportKind.PRACTICE:
        access = practice.load(_settings().data_dir) or practice.fresh()
        return NO_PRIVATE_HOSTS.with_endpoints([(practice.HOST, access.smtp_port)])
    return installation_hosts()


def installation_hosts() -> PrivateHosts:
    """Return the private hosts that every sender of this installation may speak to."""
    return PrivateHosts.parse(",".join(_settings().allowed_private_hosts))


def seal_password(sender: Sender, password: str) -> str:
    """Return a password sealed for this sender at the host that it has now."""
    return secrets.seal(
        password,
        table="sender",
        row=sender.public_id,
        column="password",
        bound=sender.host,
    )


def unsealed_password(sender: Sender) -> str | None:
    """Return the password in clear, if one is saved.

    Raises
    ------
    CannotUnseal
        If it was sealed for another host, row or key.
    """
    if not sender.password_sealed:
        return None
    return secrets.unseal(
        sender.password_sealed,
        table="sender",
        row=sender.public_id,
        column="password",
        bound=sender.host,
    )


def _settings() -> config.Settings:
    settings = current_app.config["POSTROOM"]
    assert isinstance(settings, config.Settings)
    return settings
