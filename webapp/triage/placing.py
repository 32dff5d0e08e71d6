"""From chosen mails to our own rows; where the sync has stored none yet, one is made.

A row is known by its place, or by the digest of the mail (`Arrival.identity`) where the
server has numbered the folder anew or the mail lies elsewhere by now.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound
from webapp.core.words import _
from webapp.mailboxes import arrivals, folders
from webapp.mailboxes.arrivals import Arrival
from webapp.mailboxes.browsing import open_folder
from webapp.mailboxes.in_words import in_words
from webapp.mailboxes.models import Mail
from webapp.triage import chosen
from webapp.triage.chosen import Chosen, NotChosen
from webapp.triage.sorting import addresses_of

MOST = 500
Key = tuple[int, int, int]


def ids_of(words: Sequence[str]) -> list[int]:
    """Return the ids of our rows of the chosen mails.

    Raises
    ------
    Invalid
        If nothing, too much, or nothing that we know, was chosen.
    NotFound
        If a folder, or all of the mails, are not there any more.
    DomainError
        If a mail server has to be asked and cannot.
    """
    try:
        groups = chosen.read(words)
    except NotChosen as error:
        raise Invalid(
            _("These mails are not known here. Open the list again.")
        ) from error
    if sum(len(group.uids) for group in groups) > MOST:
        raise Invalid(_("Choose at most %(n)s mails at once.", n=MOST))
    if not groups:
        raise Invalid(_("Choose at least one mail first."))
    found = [mail_id for group in groups for mail_id in _of_group(group)]
    if not found:
        raise NotFound(_("These mails are no longer in their folder."))
    return list(dict.fromkeys(found))


def known_at(keys: Sequence[Key]) -> dict[Key, Mail]:
    """Return our rows that lie at these places: folder, numbering, UID."""
    by_folder: dict[tuple[int, int], list[int]] = {}
    for folder_id, validity, uid in keys:
        by_folder.setdefault((folder_id, validity), []).append(uid)
    if not by_folder:
        return {}
    there = [
        sa.and_(
            Mail.folder_id == folder_id,
            Mail.uidvalidity == validity,
            Mail.uid.in_(uids),
        )
        for (folder_id, validity), uids in by_folder.items()
    ]
    return {
        (mail.folder_id or 0, mail.uidvalidity or 0, mail.uid or 0): mail
        for mail in db.session.scalars(sa.select(Mail).where(sa.or_(*there)))
    }


def _of_group(group: Chosen) -> list[int]:
    folder = folders.get(group.folder_id)
    mailbox_id = folder.mailbox_id
    keys = [(group.folder_id, group.uidvalidity, uid) for uid in group.uids]
    known = {key[2]: mail.id for key, mail in known_at(keys).items()}
    missing = [uid for uid in group.uids if uid not in known]
    if missing:
        with in_words(), folders.opened(folder) as (connection, raw):
            open_folder(connection, raw, group.uidvalidity)
            fetched = arrivals.fetch(connection, missing, lambda _headers: False)
        for arrival in fetched:
            if not arrival.trouble:
                known[arrival.uid] = _kept(mailbox_id, group, arrival)
        db.session.commit()
    return [known[uid] for uid in group.uids if uid in known]


def _kept(mailbox_id: int, group: Chosen, arrival: Arrival) -> int:
    """Return the id of a mail's row, found by its digest or made now."""
    mail = _same(mailbox_id, arrival)
    if mail is None:
        mail = _made(mailbox_id, arrival)
        try:
            with db.session.begin_nested():
                db.session.add(mail)
        except IntegrityError:  # the sync was faster
            mail = _same(mailbox_id, arrival)
            if mail is None:
                raise
    mail.folder_id, mail.uidvalidity = group.folder_id, group.uidvalidity
    mail.uid = arrival.uid
    db.session.flush()
    return mail.id


def _same(mailbox_id: int, arrival: Arrival) -> Mail | None:
    query = sa.select(Mail).where(
        Mail.mailbox_id == mailbox_id, Mail.identity == arrival.identity()
    )
    return db.session.scalar(query)


def _made(mailbox_id: int, arrival: Arrival) -> Mail:
    name, address = addresses_of(arrival.headers)
    return Mail(
        mailbox_id=mailbox_id,
        identity=arrival.identity(),
        message_id_header=arrival.message_id[:1000],
        from_name=name,
        from_address=address,
        subject=arrival.headers.text("subject")[:500],
        received_at=arrival.received or now(),
        size=arrival.size,
        is_sorted=False,
    )
