"""Connect to a mail server, protect the line, and sign in with exactly one attempt."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from webapp.core import net
from webapp.core.net import (
    NO_PRIVATE_HOSTS,
    NetError,
    NetTrouble,
    PrivateHosts,
    cut_after,
)
from webapp.mailboxes import oauth
from webapp.mailboxes.imap import Connection
from webapp.mailboxes.imap_commands import quoted
from webapp.mailboxes.imap_errors import ServerRefused, SignInRefused, Unreachable
from webapp.mailboxes.imap_wire import COMMAND_SECONDS, Line
from webapp.mailboxes.patience import seconds_left

CONNECT_SECONDS = 10.0
#: Refusals that pass by themselves (RFC 5530): the password was not judged.
WORDS_LATER = "The server cannot check passwords just now."
TEMPORARY = {"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "CONTACTADMIN"}


@dataclass(frozen=True)
class Access:
    """How to reach an account. `security` is ``tls``, ``starttls`` or ``none``.

    With `token` the account signs in by XOAUTH2; it is called for each connection, and
    once more with a token that was refused: what it gives then is tried if it differs.
    """

    host: str
    port: int
    security: str
    login: str
    password: str = field(repr=False)
    ca_pem: str = ""
    private: PrivateHosts = NO_PRIVATE_HOSTS
    token: Callable[[str], str] | None = field(default=None, repr=False, compare=False)


def connect(access: Access) -> Connection:
    """Connect, protect, and sign in with exactly one attempt.

    Raises
    ------
    ImapError
        Unreachable, SignInRefused or ServerRefused, each with words for a person.
    """
    try:
        opened = _open(access)
    except NetError as error:
        is_tls = error.kind is NetTrouble.TLS
        raise Unreachable(error.words, step="tls" if is_tls else "connect") from error
    connection = Connection(Line(access.host, opened))
    try:
        if access.security == "starttls":
            _start_tls(connection, access)
        _sign_in(connection, access)
        with connection.line.guarded():
            offered = connection.line.client.capabilities()
    except BaseException:
        connection.close()
        raise
    connection.capabilities = frozenset(
        word.decode("ascii", "replace").upper() for word in offered
    )
    return connection


def _open(access: Access) -> socket.socket:
    if any(letter in access.login + access.password for letter in "\r\n\0"):
        raise SignInRefused("Login and password cannot hold line breaks or NUL.")
    pinned = net.resolve(access.host, access.port, access.private)
    if access.security == "none" and not pinned.private:
        raise Unreachable(
            "Without TLS the password would cross the network in plain text. "
            "Choose TLS or STARTTLS.",
            step="tls",
        )
    opened = net.connect(
        pinned,
        connect_seconds=seconds_left(CONNECT_SECONDS),
        read_seconds=COMMAND_SECONDS,
    )
    if access.security != "tls":
        return opened
    with cut_after(seconds_left(COMMAND_SECONDS), opened):
        context = net.tls_context(access.ca_pem or None)
        return net.start_tls(opened, access.host, context)


def _start_tls(connection: Connection, access: Access) -> None:
    imap = connection.line.imap
    if "STARTTLS" not in imap.capabilities:
        raise Unreachable(
            f"{access.host} does not offer STARTTLS, so nothing was sent.", step="tls"
        )
    with connection.line.guarded():
        status, _ = imap._simple_command("STARTTLS")
    if status != "OK":
        raise Unreachable(f"{access.host} refused STARTTLS.", step="tls")
    try:
        context = net.tls_context(access.ca_pem or None)
        with cut_after(seconds_left(COMMAND_SECONDS), imap.sock):
            imap.replace_socket(net.start_tls(imap.sock, access.host, context))
    except NetError as error:
        connection.line.broken = True
        raise Unreachable(error.words, step="tls") from error
    with connection.line.guarded():
        imap._get_capabilities()


def _sign_in(connection: Connection, access: Access) -> None:
    if access.token is not None:
        token = access.token("")
        try:
            _authenticate_xoauth2(connection, access, token)
        except SignInRefused:
            other = access.token(token)
            if other == token:
                raise
            _authenticate_xoauth2(connection, access, other)
        return
    imap = connection.line.imap
    if "LOGINDISABLED" in imap.capabilities and "AUTH=PLAIN" not in imap.capabilities:
        raise SignInRefused(
            "The server takes no password on this connection. Choose TLS or STARTTLS."
        )
    try:
        if "AUTH=PLAIN" in imap.capabilities:
            _authenticate_plain(connection, access)
        else:
            _login(connection, access)
    except ServerRefused as error:
        if error.code in TEMPORARY:
            raise Unreachable(WORDS_LATER, step="sign in") from error
        raise SignInRefused(
            "The server refused the login or the password.", error.reply
        ) from error


def _authenticate_plain(connection: Connection, access: Access) -> None:
    """SASL PLAIN (RFC 4616): carries any Unicode, in base64."""
    answer = f"\0{access.login}\0{access.password}".encode()
    connection.line.authenticate("PLAIN", lambda _challenge: answer)


def _authenticate_xoauth2(connection: Connection, access: Access, token: str) -> None:
    """SASL XOAUTH2; a refusal is a challenge first, which wants an empty answer."""
    if "AUTH=XOAUTH2" not in connection.line.imap.capabilities:
        raise SignInRefused("The server does not offer to sign in by XOAUTH2.")
    answers = iter([oauth.sasl(access.login, token)])
    try:
        connection.line.authenticate("XOAUTH2", lambda _challenge: next(answers, b""))
    except ServerRefused as error:
        if error.code in TEMPORARY:
            raise Unreachable(WORDS_LATER, step="sign in") from error
        raise SignInRefused(
            "The server refused the login or its access token.", error.reply
        ) from error


def _login(connection: Connection, access: Access) -> None:
    args = [quoted(text.encode("utf-8")) for text in (access.login, access.password)]
    connection.line.command(b"LOGIN", args)
    connection.line.imap.state = "AUTH"
