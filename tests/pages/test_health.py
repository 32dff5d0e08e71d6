"""Health: for load balancers without details, for token holders with them."""

import socket
import time
from datetime import timedelta

import pytest
import redis
from flask import Flask
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.conftest import ApiClient, PageClient
from webapp.core import queue
from webapp.core.clock import now
from webapp.core.db import db
from webapp.delivery.models import Worker
from webapp.mailboxes.models import Mailbox, MailboxState


def test_healthz_says_yes_and_nothing_more(anonymous: PageClient) -> None:
    answer = anonymous.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_healthz_says_no_without_redis(app: Flask, anonymous: PageClient) -> None:
    app.extensions["redis"] = redis.Redis(
        unix_socket_path="/nowhere.sock", retry=Retry(NoBackoff(), 0)
    )
    answer = anonymous.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "unwell"})


def test_a_redis_that_is_frozen_is_said_in_seconds(
    app: Flask, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.core.queue.SILENT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        app.extensions["redis_address"] = lambda: f"redis://127.0.0.1:{port}"
        app.extensions.pop("redis")
        begun = time.monotonic()
        found = api.get("/status").json
        assert time.monotonic() - begun < 100  # it would be silent for ever
    assert found is not None
    assert (found["redis"], found["database"]) == (False, True)


def test_status_counts_workers_that_beat(api: ApiClient) -> None:
    db.session.add(Worker())
    db.session.add(Worker(beat_at=now() - timedelta(minutes=1)))
    db.session.add(Worker(stopped_at=now()))
    db.session.commit()
    found = api.get("/status").json
    assert found is not None
    assert (found["workers"], found["sending"]) == (1, True)


def test_status_without_workers_is_not_sending(api: ApiClient) -> None:
    found = api.get("/status").json
    assert found is not None
    assert (found["serving"], found["sending"]) == (True, False)


def test_status_counts_jobs_and_mailboxes(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(queue.REGISTRY, "tests.nothing", lambda: None)
    queue.enqueue("tests.nothing")
    db.session.add(Mailbox(name="a", state=MailboxState.NEEDS_ATTENTION))
    db.session.add(Mailbox(name="b", state=MailboxState.OK, deleted_at=now()))
    db.session.commit()
    found = api.get("/status").json
    assert found is not None
    assert found["queues"] == {lane: int(lane == "chores") for lane in queue.Lane}
    assert found["mailboxes"] == {"needs_attention": 1}


def test_status_needs_a_token(anonymous: PageClient) -> None:
    assert anonymous.get("/api/v1/status").status_code == 401
