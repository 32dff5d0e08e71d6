"""The whole loop by the API alone: a thousand people, each mail sent once, then read.

The desk is the one that ``make run`` starts. It runs once with what is embedded, and
once on PostgreSQL and a Redis of its own.
"""

import email
import email.policy
import imaplib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import ROOT, Desk
from tests.support.postgres import Cluster
from tests.support.redis_server import running_redis
from webapp.core import practice

PEOPLE = 1000
FINAL = {"sent", "failed", "unknown", "skipped", "cancelled"}
PATIENCE = 240.0


@dataclass(frozen=True)
class Api:
    """``/api/v1`` of a running desk, called as a script would."""

    base: str
    token: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.base}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from error

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body if body is not None else {})


def token_of(desk: Desk, environ: dict[str, str]) -> str:
    """Make the first operator and a token by the command line."""
    flask = [sys.executable, "-m", "flask", "--app", "webapp"]
    full = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(desk.data_dir), **environ}

    def run(*words: str, told: str = "") -> str:
        done = subprocess.run(  # noqa: S603 - our own command
            [*flask, *words], input=told, env=full, cwd=ROOT,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("operator", "create", "--name", "Ines", "--email", "ines@example.org",
        "--password-stdin", told="four words are good enough\n")  # fmt: skip
    output = run("token", "create", "--email", "ines@example.org", "--name", "script",
                 "--scope", "read", "--scope", "write", "--scope", "send")  # fmt: skip
    return output.split()[-1]


@pytest.fixture(scope="module", params=["embedded", "postgres"])
def loop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Desk, Api]]:
    """A running desk and its API."""
    directory = tmp_path_factory.mktemp("desk")
    if request.param == "embedded":
        yield from _running(directory, {})
        return
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    with running_redis(tmp_path_factory.mktemp("redis")) as redis_url:
        yield from _running(
            directory, {"DATABASE_URL": cluster.new_database(), "REDIS_URL": redis_url}
        )


def _running(directory: Path, environ: dict[str, str]) -> Iterator[tuple[Desk, Api]]:
    desk = Desk(directory / "var", **environ)
    try:
        base = desk.address().split("/setup")[0]
        yield desk, Api(base, token_of(desk, environ))
    finally:
        desk.end()


def poll_to_the_end(api: Api, campaign: int, total: int) -> dict[str, Any]:
    """Ask for the status until all is final; the counts must sum up every time."""
    status: dict[str, Any] = {}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = api.get(f"/campaigns/{campaign}/status")
        if status["total"]:
            assert sum(status["counts"].values()) == status["total"], status
        if status["state"] == "finished":
            assert status["total"] == total
            return status
        time.sleep(0.3)
    raise AssertionError(f"not finished: {status}")


def listed(api: Api, path: str) -> Iterator[int]:
    """Give the uid of every mail of a folder, page by page."""
    page = api.get(f"{path}?limit=200&fields=uid,subject,seen")
    while True:
        yield from (mail["uid"] for mail in page["items"])
        if page["next"] is None:
            return
        page = api.get(
            f"{path}?limit=200&fields=uid,subject,seen&cursor={page['next']}"
        )


def test_a_thousand_messages_go_out_and_come_in(loop: tuple[Desk, Api]) -> None:
    desk, api = loop
    table = api.post(
        "/recipient-tables",
        {
            "name": "Members",
            "address_column": "email",
            "columns": [
                {"name": "email", "kind": "email", "required": True},
                {"name": "first_name", "kind": "text"},
                {"name": "code", "kind": "text"},
            ],
        },
    )
    people = [
        {
            "values": {
                "email": f"member{n}@example.com",
                "first_name": f"Zoë {n}",
                "code": f"code-{n:04}",
            }
        }
        for n in range(PEOPLE)
    ]
    for start in range(0, PEOPLE, 500):
        api.post(
            f"/recipient-tables/{table['id']}/recipients", people[start : start + 500]
        )
    template = api.post(
        "/message-templates",
        {
            "name": "Card",
            "format": "markdown",
            "subject": "Your card, {{ first_name }}",
            "html": "Dear {{ first_name }},\n\nyour code is **{{ code }}**. "
            "[Use it](/cards/{{ code }}).",
        },
    )
    sender = api.post(
        "/senders",
        {
            "name": "Practice desk",
            "kind": "practice",
            "from_name": "Harbour Library",
            "from_address": "news@example.org",
        },
    )
    campaign = api.post(
        "/campaigns",
        {
            "name": "Cards",
            "recipient_table_id": table["id"],
            "message_template_id": template["id"],
            "sender_id": sender["id"],
        },
    )["id"]
    api.post(f"/campaigns/{campaign}/check")
    deadline = time.monotonic() + 60
    while api.get(f"/campaigns/{campaign}")["state"] != "ready":
        assert time.monotonic() < deadline, api.get(f"/campaigns/{campaign}")
        time.sleep(0.2)
    api.post(
        f"/campaigns/{campaign}/launch",
        {"expected_recipients": PEOPLE, "hold_seconds": 0},
    )
    status = poll_to_the_end(api, campaign, PEOPLE)
    assert status["counts"]["sent"] == PEOPLE
    assert status["percent"] == 100

    mailbox = api.post("/mailboxes", {"name": "Practice", "is_practice": True})["id"]
    folders = api.get(f"/mailboxes/{mailbox}/folders")["items"]
    inbox = next(one for one in folders if one["name"].upper() == "INBOX")
    assert inbox["total"] == PEOPLE
    path = f"/mailboxes/{mailbox}/folders/{inbox['id']}/mails"
    uids = list(listed(api, path))
    assert len(set(uids)) == PEOPLE
    api.post(f"{path}/flags", {"uids": uids[:10], "add": ["flagged"]})
    flagged = api.get(f"{path}?q=is:flagged&fields=uid")["items"]
    assert {mail["uid"] for mail in flagged} == set(uids[:10])
    _another_client_agrees(desk, set(uids[:10]))


def _another_client_agrees(desk: Desk, flagged: set[int]) -> None:
    """Look with an ordinary IMAP client: bodies, recipients, and flags."""
    access = practice.load(desk.data_dir)
    assert access is not None
    with imaplib.IMAP4(practice.HOST, access.imap_port, timeout=60) as client:
        client.login(access.login, access.password)
        client.select("INBOX", readonly=True)
        _typ, found = client.uid("SEARCH", "FLAGGED")
        assert {int(uid) for uid in found[0].split()} == flagged
        _typ, unseen = client.uid("SEARCH", "UNSEEN")
        assert len(unseen[0].split()) == PEOPLE  # reading lists changed no flag
        _typ, data = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
    mails = [
        email.message_from_bytes(part[1], policy=email.policy.default)
        for part in data
        if isinstance(part, tuple)
    ]
    bodies = {_text(mail) for mail in mails}
    assert len(mails) == len(bodies) == PEOPLE
    assert {str(mail["To"]).split("@")[0] for mail in mails} == {
        f"member{n}" for n in range(PEOPLE)
    }


def _text(mail: Any) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
