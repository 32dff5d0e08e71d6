"""What an outcome makes of a message: a pure table from proof to status.

============ ========= ======================================= ============
proof        status    due again                               costs a try
============ ========= ======================================= ============
accepted     sent
4xx          deferred  1, 5, 15, 60, 180 minutes, with jitter  yes
                       (a setting of the sender)
lost         deferred  a minute                                no
unwell       deferred  when the sender's breaker closes        no
not tried    deferred  at once                                 no
5xx          failed                                            yes
silence      unknown                                           yes
============ ========= ======================================= ============

*Lost* is a connection that broke before the final dot. A deferred message gives up
when it is older than the sender's queue lifetime. Each envelope recipient has an
outcome of its own; the message is what the table `_together` makes of them. Where a try
said nothing of any recipient, it decides alone: that a copy went earlier sends nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from webapp.campaigns.states import Status
from webapp.senders.hardness import is_dead_address
from webapp.senders.outcome import Kind, Outcome, RecipientOutcome
from webapp.senders.replies import FAILURES, FailureClass, classify

RETRY_AFTER = (60, 300, 900, 3600, 10800)
LOST_AFTER = 60
JITTER = 0.1
REPLY_LENGTH = 1000

# What proof may mend, and what silence may end.
PROVABLE = (Status.SENDING, Status.UNKNOWN, Status.PENDING)
UNPROVEN = (Status.SENDING,)

STATUS_OF = {
    Kind.ACCEPTED: Status.SENT,
    Kind.DEFERRED: Status.DEFERRED,
    Kind.REFUSED: Status.FAILED,
    Kind.UNKNOWN: Status.UNKNOWN,
    Kind.UNWELL: Status.DEFERRED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a message stood when it was handed over.

    Attributes
    ----------
    tries
        How many verdicts servers gave already.
    age
        Since its first try.
    lifetime
        After which the sender gives up.
    settled
        What became of recipients in earlier tries.
    primary
        The recipients whose outcome is the message's own: those in ``To``.
    retry_after
        The pauses after a 4xx, in seconds; the last one stays.
    """

    tries: int
    age: timedelta
    lifetime: timedelta
    primary: frozenset[str]
    settled: Mapping[str, Status] = field(default_factory=dict)
    retry_after: tuple[int, ...] = RETRY_AFTER


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be written into the rows.

    Attributes
    ----------
    delay
        Seconds until it is due again; only for *deferred*.
    dead
        The recipients of which the server says that there is no such address.
    """

    status: Status
    tries: int
    delay: float = 0.0
    reason_class: str = ""
    reason: str = ""
    code: int | None = None
    reply: str = ""
    outcome: str = "not tried"
    addresses: tuple[tuple[str, Status, int | None, str], ...] = ()
    dead: tuple[str, ...] = ()


def not_tried(standing: Standing) -> Verdict:
    """Return the verdict on a message that was marked and never offered."""
    return Verdict(Status.DEFERRED, standing.tries)


def verdict(outcome: Outcome, standing: Standing, chance: float = 0.5) -> Verdict:
    """Return what an outcome makes of a message.

    Parameters
    ----------
    chance
        A random number from 0 to 1, which moves the delay by up to a tenth.

    Examples
    --------
    >>> day = timedelta(days=1)
    >>> later = Outcome(Kind.DEFERRED, 451, "4.3.0", "Later", ())
    >>> fresh = Standing(0, timedelta(0), day, frozenset({"ada@example.org"}))
    >>> made = verdict(later, fresh)
    >>> made.status, made.tries, made.delay
    (<Status.DEFERRED: 'deferred'>, 1, 60.0)
    >>> old = Standing(7, 2 * day, day, frozenset({"ada@example.org"}))
    >>> verdict(later, old).status
    <Status.FAILED: 'failed'>
    """
    had_a_say = outcome.code is not None or outcome.kind is Kind.UNKNOWN
    tries = standing.tries + (had_a_say and outcome.kind is not Kind.UNWELL)
    gives_up = _gives_up(outcome, standing, tries)
    now_settled = {
        one.addr: _status_of_one(outcome, one, gives_up) for one in outcome.recipients
    }
    alone = _given_up(STATUS_OF[outcome.kind], gives_up)
    status = alone
    if now_settled or outcome.kind is Kind.ACCEPTED:
        settled = {**standing.settled, **now_settled}
        status = _together(settled, standing.primary, alone)
    decisive = _decisive(outcome, now_settled, status, standing.primary)
    failure, reason = None, ""
    if status in {Status.DEFERRED, Status.FAILED}:
        trouble = outcome.trouble if outcome.kind is Kind.UNWELL else None
        failure = classify(decisive.code, decisive.enhanced, decisive.reply, trouble)
        reason = failure.words
        if decisive.code is None and outcome.kind is Kind.REFUSED:
            failure, reason = FAILURES[FailureClass.CONTENT], decisive.reply[:500]
    return Verdict(
        status=status,
        tries=tries,
        delay=_delay(outcome, standing, tries, chance),
        reason_class=failure.failure_class.value if failure else "",
        reason=reason,
        code=decisive.code,
        reply=decisive.reply[:REPLY_LENGTH],
        outcome=outcome.kind.value,
        addresses=tuple(
            (one.addr, now_settled[one.addr], one.code, one.reply[:REPLY_LENGTH])
            for one in outcome.recipients
        ),
        dead=tuple(one.addr for one in outcome.recipients if _is_dead(one)),
    )


def _is_dead(one: RecipientOutcome) -> bool:
    is_refused = one.kind is Kind.REFUSED
    return is_refused and is_dead_address(one.code, one.enhanced, one.reply)


def _gives_up(outcome: Outcome, standing: Standing, tries: int) -> bool:
    """Whether waiting any longer makes no sense; a person's retry gets two tries."""
    too_old = standing.age > standing.lifetime
    return too_old and (tries > 1 or outcome.code is None)


def _given_up(status: Status, gives_up: bool) -> Status:
    return Status.FAILED if gives_up and status is Status.DEFERRED else status


def _status_of_one(outcome: Outcome, one: RecipientOutcome, gives_up: bool) -> Status:
    kind = Kind.UNWELL if outcome.kind is Kind.UNWELL else one.kind
    return _given_up(STATUS_OF[kind], gives_up)


def _together(
    settled: Mapping[str, Status], primary: frozenset[str], alone: Status
) -> Status:
    """Return the message's status from those of its recipients.

    Where one of those in ``To`` is refused, the message is not sent, whoever else has
    it; each address says for itself, and a retry goes to the others alone.
    """
    if not settled:
        return alone
    for status in (Status.UNKNOWN, Status.DEFERRED):
        if status in settled.values():
            return status
    of_primary = {status for addr, status in settled.items() if addr in primary}
    if len(of_primary) > 1 and Status.FAILED in of_primary:
        return Status.FAILED
    if Status.SENT in (of_primary or set(settled.values())):
        return Status.SENT
    return Status.FAILED


def _decisive(
    outcome: Outcome,
    settled: Mapping[str, Status],
    status: Status,
    primary: frozenset[str],
) -> Outcome | RecipientOutcome:
    """Return whose reply explains the message's status: a ``To`` before the others."""
    if outcome.kind is Kind.UNWELL:
        return outcome
    same = [one for one in outcome.recipients if settled[one.addr] is status]
    first = [one for one in same if one.addr in primary]
    return next(iter(first or same), outcome)


def _delay(outcome: Outcome, standing: Standing, tries: int, chance: float) -> float:
    """Return the seconds until a deferred message is due again."""
    if outcome.kind is Kind.UNWELL:
        return 0.0
    steps = standing.retry_after if outcome.code is not None else (LOST_AFTER,)
    step = steps[min(max(tries, 1), len(steps)) - 1]
    return step * (1 + JITTER * (2 * chance - 1))
