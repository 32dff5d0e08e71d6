"""People who want no more of it: by the link of a message, with a way back for a while.

The link's token names one message, so it tells whom, of which recipient table. Looking
at the page changes nothing, because scanners of mail follow every link. Nothing here
needs a cookie: the link itself is signed, and the way back is signed once more, over
the suppressions that it would undo.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import sqlalchemy as sa

from webapp.campaigns import coming_back, message_tokens, proving
from webapp.campaigns.letters import UNSUBSCRIBE, VIEW, token_key, token_keys
from webapp.campaigns.models import Message
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import NotFound, Refused
from webapp.core.words import _, _l
from webapp.suppressions import service as suppressions
from webapp.suppressions.models import Channel, Reason, Suppression

WAY_BACK = timedelta(minutes=15)
TOO_LATE = _l("This can be taken back for 15 minutes only.")


class Wish(StrEnum):
    """What somebody wants to get."""

    ALL = "all"
    NOT_THESE = "not-these"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for the address of a message, by its links or others'.

    Attributes
    ----------
    these, everything
        The suppression from this recipient table, and the one that holds everywhere.
    fresh
        Those of them that can still be taken back.
    undo
        Signs the way back; empty where there is none.
    """

    these: Suppression | None
    everything: Suppression | None
    fresh: tuple[Suppression, ...]
    undo: str

    @property
    def wish(self) -> Wish:
        """What is in force."""
        if self.everything:
            return Wish.NOTHING
        return Wish.NOT_THESE if self.these else Wish.ALL

    def in_the_way_of(self, wish: Wish) -> tuple[Suppression, ...]:
        """Return what would have to hold no more, if that were wanted."""
        if wish is Wish.NOTHING:
            return ()
        rows = (self.everything, self.these if wish is Wish.ALL else None)
        return tuple(row for row in rows if row)

    def may(self, wish: Wish | str) -> bool:
        """Whether somebody can still choose this."""
        return set(self.in_the_way_of(Wish(wish))) <= set(self.fresh)


def message_of(token: str, purpose: str = UNSUBSCRIBE) -> Message:
    """Return the message whose link this is.

    Raises
    ------
    NotFound
        If the token is not one of ours, or its message is gone.
    """
    public_id = message_tokens.read_by_any(token_keys(), token, purpose)
    message = None
    if public_id is not None:
        wanted = sa.select(Message).where(Message.public_id == public_id)
        message = db.session.scalar(wanted)
    if message is None:
        raise NotFound(
            _("This link is not valid. Copy all of it from the message, or answer it.")
        )
    return message


def message_to_view(token: str) -> Message:
    """Return the message that somebody wants to see in the browser.

    Raises
    ------
    NotFound
        If the token is not one of ours, or its message is gone.
    """
    return message_of(token, VIEW)


def standing_of(message: Message) -> Standing:
    """Return what holds for the address of a message."""
    table_id = _table_of(message)
    these = None if table_id is None else _held(message, table_id)
    everything = _held(message, None)
    since = now() - WAY_BACK
    fresh = tuple(r for r in (these, everything) if r and r.created_at >= since)
    undo = message_tokens.sign(token_key(), message.public_id, _undo_of(fresh))
    return Standing(these, everything, fresh, undo if fresh else "")


def unsubscribe(message: Message, *, everywhere: bool = False) -> None:
    """Write to this address no more; twice is as once.

    Parameters
    ----------
    everywhere
        Of every recipient table, not only of the one that the message belongs to.
    """
    table_id = None if everywhere else _table_of(message)
    source = message.campaign.name if message.campaign else _("a single message")
    suppressions.suppress_within(
        Channel.EMAIL, message.address, table_id, Reason.UNSUBSCRIBED, source
    )
    proving.it_went(message, coming_back.UNSUBSCRIBED)
    coming_back.tell(message, coming_back.UNSUBSCRIBED, "link")
    db.session.commit()


def take_back(message: Message, proof: str) -> None:
    """Let the suppressions of this link hold no more.

    Parameters
    ----------
    proof
        `Standing.undo`, as the page gave it.

    Raises
    ------
    Refused
        If there is none, it is another one, or older than 15 minutes.
    """
    fresh = standing_of(message).fresh
    signed = message_tokens.read(token_key(), proof, _undo_of(fresh))
    if not fresh or signed != message.public_id:
        raise Refused(str(TOO_LATE))
    for row in fresh:
        suppressions.undo_within(row.id)
    if standing_of(message).wish is Wish.ALL:
        coming_back.forget(message, coming_back.UNSUBSCRIBED)
    db.session.commit()


def choose(message: Message, wish: Wish) -> None:
    """Let hold what somebody wants, and nothing else.

    Raises
    ------
    Refused
        If they want more again, after more than 15 minutes: the link may be in other
        hands by then.
    """
    standing = standing_of(message)
    if not standing.may(wish):
        raise Refused(str(TOO_LATE))
    for row in standing.in_the_way_of(wish):
        suppressions.undo_within(row.id)
    if wish is not Wish.ALL:
        unsubscribe(message, everywhere=wish is Wish.NOTHING)
    else:
        coming_back.forget(message, coming_back.UNSUBSCRIBED)
    db.session.commit()


def masked(address: str) -> str:
    """Return an address that only its owner recognises.

    Examples
    --------
    >>> masked("ada.byrne@example.org"), masked("x@example.org")
    ('a…@example.org', 'x…@example.org')
    """
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}…{at}{domain}"


def _held(message: Message, table_id: int | None) -> Suppression | None:
    return suppressions.find(
        Channel.EMAIL, message.address_key, table_id, Reason.UNSUBSCRIBED
    )


def _undo_of(rows: tuple[Suppression, ...]) -> str:
    """Return what the way back is signed for: exactly these suppressions."""
    return f"undo {' '.join(str(row.id) for row in rows)}"


def _table_of(message: Message) -> int | None:
    return message.campaign.recipient_table_id if message.campaign else None
