"""Rows become letters: rendered and composed, from what was read of them.

Nothing here asks the database, so that it can be done in another process as well; see
`webapp.delivery.writing_apart`. What it takes and returns can be pickled.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from webapp.campaigns import letters
from webapp.campaigns.letters import Row, Stationery
from webapp.campaigns.states import Status
from webapp.composing.addresses import AddressError
from webapp.composing.letter import ComposeError, Letter
from webapp.composing.mime import Composed
from webapp.delivery.outcomes import Standing
from webapp.message_templates.rendering import Rendered, RenderFailure, RenderPool

NOT_AGAIN = frozenset({Status.SENT, Status.SKIPPED, Status.FAILED})

Known = Mapping[int, Mapping[str, Status]]


class Due(NamedTuple):
    """A row that is due, as it was read."""

    id: int
    public_id: uuid.UUID
    status: Status
    name: str
    address: str
    row_values: Mapping[str, Any]
    bodies: Mapping[str, Any] | None
    attachments: Sequence[Mapping[str, Any]] | None
    tries: int
    attempt: uuid.UUID | None
    message_id_header: str
    dated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Paper:
    """What writing needs to know of a plan."""

    campaign_id: int | None
    stationery: Stationery | None
    is_dry_run: bool
    lifetime: timedelta
    retry_after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that is ready to be marked.

    Attributes
    ----------
    seen
        The row's attempt when it was read.
    is_first
        Whether nobody tried before: then Message-ID and date are fixed by the mark.
    has_new_header
        Whether the row had no Message-ID yet.
    targets
        The envelope recipients of this try: those not yet accepted.
    kinds
        ``to``, ``cc`` or ``bcc`` of each envelope recipient; empty where there is one.
    left_out
        The same of those who were suppressed since the message was queued.
    """

    id: int
    campaign_id: int | None
    is_dry_run: bool
    seen: uuid.UUID | None
    is_first: bool
    has_new_header: bool
    message_id_header: str
    dated_at: datetime
    composed: Composed
    targets: tuple[str, ...]
    standing: Standing
    kinds: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be rendered or composed, and why."""

    id: int
    seen: uuid.UUID | None
    words: str


Ready = Prepared | Refusal


@dataclass(frozen=True, slots=True)
class Draft:
    """A row that was read, and what composing needs of it."""

    row: Due
    stationery: Stationery | None
    composing: Row
    at: datetime
    left_out: Mapping[str, str]


def written(
    paper: Paper, drafts: Sequence[Draft], known: Known, pool: RenderPool
) -> list[Ready]:
    """Return each row rendered and composed, or why it cannot be.

    Parameters
    ----------
    known
        What became of single recipients in earlier tries, by row.
    """
    return [
        _ready(paper, draft, filled, known.get(draft.row.id, {}))
        for draft, filled in zip(drafts, _rendered(paper, pool, drafts), strict=True)
    ]


def draft_of(stationery: Stationery, row: Due, at: datetime) -> Draft:
    """Return the draft of a row that shares its stationery with others."""
    return Draft(
        row, stationery, composing_row(row, stationery, row.bodies, at), at, {}
    )


def composing_row(
    row: Due, stationery: Stationery | None, bodies: Any, at: datetime
) -> Row:
    """Return what composing needs of a row; its Message-ID is fixed here."""
    header = row.message_id_header
    if not header and stationery is not None:
        addr = stationery.from_.addr
        header = letters.message_id_of(stationery.key, row.public_id, addr)
    return Row(
        public_id=row.public_id,
        address=row.address,
        name=row.name,
        row_values=row.row_values,
        message_id_header=header,
        dated_at=row.dated_at or at,
        bodies=bodies,
    )


def _rendered(
    paper: Paper, pool: RenderPool, drafts: Sequence[Draft]
) -> Sequence[Rendered | RenderFailure | None]:
    stationery = paper.stationery
    if stationery is None or stationery.source is None:
        return [None] * len(drafts)
    values = [letters.values_of(stationery, draft.composing) for draft in drafts]
    return pool.render_many(stationery.source, values, stationery.base_url)


def _ready(
    paper: Paper,
    draft: Draft,
    rendered: Rendered | RenderFailure | None,
    known: Mapping[str, Status],
) -> Ready:
    row, composing = draft.row, draft.composing
    if isinstance(rendered, RenderFailure):
        return Refusal(row.id, row.attempt, rendered.words)
    if draft.stationery is None:
        return Refusal(row.id, row.attempt, "An address of this message is malformed.")
    try:
        letter = letters.letter_of(draft.stationery, composing, rendered)
        composed = letters.finished(draft.stationery, letter)
    except (ComposeError, AddressError) as error:
        return Refusal(row.id, row.attempt, error.words)
    # A person who tries again means all that failed; waiting means what was deferred.
    over = {Status.SENT, Status.SKIPPED} if row.status is Status.PENDING else NOT_AGAIN
    targets = tuple(addr for addr in composed.rcpt_to if known.get(addr) not in over)
    several = len(composed.rcpt_to) > 1 or known or draft.left_out
    kinds = _kinds(letter, composed) if several else {}
    primary = frozenset(addr for addr, kind in kinds.items() if kind == "to")
    return Prepared(
        id=row.id,
        campaign_id=paper.campaign_id,
        is_dry_run=paper.is_dry_run,
        seen=row.attempt,
        is_first=row.dated_at is None,
        has_new_header=not row.message_id_header,
        message_id_header=composing.message_id_header,
        dated_at=composing.dated_at,
        composed=composed,
        targets=targets,
        standing=Standing(
            tries=row.tries,
            age=draft.at - composing.dated_at,
            lifetime=paper.lifetime,
            primary=primary or frozenset(composed.rcpt_to),
            settled={
                addr: status for addr, status in known.items() if addr not in targets
            },
            retry_after=paper.retry_after,
        ),
        kinds=kinds,
        left_out=draft.left_out,
    )


def _kinds(letter: Letter, composed: Composed) -> dict[str, str]:
    """Return which header named each envelope recipient.

    Composing parses the addresses in their order, so the envelope follows To, Cc, Bcc.
    """
    kinds = (
        ["to"] * len(letter.to) + ["cc"] * len(letter.cc) + ["bcc"] * len(letter.bcc)
    )
    named = [box.addr for box in (*letter.to, *letter.cc, *letter.bcc)]
    if len(named) != len(composed.rcpt_to):
        boxes = dict.fromkeys(composed.rcpt_to, "cc")
        boxes[composed.rcpt_to[0]] = "to"
        return boxes
    return dict(zip(composed.rcpt_to, kinds, strict=True))
