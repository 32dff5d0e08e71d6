"""Whoever can write to Redis can wake a worker, and nothing else.

Each attack leaves a job in the queue that a real worker takes. The proof that it
took it is that the job is gone, and that the campaign after it is sent.
"""

import json
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from rq import Callback, Queue
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

import config
from tests.support.sending import Desk
from tests.support.smtp_servers import RecordingServer
from webapp.core import queue
from webapp.core.queue import Lane, NamedJob, UnknownJob


@pytest.fixture
def desk(app: Flask, settings: config.Settings) -> Iterator[Desk]:
    with RecordingServer() as server, Desk(app, settings, server) as desk:
        yield desk


def forge(name: str, *args: Any, serializer: Any = None, **kw: Any) -> None:
    """Put a job in the queue as somebody does who has no part of this program."""
    lane = Queue("chores", connection=queue.connection(), serializer=serializer)
    lane.enqueue_call(name, args=args, **kw)


def assert_the_worker_goes_on(desk: Desk) -> None:
    """See that the forged job was taken, and that work goes on after it."""
    campaign = desk.campaign(3)
    worker = desk.start()
    desk.wait_finished(campaign)
    desk.wait_until(lambda: not queue.queue(Lane.CHORES).get_job_ids(), "still there")
    assert worker.poll() is None
    assert desk.statuses() == {"sent": 3}


def test_a_forged_job_runs_no_function(desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    for serializer in (None, JSONSerializer):  # None is RQ's own: pickle
        for name in ("os.system", "posix.system"):
            forge(name, f"touch {mark}", serializer=serializer)
    assert_the_worker_goes_on(desk)
    assert not mark.exists()


def test_a_registered_name_as_a_method_of_an_object_is_no_job(app: Flask) -> None:
    del app
    job = NamedJob.create(
        "delivery.ticket", connection=queue.connection(), serializer=JSONSerializer
    )
    assert callable(job.func)
    job.data = json.dumps(["delivery.ticket", "an object", [], {}]).encode()
    with pytest.raises(UnknownJob):
        _ = job.func


def test_a_registered_name_with_a_forged_callback_runs_no_callback(
    desk: Desk, tmp_path: Path
) -> None:
    mark = tmp_path / "was-here"
    forge(
        "delivery.issue_tickets",
        f"touch {mark}",
        serializer=JSONSerializer,
        on_success=Callback("os.system"),
        on_failure=Callback("os.system"),
    )
    assert_the_worker_goes_on(desk)
    assert not mark.exists()


def test_a_forged_webhook_calls_nobody(desk: Desk) -> None:
    called: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            self.send_response(204)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Listener) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{listener.server_port}/internal"
        hooks = [Webhook(url=address, job_status=s) for s in ("finished", "failed")]
        forge("os.getpid", serializer=JSONSerializer, webhooks=hooks)
        forge("delivery.issue_tickets", 1, serializer=JSONSerializer, webhooks=hooks)
        assert_the_worker_goes_on(desk)
        listener.shutdown()
    assert called == []


def test_a_method_of_an_object_is_no_job(desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    lane = Queue("chores", connection=queue.connection())
    lane.enqueue_call(mark.touch, args=())
    assert_the_worker_goes_on(desk)
    assert not mark.exists()


def test_what_lies_in_redis_is_json_with_ids(app: Flask) -> None:
    assert queue.enqueue("delivery.ticket", 7, 3, unique="ticket-7-3")
    [name] = queue.queue(Lane.CHORES).get_job_ids()
    stored = queue.connection().hget(f"rq:job:{name}", "data")
    assert isinstance(stored, bytes)
    assert json.loads(zlib.decompress(stored)) == ["delivery.ticket", None, [7, 3], {}]
    del app


@pytest.mark.parametrize(
    "url", ["redis://queue.example.org:6379", "rediss://10.0.0.7:6379/0"]
)
def test_a_remote_redis_without_a_password_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(config.SettingsError, match="REDIS_URL"):
        config.read({"DATA_DIR": str(tmp_path), "REDIS_URL": url})
