"""Senders: made, changed, tried out and removed.

A password comes in and is sealed at once, for this row and this host; nothing gives it
back. So a changed host asks for it again: whoever may edit a sender must not be able to
have its password sent to a server of their own (SECURITY.md 22).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.exc import IntegrityError

from webapp.composing.addresses import parse_address
from webapp.composing.dkim import signed
from webapp.composing.letter import Address, Letter
from webapp.composing.mime import Composed, compose
from webapp.core import clock, net
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.ids import uuid7
from webapp.core.net import NetError, NetTrouble
from webapp.core.secrets import CannotUnseal
from webapp.core.words import _
from webapp.operators import audit
from webapp.senders import limiting, signing, trial
from webapp.senders.models import Sender, TransportKind
from webapp.senders.presets import Authentication
from webapp.senders.server import Security
from webapp.senders.transports import (
    DryRunTransport,
    allowed_hosts,
    installation_hosts,
    seal_password,
    server_of,
)

ATTENTION = "Some values need your attention."


def all_senders() -> list[Sender]:
    """Return every sender, by name."""
    query = sa.select(Sender).where(Sender.archived_at.is_(None))
    return list(db.session.scalars(query.order_by(sa.func.lower(Sender.name))))


def get(sender_id: int) -> Sender:
    """Return one sender.

    Raises
    ------
    NotFound
        If there is none.
    """
    sender = db.session.get(Sender, sender_id)
    if sender is None or sender.archived_at is not None:
        raise NotFound(_("This sender does not exist."))
    return sender


def form_values(
    sender: Sender, stand_ins: Sequence[int] | None = None
) -> dict[str, Any]:
    """Return what the form of a sender holds; the password is not among it.

    Parameters
    ----------
    stand_ins
        Who stands in for it, where that is known already.
    """
    if stand_ins is None:
        stand_ins = limiting.fallback_ids(sender.id)
    values = {name: getattr(sender, name) for name in _FORM_FIELDS}
    has_login = Authentication.PASSWORD if sender.login else Authentication.NONE
    if sender.kind is not TransportKind.SMTP:
        has_login = Authentication.PASSWORD
    values |= limiting.form_values(sender, stand_ins)
    values |= {
        "kind": sender.kind.value,
        "security": sender.security.value,
        "authentication": has_login.value,
    }
    return values


def create(values: Mapping[str, Any]) -> Sender:
    """Make a sender.

    Parameters
    ----------
    values
        What a checked `SenderForm` holds.

    Raises
    ------
    Invalid
        If the values do not go together, or the name is taken.
    """
    sender = Sender(public_id=uuid7(), host="", password_sealed="")
    _fill(sender, values)
    db.session.add(sender)
    _flush(sender)
    limiting.set_stand_ins(sender, values.get("fallback_ids"))
    audit.record("sender.created", "sender", sender.id, sender.name, kind=sender.kind)
    db.session.commit()
    return sender


def update(sender_id: int, values: Mapping[str, Any]) -> Sender:
    """Change a sender.

    Raises
    ------
    NotFound, Invalid
        As in `get` and `create`.
    Refused
        If somebody saved a newer version than the one that was edited.
    """
    sender = get(sender_id)
    edited = values.get("version")
    if edited is not None and edited != sender.version:
        raise Refused(
            _("Somebody saved a newer version of this sender. Look at it first.")
        )
    before = {name: getattr(sender, name) for name in _AUDITED}
    with db.session.no_autoflush:
        _fill(sender, values)
    sender.version += 1
    _flush(sender)
    changed = [
        name for name in sorted(_AUDITED) if getattr(sender, name) != before[name]
    ]
    if limiting.set_stand_ins(sender, values.get("fallback_ids")):
        changed.append("fallback_ids")
    if _ASKED_ABOUT.intersection(changed):
        sender.dns_asked_at, sender.dns_findings = None, []
    audit.record("sender.changed", "sender", sender.id, sender.name, changed=changed)
    db.session.commit()
    return sender


def delete(sender_id: int) -> None:
    """Remove a sender that nothing uses.

    Raises
    ------
    NotFound
        If there is none.
    Refused
        If a campaign or a message goes, or went, this way.
    """
    sender = get(sender_id)
    others = limiting.used_by(sender)
    if others:
        words = _("It stands in for “%(name)s”, so it stays.", name=others[0].name)
        raise Refused(words)
    audit.record("sender.deleted", "sender", sender.id, sender.name)
    db.session.delete(sender)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        words = _("Campaigns or messages use this sender, so it stays.")
        raise Refused(words) from None


def test(sender_id: int, to: str | None) -> trial.Trial:
    """Try a sender out, and note how that went.

    Parameters
    ----------
    to
        Who gets one message; None sends nothing.

    Raises
    ------
    NotFound
        If there is no such sender.
    """
    sender = get(sender_id)
    mail = _test_mail(sender, to) if to else None
    if sender.kind is TransportKind.DRY_RUN:
        mail = mail or _test_mail(sender, sender.from_address)
        with DryRunTransport() as transport:
            outcome = transport.hand_over(mail.mail_from, mail.rcpt_to, mail.octets)
        result = trial.dry(outcome, mail.rcpt_to[0])
    else:
        result = _try(sender, mail)
    sender = get(sender_id)
    if result.size_limit is not None:
        sender.server_size = result.size_limit
    if result.is_ok:
        sender.last_ok_at = clock.now()
        sender.breaker_failures, sender.breaker_until = 0, None
        sender.breaker_words = ""
    else:
        sender.last_error_at = clock.now()
        sender.last_error = result.failure[:500]
    audit.record("sender.tested", "sender", sender.id, sender.name, ok=result.is_ok)
    db.session.commit()
    return result


_FORM_FIELDS = (
    *("name", "kind", "from_name", "from_address", "reply_to", "bounce_address"),
    *("host", "port", "security", "ca_pem", "login", "version"),
)
# What DNS was asked about: another one, and what it said counts no more.
_ASKED_ABOUT = frozenset({"from_address", "bounce_address", "host", "kind"})
_AUDITED = {
    *_FORM_FIELDS,
    *limiting.PLAIN_FIELDS,
    *("warmup_from", "password_sealed"),
} - {"version"}


def _try(sender: Sender, mail: Composed | None) -> trial.Trial:
    """Try a server out, with no transaction open meanwhile."""
    try:
        server, allowed = server_of(sender), allowed_hosts(sender)
    except CannotUnseal:
        words = _("The saved password cannot be opened any more. Enter it again.")
        failed = trial.Step("sign_in", trial.StepState.FAILED, words)
        return trial.Trial((trial.Step("connect"), trial.Step("tls"), failed))
    db.session.commit()
    return trial.try_server(server, allowed, mail)


def _test_mail(sender: Sender, to: str) -> Composed:
    """Return the message that a test sends."""
    now = clock.now()
    domain = sender.from_address.rpartition("@")[2]
    letter = Letter(
        from_=Address(sender.from_name, sender.from_address),
        to=(Address("", parse_address(to)),),
        subject=_("Test of the sender “%(name)s”", name=sender.name),
        text=_(
            "This message shows that the sender “%(name)s” works.\n\n"
            "You can reply to it, to see where replies go.\n",
            name=sender.name,
        ),
        reply_to=(Address("", sender.reply_to),) if sender.reply_to else (),
        headers=(("Auto-Submitted", "auto-generated"),),
        message_id=f"<test.{uuid7()}@{domain}>",
        date=now,
        envelope_from=sender.bounce_address or None,
    )
    return signed(compose(letter), signing.signers(sender.from_address), now)


def _fill(sender: Sender, values: Mapping[str, Any]) -> None:
    """Put checked values into a sender.

    Raises
    ------
    Invalid
        If they do not go together; the sender is then not to be saved.
    """
    kind = TransportKind(values["kind"])
    problems: dict[str, list[str]] = {}
    if kind is TransportKind.PRACTICE and not current_app.config["POSTROOM"].practice:
        problems["kind"] = [_("Practice mode is off here.")]
    if kind is TransportKind.SMTP:
        problems |= _fill_server(sender, values)
    else:
        _clear_server(sender)
    problems |= limiting.problems(sender, kind, values)
    if problems:
        db.session.rollback()
        raise Invalid(_(ATTENTION), problems)
    sender.kind = kind
    sender.name = values["name"].strip()
    sender.from_name = " ".join((values.get("from_name") or "").split())
    for name in ("from_address", "reply_to", "bounce_address"):
        text = values.get(name) or ""
        setattr(sender, name, parse_address(text) if text else "")
    limiting.fill(sender, values)


def _fill_server(sender: Sender, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Put the server's values into a sender; return what is wrong with them."""
    problems: dict[str, list[str]] = {}
    security = Security(values["security"])
    port = values.get("port") or 0
    try:
        host = net.host_name(values.get("host") or "")
        _check_host(host, port, security)
    except NetError as error:
        problems["host"] = [error.words]
        host = ""
    ca_pem = (values.get("ca_pem") or "").strip()
    try:
        net.tls_context(ca_pem or None)
    except NetError as error:
        problems["ca_pem"] = [error.words]
    moved = host != sender.host
    if moved or port != sender.port:
        sender.server_size = 0
    sender.host, sender.port, sender.security, sender.ca_pem = (
        host,
        port,
        security,
        ca_pem,
    )
    return problems | _fill_sign_in(sender, values, moved=moved)


def _fill_sign_in(
    sender: Sender, values: Mapping[str, Any], *, moved: bool
) -> dict[str, list[str]]:
    """Put login and password into a sender; return what is wrong with them."""
    if values.get("authentication") == Authentication.NONE:
        sender.login, sender.password_sealed, sender.password_saved_at = "", "", None
        return {}
    problems: dict[str, list[str]] = {}
    sender.login = (values.get("login") or "").strip()
    if not sender.login:
        problems["login"] = [_("Enter the login, or choose “No authentication”.")]
    password = values.get("password") or ""
    if password:
        sender.password_sealed = seal_password(sender, password)
        sender.password_saved_at = clock.now()
    elif not sender.password_sealed:
        problems["password"] = [_("Enter the password.")]
    elif moved:
        words = _("The server is another one now, so enter the password again.")
        problems["password"] = [words]
    return problems


def _check_host(host: str, port: int, security: Security) -> None:
    """Refuse what no connection will ever be made to; the rest shows in the test.

    Raises
    ------
    NetError
        If the address is private and not allowed, or TLS is missing where it must not.
    """
    if security is not Security.NONE and not net.is_literal(host):
        return
    pinned = net.resolve(host, port, installation_hosts())
    if security is Security.NONE and not pinned.private:
        words = _(
            "Without TLS only hosts in ALLOWED_PRIVATE_HOSTS are used, "
            "and %(host)s is not among them.",
            host=host,
        )
        raise NetError(NetTrouble.REFUSED_ADDRESS, words)


def _clear_server(sender: Sender) -> None:
    """Forget what only an SMTP server has."""
    sender.host, sender.ca_pem, sender.login = "", "", ""
    sender.password_sealed, sender.password_saved_at = "", None


def _flush(sender: Sender) -> None:
    """Write the row.

    Raises
    ------
    Invalid
        If another sender has this name.
    """
    name = sender.name
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        words = _("There is a sender called “%(name)s” already.", name=name)
        raise Invalid(_(ATTENTION), {"name": [words]}) from None
