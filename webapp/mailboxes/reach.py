"""How a mailbox is reached now, and the state in which its server leaves it.

A refused password makes a mailbox *needs attention*, and it is never tried again by
itself; trouble with the network backs off and never switches a mailbox off.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import current_app

from webapp.core import practice, secrets
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.net import NO_PRIVATE_HOSTS, PrivateHosts
from webapp.core.secrets import CannotUnseal
from webapp.core.words import _
from webapp.mailboxes import oauth
from webapp.mailboxes.imap_errors import ImapError, SignInRefused, Unreachable
from webapp.mailboxes.imap_signin import Access
from webapp.mailboxes.models import Mailbox, MailboxState
from webapp.mailboxes.oauth import Grant
from webapp.mailboxes.pool import Busy

BACK_OFF = (5, 15, 60, 300, 900)
#: The state is written when it changes, and at most so often while all is well.
OK_EVERY = timedelta(minutes=1)
Key = tuple[int, int]


def usable(mailbox: Mailbox) -> tuple[Key, Access]:
    """Return how to lease a connection to a mailbox that may be asked now.

    Raises
    ------
    SignInRefused
        If its password was refused and nobody has mended it since.
    Unreachable
        If the server was not reachable a moment ago; it says until when we wait.
    """
    if mailbox.state is MailboxState.NEEDS_ATTENTION:
        raise SignInRefused(mailbox.state_words)
    waits = mailbox.state is MailboxState.RETRYING and mailbox.retry_at
    if waits and waits > now():
        raise Waiting(mailbox.state_words)
    return key_of(mailbox), access_of(mailbox)


class Waiting(Unreachable):
    """We know that the server is not well, and do not ask it yet."""


def access_of(mailbox: Mailbox) -> Access:
    """Return how to sign in to a mailbox, with its password opened.

    Raises
    ------
    SignInRefused
        If the sealed password does not open: it must be given again.
    """
    if mailbox.is_practice:
        return _practice_access()
    try:
        password = unsealed(mailbox)
    except CannotUnseal as error:
        raise SignInRefused(
            _("The saved password cannot be opened any more. Please give it again.")
        ) from error
    return Access(
        host=mailbox.host,
        port=mailbox.port,
        security=mailbox.security.value,
        login=mailbox.login,
        password=password,
        ca_pem=mailbox.ca_pem,
        private=private_hosts(),
        token=_token(mailbox, password) if mailbox.auth == "xoauth2" else None,
    )


def _token(mailbox: Mailbox, secret: str) -> Callable[[str], str]:
    """Return what gets an access token for a new connection."""
    grant = grant_of(mailbox, secret)
    mailbox_id, host = mailbox.id, mailbox.host

    def rotated(refresh_token: str) -> None:
        fresh = replace(grant, refresh_token=refresh_token)
        db.session.execute(
            sa.update(Mailbox)
            .where(Mailbox.id == mailbox_id, Mailbox.host == host)
            .values(password_sealed=sealed(mailbox_id, host, fresh.secret))
        )
        db.session.commit()

    return lambda refused: oauth.token_for(grant, rotated, refused)


def grant_of(columns: Mailbox | Mapping[str, Any], secret: str) -> Grant:
    """Return what access tokens are asked for with, from a row or from its columns."""
    names = ("oauth_token_url", "oauth_client_id", "oauth_scope", "ca_pem")
    is_row = isinstance(columns, Mailbox)
    token_url, client_id, scope, ca_pem = (
        getattr(columns, name) if is_row else columns[name]  # type: ignore[index]  # one or the other
        for name in names
    )
    client_secret, refresh_token = oauth.opened(secret)
    return Grant(
        token_url=token_url,
        client_id=client_id,
        scope=scope,
        client_secret=client_secret,
        refresh_token=refresh_token,
        ca_pem=ca_pem,
        private=private_hosts(),
    )


def _practice_access() -> Access:
    found = practice.load(current_app.config["POSTROOM"].data_dir)
    if found is None or not found.imap_port:
        raise Unreachable(_("The practice server does not run."))
    return Access(
        host=practice.HOST,
        port=found.imap_port,
        security="none",
        login=found.login,
        password=found.password,
        private=NO_PRIVATE_HOSTS.with_endpoints([(practice.HOST, found.imap_port)]),
    )


def private_hosts() -> PrivateHosts:
    """Return the private hosts that mailboxes may be on."""
    allowed = current_app.config["POSTROOM"].allowed_private_hosts
    return PrivateHosts.parse(",".join(allowed))


def note_ok(mailbox_id: int) -> None:
    """Remember that the server answered; one statement, and seldom."""
    stale = sa.or_(
        Mailbox.state != MailboxState.OK,
        Mailbox.last_ok_at.is_(None),
        Mailbox.last_ok_at < now() - OK_EVERY,
    )
    db.session.commit()
    db.session.execute(
        sa.update(Mailbox)
        .where(Mailbox.id == mailbox_id, stale)
        .values(
            state=MailboxState.OK,
            state_words="",
            failures=0,
            retry_at=None,
            last_ok_at=now(),
        )
    )
    db.session.commit()


def note_trouble(mailbox_id: int, version: int, error: ImapError) -> None:
    """Remember what went wrong, unless it is about one folder or mail only."""
    if isinstance(error, Waiting | Busy):
        return
    refused = isinstance(error, SignInRefused)
    if not refused and not isinstance(error, Unreachable):
        return
    db.session.rollback()
    tries = db.session.scalar(
        sa.select(Mailbox.failures).where(Mailbox.id == mailbox_id)
    )
    wait = BACK_OFF[min(tries or 0, len(BACK_OFF) - 1)]
    db.session.commit()
    state = MailboxState.NEEDS_ATTENTION if refused else MailboxState.RETRYING
    db.session.execute(
        sa.update(Mailbox)
        .where(Mailbox.id == mailbox_id, Mailbox.version == version)
        .values(
            state=state,
            state_words=f"{error.words} {error.reply}".strip()[:500],
            failures=Mailbox.failures + 1,
            retry_at=None if refused else now() + timedelta(seconds=wait),
            last_error_at=now(),
        )
    )
    db.session.commit()


def seal(mailbox: Mailbox, password: str) -> None:
    """Seal a password for a mailbox and its host."""
    mailbox.password_sealed = sealed(mailbox.id, mailbox.host, password)
    mailbox.password_saved_at = now()


def sealed(mailbox_id: int, host: str, secret: str) -> str:
    """Return a secret as it is kept, bound to the mailbox and its host."""
    return secrets.seal(
        secret, table="mailbox", row=mailbox_id, column="password_sealed", bound=host
    )


def unsealed(mailbox: Mailbox) -> str:
    """Return the password of a mailbox.

    Raises
    ------
    CannotUnseal
        If it was sealed for another row or host, or with another key.
    """
    return secrets.unseal(
        mailbox.password_sealed,
        table="mailbox",
        row=mailbox.id,
        column="password_sealed",
        bound=mailbox.host,
    )


def key_of(mailbox: Mailbox) -> Key:
    """Return the pool's key: new settings get new connections."""
    return mailbox.id, mailbox.version
