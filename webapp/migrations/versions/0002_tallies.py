"""Triggers that keep the tallies of messages; see `webapp.campaigns.tallies`.

On SQLite they act on each row. On PostgreSQL they act once on a statement, with what it
changed as a table (https://www.postgresql.org/docs/current/sql-createtrigger.html,
"transition relations"): a statement on a million rows changes one number once.

A later migration that makes the table ``message`` anew on SQLite has to create these
anew as well, for they go with the old table.

Revision 0002, after 0001.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATUSES = (
    "pending",
    "sending",
    "deferred",
    "sent",
    "failed",
    "unknown",
    "skipped",
    "cancelled",
)
NAMES = ", ".join(STATUSES)
DONE = "('sent', 'failed')"
QUARTER = 900


def upgrade() -> None:
    """Create the triggers."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _sqlite() if is_sqlite else _postgresql():
        # Not op.execute: a colon in there would be a parameter.
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Drop the triggers."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for statement in _sqlite():
            connection.exec_driver_sql(f"DROP TRIGGER {statement.split()[2]}")
        return
    for name in ("insert", "update", "delete"):
        connection.exec_driver_sql(f"DROP FUNCTION message_tally_{name} CASCADE")
    connection.exec_driver_sql("DROP FUNCTION campaign_tally_drop CASCADE")


# --- SQLite -------------------------------------------------------------------------


def _second(row: str) -> str:
    """Return when a message was done, in seconds since the epoch."""
    at = f"CASE {row}.status WHEN 'sent' THEN {row}.sent_at END"
    return f"CAST(strftime('%s', coalesce({at}, {row}.updated_at)) AS INTEGER)"


def _kind(row: str) -> str:
    return f"CASE {row}.status WHEN 'failed' THEN {row}.reason_class ELSE '' END"


def _left(row: str) -> str:
    return f"{row}.status = 'sent' AND NOT {row}.is_dry_run"


def _count(row: str, sign: str) -> str:
    sums = ", ".join(
        f"{one} = {one} {sign} ({row}.status = '{one}')" for one in STATUSES
    )
    return (
        f"UPDATE campaign_tally SET {sums} "
        f"WHERE campaign_id = {row}.campaign_id AND shard = 0;"
    )


def _quarter_in() -> str:
    return (
        "INSERT INTO quarter_tally (quarter, reason_class, shard, sent, failed) VALUES "
        f"({_second('NEW')} / {QUARTER}, {_kind('NEW')}, 0, {_left('NEW')}, "
        "NEW.status = 'failed') ON CONFLICT (quarter, reason_class, shard) "
        "DO UPDATE SET sent = sent + excluded.sent, failed = failed + excluded.failed;"
    )


def _quarter_out() -> str:
    return (
        f"UPDATE quarter_tally SET sent = sent - ({_left('OLD')}), "
        "failed = failed - (OLD.status = 'failed') "
        f"WHERE quarter = {_second('OLD')} / {QUARTER} "
        f"AND reason_class = {_kind('OLD')} AND shard = 0;"
    )


def _pace_in() -> str:
    return (
        "INSERT INTO pace (campaign_id, width, slot, shard, sent, failed) VALUES "
        f"(NEW.campaign_id, 1, {_second('NEW')}, 0, NEW.status = 'sent', "
        "NEW.status = 'failed') ON CONFLICT (campaign_id, width, slot, shard) "
        "DO UPDATE SET sent = sent + excluded.sent, failed = failed + excluded.failed;"
    )


def _failure_in() -> str:
    return (
        "INSERT INTO failure_tally (campaign_id, reason_class, shard, failed) "
        "VALUES (NEW.campaign_id, NEW.reason_class, 0, 1) "
        "ON CONFLICT (campaign_id, reason_class, shard) "
        "DO UPDATE SET failed = failed + 1;"
    )


def _failure_out() -> str:
    return (
        "UPDATE failure_tally SET failed = failed - 1 WHERE campaign_id = "
        "OLD.campaign_id AND reason_class = OLD.reason_class AND shard = 0;"
    )


def _sqlite() -> list[str]:
    mine = "NEW.campaign_id IS NOT NULL"
    done = "UPDATE OF status, reason_class, sent_at, updated_at, is_dry_run"
    values = ", ".join(f"NEW.status = '{one}'" for one in STATUSES)
    sums = ", ".join(f"{one} = {one} + excluded.{one}" for one in STATUSES)
    moves = ", ".join(
        f"{one} = {one} + (NEW.status = '{one}') - (OLD.status = '{one}')"
        for one in STATUSES
    )
    added = (
        f"INSERT INTO campaign_tally (campaign_id, shard, {NAMES}) "
        f"VALUES (NEW.campaign_id, 0, {values}) "
        f"ON CONFLICT (campaign_id, shard) DO UPDATE SET {sums};"
    )
    moved = (
        f"UPDATE campaign_tally SET {moves} "
        "WHERE campaign_id = NEW.campaign_id AND shard = 0;"
    )
    forgotten = " ".join(
        f"DELETE FROM {table} WHERE campaign_id = OLD.id;"
        for table in ("campaign_tally", "failure_tally", "pace")
    )
    rules = (
        ("tally_insert", "INSERT", mine, added),
        (
            "tally_update",
            "UPDATE OF status",
            f"{mine} AND NEW.status <> OLD.status",
            moved,
        ),
        ("tally_delete", "DELETE", "OLD.campaign_id IS NOT NULL", _count("OLD", "-")),
        (
            "failure_insert",
            "INSERT",
            f"{mine} AND NEW.status = 'failed'",
            _failure_in(),
        ),
        ("failure_update_in", done, f"{mine} AND NEW.status = 'failed'", _failure_in()),
        (
            "failure_update_out",
            done,
            f"{mine} AND OLD.status = 'failed'",
            _failure_out(),
        ),
        ("failure_delete", "DELETE", "OLD.status = 'failed'", _failure_out()),
        ("pace_insert", "INSERT", f"{mine} AND NEW.status IN {DONE}", _pace_in()),
        (
            "pace_update",
            "UPDATE OF status",
            f"{mine} AND NEW.status IN {DONE} AND NEW.status <> OLD.status",
            _pace_in(),
        ),
        ("quarter_insert", "INSERT", f"NEW.status IN {DONE}", _quarter_in()),
        ("quarter_update_in", done, f"NEW.status IN {DONE}", _quarter_in()),
        ("quarter_update_out", done, f"OLD.status IN {DONE}", _quarter_out()),
        ("quarter_delete", "DELETE", f"OLD.status IN {DONE}", _quarter_out()),
    )
    return [
        *(
            f"CREATE TRIGGER message_{name} AFTER {what} ON message "
            f"WHEN {when} BEGIN {body} END"
            for name, what, when, body in rules
        ),
        f"CREATE TRIGGER campaign_tally_drop AFTER DELETE ON campaign "
        f"BEGIN {forgotten} END",
    ]


# --- PostgreSQL ---------------------------------------------------------------------

# What changed, once with +1 as it is now and once with -1 as it was.
CHANGE = """
    SELECT campaign_id, status, is_dry_run,
        CASE status WHEN 'failed' THEN reason_class ELSE '' END AS reason_class,
        floor(extract(epoch FROM coalesce(CASE status WHEN 'sent' THEN sent_at END,
            updated_at)))::bigint AS second, {sign} AS n
    FROM {rows}
"""

BODY = """
CREATE FUNCTION message_tally_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {guard}
    WITH change AS ({change})
    INSERT INTO campaign_tally AS kept (campaign_id, shard, {names})
    SELECT campaign_id, pg_backend_pid(), {counts}
    FROM change WHERE {known} GROUP BY campaign_id
    ON CONFLICT (campaign_id, shard) DO UPDATE SET {sums};

    IF NOT EXISTS (SELECT FROM ({change}) AS change WHERE status IN {done}) THEN
        RETURN NULL;
    END IF;

    WITH change AS ({change})
    INSERT INTO failure_tally AS kept (campaign_id, reason_class, shard, failed)
    SELECT campaign_id, reason_class, pg_backend_pid(), sum(n)
    FROM change WHERE {known} AND status = 'failed'
    GROUP BY campaign_id, reason_class HAVING sum(n) <> 0
    ON CONFLICT (campaign_id, reason_class, shard)
    DO UPDATE SET failed = kept.failed + excluded.failed;

    WITH change AS ({change})
    INSERT INTO quarter_tally AS kept (quarter, reason_class, shard, sent, failed)
    SELECT second / {quarter}, reason_class, pg_backend_pid(),
        coalesce(sum(n) FILTER (WHERE status = 'sent' AND NOT is_dry_run), 0),
        coalesce(sum(n) FILTER (WHERE status = 'failed'), 0)
    FROM change WHERE status IN {done}
    GROUP BY second / {quarter}, reason_class
    ON CONFLICT (quarter, reason_class, shard) DO UPDATE
    SET sent = kept.sent + excluded.sent, failed = kept.failed + excluded.failed;
    {pace}
    RETURN NULL;
END $$
"""

PACE = """
    WITH change AS ({change})
    INSERT INTO pace AS kept (campaign_id, width, slot, shard, sent, failed)
    SELECT campaign_id, 1, second, pg_backend_pid(),
        count(*) FILTER (WHERE status = 'sent'),
        count(*) FILTER (WHERE status = 'failed')
    FROM change WHERE campaign_id IS NOT NULL AND status IN {done}
    GROUP BY campaign_id, second
    ON CONFLICT (campaign_id, width, slot, shard) DO UPDATE
    SET sent = kept.sent + excluded.sent, failed = kept.failed + excluded.failed;
"""

# A campaign's messages go after the campaign, and its tallies went with it.
KNOWN = "EXISTS (SELECT FROM campaign WHERE campaign.id = change.campaign_id)"

UNCHANGED = """
    IF NOT EXISTS (
        SELECT FROM fresh JOIN gone ON gone.id = fresh.id
        WHERE (gone.status, gone.reason_class, gone.sent_at, gone.is_dry_run)
            IS DISTINCT FROM
            (fresh.status, fresh.reason_class, fresh.sent_at, fresh.is_dry_run)
        OR (fresh.status IN {done} AND fresh.updated_at <> gone.updated_at)
    ) THEN
        RETURN NULL;
    END IF;
"""

FORGET = """
CREATE FUNCTION campaign_tally_drop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM campaign_tally WHERE campaign_id = OLD.id;
    DELETE FROM failure_tally WHERE campaign_id = OLD.id;
    DELETE FROM pace WHERE campaign_id = OLD.id;
    RETURN NULL;
END $$
"""


def _function(name: str, change: str, guard: str = "", pace: str = "") -> str:
    counts = ", ".join(
        f"coalesce(sum(n) FILTER (WHERE status = '{one}'), 0)" for one in STATUSES
    )
    sums = ", ".join(f"{one} = kept.{one} + excluded.{one}" for one in STATUSES)
    return BODY.format(
        name=name,
        change=change,
        guard=guard,
        pace=pace,
        names=NAMES,
        counts=counts,
        sums=sums,
        known=KNOWN if name == "delete" else "campaign_id IS NOT NULL",
        done=DONE,
        quarter=QUARTER,
    )


def _postgresql() -> list[str]:
    fresh = CHANGE.format(sign="1", rows="fresh")
    gone = CHANGE.format(sign="-1", rows="gone")
    became = (
        "fresh WHERE NOT EXISTS (SELECT FROM gone "
        "WHERE gone.id = fresh.id AND gone.status = fresh.status)"
    )
    moved = CHANGE.format(sign="1", rows=became)
    functions = [
        _function("insert", fresh, pace=PACE.format(change=fresh, done=DONE)),
        _function(
            "update",
            f"{fresh} UNION ALL {gone}",
            UNCHANGED.format(done=DONE),
            PACE.format(change=moved, done=DONE),
        ),
        _function("delete", gone),
        FORGET,
    ]
    tables = {
        "insert": "NEW TABLE AS fresh",
        "update": "OLD TABLE AS gone NEW TABLE AS fresh",
        "delete": "OLD TABLE AS gone",
    }
    triggers = [
        f"CREATE TRIGGER message_tally_{name} AFTER {name.upper()} ON message "
        f"REFERENCING {rows} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION message_tally_{name}()"
        for name, rows in tables.items()
    ]
    last = (
        "CREATE TRIGGER campaign_tally_drop AFTER DELETE ON campaign "
        "FOR EACH ROW EXECUTE FUNCTION campaign_tally_drop()"
    )
    return [*functions, *triggers, last]
