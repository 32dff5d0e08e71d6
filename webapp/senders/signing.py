"""The keys that sign what leaves from a domain, opened once per process.

A key that cannot be opened any more (the installation has another SECRET_KEY) signs
nothing; the page of keys and the check of a campaign say so.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

import sqlalchemy as sa

from webapp.composing.dkim import Algorithm, Signer, load, record_name
from webapp.core import secrets
from webapp.core.db import db
from webapp.core.secrets import CannotUnseal
from webapp.senders.models import DkimKey, KeyState

log = logging.getLogger(__name__)
TABLE = "dkim_key"
COLUMN = "private"


def signers(address: str, at: datetime | None = None) -> tuple[Signer, ...]:
    """Return the keys with which a message from this address is signed.

    The newest of each kind signs, so that there is one signature by RSA, which
    everybody verifies, and one by Ed25519.

    Parameters
    ----------
    at
        Then: the keys that signed at that time. Else those that sign now.
    """
    domain = address.rpartition("@")[2].lower()
    of_domain = sa.select(DkimKey).where(DkimKey.domain == domain)
    if at is None:
        query = of_domain.where(DkimKey.state == KeyState.ACTIVE)
    else:
        not_yet_retired = DkimKey.retired_at.is_(None) | (DkimKey.retired_at > at)
        query = of_domain.where(DkimKey.activated_at <= at, not_yet_retired)
    newest: dict[Algorithm, Signer] = {}
    for key in db.session.scalars(query.order_by(DkimKey.activated_at, DkimKey.id)):
        if (opened := opened_key(key)) is not None:
            newest[key.algorithm] = opened
    return tuple(newest[one] for one in Algorithm if one in newest)


def opened_key(key: DkimKey) -> Signer | None:
    """Return a key ready for signing; None where it does not open any more."""
    try:
        return _opened(key.private_sealed, str(key.public_id), key.domain, key.selector)
    except CannotUnseal:
        log.error("a DKIM key does not open: %s", key.public_id)  # noqa: TRY400 - a traceback adds nothing
        return None


def sealed_key(key: DkimKey, private_pem: str) -> str:
    """Return a private key sealed for this row and its DNS record."""
    return secrets.seal(
        private_pem,
        table=TABLE,
        row=key.public_id,
        column=COLUMN,
        bound=key.record_name,
    )


def unopened(keys: Iterable[DkimKey]) -> list[DkimKey]:
    """Return the keys that do not open any more."""
    return [key for key in keys if opened_key(key) is None]


def unsealed_key(key: DkimKey) -> str:
    """Return a private key in PEM.

    Raises
    ------
    CannotUnseal
        If it was sealed for another row or record, or with a key that is gone.
    """
    return _unsealed(key.private_sealed, str(key.public_id), key.domain, key.selector)


@lru_cache(maxsize=64)
def _opened(sealed: str, public_id: str, domain: str, selector: str) -> Signer:
    """Open and load a key; a sealed text is never the same twice."""
    return load(_unsealed(sealed, public_id, domain, selector), domain, selector)


def _unsealed(sealed: str, public_id: str, domain: str, selector: str) -> str:
    bound = record_name(domain, selector)
    return secrets.unseal(
        sealed, table=TABLE, row=public_id, column=COLUMN, bound=bound
    )
