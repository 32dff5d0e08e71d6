"""The worker process: takes jobs from the queue, and sends what the database says.

``python worker.py`` works alone. It reads the settings, brings the database up to date,
starts the embedded Redis where ``REDIS_URL`` is not set, and takes jobs from the
lanes until it is told to end: the first SIGTERM or SIGINT lets it drain for at most 20
seconds.

Jobs run in this process: RQ's usual fork for each job costs 28 ms and, when its parent
alone is killed, goes on sending unseen. Sending has the main thread; launches, checks
and imports, which may take minutes, have one each, so that a campaign starts and goes
on and a single message leaves at once also where this is the only worker. Beside
them four threads run: one says every 5 s that this process lives, one reconciles, one
reads the mailboxes, so that a slow mail server holds up no sending, and one sends what
is due while Redis is gone or frozen. These do without Redis.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import redis
from flask import Flask
from rq import SimpleWorker
from rq.exceptions import InvalidJobOperation, NoSuchJobError, StopRequested
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from sqlalchemy.exc import DBAPIError

import config
import webapp
from webapp.core import queue, schema
from webapp.core.db import db
from webapp.core.errors import Unavailable
from webapp.core.queue import Lane, NamedJob, NamedQueue
from webapp.delivery import jobs as delivery_jobs
from webapp.delivery import liveness, reconcile
from webapp.delivery.engine import Engine
from webapp.triage import receiving, reply_filing

log = logging.getLogger("worker")

WRONG_SETTINGS = 2
NO_DATABASE = 3
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
END_SECONDS = 40.0
# A chore that is cut off here goes on where it was, in another worker.
CHORE_SECONDS = 5.0
SENDING = (Lane.TRANSACTIONAL, Lane.CAMPAIGNS)
CHORES = (Lane.CHORES, Lane.CHECKS, Lane.IMPORTS)
# A chore computes without a break: while it does, the threads that only wait for a
# server, and then have a word to say, should not have to wait 5 ms for each.
# The loop of a ticket does the same for shorter: a connection gives up the lock for two
# system calls a message, would wait up to 10 ms for it, and 16 of them then carry 1 600
# messages a second at most.
SWITCH_SECONDS, USUAL_SECONDS = 0.0005, 0.001
SAY_SECONDS = 60.0
MAIL_SECONDS = 0.5
ALONE_SECONDS = 2.0
# Redis is gone, or is another one by now and knows nothing of the job.
QUEUE_ERRORS = (redis.RedisError, InvalidJobOperation, NoSuchJobError)


class NoTimeLimit(BaseDeathPenalty):
    """Jobs have no time limit: an alarm between a server's yes and our record would
    lose the truth.
    """  # noqa: D205 - one sentence

    def setup_death_penalty(self) -> None:
        """Set no alarm."""

    def cancel_death_penalty(self) -> None:
        """Take none back."""


class QuietAboutRedis(logging.Filter):
    """Say in a line now and then that Redis is gone, where RQ says it in pages."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at = -SAY_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep what is about something else, and one line a minute about this."""
        given = record.args if isinstance(record.args, tuple) else ()
        error = record.exc_info[1] if record.exc_info else None
        if not any(isinstance(one, QUEUE_ERRORS) for one in (error, *given)):
            return True
        if time.monotonic() - self._said_at < SAY_SECONDS:
            return False
        self._said_at = time.monotonic()
        record.msg, record.args = "waiting for the queue", ()
        record.exc_info, record.exc_text = None, None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


_chores: list[None] = []


@contextmanager
def _sharing(is_chore: bool) -> Iterator[None]:
    """Let threads take turns sooner as long as a chore is at work."""
    if not is_chore:
        yield
        return
    _chores.append(None)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        _chores.pop()
        if not _chores:
            sys.setswitchinterval(USUAL_SECONDS)


class JobWorker(SimpleWorker):
    """Runs each job in a fresh application context, and leaves signals to `main`.

    Parameters
    ----------
    lanes
        Those that it empties, the first first.
    """

    job_class = NamedJob
    queue_class = NamedQueue
    death_penalty_class = NoTimeLimit
    max_connection_wait_time = 5.0

    def __init__(
        self, app: Flask, stopping: threading.Event, lanes: Sequence[Lane]
    ) -> None:
        self._app = app
        self._stopping = stopping
        super().__init__(
            [queue.queue(lane) for lane in lanes],
            connection=queue.connection(),
            serializer=JSONSerializer,
            log_job_description=False,
        )

    @property
    def dequeue_timeout(self) -> int:
        """Look up once a second, to see whether we are to end."""
        return 1

    @property
    def connection_timeout(self) -> int:
        """Take a Redis that is silent for longer than that for frozen."""
        return 3

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that we live, and end here when we are to end: between two jobs.

        Raises
        ------
        StopRequested
            When this process is to end.
        """
        if pipeline is None and self._stopping.is_set():
            raise StopRequested
        super().heartbeat(timeout, pipeline)

    def perform_job(self, job: Job, queue: Queue, execution: Any) -> bool:
        """Run one job in a fresh context; what it left open is rolled back."""
        with self._app.app_context(), _sharing(queue.name in CHORES):
            return bool(super().perform_job(job, queue, execution))

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Say what broke in a job; that the queue went away meanwhile is no news."""
        if not isinstance(exc_info[1], QUEUE_ERRORS):
            super().handle_exception(job, *exc_info)

    def subscribe(self) -> None:
        """Listen to no commands: the database says what is to be done."""

    def _install_signal_handlers(self) -> None:
        """Leave the signals to `main`, which hears them without a Redis too."""


class Process:
    """The worker process: its four threads, and the loop that takes jobs."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.me = liveness.register()
        self.engine = Engine(app, self.me)
        self.stopping = self.engine.stopping
        self._ended = threading.Event()
        app.extensions[delivery_jobs.EXTENSION] = self.engine

    def run(self) -> None:
        """Take jobs until somebody asks us to end; then drain."""
        self._every(liveness.BEAT_SECONDS, lambda: liveness.beat(self.me))
        self._every(reconcile.TICK_SECONDS, self._tick)
        self._every(MAIL_SECONDS, self._read_mail)
        self._every(ALONE_SECONDS, self._work_alone)
        chores = [
            threading.Thread(target=self._do_chores, args=(lane,), daemon=True)
            for lane in CHORES
        ]
        for thread in chores:
            thread.start()
        self._take_jobs(SENDING)
        self.engine.drain()
        until = time.monotonic() + CHORE_SECONDS
        for thread in chores:
            thread.join(max(0.0, until - time.monotonic()))
        self._ended.set()
        with suppress(DBAPIError):
            liveness.retire(self.me)

    def ask_to_end(self, signum: int, frame: FrameType | None) -> None:
        """Mark nothing and take nothing any more; what is in flight gets its time."""
        del signum, frame
        self.engine.stop()
        watchdog = threading.Timer(END_SECONDS, self._give_up)
        watchdog.daemon = True
        watchdog.start()

    def _give_up(self) -> None:
        """End at once: a job does not, and somebody waits for us."""
        log.warning("a job did not end in time; it goes on at the next start")
        with self.app.app_context(), suppress(DBAPIError):
            liveness.retire(self.me)
        os._exit(0)

    def _tick(self) -> None:
        self.engine.settle()
        if not self.stopping.is_set():
            reconcile.tick()

    def _read_mail(self) -> None:
        """File replies that left, and read mailboxes whose time has come."""
        try:
            while not self.stopping.is_set() and (
                reply_filing.file_next() or receiving.read_next()
            ):
                db.session.rollback()
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - one mailbox must not stop the others
            # Its lease ends by itself; until then the others have their turn.
            log.warning("reading mail: %s", type(error).__name__)

    def _work_alone(self) -> None:
        """Send what is due while the queue is away, and bring an embedded one back."""
        if self.stopping.is_set() or queue.depths() is not None:
            return
        delivery_jobs.without_queue()
        with suppress(Unavailable):
            webapp.redis_url(self.app.config["POSTROOM"])

    def _every(self, seconds: float, step: Callable[[], None]) -> None:
        """Take a step again and again, in a thread with a database connection."""

        def repeat() -> None:
            while not self._ended.wait(seconds):
                with self.app.app_context():
                    try:
                        step()
                    except DBAPIError as error:
                        log.debug("the database: %s", type(error.orig).__name__)
                    finally:
                        db.session.remove()

        threading.Thread(target=repeat, daemon=True).start()

    def _do_chores(self, lane: Lane) -> None:
        with self.app.app_context():
            self._take_jobs([lane])

    def _take_jobs(self, lanes: Sequence[Lane]) -> None:
        """Work as long as there is a queue, and wait for it when there is none."""
        pause = FIRST_PAUSE
        while not self.stopping.is_set():
            try:
                JobWorker(self.app, self.stopping, lanes).work(logging_level="WARNING")
                pause = FIRST_PAUSE
            except (*QUEUE_ERRORS, Unavailable):
                log.debug("the queue does not answer")
            self.stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if lanes is SENDING:
                with suppress(Unavailable):
                    webapp.redis_url(self.app.config["POSTROOM"])


def main() -> int:
    """Run a worker; return the status to exit with."""
    logging.getLogger("rq.worker").addFilter(QuietAboutRedis())
    sys.setswitchinterval(USUAL_SECONDS)
    try:
        settings = config.read()
    except config.SettingsError as error:
        return _complain(str(error), WRONG_SETTINGS)
    app = webapp.create_app(settings)
    with app.app_context():
        try:
            schema.upgrade(settings.database_url)
            liveness.guard(db.engine)
            process = Process(app)
        except DBAPIError as error:
            words = str(error.orig).strip().partition("\n")[0]
            return _complain(
                f"DATABASE_URL: the database refuses: {words}", NO_DATABASE
            )
        signal.signal(signal.SIGTERM, process.ask_to_end)
        signal.signal(signal.SIGINT, process.ask_to_end)
        process.run()
    return 0


def _complain(words: str, status: int) -> int:
    sys.stderr.write(words + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
