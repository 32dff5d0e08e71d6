"""Mailboxes: connect, change, test, delete.

A password is sealed for its row and host; changing the host asks for it again.
"""

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _
from webapp.mailboxes import naming, oauth, reach
from webapp.mailboxes.imap_errors import ImapError, SignInRefused, Unreachable
from webapp.mailboxes.imap_signin import Access, connect
from webapp.mailboxes.models import (
    Folder,
    Mailbox,
    MailboxSecurity,
    MailboxState,
    SyncFolders,
)
from webapp.mailboxes.pool import pool
from webapp.operators import audit

OAUTH = ("oauth_token_url", "oauth_client_id", "oauth_scope")


@dataclass(frozen=True)
class Tested:
    """What a test found: the steps that went well, and the words about the end."""

    ok: bool
    words: str
    steps: Sequence[tuple[str, bool]]
    reply: str = ""
    folders: int = 0


def all_mailboxes() -> list[Mailbox]:
    """Return the mailboxes by name."""
    query = sa.select(Mailbox).where(Mailbox.deleted_at.is_(None))
    return list(db.session.scalars(query.order_by(Mailbox.name)))


def get(mailbox_id: int) -> Mailbox:
    """Return a mailbox.

    Raises
    ------
    NotFound
        If there is none.
    """
    mailbox = db.session.get(Mailbox, mailbox_id)
    if mailbox is None or mailbox.deleted_at:
        raise NotFound(_("There is no such mailbox."))
    return mailbox


def own_servers(mailbox: Mailbox) -> tuple[str, ...]:
    """Return the names by which its mail server signs its checks of senders."""
    return tuple(mailbox.authserv_id.split())


def create(**values: Any) -> Mailbox:
    """Connect a mailbox; its password is sealed at once.

    Raises
    ------
    Invalid
        If the name is taken or the password missing.
    """
    secret = _secret(values)
    if not secret:
        _complain(_secret_field(values), _("A new mailbox needs its password."))
    _name_is_free(values["name"], None)
    mailbox = Mailbox(**_columns(values))
    db.session.add(mailbox)
    db.session.flush()
    reach.seal(mailbox, secret)
    audit.record("mailbox.create", "mailbox", mailbox.id, mailbox.name)
    db.session.commit()
    return mailbox


def change(mailbox: Mailbox, **values: Any) -> Mailbox:
    """Change a mailbox; without a password the old one stays, for the same host only.

    Raises
    ------
    Invalid
        If the host changes and the password is not given again.
    """
    secret = _secret(values)
    _name_is_free(values["name"], mailbox.id)
    columns = _columns(values)
    moved = not _is_same_server(mailbox, columns)
    if moved and not secret:
        _complain(
            _secret_field(values),
            _("The server is another one, so please give the password again."),
        )
    old = reach.key_of(mailbox)
    if moved or columns["login"] != mailbox.login:
        _is_another_account(mailbox)
    for name, value in columns.items():
        setattr(mailbox, name, value)
    if secret:
        reach.seal(mailbox, secret)
    mailbox.version += 1
    mailbox.state, mailbox.state_words = MailboxState.NEW, ""
    mailbox.failures, mailbox.retry_at = 0, None
    changed = "password" if secret else "settings"
    audit.record("mailbox.change", "mailbox", mailbox.id, mailbox.name, changed=changed)
    db.session.commit()
    pool.forget(old)
    return mailbox


def _is_another_account(mailbox: Mailbox) -> None:
    """Know nothing of its folders any more; what lies there now is its history."""
    db.session.execute(sa.delete(Folder).where(Folder.mailbox_id == mailbox.id))
    mailbox.connected_at = now()
    mailbox.next_sync_at = now()


def check_now(mailbox: Mailbox) -> None:
    """Have a worker look for new mail as soon as it has time."""
    mailbox.next_sync_at = now()
    db.session.commit()


def delete(mailbox: Mailbox) -> None:
    """Disconnect a mailbox; nothing changes on its server."""
    old = reach.key_of(mailbox)
    audit.record("mailbox.delete", "mailbox", mailbox.id, mailbox.name)
    mailbox.deleted_at = now()
    mailbox.name = f"{mailbox.name[:150]} (deleted {mailbox.id})"
    mailbox.password_sealed = ""
    mailbox.version += 1
    db.session.execute(sa.delete(Folder).where(Folder.mailbox_id == mailbox.id))
    db.session.commit()
    pool.forget(old)


def try_again(mailbox: Mailbox) -> None:
    """Let a mailbox that waits or needs attention be asked once more, by a person."""
    old = reach.key_of(mailbox)
    mailbox.version += 1  # every process forgets that the password was refused
    mailbox.state, mailbox.retry_at, mailbox.state_words = MailboxState.NEW, None, ""
    audit.record("mailbox.retry", "mailbox", mailbox.id, mailbox.name)
    db.session.commit()
    pool.forget(old)


# --- test ---------------------------------------------------------------------------

STEPS = ("connect", "tls", "sign in", "folders")


def probe_values(mailbox: Mailbox | None, **values: Any) -> Tested:
    """Try these values: connect, TLS, sign in once, list the folders."""
    secret, columns = _secret(values), _columns(values)
    if not secret and mailbox and _is_same_server(mailbox, columns):
        secret = reach.unsealed(mailbox)
    if not secret:
        _complain(_secret_field(values), _("The test needs the password."))
    access = Access(
        **columns_for_access({**columns, "password": secret}),
        private=reach.private_hosts(),
    )
    if columns["auth"] == "xoauth2":
        grant = reach.grant_of(columns, secret)
        keep = functools.partial(_keep_rotated, mailbox, secret)
        access = replace(
            access, token=lambda refused: oauth.token_for(grant, keep, refused)
        )
    return probe_access(access)


def _is_same_server(mailbox: Mailbox, columns: dict[str, Any]) -> bool:
    bound = ("host", "auth", "oauth_token_url")
    return all(columns[name] == getattr(mailbox, name) for name in bound)


def _keep_rotated(mailbox: Mailbox | None, secret: str, refresh_token: str) -> None:
    """Keep a new refresh token that a test brought in place of the saved one."""
    if mailbox is None or reach.unsealed(mailbox) != secret:
        return
    client_secret, _old = oauth.opened(secret)
    reach.seal(mailbox, json.dumps([client_secret, refresh_token]))
    db.session.commit()


def probe_mailbox(mailbox: Mailbox) -> Tested:
    """Try the account as it is saved, and remember how it went."""
    access = reach.access_of(mailbox)
    db.session.commit()
    tested = probe_access(access)
    if tested.ok:
        pool.forget(reach.key_of(mailbox))
        reach.note_ok(mailbox.id)
    return tested


def columns_for_access(columns: dict[str, Any]) -> dict[str, Any]:
    """Return what `Access` takes of a mailbox's columns."""
    wanted = ("host", "port", "login", "password", "ca_pem")
    security = MailboxSecurity(columns["security"]).value
    return {**{name: columns[name] for name in wanted}, "security": security}


def probe_access(access: Access) -> Tested:
    """Go through the steps; the first that fails says why."""
    try:
        connection = connect(access)
    except SignInRefused as error:
        return _failed("sign in", error)
    except Unreachable as error:
        return _failed(error.step, error)
    except ImapError as error:
        return _failed("sign in", error)
    try:
        listed, _counts = connection.list_folders()
    except ImapError as error:
        return _failed("folders", error)
    finally:
        connection.close()
    words = _("It works: signed in and found %(n)s folders.", n=len(listed))
    return Tested(True, words, [(step, True) for step in STEPS], folders=len(listed))


def _failed(step: str, error: ImapError) -> Tested:
    done = STEPS[: STEPS.index(step)] if step in STEPS else ()
    steps = [*((name, True) for name in done), (step, False)]
    return Tested(False, error.words, steps, error.reply)


def _secret(values: dict[str, Any]) -> str:
    """Take the secrets out of a form's values and return what is to be sealed."""
    password = values.pop("password", "") or ""
    client_secret = values.pop("oauth_client_secret", "") or ""
    refresh_token = values.pop("oauth_refresh_token", "") or ""
    if values.get("auth") != "xoauth2":
        return password
    return json.dumps([client_secret, refresh_token]) if refresh_token else ""


def _secret_field(values: dict[str, Any]) -> str:
    is_oauth = values.get("auth") == "xoauth2"
    return "oauth_refresh_token" if is_oauth else "password"


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "auth": values.get("auth") or "password",
        **{name: values.get(name) or "" for name in OAUTH},
        "name": values["name"].strip(),
        "host": values["host"].strip().strip("[]"),
        "port": int(values["port"]),
        "security": MailboxSecurity(values["security"]),
        "login": values["login"],
        "ca_pem": values.get("ca_pem") or "",
        "authserv_id": " ".join(re.split(r"[\s,;]+", values.get("authserv_id") or "")),
        "folder_map": naming.checked_map(values.get("folder_map") or {}),
        "sync_folders": SyncFolders(values.get("sync_folders") or SyncFolders.USUAL),
    }


def _name_is_free(name: str, own_id: int | None) -> None:
    query = sa.select(Mailbox.id).where(Mailbox.name == name.strip())
    if db.session.scalar(query) not in (None, own_id):
        _complain("name", _("Another mailbox has this name."))


def _complain(name: str, words: str) -> None:
    raise Invalid(_("Some values need your attention."), {name: [words]})


def shown(mailbox: Mailbox) -> dict[str, Any]:
    """Return what a form holds of a mailbox: everything but the password."""
    return {
        "name": mailbox.name,
        "host": mailbox.host,
        "port": mailbox.port,
        "security": mailbox.security.value,
        "login": mailbox.login,
        "ca_pem": mailbox.ca_pem,
        "authserv_id": mailbox.authserv_id,
        "folder_map": mailbox.folder_map,
        "sync_folders": mailbox.sync_folders.value,
        "auth": mailbox.auth,
        **{name: getattr(mailbox, name) for name in OAUTH},
    }
