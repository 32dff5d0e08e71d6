"""Which folder is meant: by its id, by the operator's own name, by role, by its name.

``mailbox.folder_map`` holds the operator's own names: ``{"archive": "Lists/2026"}``. A
role in it (archive, trash, sent, drafts, junk) says which folder has that role, where
the server does not say it or says it wrongly.
"""

import base64
import re
from collections.abc import Mapping

import sqlalchemy as sa

from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _
from webapp.mailboxes import folders
from webapp.mailboxes.imap_answers import encode_name
from webapp.mailboxes.imap_errors import ServerRefused
from webapp.mailboxes.models import Folder, Mailbox
from webapp.operators import audit

#: Role → the name of the folder that is made where the server has none.
MADE = {"archive": "Archive", "trash": "Trash", "sent": "Sent", "drafts": "Drafts"}
#: Roles of folders from which mails are deleted for good.
GOING = {"trash", "junk"}
LONGEST_NAME = 200
MOST_OWN_NAMES = 100
_OWN_NAME = re.compile(r"[^\x00-\x20\x7f=,/][^\x00-\x1f\x7f=,]{0,63}")


def named(mailbox: Mailbox, reference: int | str) -> Folder:
    """Return a folder of a mailbox by its id, an own name, a role or its real name.

    Raises
    ------
    NotFound
        If there is none.
    """
    known = [folder for folder in folders.known(mailbox.id) if folder.selectable]
    if isinstance(reference, int) or (reference.isascii() and reference.isdigit()):
        found = [folder for folder in known if folder.id == int(reference)]
        if found:
            return found[0]
    text = str(reference)
    real = str(mailbox.folder_map.get(text, text))
    ranks = [(_rank(folder, real), folder) for folder in known]
    fitting = [(rank, folder) for rank, folder in ranks if rank]
    if fitting:
        return min(fitting, key=lambda one: one[0])[1]
    raise NotFound(_("There is no folder “%(name)s” in this mailbox.", name=text[:100]))


def _rank(folder: Folder, name: str) -> int:
    """Say how a folder fits a name: 1 exactly, 2 by its role, 3 but for case."""
    if folder.name == name:
        return 1
    if folder.role == name.lower():
        return 2
    return 3 if folder.name.casefold() == name.casefold() else 0


def for_role(mailbox: Mailbox, role: str) -> Folder:
    """Return the folder that has a role; it is made where the server has none."""
    folders.fresh(mailbox)
    try:
        return named(mailbox, role)
    except NotFound:
        pass
    everything = [one for one in folders.known(mailbox.id) if one.role == "all"]
    if role == "archive" and everything:
        return everything[0]
    return create(mailbox, MADE[role])


def create(mailbox: Mailbox, name: str) -> Folder:
    """Make a folder on the server and subscribe to it.

    Raises
    ------
    Invalid
        If it cannot be a name, or the server has it already.
    """
    mailbox_id = mailbox.id
    name = _full_name(mailbox, name)
    if any(folder.name == name for folder in folders.known(mailbox_id)):
        _complain(_("There is a folder of this name already."))
    raw = encode_name(name)
    with folders.line_to(mailbox) as connection:
        try:
            connection.create(raw)
        except ServerRefused as error:
            _complain(_refused(error))
    audit.record("folder.create", "mailbox", mailbox_id, name)
    db.session.commit()
    return _known(mailbox_id, raw)


def rename(folder: Folder, name: str) -> Folder:
    """Give a folder another name; the folders inside it move along.

    Our row stays the same, and what hangs on its mails too.
    """
    if folder.role == "inbox":
        _complain(_("The inbox keeps its name."))
    mailbox, folder_id, old = folder.mailbox, folder.id, folder.name
    name = _full_name(mailbox, name)
    raw, to, delimiter = folders.raw_of(folder), encode_name(name), folder.delimiter
    mailbox_id = mailbox.id
    with folders.line_to(mailbox) as connection:
        try:
            connection.rename(raw, to)
        except ServerRefused as error:
            _complain(_refused(error))
    _follow(mailbox_id, (raw, to), delimiter.encode("ascii", "replace"))
    audit.record("folder.rename", "folder", folder_id, name, was=old)
    db.session.commit()
    folders.fresh(_mailbox(mailbox_id), force=True)
    return folders.get(folder_id)


def subscribe(folder: Folder, *, wanted: bool) -> None:
    """Subscribe to a folder on the server, or no longer."""
    folder_id, name = folder.id, folder.name
    with folders.opened(folder) as (connection, raw):
        connection.subscribe(raw, wanted=wanted)
    db.session.execute(
        sa.update(Folder).where(Folder.id == folder_id).values(subscribed=wanted)
    )
    kind = "folder.subscribe" if wanted else "folder.unsubscribe"
    audit.record(kind, "folder", folder_id, name)
    db.session.commit()


def checked_map(names: Mapping[str, object]) -> dict[str, str]:
    """Return own names of folders, tidied.

    Raises
    ------
    Invalid
        If a name cannot be one, or there are too many.
    """
    tidy = {str(own).strip(): str(real).strip() for own, real in names.items()}
    wrong = [own for own in tidy if not _OWN_NAME.fullmatch(own)]
    bad = [real for real in tidy.values() if not _is_name(real)]
    if len(tidy) > MOST_OWN_NAMES:
        words = _("There can be %(n)s own names at most.", n=MOST_OWN_NAMES)
    elif wrong:
        words = _("“%(name)s” cannot be a name of your own.", name=wrong[0][:100])
    elif bad:
        words = _("“%(name)s” cannot be the name of a folder.", name=bad[0][:100])
    else:
        return tidy
    raise Invalid(words, {"folder_map": [words]})


def _follow(mailbox_id: int, names: tuple[bytes, bytes], delimiter: bytes) -> None:
    """Let our rows of a renamed folder, and of those inside it, have the new keys."""
    raw, to = names
    inside = raw + delimiter if delimiter else None
    for row in folders.known(mailbox_id):
        key = folders.raw_of(row)
        if key == raw or (inside and key.startswith(inside)):
            row.raw_name = base64.b64encode(to + key[len(raw) :]).decode()
    db.session.commit()


def _known(mailbox_id: int, raw: bytes) -> Folder:
    folders.fresh(_mailbox(mailbox_id), force=True)
    key = base64.b64encode(raw).decode()
    for folder in folders.known(mailbox_id):
        if folder.raw_name == key:
            return folder
    raise NotFound(_("The server took the folder, but does not list it."))


def _mailbox(mailbox_id: int) -> Mailbox:
    return db.session.get_one(Mailbox, mailbox_id)


def _full_name(mailbox: Mailbox, name: str) -> str:
    """Return a name with the server's delimiter, inside the prefix that it asks for."""
    name = name.strip()
    if not _is_name(name):
        _complain(_("This cannot be the name of a folder."))
    known = folders.known(mailbox.id)
    delimiter = next((one.delimiter for one in known if one.delimiter), "")
    parts = name.split(delimiter) if delimiter else [name]
    if any(not part.strip() for part in parts):
        _complain(_("A part of the name is empty."))
    roots = {one.name.split(delimiter)[0] for one in known} if delimiter else set()
    is_inside = {root.upper() for root in roots} == {"INBOX"} and len(known) > 1
    if is_inside and parts[0].upper() != "INBOX":
        return delimiter.join(["INBOX", *parts])
    return name


def _is_name(name: str) -> bool:
    broken = any(ord(letter) < ord(" ") or letter in "*%\x7f" for letter in name)
    surrogates = any("\ud800" <= letter <= "\udfff" for letter in name)
    return bool(name) and len(name) <= LONGEST_NAME and not broken and not surrogates


def _refused(error: ServerRefused) -> str:
    if error.code == "ALREADYEXISTS":
        return _("There is a folder of this name already.")
    return f"{error.words} {error.reply}".strip()


def _complain(words: str) -> None:
    raise Invalid(words, {"name": [words]})
