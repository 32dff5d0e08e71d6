"""Jobs by name: the queue wakes somebody up, the database says what there is to do.

RQ runs whatever function a job names, even with the JSON serialiser, so somebody who
can write to Redis could run any code here. `NamedJob` therefore never imports what a
job names: it looks the name up among the functions that `job` has registered, and knows
no callbacks.

Arguments are ids and plain numbers. A job that does not get through loses nothing: the
database still says what is due, and the reconciler wakes somebody again.
"""

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import redis
from flask import Flask, current_app
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from webapp.core.errors import Unavailable

log = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., None])

NO_TIMEOUT = -1
SILENT_SECONDS = 2.0
RESULT_SECONDS = 60
FAILURE_SECONDS = 7 * 24 * 3600


class Lane(StrEnum):
    """The queues.

    A worker empties the first two in this order; each of the others has a thread of its
    own there, so that an import of an hour holds up no check, no launch and no sending.
    """

    TRANSACTIONAL = "transactional"
    CAMPAIGNS = "campaigns"
    CHORES = "chores"
    CHECKS = "checks"
    IMPORTS = "imports"


REGISTRY: dict[str, Callable[..., None]] = {}


class UnknownJob(Exception):
    """A job names a function that is not registered."""


def job(name: str) -> Callable[[Function], Function]:
    """Register a function as the job of this name, such as ``recipients.import``."""

    def register(function: Function) -> Function:
        if name in REGISTRY:
            raise ValueError(f"two jobs are called {name!r}")
        REGISTRY[name] = function
        return function

    return register


class NamedJob(Job):
    """A job that can only run a registered function, and has no callbacks."""

    @property
    def func(self) -> Callable[..., None]:
        """Return the registered function.

        Raises
        ------
        UnknownJob
            If the name is not registered, or the job wants a method of an object.
        """
        name = self.func_name
        if name not in REGISTRY or self.instance is not None:
            raise UnknownJob(f"no job is called {name!r}")
        return REGISTRY[name]

    @property
    def success_callback(self) -> None:
        """Return nothing: a callback would be one more way to name a function."""

    @property
    def failure_callback(self) -> None:
        """Return nothing: a callback would be one more way to name a function."""

    @property
    def stopped_callback(self) -> None:
        """Return nothing: a callback would be one more way to name a function."""

    def send_webhooks(self, status: Any, *, exc_string: str | None = None) -> None:
        """Call nobody: whoever writes to Redis could make us call any address."""


class NamedQueue(Queue):
    """A queue of `NamedJob`."""

    job_class = NamedJob


def init_app(app: Flask, address: Callable[[], str]) -> None:
    """Remember how to find Redis; it is asked for (and started) at the first use."""
    app.extensions["redis_address"] = address


def connection() -> redis.Redis:
    """Return the connection pool of the current application.

    A Redis that is frozen costs a page two seconds, not its life: silence is not asked
    again, only a connection that was cut. RQ's worker waits longer on its own account.
    """
    found = current_app.extensions
    if "redis" not in found:
        found["redis"] = redis.Redis.from_url(
            found["redis_address"](),
            socket_timeout=SILENT_SECONDS,
            socket_connect_timeout=SILENT_SECONDS,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        )
    pool: redis.Redis = found["redis"]
    return pool


def queue(lane: Lane) -> NamedQueue:
    """Return one of the queues."""
    return NamedQueue(
        lane.value,
        connection=connection(),
        serializer=JSONSerializer,
        default_timeout=NO_TIMEOUT,
    )


def enqueue(
    name: str, *args: Any, lane: Lane = Lane.CHORES, unique: str | None = None
) -> bool:
    """Wake a worker for a job; call it after the commit of what it will read.

    Parameters
    ----------
    unique
        An id; while a job with it exists, another one is not enqueued.

    Returns
    -------
    bool
        Whether a job was enqueued; false when the unique id is taken.

    Raises
    ------
    Unavailable
        If Redis does not answer.
    """
    if name not in REGISTRY:
        raise UnknownJob(f"no job is called {name!r}")
    try:
        queue(lane).enqueue_call(
            name,
            args=args,
            timeout=NO_TIMEOUT,
            result_ttl=RESULT_SECONDS if unique is None else 0,
            failure_ttl=FAILURE_SECONDS if unique is None else RESULT_SECONDS,
            job_id=unique,
            unique=unique is not None,
        )
    except DuplicateJobError:
        return False
    except redis.RedisError as error:
        log.warning("queue does not answer: %s", type(error).__name__)
        raise Unavailable(
            "The queue does not answer just now. Nothing is lost: what is waiting "
            "goes on by itself when the queue is back."
        ) from error
    return True


def depths() -> dict[str, int] | None:
    """Return how many jobs wait in each lane; nothing if Redis does not answer."""
    try:
        return {lane.value: queue(lane).count for lane in Lane}
    except (redis.RedisError, OSError):
        return None


def wake(
    name: str, *args: Any, lane: Lane = Lane.CHORES, unique: str | None = None
) -> bool:
    """Enqueue a job whose work is found later anyway; a silent queue is no error."""
    try:
        return enqueue(name, *args, lane=lane, unique=unique)
    except Unavailable:
        return False
