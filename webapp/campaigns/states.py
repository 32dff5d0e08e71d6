"""The states of campaigns and messages, and every move between them, as tables."""

from enum import StrEnum


class Status(StrEnum):
    """Where one message stands."""

    PENDING = "pending"
    SENDING = "sending"
    DEFERRED = "deferred"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


FINAL = frozenset(
    {Status.SENT, Status.FAILED, Status.UNKNOWN, Status.SKIPPED, Status.CANCELLED}
)
WAITING = frozenset({Status.PENDING, Status.DEFERRED})

MOVES: dict[Status, frozenset[Status]] = {
    # From pending to sent or deferred: late proof of the try before "send again".
    Status.PENDING: frozenset(
        {
            Status.SENDING,
            Status.SENT,
            Status.DEFERRED,
            Status.FAILED,
            Status.SKIPPED,
            Status.CANCELLED,
        }
    ),
    Status.SENDING: frozenset(
        {
            Status.SENT,
            Status.DEFERRED,
            Status.FAILED,
            Status.UNKNOWN,
            Status.CANCELLED,
        }
    ),
    # From deferred to sent: only a copy was missing when it was cancelled or skipped.
    Status.DEFERRED: frozenset(
        {Status.SENDING, Status.SENT, Status.FAILED, Status.SKIPPED, Status.CANCELLED}
    ),
    Status.SENT: frozenset(),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.UNKNOWN: frozenset(
        {Status.SENT, Status.PENDING, Status.DEFERRED, Status.FAILED, Status.CANCELLED}
    ),
    Status.SKIPPED: frozenset(),
    Status.CANCELLED: frozenset(),
}


class State(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    CHECKING = "checking"
    READY = "ready"
    SCHEDULED = "scheduled"
    HOLDING = "holding"
    LAUNCHING = "launching"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


EDITABLE = frozenset({State.DRAFT, State.CHECKING, State.READY})
RUNNING = frozenset({State.HOLDING, State.LAUNCHING, State.SENDING})
OVER = frozenset({State.FINISHED, State.CANCELLED})

CAMPAIGN_MOVES: dict[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.CHECKING, State.READY, State.CANCELLED}),
    State.CHECKING: frozenset({State.DRAFT, State.READY, State.CANCELLED}),
    State.READY: frozenset(
        {State.DRAFT, State.CHECKING, State.SCHEDULED, State.HOLDING, State.CANCELLED}
    ),
    State.SCHEDULED: frozenset({State.READY, State.HOLDING, State.CANCELLED}),
    # From holding back to scheduled: stopped in its hold time, it asks what to do.
    State.HOLDING: frozenset(
        {State.READY, State.SCHEDULED, State.LAUNCHING, State.CANCELLED}
    ),
    State.LAUNCHING: frozenset({State.SENDING, State.CANCELLED, State.PAUSED}),
    State.SENDING: frozenset({State.PAUSED, State.FINISHED, State.CANCELLED}),
    State.PAUSED: frozenset(
        {State.LAUNCHING, State.SENDING, State.CANCELLED, State.FINISHED}
    ),
    State.FINISHED: frozenset({State.SENDING}),
    State.CANCELLED: frozenset(),
}


def before(new: State) -> frozenset[State]:
    """Return the states from which a campaign may come to this one.

    Examples
    --------
    >>> sorted(before(State.PAUSED))
    [<State.LAUNCHING: 'launching'>, <State.SENDING: 'sending'>]
    """
    return frozenset(old for old, news in CAMPAIGN_MOVES.items() if new in news)


def may_move(old: Status, new: Status) -> bool:
    """Whether a message may go from one status to another.

    Examples
    --------
    >>> may_move(Status.PENDING, Status.SENDING), may_move(Status.SENT, Status.SENDING)
    (True, False)
    """
    return new in MOVES[old]
