"""A model of the world around the protocol: what may happen, in any order.

Workers read, mark, hand over and record, each step at once or much later; the server
accepts, refuses, defers or is silent; workers freeze, wake, die; answers to COMMIT are
lost; operators pause, resume, cancel, suppress, retry and decide; people answer what
they got; clocks jump. The
functions called are those of the product, on a real database. After every step the rows
are held against what the modelled server has really taken.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.sending import Desk, person
from webapp.campaigns import coming_back, proving, steering
from webapp.campaigns.models import Campaign, Event, Message
from webapp.campaigns.states import FINAL, State, Status, may_move
from webapp.campaigns.steering import Decision
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.delivery import liveness, marking, plans, reconcile
from webapp.delivery.connections import Done, Handed
from webapp.delivery.liveness import Me
from webapp.delivery.models import Worker
from webapp.delivery.plans import Plan
from webapp.delivery.preparing import Ready, prepare
from webapp.delivery.ways import settled_of
from webapp.message_templates.rendering import RenderPool
from webapp.senders.outcome import Kind, Outcome
from webapp.suppressions.models import Reason, Suppression

ROWS = 4
# What the server does: what it says, and whether it has really taken the message.
FATES = {
    "accepts": (Outcome(Kind.ACCEPTED, 250, None, "Ok", ()), True),
    "defers": (Outcome(Kind.DEFERRED, 451, "4.3.0", "Later", ()), False),
    "refuses": (Outcome(Kind.REFUSED, 550, "5.2.2", "Full", ()), False),
    "loses it": (Outcome(Kind.DEFERRED, None, None, "Hung up", ()), False),
    "takes it silently": (Outcome(Kind.UNKNOWN, None, None, "Silence", ()), True),
    "drops it silently": (Outcome(Kind.UNKNOWN, None, None, "Silence", ()), False),
}
NO_COPY = {
    Status.PENDING,
    Status.DEFERRED,
    Status.FAILED,
    Status.SKIPPED,
    Status.CANCELLED,
}
COMMITS = ("heard", "heard", "heard", "unheard", "never")


@dataclass
class Player:
    """A worker: what it has read, marked, given to the network, and has to record."""

    me: Me
    plan: Plan | None = None
    read: list[Ready] = field(default_factory=list)
    marked: list[Handed] = field(default_factory=list)
    under_way: list[Handed] = field(default_factory=list)
    to_record: list[Done] = field(default_factory=list)
    recorded: list[Done] = field(default_factory=list)
    is_frozen: bool = False


class World(RuleBasedStateMachine):
    """The rows, two workers, a server and an operator."""

    players_of = st.integers(0, 1)

    def __init__(self, desk: Desk, pool: RenderPool) -> None:
        super().__init__()
        self.pool = pool
        for model in (Event, Message, Campaign, Worker, Suppression):
            db.session.execute(sa.delete(model))
        db.session.commit()
        self.campaign_id = desk.campaign(ROWS).id
        db.session.rollback()
        self.players = [Player(liveness.register()) for _ in range(2)]
        self.copies: dict[int, int] = {}
        self.excused: set[int] = set()
        self.went: set[int] = set()
        self.answered: set[int] = set()
        self.suppressed: set[str] = set()
        self.before = dict.fromkeys(self.rows(), Status.PENDING)

    def rows(self) -> dict[int, Status]:
        query = sa.select(Message.id, Message.status)
        found = {row.id: row.status for row in db.session.execute(query)}
        db.session.rollback()
        return found

    def state(self) -> State | None:
        query = sa.select(Campaign.state).where(Campaign.id == self.campaign_id)
        found = db.session.scalar(query)
        db.session.rollback()
        return found

    # -------------------------------------------------------------------- workers

    @initialize()
    def read_alike(self) -> None:
        """Both workers have read the same rows before anything happens."""
        for player in self.players:
            self.read(player)

    def read(self, player: Player) -> None:
        plan = plans.of_campaign(self.campaign_id, 1)
        if plan is not None:
            chunks = prepare(plan, self.pool)
            player.plan = plan
            player.read = [one for chunk in chunks for one in chunk]

    @rule(
        which=players_of,
        count=st.integers(1, ROWS),
        is_fresh=st.booleans(),
        commit=st.sampled_from(COMMITS),
    )
    def mark(self, which: int, count: int, is_fresh: bool, commit: str) -> None:
        """A worker marks some of what it read, now or long ago, recording the rest."""
        player = self.players[which]
        if is_fresh:
            self.read(player)
        plan = player.plan
        if plan is None or player.is_frozen:
            return
        done = [settled_of(one) for one in player.to_record]
        with losing(commit):
            got = marking.exchange(plan, player.me, done, player.read[:count])
        if got.is_stored:
            player.recorded += player.to_record
            player.to_record = []
        if self.state() is not State.SENDING:
            assert not got.marked, "marked in a campaign that is not sending"
        for one in got.marked:
            address = one.prepared.composed.rcpt_to[0]
            assert address not in self.suppressed, "marked after it was suppressed"
        player.marked += got.marked

    @rule(which=players_of, count=st.integers(1, ROWS))
    def begin(self, which: int, count: int) -> None:
        """A worker begins to hand over, if it is sure that it may."""
        player = self.players[which]
        if player.is_frozen:
            return
        begun, player.marked = player.marked[:count], player.marked[count:]
        for one in begun:
            if player.me.is_sure(one.epoch):
                player.under_way.append(one)
            else:
                player.to_record.append(Done(one, None))

    @rule(
        which=players_of,
        fates=st.lists(st.sampled_from(sorted(FATES)), min_size=1, max_size=ROWS),
    )
    def hand_over(self, which: int, fates: list[str]) -> None:
        """The server answers, or does not, what a worker is handing over."""
        player = self.players[which]
        if player.is_frozen:
            return
        for fate in fates[: len(player.under_way)]:
            handed = player.under_way.pop(0)
            outcome, is_taken = FATES[fate]
            message_id = handed.prepared.id
            self.copies[message_id] = self.copies.get(message_id, 0) + is_taken
            player.to_record.append(Done(handed, outcome))

    @rule(which=players_of, commit=st.sampled_from(COMMITS), is_again=st.booleans())
    def record(self, which: int, commit: str, is_again: bool) -> None:
        """A worker records, maybe late, and maybe once more what it recorded before."""
        player = self.players[which]
        if player.is_frozen:
            return
        again = player.recorded if is_again else []
        done = [settled_of(one) for one in (*player.to_record, *again)]
        with losing(commit):
            got = marking.exchange(None, player.me, done, [])
        if got.is_stored:
            player.recorded += player.to_record
            player.to_record = []

    @rule(which=players_of, what=st.sampled_from(["freezes", "wakes", "beats", "dies"]))
    def trouble(self, which: int, what: str) -> None:
        """A worker freezes and is thought dead, goes on, or is killed and replaced."""
        player = self.players[which]
        if what == "freezes":
            player.is_frozen = True
            player.me.beaten_at = time.monotonic() - liveness.SILENT_SECONDS - 1
            self.let_pass(Worker.beat_at, seconds=liveness.SILENT_SECONDS + 1)
            for other in self.players:
                if not other.is_frozen:
                    liveness.beat(other.me)
        elif what == "wakes":
            player.is_frozen = False
        elif what == "beats" and not player.is_frozen:
            liveness.beat(player.me)
        elif what == "dies":
            liveness.retire(player.me)
            self.players[which] = Player(liveness.register())

    @rule(
        which=players_of,
        fates=st.lists(st.sampled_from(sorted(FATES)), min_size=1, max_size=ROWS),
        is_recorded=st.booleans(),
    )
    def send(self, which: int, fates: list[str], is_recorded: bool) -> None:
        """A worker takes all steps in a row: what happens most."""
        self.mark(which=which, count=len(fates), is_fresh=True, commit="heard")
        self.begin(which=which, count=ROWS)
        self.hand_over(which=which, fates=fates)
        if is_recorded:
            self.record(which=which, commit="heard", is_again=False)

    # ---------------------------------------------------------- others, and time

    @rule(times=st.integers(1, 2))
    def reconcile(self, times: int) -> None:
        """The reconciler does its round, maybe two of them."""
        for _ in range(times):
            reconcile.tick()

    @rule(minutes=st.sampled_from([-60, 1, 20, 400]))
    def clock(self, minutes: int) -> None:
        """Time passes, or the database's clock jumps back."""
        for column in (Message.due_at, Message.marked_at):
            self.let_pass(column, seconds=60 * minutes)

    @rule(what=st.sampled_from(["pause", "resume", "retry"]))
    def steer(self, what: str) -> None:
        """An operator steers."""
        acts: dict[str, Callable[[int], object]] = {
            "pause": steering.pause,
            "resume": steering.resume,
            "retry": steering.retry_failed,
        }
        self.try_to(lambda: acts[what](self.campaign_id))

    @rule(
        decision=st.sampled_from(Decision),
        some=st.none() | st.sets(st.integers(0, ROWS - 1), min_size=1),
    )
    def decide(self, decision: Decision, some: set[int] | None) -> None:
        """An operator decides about what is unknown: all of it, or some."""
        rows = self.rows()
        chosen = None if some is None else [sorted(rows)[one] for one in some]
        done = self.try_to(
            lambda: steering.resolve_unknown(self.campaign_id, decision, chosen)
        )
        if done:
            left = self.rows()
            decided = {
                one
                for one, status in rows.items()
                if status is Status.UNKNOWN and left[one] is not status
            }
            excuse = self.went if decision is Decision.WENT else self.excused
            excuse |= decided

    @rule(number=st.integers(0, ROWS - 1))
    def answer(self, number: int) -> None:
        """Somebody answers a message that really arrived."""
        message_id = sorted(self.rows())[number]
        if not self.copies.get(message_id):
            return
        message = db.session.get_one(Message, message_id)
        proving.it_went(message, coming_back.REPLIED)
        coming_back.tell(message, coming_back.REPLIED, "once")
        db.session.commit()
        self.answered.add(message_id)

    @rule(number=st.integers(1, ROWS))
    def suppress(self, number: int) -> None:
        """Somebody unsubscribes; from now on nothing is marked for that address."""
        if person(number) in self.suppressed or len(self.suppressed) == ROWS // 2:
            return
        db.session.add(
            Suppression(address_key=person(number), reason=Reason.UNSUBSCRIBED)
        )
        db.session.commit()
        self.suppressed.add(person(number))

    @precondition(lambda self: len(self.copies) == ROWS)
    @rule()
    def cancel(self) -> None:
        """An operator cancels the rest."""
        self.try_to(lambda: steering.cancel(self.campaign_id))

    @staticmethod
    def let_pass(column: Any, seconds: float) -> None:
        """Bring an instant of all rows into the past."""
        past = now() - timedelta(seconds=seconds)
        db.session.execute(sa.update(column.class_).values({column: past}))
        db.session.commit()

    @staticmethod
    def try_to(act: Callable[[], object]) -> bool:
        try:
            act()
        except Refused:
            db.session.rollback()
            return False
        return True

    # ----------------------------------------------------------------- the promise

    @invariant()
    def moves_are_in_the_table(self) -> None:
        """A row only goes where the table of moves lets it."""
        rows = self.rows()
        assert len(rows) == ROWS
        for message_id, status in rows.items():
            old = self.before[message_id]
            assert old is status or reachable(old, status), (old, status)
        self.before = rows

    @invariant()
    def rows_agree_with_the_server(self) -> None:
        """Nobody has two copies, and every row that is final tells the truth."""
        for message_id, status in self.rows().items():
            copies = self.copies.get(message_id, 0)
            if message_id in self.excused:
                continue
            assert copies <= 1, "sent twice, and nobody asked for it"
            if status is Status.SENT and message_id not in self.went:
                assert copies == 1, "said to be sent, and it was not"
            if status in NO_COPY:
                assert copies == 0, f"{status}, and yet it went"

    @invariant()
    def what_was_answered_is_not_unknown(self) -> None:
        """Whoever answers a message proves that it went, early or late."""
        rows = self.rows()
        unknown = {one for one in self.answered if rows[one] is Status.UNKNOWN}
        assert not unknown, "nobody knows of what somebody answered"

    @invariant()
    def what_is_under_way_is_marked(self) -> None:
        """A row that a worker may hand over is not free for another one."""
        rows = self.rows()
        for player in self.players:
            for one in (*player.under_way, *player.marked):
                is_free = rows[one.prepared.id] in {Status.PENDING, Status.DEFERRED}
                assert not is_free or one.prepared.id in self.excused

    @invariant()
    def a_finished_campaign_has_nothing_left(self) -> None:
        """Finished means that every row is final."""
        if self.state() is State.FINISHED:
            assert set(self.rows().values()) <= FINAL


INVARIANTS = (
    World.moves_are_in_the_table,
    World.rows_agree_with_the_server,
    World.what_was_answered_is_not_unknown,
    World.what_is_under_way_is_marked,
    World.a_finished_campaign_has_nothing_left,
)


def play(world: World, *steps: tuple[str, dict[str, Any]]) -> None:
    """Let rules happen in a given order, and check the promise after each."""
    for name, values in steps:
        getattr(world, name)(**values)
        for holds in INVARIANTS:
            holds(world)


def reachable(old: Status, new: Status) -> bool:
    """Whether one step of the world may do several moves: record, then mark again."""
    return may_move(old, new) or any(
        may_move(old, between) and may_move(between, new) for between in Status
    )


@contextmanager
def losing(commit: str) -> Iterator[None]:
    """Let the first commit of this block be unheard, or never take place."""
    dialect = db.engine.dialect
    usual, left = dialect.do_commit, [commit]

    def do_commit(connection: Any) -> None:
        fate = left.pop() if left else "heard"
        if fate == "never":
            connection.rollback()
        else:
            usual(connection)
        if fate != "heard":
            raise sqlite3.OperationalError("disk I/O error")

    dialect.do_commit = do_commit  # type: ignore[method-assign,assignment]  # for this block
    try:
        yield
    finally:
        del dialect.do_commit
