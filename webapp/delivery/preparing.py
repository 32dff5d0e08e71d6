"""Due rows become letters: read, rendered and composed before anything is marked.

Nothing here writes. Preparing takes long compared with marking, and a row that is only
prepared is in no danger; so several workers may prepare the same row, and the mark
decides whose it is. `seen` is the attempt that the row had when it was read: a row that
somebody else tried in between is not marked with what was composed before that.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from webapp.campaigns import letters
from webapp.campaigns.letters import Row, Stationery
from webapp.campaigns.models import Message, MessageAddress
from webapp.campaigns.states import Status
from webapp.composing.addresses import AddressError, parse_mailbox
from webapp.composing.letter import ComposeError, Letter
from webapp.composing.mime import Composed
from webapp.core.clock import now
from webapp.core.db import db, reading
from webapp.delivery import due
from webapp.delivery.outcomes import Standing
from webapp.delivery.plans import Plan, allowed
from webapp.message_templates.rendering import Rendered, RenderFailure, RenderPool

CHUNK = 125
TICKET_ROWS = 2000
# What became of an address in an earlier try, so that it is not tried again by itself.
SETTLED = frozenset({Status.SENT, Status.SKIPPED, Status.FAILED})


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


def prepare(plan: Plan, pool: RenderPool) -> Iterator[list[Ready]]:
    """Yield the rows of one ticket, a chunk at a time."""
    left = TICKET_ROWS
    start = due.start_of(plan)
    for low, high in ((start, None), (0, start)):
        last = low - 1
        while left > 0:
            rows = due.rows_due(plan, last, high, min(CHUNK, left))
            if not rows:
                break
            last = rows[-1].id
            left -= len(rows)
            yield _chunk(plan, pool, rows)


def _chunk(plan: Plan, pool: RenderPool, rows: Sequence[Any]) -> list[Ready]:
    at = now()
    known = _known(plan, rows)
    drafts = [_draft(plan, row, at, known.get(row.id, {})) for row in rows]
    return [
        _ready(plan, draft, filled, known.get(draft.row.id, {}))
        for draft, filled in zip(drafts, _rendered(plan, pool, drafts), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row that was read, and what composing needs of it."""

    row: Any
    stationery: Stationery | None
    composing: Row
    at: datetime
    left_out: Mapping[str, str]


def _draft(plan: Plan, row: Any, at: datetime, known: Mapping[str, Status]) -> _Draft:
    bodies, stationery = row.bodies, plan.stationery
    if stationery is None:
        bodies, stationery = _own_stationery(plan, row, known)
    header = row.message_id_header
    if not header and stationery is not None:
        addr = stationery.from_.addr
        header = letters.message_id_of(stationery.key, row.public_id, addr)
    composing = Row(
        public_id=row.public_id,
        address=row.address,
        name=row.name,
        row_values=row.row_values,
        message_id_header=header,
        dated_at=row.dated_at or at,
        bodies=bodies,
    )
    composing = letters.with_own(composing, row.attachments or ())
    return _Draft(row, stationery, composing, at, _left_out(row.bodies, bodies))


def _left_out(given: Mapping[str, Any] | None, left: Mapping[str, Any] | None) -> Any:
    """Return who is in the one and not in the other, by the header that named them."""
    if given is None or left is None or given is left:
        return {}
    return {
        parse_mailbox(one).addr: kind
        for kind in ("bcc", "cc", "to")
        for one in given.get(kind) or ()
        if one not in left[kind]
    }


def _own_stationery(
    plan: Plan, row: Any, known: Mapping[str, Status]
) -> tuple[Any, Stationery | None]:
    """Return what a single message says of itself, without who is suppressed.

    Where nobody would be left, all stay: the mark then skips the message. Who is not
    tried again stays too, so that the rest gets the same octets as the first ones did.
    Nothing is returned where it is malformed.
    """
    keep = {
        addr
        for addr, status in known.items()
        if status in {Status.SENT, Status.FAILED} and row.status is Status.DEFERRED
    }
    try:
        bodies = _without_suppressed(row.bodies or {}, keep)
        single = Message(bodies=bodies, sender_id=plan.own_id)
        return bodies, plan.by_sender(letters.stationery_of_single(single))
    except AddressError:
        return row.bodies, None
    finally:
        db.session.rollback()


def _without_suppressed(
    bodies: Mapping[str, Any], keep: Collection[str]
) -> Mapping[str, Any]:
    def stays(one: str) -> bool:
        box = parse_mailbox(one)
        return box.addr in keep or bool(allowed((box,), None, transactional=True))

    left = {
        kind: [one for one in bodies[kind] if stays(one)]
        for kind in ("to", "cc", "bcc")
        if bodies.get(kind)
    }
    is_left = bodies.get("to") is None or any(left.values())
    return {**bodies, **left} if is_left else bodies


def _rendered(
    plan: Plan, pool: RenderPool, drafts: Sequence[_Draft]
) -> Sequence[Rendered | RenderFailure | None]:
    stationery = plan.stationery
    if stationery is None or stationery.source is None:
        return [None] * len(drafts)
    values = [letters.values_of(stationery, draft.composing) for draft in drafts]
    return pool.render_many(stationery.source, values, stationery.base_url)


def _known(plan: Plan, rows: Sequence[Any]) -> dict[int, dict[str, Status]]:
    """Return what became of single recipients in earlier tries.

    Asked of the rows and not of the campaign: its copies may be suppressed by now, and
    who has the message already must not get it again for that.
    """
    ids = [row.id for row in rows if plan.campaign_id is None or row.attempt]
    found: dict[int, dict[str, Status]] = {}
    if not ids:
        return found
    columns = (MessageAddress.message_id, MessageAddress.address, MessageAddress.status)
    with reading():
        query = sa.select(*columns).where(MessageAddress.message_id.in_(ids))
        for message_id, address, status in db.session.execute(query):
            found.setdefault(message_id, {})[address] = status
        db.session.rollback()
    return found


def _ready(
    plan: Plan,
    draft: _Draft,
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
    over = {Status.SENT, Status.SKIPPED} if row.status is Status.PENDING else SETTLED
    targets = tuple(addr for addr in composed.rcpt_to if known.get(addr) not in over)
    gone = {addr: "" for addr in known if addr not in composed.rcpt_to}
    left_out = {**gone, **draft.left_out}
    several = len(composed.rcpt_to) > 1 or known or left_out
    kinds = _kinds(letter, composed) if several else {}
    primary = frozenset(addr for addr, kind in kinds.items() if kind == "to")
    return Prepared(
        id=row.id,
        campaign_id=plan.campaign_id,
        is_dry_run=plan.is_dry_run,
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
            lifetime=plan.lifetime,
            primary=primary or frozenset(composed.rcpt_to),
            settled={
                addr: Status.SKIPPED
                if addr in left_out and status not in SETTLED
                else status
                for addr, status in known.items()
                if addr not in targets
            },
            retry_after=plan.retry_after,
        ),
        kinds=kinds,
        left_out=left_out,
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
