"""Which message of ours a mail belongs to: only a Message-ID that we signed proves it.

What the sync has read has its tie stored, of every kind, proven or suggested; of a mail
that was not read yet its headers say. A reply names our message in In-Reply-To or
References (RFC 5322 3.6.4); a mail that carries such an id itself is the message as it
arrived. Anybody can write any header, so an id without our MAC ties nothing
(SECURITY.md 42).
"""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from webapp.campaigns import message_tokens
from webapp.campaigns.letters import MESSAGE_ID, token_keys
from webapp.campaigns.models import Campaign, Message
from webapp.core.db import db
from webapp.mailboxes.headers import Headers, message_ids
from webapp.triage.effects import SUGGESTION
from webapp.triage.models import Answer

MOST_IDS = 20


@dataclass(frozen=True)
class Tie:
    """The message of ours, and whether the mail answers it or is a copy of it.

    `kind` is what the mail is to the message; a tie that `is_suggested` proves nothing.
    """

    is_copy: bool
    message_id: int
    campaign_id: int | None
    campaign_name: str
    row_number: int
    address: str = ""
    name: str = ""
    kind: str = "reply"
    is_suggested: bool = False

    @property
    def who(self) -> str:
        """To whom the message went, as a person knows them."""
        return self.name or self.address


def ties_in_list(
    mails: Sequence[Headers], mail_ids: Sequence[int | None]
) -> list[Tie | None]:
    """Return the tie of each mail of a list, with at most two questions.

    Parameters
    ----------
    mail_ids
        The rows of the mails; none of a mail that was not read yet.
    """
    stored = _stored([mail_id for mail_id in mail_ids if mail_id is not None])
    pairs = list(zip(mails, mail_ids, strict=True))
    rest = [Headers() if mail_id in stored else headers for headers, mail_id in pairs]
    by_headers = ties_of(rest)
    return [
        stored.get(mail_id or 0, tie)
        for (_headers, mail_id), tie in zip(pairs, by_headers, strict=True)
    ]


def _stored(mail_ids: Collection[int]) -> dict[int, Tie]:
    """Return the ties that are stored, by mail; of several the first that is proven."""
    if not mail_ids:
        return {}
    rows = db.session.execute(
        sa.select(
            Answer.mail_id,
            Answer.kind,
            Answer.matched_by,
            Message.id,
            Message.campaign_id,
            Message.row_number,
            Message.address,
            Message.name,
            Campaign.name.label("campaign"),
        )
        .join(Message, Message.id == Answer.message_id)
        .outerjoin(Campaign, Campaign.id == Message.campaign_id)
        .where(Answer.mail_id.in_(mail_ids))
        .order_by(Answer.matched_by == SUGGESTION, Answer.id)
    )
    found: dict[int, Tie] = {}
    for row in rows:
        tie = Tie(
            is_copy=False,
            message_id=row.id,
            campaign_id=row.campaign_id,
            campaign_name=row.campaign or "",
            row_number=row.row_number,
            address=row.address,
            name=row.name,
            kind=row.kind,
            is_suggested=row.matched_by == SUGGESTION,
        )
        found.setdefault(row.mail_id, tie)
    return found


def ties_of(mails: Sequence[Headers]) -> list[Tie | None]:
    """Return the tie of each mail, with one question to the database."""
    named = [_named(headers) for headers in mails]
    wanted = {public_id for pairs in named for _copy, public_id in pairs}
    if not wanted:
        return [None] * len(mails)
    rows = db.session.execute(
        sa.select(Message, Campaign.name)
        .outerjoin(Campaign, Campaign.id == Message.campaign_id)
        .where(Message.public_id.in_(wanted))
    )
    known = {message.public_id: (message, name or "") for message, name in rows}
    return [_first(pairs, known) for pairs in named]


def _named(headers: Headers) -> list[tuple[bool, uuid.UUID]]:
    """Return the messages that a mail names, the closest first."""
    answers = message_ids(headers.first("in-reply-to"))
    answers += reversed(message_ids(headers.first("references")))
    found = [(False, public_id) for public_id in _ours(answers)]
    copies = _ours(message_ids(headers.first("message-id")))
    return [*found, *((True, public_id) for public_id in copies)]


def _ours(ids: Iterable[str]) -> list[uuid.UUID]:
    keys = token_keys()
    locals_ = [one.strip("<>").partition("@")[0] for one in list(ids)[:MOST_IDS]]
    read = (message_tokens.read_by_any(keys, token, MESSAGE_ID) for token in locals_)
    return [public_id for public_id in read if public_id]


def _first(
    pairs: list[tuple[bool, uuid.UUID]], known: dict[uuid.UUID, tuple[Message, str]]
) -> Tie | None:
    for is_copy, public_id in pairs:
        if public_id in known:
            message, name = known[public_id]
            return Tie(
                is_copy,
                message.id,
                message.campaign_id,
                name,
                message.row_number,
                message.address,
                message.name,
            )
    return None
