"""DKIM keys of a From domain: made, put to use, replaced and removed.

    waiting ─▶ active ─▶ retired
       publish    a newer one of its kind takes over, or a person says so

A key is made here, its private half sealed at once; nothing gives it back. A key that
signed stays published for a week after it is retired: mail on the way is verified late.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from webapp.composing import dkim
from webapp.composing.dkim import Algorithm
from webapp.core import clock
from webapp.core.db import db
from webapp.core.errors import Invalid, NotFound, Refused
from webapp.core.ids import uuid7
from webapp.core.words import _
from webapp.operators import audit
from webapp.senders.models import DkimKey, KeyState, Sender
from webapp.senders.service import ATTENTION, get
from webapp.senders.signing import sealed_key

_ORDER = {KeyState.ACTIVE: 0, KeyState.WAITING: 1, KeyState.RETIRED: 2}


def domain_of(sender: Sender) -> str:
    """Return the domain that signs for a sender: that of its From address."""
    return sender.from_address.rpartition("@")[2]


def keys_of(sender: Sender) -> Sequence[DkimKey]:
    """Return the keys of a sender's From domain, those that sign first."""
    found = db.session.scalars(
        sa.select(DkimKey)
        .where(DkimKey.domain == domain_of(sender))
        .order_by(DkimKey.id.desc())
    )
    return sorted(found, key=lambda key: _ORDER[key.state])


def get_key(sender_id: int, key_id: int) -> DkimKey:
    """Return one key of a sender's From domain.

    Raises
    ------
    NotFound
        If there is none.
    """
    key = db.session.get(DkimKey, key_id)
    if key is None or key.domain != domain_of(get(sender_id)):
        raise NotFound(_("There is no such key."))
    return key


def make(sender_id: int, values: Mapping[str, Any]) -> DkimKey:
    """Make a key for a sender's From domain; it waits until somebody puts it to use.

    Parameters
    ----------
    values
        What a checked `KeyForm` holds.

    Raises
    ------
    NotFound
        If there is no such sender.
    Invalid
        If the domain has a key with this selector.
    """
    domain = domain_of(get(sender_id))
    algorithm = Algorithm(values["algorithm"])
    pair = dkim.make(algorithm)
    key = DkimKey(
        public_id=uuid7(),
        domain=domain,
        selector=values.get("selector") or _free_selector(domain, algorithm),
        algorithm=algorithm,
        public=pair.public,
    )
    key.private_sealed = sealed_key(key, pair.private_pem)
    db.session.add(key)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        words = _("%(domain)s has a key with this selector already.", domain=domain)
        raise Invalid(_(ATTENTION), {"selector": [words]}) from None
    _note("dkim_key.made", key)
    db.session.commit()
    return key


def activate(sender_id: int, key_id: int) -> DkimKey:
    """Sign with this key from now on; an older one of its kind is retired.

    Raises
    ------
    NotFound
        If there is none.
    """
    key = get_key(sender_id, key_id)
    now = clock.now()
    older = sa.select(DkimKey).where(
        DkimKey.domain == key.domain,
        DkimKey.algorithm == key.algorithm,
        DkimKey.state == KeyState.ACTIVE,
        DkimKey.id != key.id,
    )
    for other in db.session.scalars(older):
        other.state, other.retired_at = KeyState.RETIRED, now
        _note("dkim_key.retired", other)
    if key.state is not KeyState.ACTIVE:
        key.state, key.activated_at, key.retired_at = KeyState.ACTIVE, now, None
        _note("dkim_key.activated", key)
    db.session.commit()
    return key


def retire(sender_id: int, key_id: int) -> DkimKey:
    """Sign no more with this key.

    Raises
    ------
    NotFound
        If there is none.
    """
    key = get_key(sender_id, key_id)
    if key.state is not KeyState.RETIRED:
        key.state, key.retired_at = KeyState.RETIRED, clock.now()
        _note("dkim_key.retired", key)
    db.session.commit()
    return key


def delete(sender_id: int, key_id: int) -> None:
    """Remove a key that does not sign.

    Raises
    ------
    NotFound
        If there is none.
    Refused
        If it signs.
    """
    key = get_key(sender_id, key_id)
    if key.state is KeyState.ACTIVE:
        raise Refused(_("This key signs. Retire it before you delete it."))
    _note("dkim_key.deleted", key)
    db.session.delete(key)
    db.session.commit()


def _free_selector(domain: str, algorithm: Algorithm) -> str:
    """Return a selector that says kind and day, such as ``rsa-20261122``."""
    first = f"{algorithm.value}-{clock.now():%Y%m%d}"
    taken = set(
        db.session.scalars(sa.select(DkimKey.selector).where(DkimKey.domain == domain))
    )
    names = [first, *(f"{first}-{n}" for n in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _note(action: str, key: DkimKey) -> None:
    kind = key.algorithm.value
    audit.record(action, "dkim_key", key.id, key.record_name, algorithm=kind)
