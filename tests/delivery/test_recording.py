"""One batch writes every mixture of outcomes, on both databases, and only its own."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from flask import Flask

import config
import webapp
from tests.support.postgres import Cluster
from tests.support.sending import Desk
from tests.support.smtp_servers import RecordingServer
from webapp.campaigns import tallies
from webapp.campaigns.models import Attempt, Event, Message
from webapp.campaigns.states import Status
from webapp.core import schema
from webapp.core.clock import now
from webapp.core.db import db
from webapp.core.ids import uuid7
from webapp.delivery import excluding, liveness, marking, outcomes, plans, recording
from webapp.delivery.connections import Done, Handed
from webapp.delivery.liveness import Me
from webapp.delivery.preparing import Ready, prepare
from webapp.delivery.ways import settled_of
from webapp.message_templates.rendering import RenderPool
from webapp.senders.outcome import Kind, Outcome

YES = Outcome(Kind.ACCEPTED, 250, None, "Ok", ())
LATER = Outcome(Kind.DEFERRED, 451, "4.3.0", "Later", ())
NO = Outcome(Kind.REFUSED, 550, "5.2.2", "Full", ())
SILENT = Outcome(Kind.UNKNOWN, None, None, "Silence", ())

BY_KEY = re.compile(
    r"SEARCH message USING INTEGER PRIMARY KEY|Index Cond: .*\bid = ANY \(\$\d+\)"
)


@pytest.fixture(scope="module")
def pool() -> Iterator[RenderPool]:
    with RenderPool() as pool:
        yield pool


@pytest.fixture(scope="module")
def on_postgres(
    postgres_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> config.Settings:
    """Settings of an installation on PostgreSQL."""
    settings = config.read(
        {
            "DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "DATABASE_URL": postgres_cluster.new_database(),
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "SECRET_KEY": "test " * 8,
        }
    )
    schema.upgrade(settings.database_url)
    return settings


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Campaigns in rows, on one database and on the other; nothing is sent."""
    nowhere = cast(RecordingServer, SimpleNamespace(port=1))
    data = cast(config.Settings, SimpleNamespace(data_dir=tmp_path))
    if request.param == "sqlite":
        with Desk(request.getfixturevalue("app"), data, nowhere) as desk:
            yield desk
        return
    app: Flask = webapp.create_app(request.getfixturevalue("on_postgres"))
    with app.app_context(), Desk(app, data, nowhere) as desk:
        yield desk
        db.session.remove()
        db.engine.dispose()


class Sending:
    """A campaign of some messages, and a worker that marks and records."""

    def __init__(self, desk: Desk, pool: RenderPool, count: int) -> None:
        self.id = desk.campaign(count).id
        self.pool = pool
        self.me: Me = liveness.register()

    def read(self) -> list[Ready]:
        plan = plans.of_campaign(self.id, 1)
        assert plan is not None
        return [one for chunk in prepare(plan, self.pool) for one in chunk]

    def mark(self) -> tuple[Handed, ...]:
        plan = plans.of_campaign(self.id, 1)
        got = marking.exchange(plan, self.me, [], self.read())
        assert got.is_stored
        return got.marked

    def record(self, *done: tuple[Handed, Outcome | None]) -> None:
        settled = [settled_of(Done(*one)) for one in done]
        assert marking.exchange(None, self.me, settled, []).is_stored
        assert tallies.differences() == []

    def change(self, **values: Any) -> None:
        mine = sa.update(Message).where(Message.campaign_id == self.id)
        db.session.execute(mine.values(**values))
        db.session.commit()

    def rows(self, *columns: Any) -> Sequence[Any]:
        """Return these columns of each message, in the order of the messages."""
        query = sa.select(*columns).where(Message.campaign_id == self.id)
        for model in (Attempt, Event):
            if columns[0].class_ is model:
                query = query.join(Message, Message.id == model.message_id)
                query = query.order_by(model.message_id)
        found = db.session.execute(query.order_by(Message.id, columns[0])).all()
        db.session.rollback()
        return [tuple(row) for row in found]


def test_a_batch_of_all_outcomes(desk: Desk, pool: RenderPool) -> None:
    sending = Sending(desk, pool, 6)
    marked = sending.mark()
    other = Outcome(Kind.ACCEPTED, 250, None, 'Ok: "queued" as Ä\\1', ())
    before = now()
    sending.record(*zip(marked, (YES, other, NO, LATER, SILENT, None), strict=True))
    after = now()
    assert sending.rows(
        Message.status, Message.reply_code, Message.reply, Message.tries
    ) == [
        (Status.SENT, 250, "Ok", 1),
        (Status.SENT, 250, 'Ok: "queued" as Ä\\1', 1),
        (Status.FAILED, 550, "Full", 1),
        (Status.DEFERRED, 451, "Later", 1),
        (Status.UNKNOWN, None, "Silence", 1),
        (Status.DEFERRED, None, "", 0),
    ]
    assert sending.rows(Attempt.outcome, Attempt.reply_code, Attempt.reply) == [
        ("accepted", 250, "Ok"),
        ("accepted", 250, 'Ok: "queued" as Ä\\1'),
        ("refused", 550, "Full"),
        ("deferred", 451, "Later"),
        ("unknown", None, "Silence"),
        ("not tried", None, ""),
    ]
    told = [
        row for row in sending.rows(Event.kind, Event.detail) if row[0] != "rendered"
    ]
    assert [kind for kind, _ in told] == [
        "sent",
        "sent",
        "failed",
        "deferred",
        "unknown",
    ]
    assert told[1][1] == {"code": 250, "reply": 'Ok: "queued" as Ä\\1'}
    times = sending.rows(Message.due_at, Message.sent_at)
    assert [sent_at is not None for _, sent_at in times] == [True] * 2 + [False] * 4
    due = [due_at for due_at, _ in times]
    assert before + timedelta(seconds=53) < due[3] < after + timedelta(seconds=67)
    assert max(*due[:3], due[5]) <= after


def test_recording_twice_changes_nothing(desk: Desk, pool: RenderPool) -> None:
    sending = Sending(desk, pool, 4)
    marked = sending.mark()
    done = list(zip(marked, (YES, NO, LATER, SILENT), strict=True))
    sending.record(*done)
    columns = (Message.status, Message.tries, Message.due_at, Message.updated_at)
    rows, lines = sending.rows(*columns), sending.rows(Event.dedupe_key)
    sending.record(*done, *done)
    assert sending.rows(*columns[:3]) == [row[:3] for row in rows]
    assert sending.rows(Event.dedupe_key) == lines


def test_two_attempts_of_one_message_in_one_batch(desk: Desk, pool: RenderPool) -> None:
    sending = Sending(desk, pool, 1)
    (early,) = sending.mark()
    sending.change(status=Status.PENDING)
    (late,) = sending.mark()
    sending.record((late, YES), (early, LATER))
    assert sending.rows(Message.status, Message.attempt, Message.reply) == [
        (Status.SENT, late.attempt, "Ok")
    ]
    tries = sending.rows(Attempt.number, Attempt.id, Attempt.outcome)
    assert sorted(tries) == [
        (1, early.attempt, "deferred"),
        (2, late.attempt, "accepted"),
    ]
    kinds = [kind for (kind,) in sending.rows(Event.kind)]
    assert sorted(kinds) == ["deferred", "rendered", "sent"]


def test_a_late_record_leaves_the_newer_attempt_alone(
    desk: Desk, pool: RenderPool
) -> None:
    sending = Sending(desk, pool, 2)
    early = sending.mark()
    sending.change(status=Status.PENDING)
    late = sending.mark()
    sending.record(*((one, YES) for one in early))
    state = [(Status.SENDING, one.attempt, "") for one in late]
    assert sending.rows(Message.status, Message.attempt, Message.reply) == state
    assert sorted(sending.rows(Attempt.number, Attempt.outcome)) == [
        (1, "accepted"),
        (1, "accepted"),
        (2, ""),
        (2, ""),
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_proof_beats_silence_about_the_same_attempt(
    desk: Desk, pool: RenderPool, order: int
) -> None:
    sending = Sending(desk, pool, 1)
    (one,) = sending.mark()
    sending.record(*[(one, SILENT), (one, YES)][::order])
    assert sending.rows(Message.status) == [(Status.SENT,)]
    assert sending.rows(Attempt.outcome) == [("accepted",)]


def test_silence_changes_nothing_that_is_known(desk: Desk, pool: RenderPool) -> None:
    sending = Sending(desk, pool, 1)
    (one,) = sending.mark()
    sending.change(status=Status.PENDING)
    sending.record((one, SILENT))
    assert sending.rows(Message.status) == [(Status.PENDING,)]
    sending.record((one, YES))
    assert sending.rows(Message.status) == [(Status.SENT,)]


def test_the_first_mark_fixes_header_and_date(desk: Desk, pool: RenderPool) -> None:
    sending = Sending(desk, pool, 2)
    first = sending.mark()
    fixed = sending.rows(Message.message_id_header, Message.dated_at)
    assert fixed == [
        (one.prepared.message_id_header, one.prepared.dated_at) for one in first
    ]
    sending.change(status=Status.PENDING)
    again = sending.mark()
    assert sending.rows(Message.message_id_header, Message.dated_at) == fixed
    assert [one.prepared.dated_at for one in again] == [at for _, at in fixed]


def test_nothing_is_marked_that_was_tried_meanwhile(
    desk: Desk, pool: RenderPool
) -> None:
    sending = Sending(desk, pool, 2)
    read = sending.read()
    sending.mark()
    sending.change(status=Status.PENDING)
    plan = plans.of_campaign(sending.id, 1)
    assert marking.exchange(plan, sending.me, [], read).marked == ()


def test_rows_are_found_by_their_key(desk: Desk, pool: RenderPool) -> None:
    """Neither statement reads what else is pending, whatever statistics say."""
    sending = Sending(desk, pool, 1000)
    rows = sending.read()[:32]
    settled = [settled_of(Done(Handed(one, uuid7(), 1), YES)) for one in rows]  # type: ignore[arg-type]  # all are prepared
    given = recording.GIVEN.rows(recording._row(one, now()) for one in settled)
    values = {"by_worker": sending.me.id, "by_epoch": 1, "new_attempt": uuid7()}
    mark = {**excluding.seen(rows), **values, "new_time": now()}
    update = recording._UPDATE_MESSAGE[outcomes.PROVABLE]
    for statement, params in (
        (marking._mark_statement(False, None), mark),
        (update, {"given": given, "at": now()}),
    ):
        plan = explained(statement, params)
        assert BY_KEY.search(plan), plan


def explained(statement: Any, params: dict[str, Any]) -> str:
    """Return how the database would execute a statement."""
    connection = db.session.connection()
    made = statement.compile(dialect=connection.dialect)
    values = made.construct_params(params)
    for name, process in made._bind_processors.items():
        values[name] = process(values[name])
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite:  # which reads a small table as a whole
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    words = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    given = [values[name] for name in made.positiontup] if is_sqlite else values
    rows = connection.exec_driver_sql(
        words + str(made), tuple(given) if is_sqlite else given
    )
    text = "\n".join(str(row[-1]) for row in rows)
    db.session.rollback()
    return text
