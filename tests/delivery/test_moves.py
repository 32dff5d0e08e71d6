"""No sequence of events breaks the promise: the protocol against a model of the world.

Workers prepare, mark and hand over; the server accepts, refuses, defers or is silent;
records come at once or much later; workers fall silent and come back; operators pause,
resume, cancel, retry and decide. After every step the rows are held against what the
server has really taken.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.sending import Desk
from webapp.campaigns import steering
from webapp.campaigns.models import Campaign, Event, Message
from webapp.campaigns.states import FINAL, MOVES, State, Status, may_move
from webapp.campaigns.steering import Decision
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.errors import Refused
from webapp.delivery import liveness, plans, reconcile
from webapp.delivery.connections import Done, Handed
from webapp.delivery.engine import settled_of
from webapp.delivery.liveness import Me
from webapp.delivery.marking import exchange
from webapp.delivery.models import Worker
from webapp.delivery.preparing import Ready, prepare
from webapp.message_templates.rendering import RenderPool
from webapp.senders.outcome import Kind, Outcome

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


@dataclass
class Player:
    """A worker: what it has read, and what it still has to record."""

    me: Me
    read: list[Ready]
    to_record: list[Done]
    is_frozen: bool = False


class World(RuleBasedStateMachine):
    """The rows, two workers, a server and an operator."""

    def __init__(self, desk: Desk, pool: RenderPool) -> None:
        super().__init__()
        self.pool = pool
        for model in (Event, Message, Campaign, Worker):
            db.session.execute(sa.delete(model))
        db.session.commit()
        self.campaign_id = desk.campaign(ROWS).id
        db.session.rollback()
        self.players = [Player(liveness.register(), [], []) for _ in range(2)]
        self.copies: dict[int, int] = {}
        self.excused: set[int] = set()
        self.went: set[int] = set()
        self.before = dict.fromkeys(self.rows(), Status.PENDING)

    def rows(self) -> dict[int, Status]:
        query = sa.select(Message.id, Message.status)
        found = {row.id: row.status for row in db.session.execute(query)}
        db.session.rollback()
        return found

    players_of = st.integers(0, 1)
    fates = st.lists(st.sampled_from(sorted(FATES)), min_size=ROWS, max_size=ROWS)

    @rule(
        which=players_of, count=st.integers(1, ROWS), fates=fates, fresh=st.booleans()
    )
    def send(self, which: int, count: int, fates: list[str], fresh: bool) -> None:
        """A worker marks some of what it read, now or long ago, and hands it over."""
        player = self.players[which]
        plan = plans.of_campaign(self.campaign_id, 1)
        if plan is None or player.is_frozen:
            return
        if fresh or not player.read:
            chunks = prepare(plan, self.pool)
            player.read = [one for chunk in chunks for one in chunk]
        wanted = player.read[:count]
        for handed in exchange(plan, player.me, [], wanted).marked:
            self.offer(player, handed, fates.pop())

    def offer(self, player: Player, handed: Handed, fate: str) -> None:
        outcome, is_taken = FATES[fate]
        message_id = handed.prepared.id
        self.copies[message_id] = self.copies.get(message_id, 0) + is_taken
        player.to_record.append(Done(handed, outcome))

    @rule(which=players_of)
    def record(self, which: int) -> None:
        """A worker records, maybe late."""
        player = self.players[which]
        if not player.is_frozen and player.to_record:
            done = [settled_of(one) for one in player.to_record]
            player.to_record = []
            assert exchange(None, player.me, done, []).is_stored

    @rule(which=players_of, what=st.sampled_from(["falls silent", "wakes", "dies"]))
    def trouble(self, which: int, what: str) -> None:
        """A worker freezes and is thought dead, goes on, or is killed and replaced."""
        player = self.players[which]
        if what == "falls silent":
            player.is_frozen = True
            self.let_pass(Worker.beat_at, seconds=21)
            for other in self.players:
                if not other.is_frozen:
                    liveness.beat(other.me)
            liveness.reap()
        elif what == "wakes":
            player.is_frozen = False
            liveness.beat(player.me)
        else:
            liveness.retire(player.me)
            self.players[which] = Player(liveness.register(), [], [])

    @rule(
        what=st.sampled_from(
            [
                "pause",
                "resume",
                "retry",
                "went",
                "again",
                "wait",
                "wait",
                "tick",
                "tick",
            ]
        )
    )
    def steer(self, what: str) -> None:
        """An operator does something, the reconciler does, or time passes."""
        rows = self.rows().items()
        unknown = {i for i, status in rows if status is Status.UNKNOWN}
        if what == "wait":
            self.let_pass(Message.due_at, seconds=20000)
            self.let_pass(Message.marked_at, seconds=16 * 60)
        elif what == "tick":
            reconcile.tick()
        elif what == "pause":
            self.try_to(lambda: steering.pause(self.campaign_id))
        elif what == "resume":
            self.try_to(lambda: steering.resume(self.campaign_id))
        elif what == "retry":
            self.try_to(lambda: steering.retry_failed(self.campaign_id))
        elif what == "went" and self.try_to(lambda: self.decide(Decision.WENT)):
            self.went |= unknown
        elif what == "again" and self.try_to(lambda: self.decide(Decision.SEND_AGAIN)):
            self.excused |= unknown

    @precondition(lambda self: len(self.copies) == ROWS)
    @rule()
    def cancel(self) -> None:
        """An operator cancels the rest."""
        self.try_to(lambda: steering.cancel(self.campaign_id))

    def decide(self, decision: Decision) -> int:
        return steering.resolve_unknown(self.campaign_id, decision)

    @staticmethod
    def let_pass(column: Any, seconds: float) -> None:
        """Bring an instant of all rows into the past."""
        past = now() - timedelta(seconds=seconds)
        db.session.execute(sa.update(column.class_).values({column: past}))
        db.session.commit()

    @staticmethod
    def try_to(act: object) -> bool:
        assert callable(act)
        try:
            act()
        except Refused:
            db.session.rollback()
            return False
        return True

    @invariant()
    def rows_agree_with_the_server(self) -> None:
        """Nobody has two copies, and every row that is final tells the truth."""
        rows = self.rows()
        assert len(rows) == ROWS
        for message_id, status in rows.items():
            before = self.before[message_id]
            assert before is status or may_move(before, status), (before, status)
        self.before = rows
        for message_id, status in rows.items():
            copies = self.copies.get(message_id, 0)
            if message_id in self.excused:
                continue
            assert copies <= 1, "sent twice, and nobody asked for it"
            if status is Status.SENT and message_id not in self.went:
                assert copies == 1, "said to be sent, and it was not"
            if status in NO_COPY:
                assert copies == 0, f"{status}, and yet it went"

    @invariant()
    def a_finished_campaign_has_nothing_left(self) -> None:
        """Finished means that every row is final."""
        query = sa.select(Campaign.state).where(Campaign.id == self.campaign_id)
        state = db.session.scalar(query)
        db.session.rollback()
        if state is State.FINISHED:
            assert set(self.rows().values()) <= FINAL


def test_no_sequence_of_events_breaks_the_promise(desk: Desk) -> None:
    with RenderPool() as pool:
        run_state_machine_as_test(
            lambda: World(desk, pool),  # type: ignore[arg-type]  # any callable does
            settings=settings(
                max_examples=25,
                stateful_step_count=30,
                deadline=None,
                phases=[Phase.generate],
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )


def test_every_status_has_moves() -> None:
    assert set(MOVES) == set(Status)
