"""The whole loop without a page: a thousand people, by the API alone."""

import imaplib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import PATIENCE, ROOT, Desk
from tests.support.http import Api
from tests.support.postgres import Cluster
from tests.support.redis_server import running_redis
from webapp.core import practice

PEOPLE = 1000
AT_RISK = 2 * 64  # two workers, each with the rows that it may have marked
FINAL = ("sent", "failed", "skipped", "cancelled", "unknown")


@pytest.fixture(params=["embedded", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk in an empty directory, then one on PostgreSQL and a Redis of its own."""
    environ = {}
    with ExitStack() as servers:
        if request.param == "postgresql":
            cluster: Cluster = request.getfixturevalue("postgres_cluster")
            redis_url = servers.enter_context(running_redis(tmp_path))
            environ = {"DATABASE_URL": cluster.new_database(), "REDIS_URL": redis_url}
        running = Desk(tmp_path / "data", **environ)
        servers.callback(running.end)
        running.address()
        yield running


def command(desk: Desk, *words: str, given: str = "") -> str:
    """Run ``flask --app webapp …`` for a desk, and return what it printed."""
    done = subprocess.run(  # noqa: S603 - this very Python
        [sys.executable, "-m", "flask", "--app", "webapp", *words],
        cwd=ROOT,
        env={**os.environ, **desk.environ, "DATA_DIR": str(desk.data_dir)},
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def signed_in(desk: Desk) -> Api:
    """Make an operator, the practice kit and a token on the command line."""
    who = ("--name", "Ines Carvalho", "--email", "ines@example.org")
    command(desk, "operator", "create", *who, given="four words are good enough\n")
    command(desk, "practice", "kit", "ines@example.org")
    scopes = ("--scope", "read", "--scope", "write", "--scope", "send")
    token = command(desk, "token", "create", "ines@example.org", "loop", *scopes)
    return Api(desk.address().partition("/setup")[0], token)


def campaign_for_a_thousand(api: Api) -> Any:
    """Create table, rows, message template, sender and campaign."""
    table = api.post(
        "/recipient-tables",
        {
            "name": "Readers",
            "columns": [
                {"name": "email", "kind": "email", "required": True},
                {"name": "first_name", "kind": "text"},
                {"name": "number", "kind": "number"},
            ],
            "address_column": "email",
        },
    )
    rows = [
        {"values": {"email": f"r{n}@example.com", "first_name": "Ada", "number": n}}
        for n in range(PEOPLE)
    ]
    api.post(f"/recipient-tables/{table['id']}/recipients", rows)
    letter = api.post(
        "/message-templates",
        {
            "name": "Numbers",
            "format": "html",
            "subject": "Number {{ number }} for {{ first_name }}",
            "html": '<p>You have number {{ number }}.</p><p><a href="/m">More</a>'
            ' <a href="{{ unsubscribe_url }}">Stop</a></p>',
        },
    )
    way_out = {"name": "Way", "kind": "practice", "from_address": "a@example.com"}
    return api.post(
        "/campaigns",
        {
            "name": "A thousand",
            "recipient_table_id": table["id"],
            "message_template_id": letter["id"],
            "sender_id": api.post("/senders", way_out)["id"],
        },
    )


def wait_for(desk: Desk, ask: Any, holds: Any) -> Any:
    """Ask again until the answer holds; return it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = ask()
        if holds(answer):
            return answer
        told = "".join(desk.complaints)
        assert time.monotonic() < deadline, f"{answer}\n{told}"
        time.sleep(0.2)


def launched(desk: Desk, api: Api) -> str:
    """Check and launch the campaign; return its path."""
    campaign = f"/campaigns/{campaign_for_a_thousand(api)['id']}"
    api.post(f"{campaign}/check")
    checked = wait_for(
        desk,
        lambda: api.get(f"{campaign}/check"),
        lambda found: found["state"] == "ready",
    )
    assert checked["recipients"] == PEOPLE
    api.post(f"{campaign}/launch", {"expected_recipients": PEOPLE, "hold_seconds": 0})
    return campaign


def test_a_thousand_messages_arrive_each_once(desk: Desk) -> None:
    api = signed_in(desk)
    campaign = launched(desk, api)
    begun = time.monotonic()

    def status() -> Any:
        found = api.get(f"{campaign}/status")
        assert sum(found["counts"].values()) == found["total"] == PEOPLE
        final = sum(found["counts"][name] for name in FINAL)
        assert (found["percent"] == 100) == (final == PEOPLE)
        return found

    end = wait_for(desk, status, lambda found: found["state"] == "finished")
    print(f"\n{PEOPLE} messages in {time.monotonic() - begun:.1f} s")  # noqa: T201 - the measurement
    assert end["counts"]["sent"] == PEOPLE
    assert end["needs_decision"] == 0
    assert sorted(arrived(api)) == sorted(f"Number {n} for Ada" for n in range(PEOPLE))
    flags_are_the_same_for_everybody(desk, api)


@pytest.mark.parametrize("desk", ["embedded"], indirect=True)
def test_after_a_power_cut_the_campaign_goes_on_and_nobody_gets_two(
    desk: Desk,
) -> None:
    api = signed_in(desk)
    campaign = launched(desk, api)
    half = f"{campaign}/status"
    wait_for(desk, lambda: api.get(half), lambda found: found["percent"] > 30)
    desk.cut_the_power()
    again = Desk(desk.data_dir, **desk.environ)
    try:
        api.origin = again.address()
        end = wait_for(
            again,
            lambda: api.get(half),
            lambda found: found["state"] == "finished",
        )
        counts = end["counts"]
        assert counts["sent"] + counts["unknown"] == PEOPLE
        assert counts["unknown"] == end["needs_decision"] <= AT_RISK
        subjects = arrived(api)
        assert len(set(subjects)) == len(subjects)
        assert counts["sent"] <= len(subjects) <= PEOPLE
    finally:
        again.end()


def inbox_of(api: Api) -> str:
    (mailbox,) = api.get("/mailboxes")["items"]
    folders = api.get(f"/mailboxes/{mailbox['id']}/folders")["items"]
    (inbox,) = [folder for folder in folders if folder["name"] == "INBOX"]
    return f"/mailboxes/{mailbox['id']}/folders/{inbox['id']}/mails"


def arrived(api: Api) -> list[str]:
    """Return the subjects of the mails in the practice mailbox."""
    subjects: list[str] = []
    mails, cursor = inbox_of(api), ""
    while True:
        page = api.get(f"{mails}?fields=subject&limit=500&cursor={cursor}")
        subjects += [mail["subject"] for mail in page["items"]]
        cursor = page["next"] or ""
        if not cursor:
            return subjects


def flags_are_the_same_for_everybody(desk: Desk, api: Api) -> None:
    mails = inbox_of(api)
    some = [m["uid"] for m in api.get(f"{mails}?fields=uid&limit=10")["items"]]
    api.post(f"{mails}/flags", {"uids": some, "add": ["flagged", "seen"]})
    listed = api.get(f"{mails}?fields=uid,flagged,seen&limit=50")["items"]
    assert {m["uid"] for m in listed if m["flagged"] and m["seen"]} == set(some)
    access = practice.load(desk.data_dir)
    assert access is not None
    with imaplib.IMAP4(practice.HOST, access.imap_port) as other:
        other.login(access.login, access.password)
        other.select(readonly=True)
        _ok, found = other.uid("SEARCH", "FLAGGED", "SEEN")
        assert {int(uid) for uid in found[0].split()} == set(some)
        _ok, sources = other.fetch(f"1:{PEOPLE}", "(BODY.PEEK[TEXT])")
    bodies = {row[1] for row in sources if isinstance(row, tuple)}
    assert len(bodies) == PEOPLE
